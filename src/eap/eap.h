/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_EAP_H
#define EAP_EAP_H

/*
 * EAP (RFC 3748), both roles, without I/O. A packet goes in, and a packet, a success or a failure
 * comes out:
 *
 *      authenticator                                   peer
 *        eap_authenticator_begin() -> Request   ---->  eap_peer_recv() -> Response
 *        eap_authenticator_recv()  -> Request   <---->  ...
 *                                  -> Success   ---->  eap_peer_recv() -> EAP_SUCCEEDED
 *
 * IKE repeats lost messages, so this layer never does. It has no timers. Every conversation ends
 * after EAP_ROUNDS packets at the latest.
 */

#include "base/error.h"
#include "base/random.h"
#include "base/span.h"
#include "base/writer.h"
#include "crypto/signature.h"

#define EAP_PACKET   4096 /* octets of a packet; what one RADIUS packet can carry */
#define EAP_ROUNDS   100  /* packets in a conversation; a chain of 64 KiB in fragments of 1 KiB */
#define EAP_ASKED    4    /* Identity or Notification requests that a peer answers */
#define EAP_IDENTITY 253  /* octets of an identity; what the User-Name of RADIUS holds */
#define EAP_MSK      64   /* octets; RFC 3748 section 7.10 */
#define EAP_REASON   320  /* octets of a reason with its final NUL */
#define EAP_METHODS  8    /* methods that a conversation may choose from */
#define EAP_PASSWORD 256  /* octets of a password, UTF-8 */

/* The EAP Types of RFC 3748 section 5 and the IANA registry. */
enum eap_type {
    EAP_TYPE_NONE = 0,
    EAP_TYPE_IDENTITY = 1,
    EAP_TYPE_NOTIFICATION = 2,
    EAP_TYPE_NAK = 3,
    EAP_TYPE_MD5 = 4,
    EAP_TYPE_GTC = 6,
    EAP_TYPE_TLS = 13,
    EAP_TYPE_SIM = 18,
    EAP_TYPE_TTLS = 21,
    EAP_TYPE_AKA = 23,
    EAP_TYPE_PEAP = 25,
    EAP_TYPE_MSCHAPV2 = 26,
    EAP_TYPE_AKA_PRIME = 50,
    EAP_TYPE_EXPANDED = 254,
};

/* eap_type_of - by the name of swanctl.conf without its "eap-" ("mschapv2"); EAP_TYPE_NONE: none
 * that this layer has. eap_type_name - the reverse; "unknown" for others. */
enum eap_type eap_type_of(struct span name);
const char *eap_type_name(uint8_t type);

/* eap_type_plays - the method has that role. */
bool eap_type_plays(enum eap_type type, bool authenticator);

/* eap_type_derives_keys - the method ends with an MSK. */
bool eap_type_derives_keys(enum eap_type type);

/* eap_type_presents - that role of the method has to show a certificate of ours. */
bool eap_type_presents(enum eap_type type, bool authenticator);

/* --- secrets --- */

enum eap_secret_kind {
    EAP_SECRET_PASSWORD = 1, /* UTF-8 text; for SIM and AKA: K and OPc, 16 octets each */
    EAP_SECRET_NT_HASH,      /* MD4 of the password in UTF-16LE, 16 octets: MSCHAPv2 only */
};

struct eap_secret {
    enum eap_secret_kind kind;
    size_t len;
    uint8_t octets[EAP_PASSWORD];
};

/* struct eap_secrets - where a conversation finds the secret of an identity. */
struct eap_secrets {
    /* Copies the secret of `identity`; the caller wipes it. ERR_NOT_FOUND. */
    int (*find)(void *context, struct span identity, struct eap_secret *ret_secret);
    /* sqn_take - USIM of the peer: whether a sequence number (48 bits) is newer than all that it took,
     * and takes it; *ret_highest: of those before. */
    bool (*sqn_take)(void *context, struct span identity, uint64_t sqn, uint64_t *ret_highest);
    /* sqn_next - authenticator: a sequence number above all that were used, and above `above`. */
    uint64_t (*sqn_next)(void *context, struct span identity, uint64_t above);
    void *context;
};

/* --- what a conversation yields --- */

enum eap_verdict {
    EAP_REPLY = 1, /* send the packet */
    EAP_SUCCEEDED, /* authenticator: send the packet (EAP-Success). Peer: nothing to send. */
    EAP_FAILED,    /* authenticator: send the packet (EAP-Failure). Peer: nothing to send. */
};

struct eap_result {
    enum eap_verdict verdict;
    enum eap_type type; /* the method that proved the identity; of a failure: the last one */
    size_t packet_len, msk_len, identity_len;
    uint8_t packet[EAP_PACKET];
    uint8_t msk[EAP_MSK];           /* with EAP_SUCCEEDED; no octets: the method has no key */
    uint8_t identity[EAP_IDENTITY]; /* authenticator: the proven one */
    int64_t not_after; /* with EAP_SUCCEEDED: seconds since 1970, the first end of the other side's
                          certificates; 0: it had none */
    char reason[EAP_REASON]; /* with EAP_FAILED, or with a last Response that says failure. May hold
                                 text of the other side: escape it */
};

/* eap_result_done - wipes. */
void eap_result_done(struct eap_result *result);

/* --- the algorithms of the methods --- */

struct eap_crypto; /* MD4, DES, AES and digests: a library context of its own */

/* eap_crypto_new - loads OpenSSL's legacy provider: before a process gives up its files. NULL: no
 * memory, or libcrypto lacks an algorithm. */
struct eap_crypto *eap_crypto_new(void);
struct eap_crypto *eap_crypto_free(struct eap_crypto *crypto); /* takes NULL; returns NULL */

/* --- TLS --- */

#define EAP_KEY_ID 20 /* SHA-1 of a subjectPublicKey */
#define EAP_CERTS  8  /* of one side's chain */

/* struct eap_signature - one that TLS needs: tls_signed_is() of its octets. */
struct eap_signature {
    uint8_t key_id[EAP_KEY_ID];
    struct signature_scheme scheme; /* ECDSA in DER; PSS with a salt as long as the hash */
    struct span octets;
};

/* struct eap_chain - what the other side presents. It has proved that it has the first one's key,
 * or cannot go on without. All borrowed during the call. */
struct eap_chain {
    bool of_server;
    struct span identity; /* of a client: the one that it has to be */
    size_t n;
    struct span certs[EAP_CERTS]; /* DER, its own first */
};

/*
 * struct eap_tls - our certificates, and who does the rest: the private key and the check of the
 * other side's certificates are somewhere else. Borrowed by a conversation for its life.
 */
struct eap_tls {
    size_t n_certs;
    struct span certs[EAP_CERTS]; /* DER, ours first; none: we have nothing to present */
    bool only_12;                 /* no TLS 1.3: for tests of what is older */
    /* Signs, and appends the signature. Any error. */
    int (*sign)(void *context, const struct eap_signature *signature, struct writer *ret_signature);
    /* Whether the chain may be used. ERR_AUTH, with a reason; other errors. *ret_not_after: seconds
     * since 1970, the first end of the chain. */
    int (*check)(void *context, const struct eap_chain *chain, int64_t *ret_not_after,
                 char ret_reason[EAP_REASON]);
    void *context;
};

/* --- conversations --- */

struct eap_config {
    struct eap_crypto *crypto;         /* borrowed */
    const struct random *random;       /* borrowed */
    const struct eap_secrets *secrets; /* borrowed */
    const struct eap_tls *tls;         /* borrowed; NULL: no TLS */
    struct span identity;              /* copied. Authenticator: what the peer claims; none: ask */
    size_t n_methods;                  /* the wanted ones, the preferred one first */
    enum eap_type methods[EAP_METHODS];
};

struct eap_peer;

/* eap_peer_new - ERR_INVALID: no method, one that has no peer side, or an identity that is too
 * long; ERR_NO_MEMORY. */
int eap_peer_new(const struct eap_config *config, struct eap_peer **ret_peer) MUST_USE;
struct eap_peer *eap_peer_free(struct eap_peer *peer); /* wipes; takes NULL; returns NULL */

/* eap_peer_recv - a packet of the authenticator, hostile until the method has proved otherwise. */
void eap_peer_recv(struct eap_peer *peer, struct span packet, struct eap_result *ret_result);

struct eap_authenticator;

int eap_authenticator_new(const struct eap_config *config,
                          struct eap_authenticator **ret_authenticator) MUST_USE;
struct eap_authenticator *eap_authenticator_free(struct eap_authenticator *authenticator);

/* eap_authenticator_begin - the first Request. Once, before any recv. */
void eap_authenticator_begin(struct eap_authenticator *authenticator,
                             struct eap_result *ret_result);
void eap_authenticator_recv(struct eap_authenticator *authenticator, struct span packet,
                            struct eap_result *ret_result);

#endif
