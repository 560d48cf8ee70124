/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AUTH_PARTS_H
#define DAEMON_AUTH_PARTS_H

/*
 * The typed parts of the octets that an AUTH payload covers, as they travel to the keyholder and
 * the verifier: lengths in the struct, octets behind it. The receiver composes the signed octets
 * itself (ike/terms/auth_octets.h). So an engine that was taken over can have nothing else signed.
 */

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/prf.h"
#include "daemon/common/channel.h"
#include "ike/terms/auth_octets.h"

#define AUTH_PARTS_AUTH 1200 /* limit of the AUTH data of a peer */
#define AUTH_PARTS_MAX                                                                             \
    (LIMIT_IKE_MESSAGE + LIMIT_NONCE + CRYPTO_HASH_MAX + LIMIT_ID + 4 + 2 * CRYPTO_HASH_MAX +      \
     AUTH_PARTS_AUTH)

struct auth_lengths {
    uint32_t prf;
    uint32_t message, nonce, sk_p, id_body, int_auth;
    uint32_t auth; /* its AUTH data, of a peer */
};

/* auth_parts_write - all but int_auth beyond its bound fits into AUTH_PARTS_MAX; else `w` fails. */
void auth_parts_write(const struct auth_octets *octets, struct span auth,
                      struct auth_lengths *ret_lengths, struct writer *w);

/*
 * auth_parts_read - reads the parts from `r`; they may come from a hostile engine. false: the
 * lengths make no sense, or the message is no IKE_SA_INIT message. RFC 7296 section 2.15 has no
 * other message signed.
 */
bool auth_parts_read(const struct auth_lengths *lengths, struct reader *r,
                     struct auth_octets *ret_octets, struct span *ret_auth) MUST_USE;

/*
 * auth_parts_name - the ID payload that AUTH covers names this identity. The keyholder chooses a secret by an
 * identity, and the verifier a certificate. Without this check a confused engine could prove one identity by the
 * secret of another.
 */
bool auth_parts_name(const struct auth_octets *octets, const struct ike_id *id) MUST_USE;

#endif
