/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyholder/shared_keys.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/table.h"
#include "ike/terms/identity.h"

/* struct link - one owner of a secret, in the chain of owners with the same hash. */
struct link {
    struct link *next;
    struct key *key;
    const struct ike_id *owner;
};

struct owner {
    struct link link;
    struct ike_id id;
};

struct key {
    UT_hash_handle hh; /* by name */
    char name[LIMIT_NAME];
    uint64_t order; /* of loading */
    bool open;      /* no owner, or a pattern among them: a search looks at each of these secrets */
    bool sole;      /* all owners are one identity */
    bool ppk;       /* it is mixed into keys, and proves nobody */
    struct key *next_open;
    struct link sole_link;
    uint32_t n_owners, secret_len;
    uint8_t *secret; /* owned; in the locked arena, which holds nothing else of the key */
    struct owner owners[];
};

/* struct index - chains of links by the hash of the owner. */
struct index {
    struct link **buckets;
    size_t n_buckets, n;
};

struct shared_keys {
    struct key *keys;
    struct key *open;
    struct index by_owner, by_sole;
    uint64_t next_order;
};

/* --- the index --- */

static struct link **bucket(const struct index *index, const struct ike_id *id)
{
    return &index->buckets[identity_hash(id, 0) & (index->n_buckets - 1)];
}

static int index_init(struct index *index, size_t n_buckets)
{
    struct link **buckets = calloc(n_buckets, sizeof(struct link *));
    if (buckets == NULL)
        return ERR_NO_MEMORY;
    *index = (struct index){.buckets = buckets, .n_buckets = n_buckets};
    return 0;
}

static void index_put(struct index *index, struct link *link)
{
    struct link **at = bucket(index, link->owner);
    link->next = *at;
    *at = link;
    index->n++;
}

static void index_take(struct index *index, struct link *link)
{
    struct link **at = bucket(index, link->owner);
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    index->n--;
}

/* index_grow - best effort: without memory the chains grow longer. */
static void index_grow(struct index *index)
{
    struct index larger;
    if (index->n <= index->n_buckets || index_init(&larger, 4 * index->n_buckets) != 0)
        return;
    for (size_t i = 0; i < index->n_buckets; i++)
        while (index->buckets[i] != NULL) {
            struct link *link = index->buckets[i];
            index->buckets[i] = link->next;
            index_put(&larger, link);
        }
    free(index->buckets);
    *index = larger;
}

/* --- secrets --- */

struct shared_keys *shared_keys_new(void)
{
    struct shared_keys *keys = calloc(1, sizeof(*keys));
    if (keys == NULL || index_init(&keys->by_owner, 64) != 0 || index_init(&keys->by_sole, 64) != 0)
        return shared_keys_free(keys);
    return keys;
}

static void open_take(struct shared_keys *keys, struct key *key)
{
    struct key **at = &keys->open;
    while (*at != key)
        at = &(*at)->next_open;
    *at = key->next_open;
}

/* take - out of all tables. */
static void take(struct shared_keys *keys, struct key *key)
{
    HASH_DEL(keys->keys, key);
    for (uint32_t i = 0; i < key->n_owners; i++)
        index_take(&keys->by_owner, &key->owners[i].link);
    if (key->sole)
        index_take(&keys->by_sole, &key->sole_link);
    if (key->open)
        open_take(keys, key);
}

static void key_free(struct key *key)
{
    OPENSSL_secure_clear_free(key->secret, key->secret_len);
    free(key);
}

static void drop(struct shared_keys *keys, struct key *key)
{
    take(keys, key);
    key_free(key);
}

void shared_keys_clear(struct shared_keys *keys)
{
    struct key *key, *next;
    HASH_ITER(hh, keys->keys, key, next)
    drop(keys, key);
}

struct shared_keys *shared_keys_free(struct shared_keys *keys)
{
    if (keys == NULL)
        return NULL;
    shared_keys_clear(keys);
    free(keys->by_owner.buckets);
    free(keys->by_sole.buckets);
    free(keys);
    return NULL;
}

static bool name_sound(const char *name)
{
    size_t len = strnlen(name, LIMIT_NAME);
    return len > 0 && len < LIMIT_NAME;
}

static bool load_sound(const struct key_load *load, struct span secret)
{
    bool sound = name_sound(load->name) && load->ppk <= 1 && secret.len > 0 &&
                 secret.len <= KEY_SECRET && load->n_owners <= KEY_OWNERS;
    for (uint32_t i = 0; sound && i < load->n_owners; i++)
        sound = load->owners[i].len <= sizeof(load->owners[i].data);
    return sound;
}

/* key_new - NULL: no memory, or the arena is full. */
static struct key *key_new(uint32_t n_owners, size_t secret_len)
{
    struct key *key = calloc(1, sizeof(*key) + n_owners * sizeof(key->owners[0]));
    if (key != NULL)
        key->secret = OPENSSL_secure_zalloc(secret_len);
    if (key == NULL || key->secret != NULL)
        return key;
    free(key);
    return NULL;
}

static void key_fill(struct key *key, const struct key_load *load, struct span secret)
{
    memcpy(key->name, load->name, sizeof(key->name));
    key->secret_len = (uint32_t)secret.len;
    key->n_owners = load->n_owners;
    memcpy(key->secret, secret.ptr, secret.len);
    key->ppk = load->ppk == 1;
    key->open = load->n_owners == 0;
    key->sole = load->n_owners > 0;
    for (uint32_t i = 0; i < load->n_owners; i++) {
        struct ike_id *id = &key->owners[i].id;
        *id = load->owners[i];
        key->owners[i].link = (struct link){.key = key, .owner = id};
        key->open |= identity_is_pattern(id) || id->type == ID_ANY;
        key->sole &= identity_equal(id, &key->owners[0].id);
    }
    key->sole_link = (struct link){.key = key, .owner = &key->owners[0].id};
}

/* put - in the place of the one with its name. ERR_FULL: nothing has changed. */
static int put(struct shared_keys *keys, struct key *key)
{
    struct key *old;
    HASH_FIND_STR(keys->keys, key->name, old);
    key->order = old != NULL ? old->order : keys->next_order++;
    HASH_ADD_STR(keys->keys, name, key);
    if (!TABLE_HAS(key))
        return ERR_FULL;
    if (old != NULL)
        drop(keys, old);
    for (uint32_t i = 0; i < key->n_owners; i++)
        index_put(&keys->by_owner, &key->owners[i].link);
    if (key->sole)
        index_put(&keys->by_sole, &key->sole_link);
    if (key->open) {
        key->next_open = keys->open;
        keys->open = key;
    }
    index_grow(&keys->by_owner);
    index_grow(&keys->by_sole);
    return 0;
}

int shared_keys_load(struct shared_keys *keys, const struct key_load *load, struct span secret)
{
    if (!load_sound(load, secret))
        return ERR_INVALID;
    struct key *key = key_new(load->n_owners, secret.len);
    if (key == NULL)
        return ERR_FULL;
    key_fill(key, load, secret);
    int error = put(keys, key);
    if (error != 0)
        key_free(key);
    return error;
}

/* named - by a client. The engine gives the other secrets names that no client can say. */
static bool named(const struct key *key)
{
    return (unsigned char)key->name[0] >= ' ';
}

int shared_keys_replace(struct shared_keys *keys, struct shared_keys *staged)
{
    struct key *key, *next, *successor;
    int error = 0;
    HASH_ITER(hh, keys->keys, key, next)
    {
        HASH_FIND_STR(staged->keys, key->name, successor);
        if (named(key) && successor == NULL)
            drop(keys, key);
    }
    HASH_ITER(hh, staged->keys, key, next)
    {
        take(staged, key);
        if (error == 0)
            error = put(keys, key);
        if (error != 0)
            key_free(key);
    }
    return error == 0 ? 0 : ERR_NO_MEMORY;
}

int shared_keys_unload(struct shared_keys *keys, const char *name)
{
    struct key *key = NULL;
    if (name_sound(name))
        HASH_FIND_STR(keys->keys, name, key);
    if (key == NULL)
        return ERR_NOT_FOUND;
    drop(keys, key);
    return 0;
}

/* --- choosing --- */

enum owner_rank { OWNER_NO, OWNER_ANY, OWNER_PATTERN, OWNER_NAMED };

static enum owner_rank owner_rank(const struct key *key, const struct ike_id *id)
{
    enum owner_rank best = key->n_owners == 0 ? OWNER_ANY : OWNER_NO;
    for (uint32_t i = 0; i < key->n_owners; i++) {
        /* identity ranks and owner ranks correspond: no, any, pattern, exactly */
        enum owner_rank rank = (enum owner_rank)identity_covers(&key->owners[i].id, id);
        best = rank > best ? rank : best;
    }
    return best;
}

struct choice {
    const struct ike_id *local, *remote;
    const struct key *best;
    int rank;
};

static void consider(struct choice *choice, const struct key *key)
{
    if (key->ppk)
        return;
    int theirs = (int)owner_rank(key, choice->remote), ours = (int)owner_rank(key, choice->local);
    bool only_us =
        key->n_owners == 0 || (key->sole && identity_equal(&key->owners[0].id, choice->local));
    /* the responder is not known before its IDr, so a secret that names us is enough */
    bool other = choice->remote->type == ID_ANY ? ours == OWNER_NO : theirs == OWNER_NO;
    /* the peer has our name, so a secret that we share with another proves nothing about it */
    bool namesake = identity_equal(choice->local, choice->remote);
    if ((other || namesake) && !only_us)
        return; /* the secret belongs to somebody else */
    int rank = theirs * 4 + ours;
    if (rank < choice->rank || (rank == choice->rank && key->order > choice->best->order))
        return;
    choice->best = key;
    choice->rank = rank;
}

static void consider_owned(struct choice *choice, const struct index *index,
                           const struct ike_id *id)
{
    for (const struct link *link = *bucket(index, id); link != NULL; link = link->next)
        if (identity_equal(link->owner, id))
            consider(choice, link->key);
}

struct span shared_keys_choose(const struct shared_keys *keys, const struct ike_id *local,
                               const struct ike_id *remote)
{
    struct choice choice = {.local = local, .remote = remote, .rank = -1};
    if (remote->type == ID_ANY)
        consider_owned(&choice, &keys->by_owner, local);
    else
        consider_owned(&choice, &keys->by_owner, remote);
    consider_owned(&choice, &keys->by_sole, local);
    for (const struct key *key = keys->open; key != NULL; key = key->next_open)
        consider(&choice, key);
    if (choice.best == NULL)
        return (struct span){0};
    return span_of(choice.best->secret, choice.best->secret_len);
}

struct span shared_keys_ppk(const struct shared_keys *keys, const struct ike_id *id)
{
    const struct key *best = NULL;
    for (const struct link *link = *bucket(&keys->by_owner, id); link != NULL; link = link->next)
        if (link->key->ppk && identity_equal(link->owner, id) &&
            (best == NULL || link->key->order < best->order))
            best = link->key;
    for (const struct key *key = best != NULL ? NULL : keys->open; key != NULL;
         key = key->next_open)
        if (key->ppk && key->n_owners == 0 && (best == NULL || key->order < best->order))
            best = key;
    return best == NULL ? (struct span){0} : span_of(best->secret, best->secret_len);
}
