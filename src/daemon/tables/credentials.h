/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CREDENTIALS_H
#define DAEMON_CREDENTIALS_H

/*
 * The public half of credentials in the engine: loaded certificates, ids of private keys, and the
 * demands of connections on both. The engine only lists them: the verifier and the keyholder
 * decide.
 */

#include "base/error.h"
#include "daemon/common/verifier_channel.h"

struct credentials;

struct credentials *credentials_new(void);                             /* NULL: no memory */
struct credentials *credentials_free(struct credentials *credentials); /* takes NULL */

/* credentials_policy_add - the number for the policy of a round; equal policies share one number.
 * It stays while the daemon runs, because sessions outlive their connections. 0: no memory. */
uint32_t credentials_policy_add(struct credentials *credentials, const struct cert_policy *policy);
/* credentials_policy - NULL: no such number. */
const struct cert_policy *credentials_policy(const struct credentials *credentials,
                                             uint32_t number);

/* --- certificates --- */

struct credential_cert {
    uint8_t digest[CERT_DIGEST];
    uint8_t key_id[KEY_ID_SIZE];  /* SHA-1 of the subjectPublicKey */
    uint8_t info_id[KEY_ID_SIZE]; /* SHA-1 of the SubjectPublicKeyInfo */
    unsigned roles;               /* bits 1 << enum cert_role */
    struct span octets;           /* DER; owned by the table */
    struct span subject;          /* lies within `octets`; empty: a public key */
};

/* credentials_cert_add - loads the certificate with that role. *ret_new: it did not have the role
 * before. ERR_INVALID: neither a certificate nor a key in DER; ERR_NO_MEMORY; ERR_CRYPTO. */
int credentials_cert_add(struct credentials *credentials, enum cert_role role, struct span octets,
                         const struct credential_cert **ret_cert, bool *ret_new) MUST_USE;
/* credentials_cert_sound - the octets are a certificate, or for some roles a public key, in DER. */
bool credentials_cert_sound(enum cert_role role, struct span octets);
/* credentials_cert_remove - removes this role. A certificate without roles is dropped. */
void credentials_cert_remove(struct credentials *credentials, enum cert_role role,
                             const uint8_t digest[CERT_DIGEST]);
/* credentials_cert_at - in order of loading; NULL: no more. */
const struct credential_cert *credentials_cert_at(const struct credentials *credentials,
                                                  size_t index);

/* --- private keys --- */

int credentials_key_add(struct credentials *credentials,
                        const uint8_t key_id[KEY_ID_SIZE]) MUST_USE; /* ERR_NO_MEMORY */
bool credentials_key_remove(struct credentials *credentials,
                            const uint8_t key_id[KEY_ID_SIZE]); /* false: not there */
bool credentials_key_known(const struct credentials *credentials,
                           const uint8_t key_id[KEY_ID_SIZE]);
const uint8_t *credentials_key_at(const struct credentials *credentials, size_t index);

#endif
