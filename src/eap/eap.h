/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_EAP_H
#define EAP_EAP_H

/*
 * EAP (RFC 3748), both roles, without I/O. Each function takes a packet, and returns a packet, a
 * success or a failure:
 *
 *      authenticator                                   peer
 *        eap_authenticator_begin() -> Request   ---->  eap_peer_recv() -> Response
 *        eap_authenticator_recv()  -> Request   <---->  ...
 *                                  -> Success   ---->  eap_peer_recv() -> EAP_SUCCEEDED
 *
 * IKE retransmits lost messages, so this layer has no timers. Each conversation ends after
 * EAP_ROUNDS packets at the latest.
 */

#include "base/error.h"
#include "base/random.h"
#include "base/span.h"
#include "base/writer.h"
#include "crypto/signature.h"

#define EAP_PACKET   4096 /* octets of a packet, as many as a RADIUS packet */
#define EAP_ROUNDS   100  /* packets of a conversation: certificates of 64 KiB in 1 KiB fragments */
#define EAP_ASKED    4    /* Identity or Notification requests that a peer answers */
#define EAP_IDENTITY 253  /* octets of an identity; fits the User-Name of RADIUS */
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
    /* TTLS with a plain password inside, the peer's side only; in packets their Type is TTLS */
    EAP_TYPE_TTLS_PAP = 240,
    EAP_TYPE_TTLS_CHAP = 241,
    EAP_TYPE_TTLS_MSCHAPV2 = 242,
    EAP_TYPE_EXPANDED = 254,
};

/* eap_type_name - the name of the Type in swanctl.conf, without "eap-" ("mschapv2"). "unknown":
 * this layer has no such method. */
const char *eap_type_name(uint8_t type);

/* eap_type_plays - the method can play that role. */
bool eap_type_plays(enum eap_type type, bool authenticator);

/* eap_type_derives_keys - the method ends with an MSK. */
bool eap_type_derives_keys(enum eap_type type);

/* eap_type_presents - in that role the method presents a certificate of ours. */
bool eap_type_presents(enum eap_type type, bool authenticator);

/* --- secrets --- */

enum eap_secret_kind {
    /* UTF-8 text; for SIM and AKA: K and OPc, 16 octets each; for SIM also: triplets (sim_auth.h) */
    EAP_SECRET_PASSWORD = 1,
    EAP_SECRET_NT_HASH, /* MD4 of the password in UTF-16LE, 16 octets: MSCHAPv2 only */
};

struct eap_secret {
    enum eap_secret_kind kind;
    size_t len;
    uint8_t octets[EAP_PASSWORD];
};

/* struct eap_secrets - functions of the caller that give a conversation the secret of an
 * identity. */
struct eap_secrets {
    /* Copies the secret of `identity`; the caller wipes it. ERR_NOT_FOUND. */
    int (*find)(void *context, struct span identity, struct eap_secret *ret_secret);
    /* sqn_take - peer: its USIM accepts a sequence number (48 bits) only if it is higher than all
     * earlier ones. *ret_highest: the highest earlier one. */
    bool (*sqn_take)(void *context, struct span identity, uint64_t sqn, uint64_t *ret_highest);
    /* sqn_next - authenticator: a sequence number above `above` and above all that it has used. */
    uint64_t (*sqn_next)(void *context, struct span identity, uint64_t above);
    void *context;
};

/* --- results of a conversation --- */

enum eap_verdict {
    EAP_REPLY = 1, /* send the packet */
    EAP_SUCCEEDED, /* authenticator: send the packet (EAP-Success). Peer: nothing to send. */
    EAP_FAILED,    /* authenticator: send the packet (EAP-Failure). Peer: nothing to send. */
};

struct eap_result {
    enum eap_verdict verdict;
    enum eap_type type; /* the method that proved the identity, or that failed */
    size_t packet_len, msk_len, identity_len;
    uint8_t packet[EAP_PACKET];
    uint8_t msk[EAP_MSK];           /* with EAP_SUCCEEDED; msk_len 0: the method has no key */
    uint8_t identity[EAP_IDENTITY]; /* authenticator: the proven identity */
    /* with EAP_SUCCEEDED: as in struct eap_vouched; 0: the other side had no certificate */
    int64_t not_after;
    uint64_t chain;
    /* with EAP_FAILED, or with a last Response that reports a failure. It may contain text of the
     * other side, so escape it. */
    char reason[EAP_REASON];
};

/* eap_result_done - wipes. */
void eap_result_done(struct eap_result *result);

/* eap_result_refuse - of a success that does not meet the demands of a connection makes a failure
 * with its EAP-Failure. The type and the identity stay; the key is wiped. */
void eap_result_refuse(struct eap_result *result, const char *reason);

/* --- the algorithms of the methods --- */

struct eap_crypto; /* MD4, DES, AES and digests, in a library context of their own */

/* eap_crypto_new - loads OpenSSL's legacy provider from a file, so call it before the sandbox
 * closes the file system. NULL: no memory, or libcrypto lacks an algorithm. */
struct eap_crypto *eap_crypto_new(void);
struct eap_crypto *eap_crypto_free(struct eap_crypto *crypto); /* takes NULL; returns NULL */

/* --- TLS --- */

#define EAP_KEY_ID 20 /* SHA-1 of a subjectPublicKey */
#define EAP_CERTS  8  /* certificates of a chain */

/* struct eap_signature - a signature that TLS needs; tls_signed_is() is true for its octets. */
struct eap_signature {
    uint8_t key_id[EAP_KEY_ID];
    struct signature_scheme scheme; /* ECDSA in DER; PSS with a salt as long as the hash */
    struct span octets;
};

/* struct eap_chain - the certificates of the other side. The other side has proven that it has the
 * private key of the first certificate, or cannot complete the handshake without it. All spans are
 * borrowed during the call. */
struct eap_chain {
    bool of_server;
    struct span identity; /* of a client: the identity that it must name */
    size_t n;
    struct span certs[EAP_CERTS]; /* DER, its own first */
};

/* struct eap_vouched - the result of checking a chain. */
struct eap_vouched {
    int64_t not_after; /* when the first certificate expires, in seconds since 1970; 0: none */
    uint64_t chain;    /* number of the chain, to learn of a later revocation; 0: none */
};

/*
 * struct eap_tls - our certificates, and two functions of the caller: other processes hold the
 * private key and check the other side's certificates. A conversation borrows the struct for its
 * life.
 */
struct eap_tls {
    size_t n_certs;
    struct span certs[EAP_CERTS]; /* DER, ours first; none: we present none */
    struct span ocsp;             /* server: an OCSP response about ours; empty: none */
    bool only_12;                 /* no TLS 1.3; for tests */
    /* Signs, and appends the signature. Any error. */
    int (*sign)(void *context, const struct eap_signature *signature, struct writer *ret_signature);
    /* Checks the chain. ERR_AUTH: the chain is refused, and the reason says why; other errors. */
    int (*check)(void *context, const struct eap_chain *chain, struct eap_vouched *ret_vouched,
                 char ret_reason[EAP_REASON]);
    void *context;
};

/* --- conversations --- */

struct eap_name_store;

struct eap_config {
    struct eap_crypto *crypto;         /* borrowed */
    const struct random *random;       /* borrowed */
    const struct eap_secrets *secrets; /* borrowed */
    const struct eap_tls *tls;         /* borrowed; NULL: no TLS */
    /* borrowed; NULL: SIM and AKA use no pseudonyms and no fast re-authentication (names.h) */
    const struct eap_name_store *store;
    /* copied. Peer: our identity. Authenticator: the identity that the peer claims; empty: EAP asks
     * for it */
    struct span identity;
    size_t n_methods; /* the accepted methods, the preferred one first */
    enum eap_type methods[EAP_METHODS];
};

struct eap_peer;

/* eap_peer_new - ERR_INVALID: no method, a method without a peer side, or an identity that is too
 * long; ERR_NO_MEMORY. */
int eap_peer_new(const struct eap_config *config, struct eap_peer **ret_peer) MUST_USE;
struct eap_peer *eap_peer_free(struct eap_peer *peer); /* wipes; takes NULL; returns NULL */

/* eap_peer_recv - takes a packet of the authenticator, which may be hostile until the method has
 * proven its identity. */
void eap_peer_recv(struct eap_peer *peer, struct span packet, struct eap_result *ret_result);

struct eap_authenticator;

int eap_authenticator_new(const struct eap_config *config,
                          struct eap_authenticator **ret_authenticator) MUST_USE;
struct eap_authenticator *eap_authenticator_free(struct eap_authenticator *authenticator);

/* eap_authenticator_begin - writes the first Request. Call it once, before
 * eap_authenticator_recv. */
void eap_authenticator_begin(struct eap_authenticator *authenticator,
                             struct eap_result *ret_result);
/* eap_authenticator_asked - in place of eap_authenticator_begin: another conversation has sent the
 * Request for the identity with this Identifier, and the next packet answers it. The configuration
 * must have no identity. */
void eap_authenticator_asked(struct eap_authenticator *authenticator, uint8_t identifier);
void eap_authenticator_recv(struct eap_authenticator *authenticator, struct span packet,
                            struct eap_result *ret_result);

#endif
