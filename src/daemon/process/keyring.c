/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/keyring.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/secret.h"
#include "crypto/algorithm.h"
#include "crypto/prf.h"
#include "ike/terms/auth_octets.h"
#include "ike/terms/identity.h"

#define KEYS 1024

struct keyring {
    struct crypto_provider *crypto;
    size_t n;
    struct key_load keys[KEYS];
};

struct keyring *keyring_new(struct crypto_provider *crypto)
{
    struct keyring *keyring =
        mmap(NULL, sizeof(*keyring), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (keyring == MAP_FAILED)
        return NULL;
    /* best effort: a limit on locked memory must not keep the daemon from starting */
    (void)mlock(keyring, sizeof(*keyring));
    (void)madvise(keyring, sizeof(*keyring), MADV_DONTDUMP);
    keyring->crypto = crypto;
    return keyring;
}

struct keyring *keyring_free(struct keyring *keyring)
{
    if (keyring != NULL) {
        wipe(keyring, sizeof(*keyring));
        munmap(keyring, sizeof(*keyring));
    }
    return NULL;
}

static struct key_load *key_find(struct keyring *keyring, const char *name)
{
    for (size_t i = 0; i < keyring->n; i++)
        if (strcmp(keyring->keys[i].name, name) == 0)
            return &keyring->keys[i];
    return NULL;
}

static bool id_sound(const struct ike_id *id)
{
    return id->len <= sizeof(id->data);
}

static bool name_sound(const char *name)
{
    size_t len = strnlen(name, LIMIT_NAME);
    return len > 0 && len < LIMIT_NAME;
}

static int key_load(struct keyring *keyring, const struct key_load *load)
{
    bool sound = name_sound(load->name) && load->secret_len > 0 && load->secret_len <= KEY_SECRET &&
                 load->n_owners <= KEY_OWNERS;
    for (size_t i = 0; sound && i < load->n_owners; i++)
        sound = id_sound(&load->owners[i]);
    if (!sound)
        return ERR_INVALID;
    struct key_load *key = key_find(keyring, load->name);
    if (key == NULL && keyring->n == KEYS)
        return ERR_FULL;
    if (key == NULL)
        key = &keyring->keys[keyring->n++];
    *key = *load;
    return 0;
}

static int key_unload(struct keyring *keyring, const char *name)
{
    struct key_load *key = name_sound(name) ? key_find(keyring, name) : NULL;
    if (key == NULL)
        return ERR_NOT_FOUND;
    *key = keyring->keys[--keyring->n];
    wipe(&keyring->keys[keyring->n], sizeof(keyring->keys[0]));
    return 0;
}

enum owner_rank { OWNER_NO, OWNER_ANY, OWNER_PATTERN, OWNER_NAMED };

static enum owner_rank owner_rank(const struct key_load *key, const struct ike_id *id)
{
    enum owner_rank best = key->n_owners == 0 ? OWNER_ANY : OWNER_NO;
    for (size_t i = 0; i < key->n_owners; i++) {
        /* identity ranks and owner ranks run in parallel: no, any, pattern, exactly */
        enum owner_rank rank = (enum owner_rank)identity_covers(&key->owners[i], id);
        best = rank > best ? rank : best;
    }
    return best;
}

static bool owners_only(const struct key_load *key, const struct ike_id *id)
{
    for (size_t i = 0; i < key->n_owners; i++)
        if (!identity_equal(&key->owners[i], id))
            return false;
    return true;
}

static const struct key_load *key_choose(const struct keyring *keyring, const struct ike_id *local,
                                         const struct ike_id *remote)
{
    const struct key_load *best = NULL;
    int best_rank = -1;
    for (size_t i = 0; i < keyring->n; i++) {
        const struct key_load *key = &keyring->keys[i];
        int theirs = (int)owner_rank(key, remote), ours = (int)owner_rank(key, local);
        /* who will answer is not known before its IDr: then it is enough that the secret is ours */
        bool other = remote->type == ID_ANY ? ours == OWNER_NO : theirs == OWNER_NO;
        /* a peer with our name: that of a secret which we share with another proves nothing */
        bool namesake = identity_equal(local, remote);
        if ((other || namesake) && !owners_only(key, local))
            continue; /* it belongs to somebody else */
        if (theirs * 4 + ours > best_rank) {
            best_rank = theirs * 4 + ours;
            best = key;
        }
    }
    return best;
}

static int auth_compute(struct keyring *keyring, const struct key_load *key,
                        const struct key_auth *a, uint8_t out[CRYPTO_HASH_MAX])
{
    struct auth_octets octets = {
        .prf = (uint16_t)a->prf,
        .message = span_of(a->message, a->message_len),
        .nonce = span_of(a->nonce, a->nonce_len),
        .sk_p = span_of(a->sk_p, a->sk_p_len),
        .id_body = span_of(a->id_body, a->id_body_len),
    };
    return auth_octets_shared(keyring->crypto, &octets, span_of(key->secret, key->secret_len), out);
}

static bool auth_sound(const struct key_auth *a)
{
    return a->prf <= UINT16_MAX && crypto_prf_find((uint16_t)a->prf) != NULL &&
           a->nonce_len >= 16 && a->nonce_len <= sizeof(a->nonce) &&
           a->sk_p_len == crypto_prf_find((uint16_t)a->prf)->len && a->id_body_len >= 4 &&
           a->id_body_len <= sizeof(a->id_body) && a->message_len >= 28 &&
           a->message_len <= sizeof(a->message) && a->auth_len <= sizeof(a->auth) &&
           id_sound(&a->local) && id_sound(&a->remote);
}

static int auth_answer(struct keyring *keyring, const struct key_request *request,
                       struct key_answer *ret)
{
    const struct key_auth *a = &request->auth;
    uint8_t auth[CRYPTO_HASH_MAX];
    if (!auth_sound(a))
        return ERR_INVALID;
    const struct key_load *key = key_choose(keyring, &a->local, &a->remote);
    if (key == NULL)
        return ERR_NOT_FOUND;
    size_t len = crypto_prf_find((uint16_t)a->prf)->len;
    int error = auth_compute(keyring, key, a, auth);
    if (error == 0 && request->kind == KEY_SIGN) {
        memcpy(ret->auth, auth, len);
        ret->auth_len = (uint32_t)len;
    } else if (error == 0 && (a->auth_len != len || !ct_equal(auth, a->auth, len))) {
        error = ERR_AUTH;
    }
    wipe(auth, sizeof(auth)); /* the right value of a wrong AUTH is a secret too */
    return error;
}

void keyring_answer(struct keyring *keyring, struct key_request *request, struct key_answer *ret)
{
    *ret = (struct key_answer){.job = request->job};
    switch (request->kind) {
    case KEY_LOAD:
        ret->error = key_load(keyring, &request->load);
        wipe(&request->load, sizeof(request->load));
        return;
    case KEY_UNLOAD: ret->error = key_unload(keyring, request->load.name); return;
    case KEY_CLEAR:
        wipe(keyring->keys, keyring->n * sizeof(keyring->keys[0]));
        keyring->n = 0;
        return;
    case KEY_SIGN:
    case KEY_VERIFY: ret->error = auth_answer(keyring, request, ret); return;
    default: /* a number from outside */ ret->error = ERR_INVALID;
    }
}
