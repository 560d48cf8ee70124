/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CERT_POLICY_H
#define DAEMON_CERT_POLICY_H

/*
 * The configuration of keys and certificates for one authentication round. The IKE core does not
 * read it. It only has a number for it (struct ike_auth_policy, credentials).
 */

#include "ike/connection.h"

#define CERT_POLICY_CERTS    8
#define CERT_POLICY_POLICIES 4
#define CERT_POLICY_OID      64
#define CERT_POLICY_GROUPS   8
#define CERT_DIGEST          32 /* SHA-256 of the DER encoding; it names a certificate or key */

enum cert_revocation {
    CERT_REVOCATION_RELAXED, /* a certificate that is known to be revoked is refused */
    /* ... and one that names a CRL or OCSP server, if no list says that it is good */
    CERT_REVOCATION_IFURI,
    CERT_REVOCATION_STRICT, /* ... and every other one, if no list says that it is good */
};

/* Key strengths that a chain must have (`auth = rsa-2048-ecdsa-256`). All 0: any key of at least
 * 112 bits of security. A kind of key without a number is refused when another kind has one. */
struct cert_strength {
    uint16_t rsa_bits, ecdsa_bits;
    uint8_t ed25519, ed448;
};

/* struct cert_policy - all zero: no demands. Hashes are bits 1 << enum signature_hash; 0: any. */
struct cert_policy {
    uint8_t n_certs, n_cas, n_pubkeys, n_policies;
    uint8_t revocation; /* enum cert_revocation */
    uint8_t pss;        /* RSA keys sign with PSS only, ours and the peer's */
    uint8_t n_groups;   /* remote, eap-radius: the server must name one of these groups */
    uint32_t eap;       /* EAP rounds: daemon/common/eap_methods.h */
    uint16_t chain_hashes, ike_hashes;
    struct cert_strength strength;
    /* local: our certificates; remote: the peer has one of these */
    uint8_t certs[CERT_POLICY_CERTS][CERT_DIGEST];
    uint8_t cas[CERT_POLICY_CERTS][CERT_DIGEST];     /* remote: the chain ends at one of these */
    uint8_t pubkeys[CERT_POLICY_CERTS][CERT_DIGEST]; /* SHA-256 of the SubjectPublicKeyInfo */
    struct ike_id ca_id; /* remote: a CA of the chain must have this name; type 0: any */
    char policies[CERT_POLICY_POLICIES][CERT_POLICY_OID]; /* dotted: all of these */
    char groups[CERT_POLICY_GROUPS][LIMIT_NAME];
};

#endif
