/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_KEY_CHANNEL_H
#define DAEMON_KEY_CHANNEL_H

/*
 * The requests to the keyholder and its answers: structs of fixed size with octets behind them
 * (daemon/common/channel.h). Secrets and private keys go in, and never come out.
 */

#include "daemon/common/auth_parts.h"
#include "daemon/common/token_channel.h"
#include "ike/terms/ppk.h"

#define KEY_OWNERS 8
#define KEY_SECRET 512
/* Locked memory that the pre-shared secrets of one load may take, in octets. The keyholder has room for
 * two loads, as it has during a reload, and for private keys. */
#define KEY_SECRETS_ROOM 25165824
#define KEY_SECRET_LEAST 64          /* octets that the shortest secret takes */
#define KEY_FILE         (64 * 1024) /* octets of a private key or a PKCS#12 container */
#define KEY_REASON       200
#define KEY_AUTH         1200 /* octets of AUTH data: RSA with 8,192 bits, and what stands before it */
#define KEY_OCTETS       (KEY_FILE + AUTH_PARTS_MAX)
#define KEY_ANSWER       2048 /* octets behind an answer: AUTH data, or the contents of a ticket */
#define KEY_ID_SIZE      20   /* SHA-1 of the subjectPublicKey (RFC 5280 section 4.2.1.2) */

/* key_secret_room - locked memory for a secret of that length: a power of two. */
static inline size_t key_secret_room(size_t len)
{
    size_t room = KEY_SECRET_LEAST;
    while (room < len)
        room *= 2;
    return room;
}

enum key_request_kind {
    KEY_LOAD = 1,       /* load; behind it the secret: replaces the secret of the same name */
    KEY_UNLOAD,         /* load.name */
    KEY_CLEAR,          /* all secrets and private keys */
    KEY_SIGN,           /* auth: by a pre-shared key */
    KEY_VERIFY,         /* auth: of a pre-shared key */
    KEY_PRIVATE_LOAD,   /* private; behind it the key's octets and its passphrase */
    KEY_PRIVATE_UNLOAD, /* private.key_id */
    KEY_PRIVATE_SIGN,   /* auth and sign: by a private key */
    KEY_TLS_ALLOW,      /* private.key_id: from now on it may sign for TLS of EAP and RADIUS */
    /* tls; behind it what TLS signs. The eap and aaa processes may ask this, and nothing else */
    KEY_TLS_SIGN,
    KEY_PRIVATE_TRY, /* as KEY_PRIVATE_LOAD, but checks only that the key could be loaded */
    /* load_number: the secrets and keys that this loader staged replace all that have a name;
     * ERR_NOT_FOUND */
    KEY_STAGE_COMMIT,
    KEY_STAGE_DROP,  /* load_number: drops what this loader staged */
    KEY_TOKEN_LOAD,  /* token: a key that stays on its token; else as PRIVATE_LOAD */
    KEY_TOKEN_CERT,  /* token: from a loader only; the certificate is behind the answer */
    KEY_MODULE,      /* module: from a loader only; allows a PKCS#11 library */
    KEY_PPK,         /* ppk; behind it SK_d', SK_pi' and SK_pr' */
    KEY_TICKET_SEAL, /* ticket; behind it SK_d and `extra`: makes a ticket */
    KEY_TICKET_OPEN, /* ticket; behind it the ticket, Ni, Nr: opens it; `extra` */
    /* ticket.family, .issued_ms: makes the ticket invalid. ERR_DENIED: it was invalid before */
    KEY_TICKET_USE,
    KEY_TICKET_END, /* ticket.family: makes all its tickets invalid */
};

/* A loader has a channel of its own. It may only send KEY_LOAD, KEY_PRIVATE_LOAD, KEY_TOKEN_LOAD,
 * KEY_TOKEN_CERT and KEY_MODULE, and each of them stages. An answer that needs a token may come
 * after the answers to later requests. */

struct key_load {
    char name[LIMIT_NAME];
    uint32_t secret_len, n_owners;
    uint32_t ppk, zero; /* ppk: 1: a PPK (RFC 8784), 0: a secret that proves identities */
    struct ike_id owners[KEY_OWNERS]; /* none: anybody. Of a PPK: its PPK_IDs, as ID_KEY_ID */
};

/* struct key_ppk - the answer has SK_d, SK_pi and SK_pr behind it. */
struct key_ppk {
    uint32_t prf;
    struct ike_id id; /* octets of the PPK_ID, as ID_KEY_ID */
};

struct key_private {
    uint32_t octets_len, passphrase_len;
    uint8_t key_id[KEY_ID_SIZE];
};

/* struct key_sign - hashes, own, methods, pss: struct signature_wish. */
struct key_sign {
    uint8_t key_id[KEY_ID_SIZE];
    uint16_t hashes, own, methods;
    uint8_t pss, zero;
};

/* struct key_tls - kind, hash: struct signature_scheme. */
struct key_tls {
    uint8_t key_id[KEY_ID_SIZE];
    uint32_t kind, hash;
};

/* struct key_token - module: its name in the configuration; empty: the only one. The rest: struct
 * token_ref. */
struct key_token {
    char module[LIMIT_NAME];
    int64_t slot;
    uint32_t handle_len, pin_len;
    uint8_t handle[TOKEN_HANDLE], pin[TOKEN_PIN];
};

struct key_module {
    char name[LIMIT_NAME], path[TOKEN_PATH];
};

struct key_auth {
    struct auth_lengths lengths;
    struct ike_id local, remote;
    struct key_sign sign; /* PRIVATE_SIGN */
};

/*
 * struct key_ticket - the contents of a ticket (RFC 5723 section 5). Times are seconds since 1970;
 * 0: no limit. `family` names the login from which the ticket and all later tickets of its sessions
 * come. KEY_TICKET_SEAL with family 0 begins a new family. Its answer has the family and issued_ms.
 */
struct key_ticket {
    uint64_t family, issued_ms; /* issued_ms: which of the family; milliseconds since 1970 */
    int64_t expires_s, valid_until_s, certs_until_s;
    uint32_t lifetime_s; /* SEAL: as long as is wanted; its answer: as long as it is */
    uint32_t shared; /* 1: a pre-shared secret proves `remote` to `local`: it must still be there */
    uint32_t ppk;    /* 1: a PPK is in SK_d */
    uint16_t encr, encr_key_bits, integ, prf, ke, zero;
    char conn[LIMIT_NAME];
    struct ike_id local, remote, proven; /* IDr, IDi, and the proven identity */
    uint16_t sk_d_len, ticket_len, ni_len, nr_len, extra_len, zero2;
};

struct key_request {
    uint32_t n_octets; /* behind the struct */
    uint32_t kind;
    uint64_t job; /* comes back in the answer */
    union {
        struct key_load load;
        struct key_private private;
        struct key_auth auth;
        struct key_tls tls;
        uint64_t load_number; /* STAGE_COMMIT, STAGE_DROP */
        struct key_ppk ppk;
        struct key_token token;
        struct key_module module;
        struct key_ticket ticket;
    };
};

/* struct key_answer - with the AUTH data, the signature or the keys behind it. TICKET_SEAL: struct
 * key_ticket, the ticket. TICKET_OPEN: struct key_ticket, SKEYSEED, `extra`. */
struct key_answer {
    uint32_t n_octets;
    int32_t error;
    uint64_t job;
    uint32_t kind; /* of the request */
    uint32_t auth_method;
    uint8_t key_id[KEY_ID_SIZE]; /* PRIVATE_LOAD, TOKEN_LOAD */
    char reason[KEY_REASON];     /* for a person; may be empty */
};

#endif
