/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/verifier/chain_watch.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/deadline_heap.h"
#include "base/map.h"

#define KEY        SHA256_DIGEST_LENGTH
#define CHAIN_MOST (VERIFIER_CHAIN + 2)

/* struct issuers - the CAs that many chains share. */
struct issuers {
    UT_hash_handle hh;
    uint8_t key[KEY]; /* hash of all of them, in their order */
    size_t users;
    STACK_OF(X509) * of; /* owned; the last one is the trust anchor */
};

struct chain {
    UT_hash_handle hh;
    uint8_t key[KEY];
    struct issuers *issuers;
    bool of_gateway;
    size_t n_leaf;
    uint8_t *leaf; /* owned, DER: a parsed certificate takes several times as much */
    struct login *users;
    struct deadline due;
    /* successive checks whose status was being fetched or could not be asked for yet */
    uint8_t n_early;
    char *revoked; /* owned: the reason of the revocation; NULL: not known to be revoked */
};

struct login_list {
    struct login *oldest, *youngest;
    size_t n;
};

/* struct login - a login, and later its session. */
struct login {
    uint64_t number;
    uint32_t session; /* 0: not claimed */
    nanos born_ns;
    struct chain *chain;
    struct login *next, *previous; /* of the chain */
    struct login *of_session;      /* the next one of the same session */
    struct login_list *list;       /* NULL: in none */
    struct login *later, *earlier; /* of the list */
};

struct chain_watch {
    struct issuers *issuers;
    struct chain *chains;
    struct map by_number, by_session;
    uint64_t last;
    struct login_list unclaimed, untold;
    struct deadline_heap heap;
    uint64_t changes; /* store->changes when all chains were last made due */
};

struct chain_watch *chain_watch_new(void)
{
    return calloc(1, sizeof(struct chain_watch));
}

/* --- lists --- */

static void list_leave(struct login *login)
{
    struct login_list *list = login->list;
    if (list == NULL)
        return;
    *(login->earlier != NULL ? &login->earlier->later : &list->oldest) = login->later;
    *(login->later != NULL ? &login->later->earlier : &list->youngest) = login->earlier;
    login->later = login->earlier = NULL;
    login->list = NULL;
    list->n--;
}

static void list_join(struct login_list *list, struct login *login)
{
    list_leave(login);
    login->earlier = list->youngest;
    *(list->youngest != NULL ? &list->youngest->later : &list->oldest) = login;
    list->youngest = login;
    login->list = list;
    list->n++;
}

/* --- the CAs of a chain --- */

static void issuers_leave(struct chain_watch *w, struct issuers *issuers)
{
    if (--issuers->users > 0)
        return;
    HASH_DEL(w->issuers, issuers);
    sk_X509_pop_free(issuers->of, X509_free);
    free(issuers);
}

/* key_of - of the certificates from `first` on, with `seed` before them. */
static bool key_of(const STACK_OF(X509) * chain, int first, const uint8_t seed[KEY],
                   uint8_t out[KEY])
{
    uint8_t all[(1 + CHAIN_MOST) * KEY];
    size_t n = KEY;
    bool ok = sk_X509_num(chain) <= CHAIN_MOST;
    memcpy(all, seed, KEY);
    for (int i = first; ok && i < sk_X509_num(chain); i++) {
        unsigned len = KEY;
        ok = X509_digest(sk_X509_value(chain, i), EVP_sha256(), all + n, &len) == 1;
        n += KEY;
    }
    return ok && SHA256(all, n, out) != NULL;
}

static STACK_OF(X509) * issuers_copy(const STACK_OF(X509) * chain)
{
    STACK_OF(X509) *of = sk_X509_new_null();
    bool ok = of != NULL;
    for (int i = 1; ok && i < sk_X509_num(chain); i++) {
        X509 *x509 = sk_X509_value(chain, i);
        ok = sk_X509_push(of, x509) > 0;
        if (ok)
            X509_up_ref(x509);
    }
    if (ok)
        return of;
    sk_X509_pop_free(of, X509_free);
    return NULL;
}

/* issuers_join - NULL: no memory. */
static struct issuers *issuers_join(struct chain_watch *w, const STACK_OF(X509) * chain)
{
    static const uint8_t seed[KEY];
    uint8_t key[KEY];
    struct issuers *issuers;
    if (!key_of(chain, 1, seed, key))
        return NULL;
    HASH_FIND(hh, w->issuers, key, KEY, issuers);
    if (issuers != NULL) {
        issuers->users++;
        return issuers;
    }
    issuers = calloc(1, sizeof(*issuers));
    if (issuers == NULL)
        return NULL;
    memcpy(issuers->key, key, KEY);
    issuers->users = 1;
    issuers->of = issuers_copy(chain);
    if (issuers->of != NULL)
        HASH_ADD(hh, w->issuers, key, KEY, issuers);
    if (issuers->of != NULL && TABLE_HAS(issuers))
        return issuers;
    sk_X509_pop_free(issuers->of, X509_free);
    free(issuers);
    return NULL;
}

/* --- chains --- */

static void chain_free(struct chain_watch *w, struct chain *chain)
{
    if (chain->issuers != NULL)
        issuers_leave(w, chain->issuers);
    OPENSSL_free(chain->leaf);
    free(chain->revoked);
    free(chain);
}

static void chain_drop(struct chain_watch *w, struct chain *chain)
{
    HASH_DEL(w->chains, chain);
    deadline_heap_leave(&w->heap, &chain->due);
    chain_free(w, chain);
}

static struct chain *chain_new(struct chain_watch *w, const struct chain_watched *what,
                               const uint8_t key[KEY])
{
    struct chain *chain = calloc(1, sizeof(*chain));
    if (chain == NULL)
        return NULL;
    memcpy(chain->key, key, KEY);
    chain->of_gateway = what->of_gateway;
    int n = i2d_X509(sk_X509_value(what->chain, 0), &chain->leaf);
    chain->n_leaf = n > 0 ? (size_t)n : 0;
    chain->issuers = n > 0 ? issuers_join(w, what->chain) : NULL;
    if (chain->issuers != NULL && deadline_heap_join(&w->heap) == 0) {
        chain->due = (struct deadline){.owner = chain};
        HASH_ADD(hh, w->chains, key, KEY, chain);
        if (TABLE_HAS(chain))
            return chain;
        deadline_heap_leave(&w->heap, &chain->due);
    }
    chain_free(w, chain);
    return NULL;
}

/* forgive - a login has just been verified with this chain, so its revocation has ended
 * (certificateHold, removeFromCRL: RFC 5280 section 5.3.1). The next check decides. */
static void forgive(struct chain_watch *w, struct chain *chain)
{
    free(chain->revoked);
    chain->revoked = NULL;
    for (struct login *login = chain->users; login != NULL; login = login->next)
        if (login->list == &w->untold)
            list_leave(login);
}

/* chain_get - the chain of an earlier login with the same certificates, or a new one. NULL: no
 * memory. */
static struct chain *chain_get(struct chain_watch *w, const struct chain_watched *what, nanos now)
{
    const uint8_t seed[KEY] = {what->of_gateway};
    uint8_t key[KEY];
    struct chain *chain;
    if (!key_of(what->chain, 0, seed, key))
        return NULL;
    HASH_FIND(hh, w->chains, key, KEY, chain);
    if (chain != NULL && chain->revoked != NULL) {
        forgive(w, chain);
        deadline_heap_set(&w->heap, &chain->due, nanos_after(now, CHAIN_WATCH_SETTLE));
    }
    if (chain == NULL && (chain = chain_new(w, what, key)) != NULL)
        deadline_heap_set(&w->heap, &chain->due, nanos_after(now, CHAIN_WATCH_SETTLE));
    return chain;
}

/* --- logins --- */

static void login_drop(struct chain_watch *w, struct login *login)
{
    struct chain *chain = login->chain;
    list_leave(login);
    *(login->previous != NULL ? &login->previous->next : &chain->users) = login->next;
    if (login->next != NULL)
        login->next->previous = login->previous;
    if (chain->users == NULL)
        chain_drop(w, chain);
    (void)map_take(&w->by_number, login->number);
    free(login);
}

struct chain_watch *chain_watch_free(struct chain_watch *w)
{
    struct chain *chain, *next;
    if (w == NULL)
        return NULL;
    HASH_ITER(hh, w->chains, chain, next)
    for (size_t n = 1; n > 0;) {
        n = chain->users->next != NULL;
        login_drop(w, chain->users); /* the last login frees the chain */
    }
    map_done(&w->by_number);
    map_done(&w->by_session);
    deadline_heap_done(&w->heap);
    free(w);
    return NULL;
}

static void unclaimed_expire(struct chain_watch *w, nanos now)
{
    struct login_list *list = &w->unclaimed;
    while (list->oldest != NULL && (list->n >= CHAIN_WATCH_UNCLAIMED ||
                                    now - list->oldest->born_ns >= CHAIN_WATCH_UNCLAIMED_NS))
        login_drop(w, list->oldest);
}

static void chain_user_add(struct chain *chain, struct login *login)
{
    login->chain = chain;
    login->next = chain->users;
    if (login->next != NULL)
        login->next->previous = login;
    chain->users = login;
}

int chain_watch_add(struct chain_watch *w, const struct chain_watched *what, nanos now,
                    uint64_t *ret_number)
{
    *ret_number = 0;
    if (sk_X509_num(what->chain) < 2)
        return 0;
    unclaimed_expire(w, now);
    if (w->by_number.n >= CHAIN_WATCH_LOGINS)
        return ERR_FULL;
    struct login *login = calloc(1, sizeof(*login));
    struct chain *chain = login == NULL ? NULL : chain_get(w, what, now);
    if (chain == NULL) {
        free(login);
        return ERR_NO_MEMORY;
    }
    login->number = w->last + 1;
    login->born_ns = now;
    chain_user_add(chain, login);
    list_join(&w->unclaimed, login);
    if (map_put(&w->by_number, login->number, login) != 0) {
        login_drop(w, login);
        return ERR_NO_MEMORY;
    }
    *ret_number = ++w->last;
    return 0;
}

int chain_watch_claim(struct chain_watch *w, uint64_t number, uint32_t session)
{
    struct login *login = number == 0 ? NULL : map_get(&w->by_number, number);
    if (login == NULL || login->session != 0 || session == 0)
        return ERR_NOT_FOUND;
    struct login *others = map_get(&w->by_session, session);
    if (map_set(&w->by_session, session, login) != 0)
        return ERR_NO_MEMORY;
    login->of_session = others;
    login->session = session;
    list_leave(login);
    if (login->chain->revoked != NULL)
        list_join(&w->untold, login);
    return 0;
}

int chain_watch_pass(struct chain_watch *w, uint32_t from, uint32_t to)
{
    struct login *first = from == 0 ? NULL : map_get(&w->by_session, from);
    if (first == NULL || to == 0 || map_get(&w->by_session, to) != NULL)
        return ERR_NOT_FOUND;
    if (map_put(&w->by_session, to, first) != 0)
        return ERR_NO_MEMORY;
    (void)map_take(&w->by_session, from);
    for (struct login *login = first; login != NULL; login = login->of_session) {
        login->session = to;
        if (login->chain->revoked != NULL)
            list_join(&w->untold, login);
    }
    return 0;
}

void chain_watch_forget(struct chain_watch *w, uint32_t session)
{
    struct login *login = session == 0 ? NULL : map_take(&w->by_session, session);
    while (login != NULL) {
        struct login *next = login->of_session;
        login_drop(w, login);
        login = next;
    }
}

/* --- to another verifier --- */

/* For each chain: 1 if the peer is the Gateway, the number of certificates, and each with its length before it. */

static int der_write(X509 *x509, struct writer *w)
{
    uint8_t *der = NULL;
    int len = i2d_X509(x509, &der);
    if (len > 0) {
        write_u32(w, (uint32_t)len);
        write_bytes(w, span_of(der, (size_t)len));
    }
    OPENSSL_free(der);
    return len > 0 ? 0 : ERR_NO_MEMORY;
}

int chain_watch_export(const struct chain_watch *watch, uint32_t session, struct writer *w)
{
    const struct login *login = session == 0 ? NULL : map_get(&watch->by_session, session);
    int error = login == NULL ? ERR_NOT_FOUND : 0;
    for (; error == 0 && login != NULL; login = login->of_session) {
        const struct chain *chain = login->chain;
        int n = sk_X509_num(chain->issuers->of);
        write_u8(w, chain->of_gateway);
        write_u8(w, (uint8_t)(n + 1));
        write_u32(w, (uint32_t)chain->n_leaf);
        write_bytes(w, span_of(chain->leaf, chain->n_leaf));
        for (int i = 0; error == 0 && i < n; i++)
            error = der_write(sk_X509_value(chain->issuers->of, i), w);
    }
    return error == 0 && writer_failed(w) ? ERR_TRUNCATED : error;
}

/* chain_read - false: malformed, or no memory. */
static bool chain_read(struct reader *r, STACK_OF(X509) * chain, bool *ret_of_gateway)
{
    uint8_t of_gateway = read_u8(r), n = read_u8(r);
    bool sound = of_gateway <= 1 && n >= 2 && n <= CHAIN_MOST;
    for (uint8_t i = 0; sound && i < n; i++) {
        struct span der = read_bytes(r, read_u32(r));
        X509 *x509 = reader_failed(r) ? NULL : cert_read(der);
        sound = x509 != NULL && sk_X509_push(chain, x509) > 0;
        if (!sound)
            X509_free(x509);
    }
    *ret_of_gateway = of_gateway == 1;
    return sound;
}

static int chain_enter(struct chain_watch *w, uint32_t session, struct reader *r, nanos now)
{
    struct chain_watched what = {.chain = sk_X509_new_null()};
    uint64_t number = 0;
    int error = what.chain == NULL ? ERR_NO_MEMORY : 0;
    if (error == 0 && !chain_read(r, what.chain, &what.of_gateway))
        error = ERR_INVALID;
    if (error == 0)
        error = chain_watch_add(w, &what, now, &number);
    sk_X509_pop_free(what.chain, X509_free);
    return error != 0 ? error : chain_watch_claim(w, number, session);
}

int chain_watch_import(struct chain_watch *watch, uint32_t session, struct span octets, nanos now)
{
    struct reader r = reader_of(octets);
    int error = octets.len == 0 || map_get(&watch->by_session, session) != NULL ? ERR_INVALID : 0;
    while (error == 0 && !reader_done(&r))
        error = chain_enter(watch, session, &r, now);
    return error;
}

bool chain_watch_revoked(struct chain_watch *w, uint32_t *ret_session,
                         char ret_reason[VERIFIER_REASON])
{
    struct login *login = w->untold.oldest;
    if (login == NULL)
        return false;
    list_leave(login);
    *ret_session = login->session;
    (void)snprintf(ret_reason, VERIFIER_REASON, "%s", login->chain->revoked);
    return true;
}

/* --- checks --- */

static void revoke(struct chain_watch *w, struct chain *chain, const char *reason)
{
    chain->revoked = strndup(reason, VERIFIER_REASON);
    if (chain->revoked == NULL)
        return; /* it is due again soon */
    for (struct login *login = chain->users; login != NULL; login = login->next)
        if (login->session != 0)
            list_join(&w->untold, login);
}

/* due_after - the time from this check until the next one. */
static nanos due_after(struct chain *chain, const struct cert_check *check)
{
    int64_t left = check->known_until - (int64_t)time(NULL);
    if (check->n_fetching > 0 || check->crowded)
        return CHAIN_WATCH_FETCHING
               << (chain->n_early < CHAIN_WATCH_DOUBLINGS ? chain->n_early++ : chain->n_early);
    chain->n_early = 0;
    if (check->unknown)
        return CHAIN_WATCH_RETRY;
    return left < 1 ? NANOS_PER_SEC
           : left > CHAIN_WATCH_MOST / NANOS_PER_SEC
               ? CHAIN_WATCH_MOST
               : left * NANOS_PER_SEC + NANOS_PER_SEC; /* time() cuts a second off */
}

/* chain_check - checks the chain; only "revoked" has an effect. The end of a certificate's validity
 * has its own deadline (IKE_CMD_REAUTH), and the logins of an unloaded CA stay. */
static void chain_check(struct chain_watch *w, struct chain *chain, struct cert_check *check)
{
    check->leaf = cert_read(span_of(chain->leaf, chain->n_leaf));
    check->others = chain->issuers->of;
    check->of_gateway = chain->of_gateway;
    if (check->leaf != NULL)
        cert_check_again(check);
    X509_free(check->leaf);
    if (check->revoked)
        revoke(w, chain, check->reason);
    deadline_heap_set(&w->heap, &chain->due,
                      chain->revoked != NULL ? NANOS_NEVER
                                             : nanos_after(check->now, due_after(chain, check)));
}

/* all_due - the lists or the CAs have changed: all chains are due. */
static void all_due(struct chain_watch *w, nanos at)
{
    for (struct chain *chain = w->chains; chain != NULL; chain = chain->hh.next)
        if (chain->revoked == NULL && chain->due.at > at)
            deadline_heap_set(&w->heap, &chain->due, at);
}

void chain_watch_step(struct chain_watch *w, struct cert_store *store,
                      struct revocation *revocation, nanos now)
{
    if (w->changes != store->changes) {
        w->changes = store->changes;
        all_due(w, nanos_after(now, CHAIN_WATCH_SETTLE));
    }
    for (int i = 0; i < CHAIN_WATCH_STEP; i++) {
        struct deadline *first = deadline_heap_first(&w->heap);
        struct cert_check check = {.store = store, .revocation = revocation, .now = now};
        if (first == NULL || first->at > now)
            return;
        chain_check(w, first->owner, &check);
    }
}

nanos chain_watch_deadline(const struct chain_watch *w)
{
    const struct deadline *first = deadline_heap_first(&w->heap);
    return first == NULL ? NANOS_NEVER : first->at;
}
