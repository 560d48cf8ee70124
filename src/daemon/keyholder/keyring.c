/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyholder/keyring.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/secret.h"
#include "crypto/algorithm.h"
#include "crypto/prf.h"
#include "daemon/keyholder/keyring_state.h"

_Static_assert(sizeof(struct key_ticket) + LIMIT_TICKET <= KEY_ANSWER, "a ticket is an answer");

_Static_assert(KEYRING_ARENA > 2 * KEY_SECRETS_ROOM, "a reload has two sets of secrets");

static void set_free(struct key_set *set)
{
    shared_keys_free(set->shared);
    private_keys_free(set->private);
    *set = (struct key_set){0};
}

static int set_new(struct key_set *ret)
{
    *ret = (struct key_set){.shared = shared_keys_new(), .private = private_keys_new()};
    if (ret->shared != NULL && ret->private != NULL)
        return 0;
    set_free(ret);
    return ERR_NO_MEMORY;
}

bool keyring_arena_init(void)
{
    return CRYPTO_secure_malloc_init(KEYRING_ARENA, KEY_SECRET_LEAST) == 1;
}

struct keyring *keyring_new(struct crypto_provider *crypto)
{
    struct keyring *keyring = calloc(1, sizeof(*keyring));
    if (keyring == NULL)
        return NULL;
    keyring->crypto = crypto;
    token_calls_init(&keyring->calls);
    return set_new(&keyring->live) != 0 ? keyring_free(keyring) : keyring;
}

struct keyring *keyring_free(struct keyring *keyring)
{
    if (keyring == NULL)
        return NULL;
    set_free(&keyring->live);
    token_calls_done(&keyring->calls);
    tickets_free(keyring->tickets);
    for (unsigned i = 0; i < LOAD_STAGES; i++)
        set_free(&keyring->staged[i]);
    free(keyring);
    return NULL;
}

/* shared_sign - the AUTH that follows from the secret. For an unknown pair it is made from a random
 * secret, which nobody knows. */
static int shared_sign(struct keyring *keyring, const struct key_auth *auth,
                       const struct auth_octets *octets, uint8_t out[AUTH_OCTETS_PRF])
{
    static const uint8_t nobodys[32];
    struct span secret = shared_keys_choose(keyring->live.shared, &auth->local, &auth->remote);
    int error = auth_octets_shared(
        keyring->crypto, octets, secret.len > 0 ? secret : span_of(nobodys, sizeof(nobodys)), out);
    return error == 0 && secret.len == 0 ? ERR_NOT_FOUND : error;
}

static int shared_answer(struct keyring *keyring, uint32_t kind, const struct key_auth *auth,
                         const struct auth_octets *octets, struct span claimed,
                         struct writer *ret_octets)
{
    uint8_t own[AUTH_OCTETS_PRF];
    size_t len = crypto_prf_find(octets->prf)->len;
    int error = shared_sign(keyring, auth, octets, own);
    if (error == 0 && kind == KEY_SIGN)
        write_bytes(ret_octets, span_of(own, len));
    else if (error == 0 && (claimed.len != len || !ct_equal(own, claimed.ptr, len)))
        error = ERR_AUTH;
    wipe(own, sizeof(own)); /* the right value must not leave: a wrong AUTH must not reveal it */
    return error;
}

/* private_answer - joins the signed octets in one piece, which Ed25519 needs. */
static int private_answer(struct keyring *keyring, const struct key_request *request,
                          const struct auth_octets *octets, struct key_answer *answer,
                          struct writer *ret_octets)
{
    const struct key_sign *sign = &request->auth.sign;
    uint8_t room[AUTH_PARTS_MAX], prf[AUTH_OCTETS_PRF];
    struct span parts[AUTH_OCTETS_PARTS];
    struct writer w = writer_of(room, sizeof(room));
    if (auth_octets_parts(keyring->crypto, octets, prf, parts) != 0)
        return ERR_CRYPTO;
    for (size_t i = 0; i < AUTH_OCTETS_PARTS; i++)
        write_bytes(&w, parts[i]);
    if (private_keys_token(keyring->live.private, sign->key_id) != NULL)
        return keyring_tokens_auth(keyring, request, writer_span(&w), answer);
    return private_keys_sign(keyring->live.private, sign, writer_span(&w), answer, ret_octets);
}

static int auth_answer(struct keyring *keyring, const struct key_request *request,
                       struct span behind, struct key_answer *answer, struct writer *ret_octets)
{
    const struct key_auth *auth = &request->auth;
    struct reader r = reader_of(behind);
    struct auth_octets octets;
    struct span claimed;
    if (!auth_parts_read(&auth->lengths, &r, &octets, &claimed) || !reader_done(&r) ||
        auth->local.len > sizeof(auth->local.data) ||
        auth->remote.len > sizeof(auth->remote.data) ||
        !auth_parts_name(&octets, request->kind == KEY_VERIFY ? &auth->remote : &auth->local))
        return ERR_INVALID;
    if (request->kind == KEY_PRIVATE_SIGN)
        return private_answer(keyring, request, &octets, answer, ret_octets);
    return shared_answer(keyring, request->kind, auth, &octets, claimed, ret_octets);
}

/* mix - RFC 8784: keys with the PPK in them. Of the PPK itself they tell nothing. */
static int mix(struct keyring *keyring, const struct key_ppk *ppk, struct span keys,
               struct writer *ret_octets)
{
    uint8_t mixed[PPK_KEYS_MAX];
    if (ppk->id.len > sizeof(ppk->id.data) || ppk->prf > UINT16_MAX)
        return ERR_INVALID;
    struct span secret = shared_keys_ppk(keyring->live.shared, &ppk->id);
    if (secret.len == 0)
        return ERR_NOT_FOUND;
    int error = ppk_mix(keyring->crypto, (uint16_t)ppk->prf, secret, keys, mixed);
    if (error == 0)
        write_bytes(ret_octets, span_of(mixed, keys.len));
    wipe(mixed, sizeof(mixed));
    return error;
}

/* --- session tickets --- */

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int keyring_tickets(struct keyring *keyring, const struct random *random, int fd)
{
    keyring->tickets = tickets_new(keyring->crypto, random, fd, now_ms());
    return keyring->tickets == NULL ? ERR_NO_MEMORY : 0;
}

/* secret_id - of the secret that proves the peer now. ERR_NOT_FOUND: there is none. */
static int secret_id(struct keyring *keyring, const struct key_ticket *ticket,
                     uint8_t ret[TICKET_SECRET_ID])
{
    if (ticket->shared != 1)
        return 0;
    struct span secret = shared_keys_choose(keyring->live.shared, &ticket->local, &ticket->remote);
    return secret.len == 0 ? ERR_NOT_FOUND : tickets_secret_id(keyring->tickets, secret, ret);
}

static int ticket_seal(struct keyring *keyring, struct key_ticket ticket, struct span behind,
                       struct writer *ret_octets)
{
    uint8_t room[LIMIT_TICKET];
    struct writer w = writer_of(room, sizeof(room));
    struct reader r = reader_of(behind);
    struct ticket_inside inside = {0};
    inside.sk_d = read_bytes(&r, ticket.sk_d_len);
    inside.extra = read_bytes(&r, ticket.extra_len);
    if (!reader_done(&r) || ticket.local.len > sizeof(ticket.local.data) ||
        ticket.remote.len > sizeof(ticket.remote.data))
        return ERR_INVALID;
    int error = secret_id(keyring, &ticket, inside.secret);
    if (error == 0)
        error = tickets_seal(keyring->tickets, &ticket, &inside, now_ms(), &w);
    ticket.ticket_len = (uint16_t)w.len;
    write_bytes(ret_octets, span_of(&ticket, sizeof(ticket)));
    write_bytes(ret_octets, writer_span(&w));
    return error;
}

/* resumed - SKEYSEED = prf(SK_d_old, "Resumption" | Ni | Nr) (RFC 5723 section 5.1). */
static int resumed(struct keyring *keyring, const struct key_ticket *ticket, struct span sk_d,
                   const struct span nonces[2], struct writer *ret_octets)
{
    uint8_t skeyseed[CRYPTO_HASH_MAX];
    const struct crypto_prf *prf = crypto_prf_find(ticket->prf);
    const struct span seed[] = {span_text("Resumption"), nonces[0], nonces[1]};
    if (prf == NULL || sk_d.len != prf->len)
        return ERR_INVALID;
    int error = crypto_prf(keyring->crypto, ticket->prf, sk_d, seed, 3, skeyseed);
    if (error == 0)
        write_bytes(ret_octets, span_of(skeyseed, prf->len));
    wipe(skeyseed, sizeof(skeyseed));
    return error;
}

static int ticket_open(struct keyring *keyring, const struct key_ticket *asked, struct span behind,
                       struct writer *ret_octets)
{
    uint8_t id[TICKET_SECRET_ID] = {0};
    struct reader r = reader_of(behind);
    struct span sealed = read_bytes(&r, asked->ticket_len);
    const struct span nonces[] = {read_bytes(&r, asked->ni_len), read_bytes(&r, asked->nr_len)};
    struct ticket_inside inside;
    struct key_ticket ticket;
    if (!reader_done(&r) || nonces[0].len == 0 || nonces[1].len == 0)
        return ERR_INVALID;
    int error = tickets_open(keyring->tickets, sealed, now_ms(), &ticket, &inside);
    if (error == 0)
        error = secret_id(keyring, &ticket, id);
    if (error == 0 && !ct_equal(id, inside.secret, sizeof(id)))
        error = ERR_NOT_FOUND; /* it is another secret now */
    if (error == 0) {
        write_bytes(ret_octets, span_of(&ticket, sizeof(ticket)));
        error = resumed(keyring, &ticket, inside.sk_d, nonces, ret_octets);
        write_bytes(ret_octets, inside.extra);
    }
    wipe(&inside, sizeof(inside));
    return error;
}

static int ticket_answer(struct keyring *keyring, const struct key_request *request,
                         struct span octets, struct writer *ret_octets)
{
    const struct key_ticket *ticket = &request->ticket;
    if (keyring->tickets == NULL)
        return ERR_NOT_FOUND;
    switch (request->kind) {
    case KEY_TICKET_SEAL: return ticket_seal(keyring, *ticket, octets, ret_octets);
    case KEY_TICKET_OPEN: return ticket_open(keyring, ticket, octets, ret_octets);
    case KEY_TICKET_USE:
        return tickets_use(keyring->tickets, ticket->family, ticket->issued_ms, now_ms());
    default: tickets_end(keyring->tickets, ticket->family, now_ms()); return 0;
    }
}

static int private_load(struct private_keys *keys, const struct key_private *private,
                        struct span behind, struct key_answer *answer)
{
    struct reader r = reader_of(behind);
    struct span octets = read_bytes(&r, private->octets_len);
    struct span passphrase = read_bytes(&r, private->passphrase_len);
    if (!reader_done(&r) || octets.len == 0)
        return ERR_INVALID;
    return keys != NULL ? private_keys_load(keys, octets, passphrase, answer)
                        : private_keys_try(octets, passphrase, answer);
}

static int load(struct shared_keys *keys, const struct key_request *request, struct span behind)
{
    if (behind.len != request->load.secret_len)
        return ERR_INVALID;
    return shared_keys_load(keys, &request->load, behind);
}

/* --- loads of whole configurations --- */

int keyring_stage_begin(struct keyring *keyring, uint64_t number)
{
    keyring->staging = load_stages_begin(&keyring->stages, number);
    set_free(&keyring->staged[keyring->staging]);
    return set_new(&keyring->staged[keyring->staging]);
}

void keyring_stage_answer(struct keyring *keyring, const struct key_request *request,
                          struct span octets, struct key_answer *ret)
{
    const struct key_set *set = &keyring->staged[keyring->staging];
    *ret = (struct key_answer){.job = request->job, .error = ERR_INVALID};
    if (set->shared == NULL)
        ret->error = ERR_NOT_FOUND;
    else if (request->kind == KEY_LOAD)
        ret->error = load(set->shared, request, octets);
    else if (request->kind == KEY_PRIVATE_LOAD)
        ret->error = private_load(set->private, &request->private, octets, ret);
    else if (request->kind == KEY_MODULE)
        ret->error = keyring_tokens_module(&keyring->staged[keyring->staging], &request->module);
    else if (request->kind == KEY_TOKEN_LOAD || request->kind == KEY_TOKEN_CERT)
        ret->error = keyring_tokens_load(keyring, set, KEYRING_LOADER, request, ret);
}

static int stage_end(struct keyring *keyring, uint64_t number, bool commit)
{
    unsigned place = load_stages_end(&keyring->stages, number);
    if (place == LOAD_STAGES)
        return commit ? ERR_NOT_FOUND : 0;
    struct key_set *set = &keyring->staged[place];
    int error = commit ? shared_keys_replace(keyring->live.shared, set->shared) : 0;
    if (commit && error == 0)
        error = private_keys_replace(keyring->live.private, set->private);
    if (commit && error == 0)
        keyring->live.modules = set->modules;
    keyring->cleared += commit;
    set_free(set);
    return error;
}

/* --- requests --- */

void keyring_answer(struct keyring *keyring, const struct key_request *request, struct span octets,
                    struct key_answer *ret, struct writer *ret_octets)
{
    *ret = (struct key_answer){.job = request->job, .kind = request->kind};
    switch (request->kind) {
    case KEY_LOAD: ret->error = load(keyring->live.shared, request, octets); break;
    case KEY_UNLOAD:
        ret->error = shared_keys_unload(keyring->live.shared, request->load.name);
        break;
    case KEY_CLEAR:
        shared_keys_clear(keyring->live.shared);
        private_keys_clear(keyring->live.private);
        keyring->cleared++;
        break;
    case KEY_PRIVATE_LOAD:
    case KEY_PRIVATE_TRY:
        ret->error = private_load(request->kind == KEY_PRIVATE_LOAD ? keyring->live.private : NULL,
                                  &request->private, octets, ret);
        break;
    case KEY_TOKEN_LOAD:
        ret->error = keyring_tokens_load(keyring, &keyring->live, KEYRING_ENGINE, request, ret);
        break;
    case KEY_STAGE_COMMIT:
    case KEY_STAGE_DROP:
        ret->error = stage_end(keyring, request->load_number, request->kind == KEY_STAGE_COMMIT);
        break;
    case KEY_PRIVATE_UNLOAD:
        ret->error = private_keys_unload(keyring->live.private, request->private.key_id);
        break;
    case KEY_TLS_ALLOW:
        ret->error = private_keys_tls_allow(keyring->live.private, request->private.key_id);
        break;
    case KEY_TICKET_SEAL:
    case KEY_TICKET_OPEN:
    case KEY_TICKET_USE:
    case KEY_TICKET_END: ret->error = ticket_answer(keyring, request, octets, ret_octets); break;
    case KEY_PPK: ret->error = mix(keyring, &request->ppk, octets, ret_octets); break;
    case KEY_SIGN:
    case KEY_VERIFY:
    case KEY_PRIVATE_SIGN:
        ret->error = auth_answer(keyring, request, octets, ret, ret_octets);
        break;
    default: /* a number from outside */ ret->error = ERR_INVALID;
    }
    ret->n_octets = ret->error == 0 ? (uint32_t)ret_octets->len : 0;
}

void keyring_radius_answer(struct keyring *keyring, const struct key_request *request,
                           struct span octets, struct key_answer *ret, struct writer *ret_octets)
{
    *ret = (struct key_answer){.job = request->job, .kind = request->kind, .error = ERR_INVALID};
    if (request->kind == KEY_TLS_SIGN &&
        private_keys_token(keyring->live.private, request->tls.key_id) == NULL)
        ret->error =
            private_keys_tls_sign(keyring->live.private, &request->tls, octets, ret_octets);
    ret->n_octets = ret->error == 0 ? (uint32_t)ret_octets->len : 0;
}

void keyring_tls_answer(struct keyring *keyring, const struct key_request *request,
                        struct span octets, struct key_answer *ret, struct writer *ret_octets)
{
    *ret = (struct key_answer){.job = request->job, .kind = request->kind, .error = ERR_INVALID};
    if (request->kind == KEY_TLS_SIGN &&
        private_keys_token(keyring->live.private, request->tls.key_id) != NULL)
        ret->error = keyring_tokens_tls(keyring, request, octets);
    else if (request->kind == KEY_TLS_SIGN)
        ret->error =
            private_keys_tls_sign(keyring->live.private, &request->tls, octets, ret_octets);
    ret->n_octets = ret->error == 0 ? (uint32_t)ret_octets->len : 0;
}
