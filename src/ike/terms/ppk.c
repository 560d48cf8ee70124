/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/ppk.h"

#include "crypto/algorithm.h"
#include "ike/terms/identity.h"

enum ppk_id_type { PPK_ID_OPAQUE = 1, PPK_ID_FIXED = 2 };

int ppk_id_parse(const char *text, struct ike_id *ret_id)
{
    struct ike_id id;
    if (identity_parse(text, &id) != 0)
        return ERR_INVALID;
    bool many = id.type == ID_ANY || identity_is_pattern(&id);
    if (many)
        id = (struct ike_id){0};
    else
        id.type = ID_KEY_ID;
    *ret_id = id;
    return 0;
}

/* named - the identity of a text that a user writes for these octets. */
static struct ike_id named(const struct ike_id *id)
{
    char text[LIMIT_ID / 2 + 1];
    struct ike_id parsed;
    memcpy(text, id->data, id->len);
    text[id->len] = '\0';
    bool is_text = strlen(text) == id->len && identity_parse(text, &parsed) == 0;
    return is_text && parsed.len == id->len ? parsed : *id;
}

bool ppk_id_fits(const struct ike_conn *conn, const struct ike_id *id)
{
    struct ike_id name = named(id);
    if (conn->ppk_id->type != 0)
        return identity_equal(conn->ppk_id, id);
    return conn->ppk_pattern[0] == '\0' || identity_match(conn->ppk_pattern, &name) != IDENTITY_NO;
}

void ppk_identity_write(const struct ike_id *id, struct writer *w)
{
    write_u8(w, PPK_ID_FIXED);
    write_bytes(w, span_of(id->data, id->len));
}

bool ppk_identity_read(struct span data, struct ike_id *ret_id)
{
    if (data.len < 2 || data.ptr[0] != PPK_ID_FIXED || data.len - 1 > sizeof(ret_id->data))
        return false;
    *ret_id = (struct ike_id){.type = ID_KEY_ID, .len = (uint16_t)(data.len - 1)};
    memcpy(ret_id->data, data.ptr + 1, ret_id->len);
    return true;
}

int ppk_mix(struct crypto_provider *crypto, uint16_t prf, struct span ppk, struct span keys,
            uint8_t out[PPK_KEYS_MAX])
{
    const struct crypto_prf *found = crypto_prf_find(prf);
    if (found == NULL || keys.len != PPK_KEYS * (size_t)found->len)
        return ERR_INVALID;
    for (size_t i = 0; i < PPK_KEYS; i++) {
        struct span key = span_of(keys.ptr + i * found->len, found->len);
        int err = crypto_prf_plus(crypto, prf, ppk, &key, 1,
                                  (struct buffer){out + i * found->len, found->len});
        if (err != 0)
            return err;
    }
    return 0;
}
