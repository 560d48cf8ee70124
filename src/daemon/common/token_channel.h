/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_CHANNEL_H
#define DAEMON_TOKEN_CHANNEL_H

/*
 * Requests of the keyholder to the token process, and its answers. A token is a PKCS#11 device: a
 * smart card, an HSM, SoftHSM. Its private keys never leave it. Only the keyholder asks, and
 * the keyholder composes the signed octets. So a taken-over engine can have nothing else signed.
 */

#include <stdint.h>

#define TOKEN_PATH   256
#define TOKEN_HANDLE 64
#define TOKEN_PIN    128
#define TOKEN_REASON 200
#define TOKEN_ANSWER (16 * 1024) /* octets of a certificate, a public key or a signature */

/* Octets behind a request or an answer: */
enum token_kind {
    TOKEN_OPEN = 1, /* answer: the SubjectPublicKeyInfo of a private key that can be used */
    TOKEN_SIGN,     /* request: the octets to sign; answer: the signature, of ECDSA r and s */
    TOKEN_CERT,     /* answer: the certificate with this handle */
};

/* enum token_asker - each kind of requests has a queue of its own, and the queues take turns. */
enum token_asker { TOKEN_FOR_IKE, TOKEN_FOR_LOADER, TOKEN_FOR_TLS, TOKEN_ASKERS };

/* struct token_ref - a key or certificate. `module`: path of the library. */
struct token_ref {
    char module[TOKEN_PATH];
    int64_t slot; /* -1: the slot whose token has the handle */
    uint32_t handle_len, pin_len;
    uint8_t handle[TOKEN_HANDLE]; /* CKA_ID */
    uint8_t pin[TOKEN_PIN];       /* of the user; pin_len 0: none is needed */
};

struct token_request {
    uint32_t n_octets; /* behind the struct */
    uint32_t kind;
    uint64_t job;
    uint64_t load; /* number of the load of all files; 0: from a VICI client, or a signature */
    uint32_t asker, zero;
    struct token_ref ref;
    uint32_t scheme, hash; /* SIGN: struct signature_scheme */
};

struct token_answer {
    uint32_t n_octets; /* behind the struct */
    /* ERR_NOT_FOUND: no such token, key or certificate; ERR_AUTH: the PIN; ERR_INVALID: the request; ERR_SYSTEM: the
     * token, its library, or too many requests */
    int32_t error;
    uint64_t job;
    char reason[TOKEN_REASON]; /* for a person; may be empty */
};

#endif
