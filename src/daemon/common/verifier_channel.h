/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VERIFIER_CHANNEL_H
#define DAEMON_VERIFIER_CHANNEL_H

/*
 * Requests to the verifier and its answers: structs of fixed size with octets behind them
 * (daemon/common/channel.h).
 */

#include "daemon/common/auth_parts.h"
#include "daemon/common/cert_policy.h"
#include "daemon/common/key_channel.h"

#define VERIFIER_CERT_MAX (16 * 1024) /* octets of one certificate */
#define VERIFIER_CRL_MAX  (1u << 20)  /* and of one list of revocations */
#define VERIFIER_OCTETS   VERIFIER_CRL_MAX
#define VERIFIER_REASON   400
#define VERIFIER_CHAIN    LIMIT_CERTS /* certificates of one peer, and of ours */

enum verifier_kind {
    VERIFIER_CERT = 1, /* cert; behind it the DER encoding */
    VERIFIER_UNCERT,   /* cert.digest */
    VERIFIER_KEY,      /* key: the keyholder has that private key now, or no more */
    VERIFIER_CRL,      /* behind it the DER encoding: replaces an older one of its issuer */
    VERIFIER_FLUSH,    /* flush: forget fetched documents */
    VERIFIER_CHOOSE,   /* choose: the certificate that we present */
    VERIFIER_CHECK,    /* check: AUTH and certificates of a peer */
    /* tls: certificates whose key TLS has proven. The eap and aaa processes may ask this, and nothing else */
    VERIFIER_TLS,
    VERIFIER_CERT_TRY,   /* as VERIFIER_CERT, but checks only that it could be loaded */
    VERIFIER_CRL_TRY,    /* as CRL */
    VERIFIER_CRLS_BEGIN, /* a load of all CRLs begins; at its END, CRLs that it lacks are removed */
    VERIFIER_CRLS_END,
    VERIFIER_AUTHORITY, /* authority: URIs of the CA */
    /* show: the lists of CAs and the responses of responders, one for each request; in DER behind
     * the answer. ERR_NOT_FOUND: no more; ERR_FULL: too long to be shown */
    VERIFIER_SHOW,
    VERIFIER_CLAIM,  /* claim: a login became a session. An answer comes only if it must end */
    VERIFIER_PASS,   /* claim: what `from` has claimed passes to the session. As CLAIM */
    VERIFIER_FORGET, /* claim.session is over; no answer comes */
    VERIFIER_CHAINS, /* claim.session goes to another engine: its chains are behind the answer */
    VERIFIER_KEEP,   /* claim.session came from another engine; behind it its chains. As CLAIM */
};

enum cert_role {
    CERT_ROLE_PLAIN,       /* of an end entity, or of an intermediate CA */
    CERT_ROLE_CA,          /* a trust anchor of connections without cacerts */
    CERT_ROLE_CONN,        /* named by connections, in certs or cacerts */
    CERT_ROLE_PUBKEY,      /* a SubjectPublicKeyInfo instead of a certificate */
    CERT_ROLE_CONN_PUBKEY, /* the same, named by connections in pubkeys */
    CERT_ROLE_AUTHORITY,   /* a trust anchor as CERT_ROLE_CA, of a section of authorities */
    CERT_ROLE_OCSP,        /* a responder that is trusted for certificates of any CA */
    CERT_ROLES
};

static inline bool cert_role_is_pubkey(uint32_t role)
{
    return role == CERT_ROLE_PUBKEY || role == CERT_ROLE_CONN_PUBKEY;
}

struct verifier_cert {
    uint8_t digest[CERT_DIGEST];
    uint32_t role; /* enum cert_role; the certificate may have several, one after the other */
};

#define AUTHORITY_URIS 4
#define AUTHORITY_URI  256
struct engine_uris {
    uint8_t n;
    char text[AUTHORITY_URIS][AUTHORITY_URI];
};

struct verifier_authority {
    uint8_t digest[CERT_DIGEST];  /* of a certificate that is here */
    struct engine_uris crl, ocsp; /* where it says which certificates it has revoked */
    /* base of URLs; the SHA-1 of a certificate of this CA follows, in hexadecimal digits; empty:
     * none */
    char cert_uri_base[AUTHORITY_URI];
};

struct verifier_key {
    uint8_t key_id[KEY_ID_SIZE];
    uint32_t present;
};

struct verifier_choose {
    struct ike_id local;
    struct cert_policy policy;
    uint32_t n_ca_ids;     /* behind the struct: 20 octets each */
    uint32_t ocsp;         /* 1: with an OCSP response about our certificate (RFC 4806) */
    uint32_t hash_and_url; /* 1: the peer fetches certificates (RFC 7296 section 3.6) */
    /* 1: the key signs AUTH, and prefer one whose signature the peer verifies: */
    uint16_t for_auth, hashes; /* hashes: struct signature_wish */
    uint32_t n_announced;
    struct ike_announced announced[IKE_ANNOUNCED];
};

struct verifier_check {
    struct ike_id remote;
    uint32_t auth_method, n_certs;
    struct auth_lengths lengths;
    uint32_t cert_lengths[VERIFIER_CHAIN]; /* the certificates are behind the parts of AUTH */
    uint8_t encodings[VERIFIER_CHAIN];
    char conn[LIMIT_NAME]; /* for messages to the user */
    struct cert_policy policy;
};

/* what VERIFIER_FLUSH is about */
#define VERIFIER_FLUSH_LISTS     1u
#define VERIFIER_FLUSH_RESPONSES 2u

/* struct verifier_show - `index`: from 0, in the order of arrival. */
struct verifier_show {
    uint32_t responses; /* 1: OCSP responses; 0: lists of revocations, loaded or fetched */
    uint32_t index;
};

/* struct verifier_claim - see chain_watch.h. */
struct verifier_claim {
    uint64_t chain; /* of the answer to CHECK or TLS */
    uint32_t session;
    uint32_t from; /* PASS */
};

enum verifier_tls_of { TLS_OF_USER, TLS_OF_EAP_SERVER, TLS_OF_RADIUS_SERVER };

struct verifier_tls {
    struct ike_id identity;                /* whom the first certificate must name */
    uint32_t of, n_certs;                  /* of: enum verifier_tls_of */
    uint32_t cert_lengths[VERIFIER_CHAIN]; /* the certificates are behind the struct */
    char conn[LIMIT_NAME];                 /* or of the section of the RADIUS server */
    struct cert_policy policy;
};

struct verifier_request {
    uint32_t n_octets; /* behind the struct */
    uint32_t kind;
    uint64_t job;
    union {
        struct verifier_cert cert;
        struct verifier_authority authority;
        struct verifier_key key;
        struct verifier_choose choose;
        struct verifier_check check;
        struct verifier_tls tls;
        struct verifier_claim claim;
        struct verifier_show show;
        uint32_t flush; /* VERIFIER_FLUSH_* */
    };
};

/* struct verifier_answer - CHOOSE: with the certificates to send behind it, ours first. */
struct verifier_answer {
    uint32_t n_octets;
    int32_t error;
    uint64_t job;                /* 0: not an answer: `session` must end, with a reason */
    uint8_t key_id[KEY_ID_SIZE]; /* CHOOSE */
    uint32_t methods;            /* CHOOSE: struct signature_wish, of the CAs of that certificate */
    uint32_t n_certs;
    uint32_t cert_lengths[VERIFIER_CHAIN];
    uint8_t encodings[VERIFIER_CHAIN];
    /* CHECK, TLS: seconds since 1970, the first end of the chain; 0: without end */
    int64_t not_after;
    uint64_t chain; /* CHECK, TLS: for VERIFIER_CLAIM; 0: it cannot be revoked */
    uint32_t session;
    uint32_t unfit; /* CHECK, with an error: 1: the proof may meet the demands of another policy */
    char reason[VERIFIER_REASON]; /* for a person: why not */
};

#endif
