/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CERT_STORE_H
#define DAEMON_CERT_STORE_H

/* The loaded certificates and public keys, and the loaded and fetched lists of revocations. */

#include <openssl/x509.h>

#include "base/table.h"

#include "daemon/common/verifier_channel.h"

#define CERT_STORE_CERTS  65536
#define CERT_STORE_CRLS   1024
#define CERT_STORE_SKEW_S 300 /* between the clock of a CA or a responder and ours */

/* limits of fetched lists; the oldest list goes first */
#define CERT_STORE_FETCHED        256
#define CERT_STORE_FETCHED_OCTETS (16u << 20)

struct cert {
    UT_hash_handle hh; /* by digest */
    uint8_t digest[CERT_DIGEST];
    uint8_t key_id[KEY_ID_SIZE]; /* SHA-1 of the subjectPublicKey */
    /* SHA-1 of the SubjectPublicKeyInfo, as CERTREQ has it */
    uint8_t ca_id[KEY_ID_SIZE];
    unsigned roles; /* bits 1 << enum cert_role */
    X509 *x509;     /* NULL: `key` alone */
    EVP_PKEY *key;
    bool has_private;       /* the keyholder has its private key */
    struct cert_uris *uris; /* owned; NULL: no section of authorities names any */
};

struct cert_uris {
    struct engine_uris crl, ocsp;
    char certs[AUTHORITY_URI]; /* cert_uri_base; empty: none */
};

struct cert_crl {
    X509_CRL *list;
    bool verified; /* signed by a CA that we have */
    bool fetched;  /* from a URL; else loaded */
    unsigned load; /* of a loaded list: the number of the load that brought it last */
    size_t n_octets;
};

struct cert_store {
    struct cert *certs; /* in order of loading */
    size_t n_crls;
    struct cert_crl *crls; /* owned */
    unsigned load;         /* number of the last load of all CRLs */
    uint64_t changes;      /* number of changes of lists or CAs: earlier results may be outdated */
    X509_STORE *anchors;   /* of CERT_ROLE_CA; NULL: to be made anew */
    size_t n_keys;
    uint8_t (*keys)[KEY_ID_SIZE]; /* owned: private keys of the keyholder */
};

int cert_store_init(struct cert_store *store) MUST_USE; /* ERR_NO_MEMORY */
void cert_store_done(struct cert_store *store);

/* cert_store_add - ERR_INVALID: no certificate or key in DER, or octets behind
 * it; ERR_FULL. */
int cert_store_add(struct cert_store *store, const struct verifier_cert *cert,
                   struct span octets) MUST_USE;
void cert_store_remove(struct cert_store *store, const struct verifier_cert *cert);

/* cert_store_key - the keyholder has the private key of that id now, or no
 * more. */
int cert_store_key(struct cert_store *store, const struct verifier_key *key) MUST_USE;

/* cert_store_crl - ERR_INVALID: no CRL in DER; ERR_FULL. A newer list replaces an older one of the
 * same scope, unless only the older one is signed by a CA that we have. */
int cert_store_crl(struct cert_store *store, struct span octets) MUST_USE;

/* cert_store_crls_begin, cert_store_crls_end - the beginning and end of a load of all CRLs. Lists
 * that are not in the load are dropped only at its end, so no list is missing meanwhile. */
void cert_store_crls_begin(struct cert_store *store);
void cert_store_crls_end(struct cert_store *store);

/* cert_store_fetched - adds a list from a URL for certificates of `issuer`, in DER or PEM. It never
 * replaces a loaded list. ERR_INVALID: no CRL; ERR_AUTH: signed neither by the issuer nor by a CA
 * that we have; ERR_WRONG_STATE: out of date, or older than the one before. */
int cert_store_fetched(struct cert_store *store, struct span octets, X509 *issuer) MUST_USE;
void cert_store_flush(struct cert_store *store); /* what was fetched */

/* cert_store_lists_end - seconds since 1970: when the first valid list of that CA expires;
 * INT64_MAX: never. */
int64_t cert_store_lists_end(const struct cert_store *store, X509 *issuer);

/* cert_store_base - a list of that CA which is complete (RFC 5280 section 5.2.4) and valid now;
 * borrowed. NULL: none. */
X509_CRL *cert_store_base(const struct cert_store *store, X509 *issuer);

/* cert_store_deltas - whether the store has the base of a valid delta list of that CA: same scope
 * and key, and the base is not older than the delta's BaseCRLNumber (RFC 5280 section 5.2.4). */
enum cert_deltas { CERT_DELTAS_NONE, CERT_DELTAS_FIT, CERT_DELTAS_AHEAD /* of our bases */ };
enum cert_deltas cert_store_deltas(const struct cert_store *store, X509 *issuer);

/* cert_store_list_of_now - the list is valid now, by its thisUpdate and nextUpdate, within
 * CERT_STORE_SKEW_S. */
bool cert_store_list_of_now(const X509_CRL *list);

/* cert_store_authority - ERR_NOT_FOUND: no such certificate; ERR_NO_MEMORY. */
int cert_store_authority(struct cert_store *store,
                         const struct verifier_authority *authority) MUST_USE;

/* cert_store_responders - certificates of OCSP responders that are trusted by configuration: a new
 * stack of borrowed ones. NULL: no memory. */
STACK_OF(X509) * cert_store_responders(const struct cert_store *store);

/* cert_store_try - checks whether it could be added, and keeps nothing. `role` of a certificate. */
int cert_store_try(const struct cert_store *store, bool crl, uint32_t role,
                   struct span octets) MUST_USE;

struct cert *cert_store_find(const struct cert_store *store,
                             const uint8_t digest[CERT_DIGEST]); /* NULL: none */

/* cert_store_anchors - all certificates of CERT_ROLE_CA; borrowed. NULL: no
 * memory. */
X509_STORE *cert_store_anchors(struct cert_store *store);

/* cert_store_crls - the lists whose signature is that of a CA among ours or `others`: a list
 * without a known signer has no value. A new stack of borrowed lists; NULL: no memory. */
STACK_OF(X509_CRL) * cert_store_crls(struct cert_store *store, const STACK_OF(X509) * others);

/* cert_read - exactly one certificate in DER. NULL: it is none. */
X509 *cert_read(struct span octets);
EVP_PKEY *cert_read_pubkey(struct span octets);

#endif
