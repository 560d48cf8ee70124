/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/auth_parts.h"

#include "crypto/algorithm.h"
#include "ike/terms/identity.h"
#include "wire/iana.h"
#include "wire/payloads.h"

#define HEADER_SIZE 28
#define NONCE_MIN   16

void auth_parts_write(const struct auth_octets *octets, struct span auth,
                      struct auth_lengths *ret_lengths, struct writer *w)
{
    *ret_lengths = (struct auth_lengths){
        .prf = octets->prf,
        .message = (uint32_t)octets->message.len,
        .nonce = (uint32_t)octets->nonce.len,
        .sk_p = (uint32_t)octets->sk_p.len,
        .id_body = (uint32_t)octets->id_body.len,
        .int_auth = (uint32_t)octets->int_auth.len,
        .auth = (uint32_t)auth.len,
    };
    write_bytes(w, octets->message);
    write_bytes(w, octets->nonce);
    write_bytes(w, octets->sk_p);
    write_bytes(w, octets->id_body);
    write_bytes(w, octets->int_auth);
    write_bytes(w, auth);
}

/* RFC 7296 section 3.1: SPIs, next payload, version, exchange type, flags, message ID, length. */
static bool is_init_message(struct span message)
{
    struct reader r = reader_of(message);
    (void)read_bytes(&r, 18);
    uint8_t exchange = read_u8(&r);
    (void)read_u8(&r);
    uint32_t id = read_u32(&r), length = read_u32(&r);
    return !reader_failed(&r) && exchange == WIRE_IKE_SA_INIT && id == 0 && length == message.len;
}

bool auth_parts_read(const struct auth_lengths *lengths, struct reader *r,
                     struct auth_octets *ret_octets, struct span *ret_auth)
{
    const struct crypto_prf *prf =
        lengths->prf > UINT16_MAX ? NULL : crypto_prf_find((uint16_t)lengths->prf);
    if (prf == NULL || lengths->sk_p != prf->len || lengths->nonce < NONCE_MIN ||
        lengths->nonce > LIMIT_NONCE || lengths->id_body < 4 || lengths->id_body > 4 + LIMIT_ID ||
        lengths->int_auth > 2 * CRYPTO_HASH_MAX + 4 || lengths->message < HEADER_SIZE ||
        lengths->message > LIMIT_IKE_MESSAGE || lengths->auth > AUTH_PARTS_AUTH)
        return false;
    struct auth_octets octets = {.prf = prf->id};
    octets.message = read_bytes(r, lengths->message);
    octets.nonce = read_bytes(r, lengths->nonce);
    octets.sk_p = read_bytes(r, lengths->sk_p);
    octets.id_body = read_bytes(r, lengths->id_body);
    octets.int_auth = read_bytes(r, lengths->int_auth);
    struct span auth = read_bytes(r, lengths->auth);
    if (reader_failed(r) || !is_init_message(octets.message))
        return false;
    *ret_octets = octets;
    *ret_auth = auth;
    return true;
}

bool auth_parts_name(const struct auth_octets *octets, const struct ike_id *id)
{
    struct wire_id wire;
    struct ike_id named;
    return wire_id_read(octets->id_body, &wire) && identity_from_wire(&wire, &named) &&
           identity_equal(&named, id);
}
