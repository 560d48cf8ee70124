/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_LOAD_H
#define DAEMON_ENGINE_LOAD_H

/* A configuration for the engine, and its parts. */

#include "daemon/common/verifier_channel.h"
#include "daemon/tables/credentials.h"
#include "daemon/tables/pools.h"
#include "ike/ike.h"

#define ENGINE_ERROR_MAX 512 /* octets of the reason why a load is refused, with its NUL */

enum engine_secret_kind {
    ENGINE_SECRET_IKE,
    ENGINE_SECRET_EAP,
    ENGINE_SECRET_NTLM,
    ENGINE_SECRET_PPK
};

struct engine_secret {
    enum engine_secret_kind kind;
    char id[LIMIT_NAME];   /* unique name; empty: replaces nothing */
    const uint8_t *octets; /* borrowed during the call, wiped by the caller */
    size_t n_octets;
    uint8_t n_owners; /* 0: any */
    struct ike_id owners[8];
};

/* struct engine_authority - a section of `authorities`. */
struct engine_authority {
    char name[LIMIT_NAME];
    /* the certificate of the CA in DER, borrowed; empty if it is loaded already */
    struct span octets;
    uint8_t digest[CERT_DIGEST];
    char subject[256]; /* of the certificate, printed */
    struct engine_uris crl, ocsp;
    char cert_uri_base[AUTHORITY_URI]; /* empty: none */
};

/* struct conn_credentials - the demands of a connection's rounds on keys and certificates, and the
 * certificates that the connection names. */
#define CONN_CERTS (4 * CERT_POLICY_CERTS)
struct conn_cert {
    enum cert_role role;
    size_t len;
    uint8_t *octets; /* owned, DER */
};
struct conn_credentials {
    struct cert_policy local[POLICY_ROUNDS], remote[POLICY_ROUNDS];
    size_t n_certs;
    struct conn_cert certs[CONN_CERTS];
};
void conn_credentials_done(struct conn_credentials *credentials);

struct aaa_server; /* daemon/common/aaa_channel.h */

/* struct engine_cert - a certificate, public key or list of revocations of a load, in DER. */
struct engine_cert {
    bool crl;
    enum cert_role role; /* not of a list */
    uint8_t digest[CERT_DIGEST];
    struct span octets;
};
/* struct engine_key - a private key of a load. */
struct engine_key {
    uint8_t id[KEY_ID_SIZE];
    struct span octets, passphrase;
};

/* struct engine_load - a whole configuration. Each connection is a reference of the caller. With a
 * number it comes from a loader: secrets, private keys and RADIUS secrets have no octets here,
 * since the processes that keep them already have them (load_door.h). */
struct engine_load {
    uint64_t number; /* 0: of a client */
    size_t n_conns, n_pools, n_secrets, n_certs, n_keys, n_authorities, n_radius;
    struct ike_conn **conns;
    struct pool_config *pools;
    struct engine_secret *secrets; /* named */
    struct engine_cert *certs;     /* certificates, including those that connections name */
    struct engine_key *keys;
    struct engine_authority *authorities;
    struct aaa_server *radius;
    bool files; /* certificates and private keys that are not in the load are unloaded */
};

#endif
