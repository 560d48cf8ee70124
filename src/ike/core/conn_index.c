/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/conn_index.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"

struct conn_class {
    struct ike_conn *conn; /* the first loaded; borrowed */
    size_t order;          /* of loading */
};

static bool remote_matches(const struct ike_remote *remotes, uint8_t n,
                           const struct address *address, unsigned *ret_rank)
{
    *ret_rank = 1;
    if (n == 0)
        return true;
    bool found = false;
    for (uint8_t i = 0; i < n; i++) {
        /* A name is resolved only to connect. A peer that connects to us may be anywhere. */
        bool any = remotes[i].range.first.family == ADDRESS_NONE;
        if (any) {
            found = true;
        } else if (range_contains(&remotes[i].range, address)) {
            *ret_rank = 2;
            return true;
        }
    }
    return found;
}

unsigned conn_rank(const struct ike_conn *conn, const struct ike_path *path)
{
    unsigned local, remote;
    bool shunts_only = conn->n_children == 0 && conn->n_shunts > 0; /* has no peer */
    if (shunts_only ||
        !remote_matches(conn->local_addrs, conn->n_local_addrs, &path->local.address, &local) ||
        !remote_matches(conn->remote_addrs, conn->n_remote_addrs, &path->remote.address, &remote))
        return 0;
    return 2 * remote + local;
}

/* struct conn_place - a range of remote addresses of a class. */
struct conn_place {
    struct address first, last;
    /* the highest `last` of this place and all earlier ones, in order of `first` */
    struct address reach;
    size_t class;
};

struct conn_index {
    size_t n_classes, n_anywhere, n_places;
    struct conn_class *classes;
    size_t *anywhere; /* classes of connections without an address of the peer */
    struct conn_place *places;
    struct ike_proposal any; /* the transforms that at least one class offers */
    bool any_complete;       /* false: `any` had no room for all, so it refuses nothing */
};

struct conn_index *conn_index_drop(struct conn_index *index)
{
    if (index == NULL)
        return NULL;
    free(index->classes);
    free(index->anywhere);
    free(index->places);
    free(index);
    return NULL;
}

/* --- building --- */

static bool same_remotes(const struct ike_remote *a, const struct ike_remote *b, uint8_t n)
{
    for (uint8_t i = 0; i < n; i++)
        if (memcmp(&a[i].range, &b[i].range, sizeof(a[i].range)) != 0)
            return false;
    return true;
}

/* same_class - compares with memcmp: connections are zeroed before they are filled. */
static bool same_class(const struct ike_conn *a, const struct ike_conn *b)
{
    return a->n_local_addrs == b->n_local_addrs && a->n_remote_addrs == b->n_remote_addrs &&
           a->proposals.n == b->proposals.n &&
           same_remotes(a->local_addrs, b->local_addrs, a->n_local_addrs) &&
           same_remotes(a->remote_addrs, b->remote_addrs, a->n_remote_addrs) &&
           memcmp(a->proposals.proposals, b->proposals.proposals,
                  a->proposals.n * sizeof(a->proposals.proposals[0])) == 0;
}

static uint64_t hash_of(const struct ike *ike, const struct ike_conn *conn)
{
    uint64_t hash =
        siphash(ike->hash_key, span_of(conn->proposals.proposals,
                                       conn->proposals.n * sizeof(conn->proposals.proposals[0])));
    for (uint8_t i = 0; i < conn->n_local_addrs; i++)
        hash = hash * 31 + siphash(ike->hash_key, span_of(&conn->local_addrs[i].range,
                                                          sizeof(conn->local_addrs[i].range)));
    for (uint8_t i = 0; i < conn->n_remote_addrs; i++)
        hash = hash * 37 + siphash(ike->hash_key, span_of(&conn->remote_addrs[i].range,
                                                          sizeof(conn->remote_addrs[i].range)));
    return hash;
}

static bool is_anywhere(const struct ike_conn *conn)
{
    for (uint8_t i = 0; i < conn->n_remote_addrs; i++)
        if (conn->remote_addrs[i].range.first.family == ADDRESS_NONE)
            return true;
    return conn->n_remote_addrs == 0;
}

static int compare_places(const void *a, const void *b)
{
    const struct conn_place *one = a, *other = b;
    return address_compare(&one->first, &other->first);
}

static void places_fill(struct conn_index *index)
{
    for (size_t c = 0; c < index->n_classes; c++) {
        const struct ike_conn *conn = index->classes[c].conn;
        if (is_anywhere(conn)) {
            index->anywhere[index->n_anywhere++] = c;
            continue;
        }
        for (uint8_t i = 0; i < conn->n_remote_addrs; i++)
            index->places[index->n_places++] =
                (struct conn_place){.first = conn->remote_addrs[i].range.first,
                                    .last = conn->remote_addrs[i].range.last,
                                    .class = c};
    }
    if (index->n_places > 0)
        qsort(index->places, index->n_places, sizeof(index->places[0]), compare_places);
    for (size_t i = 0; i < index->n_places; i++) {
        struct conn_place *place = &index->places[i];
        place->reach = place->last;
        if (i > 0 && address_compare(&place[-1].reach, &place->reach) > 0)
            place->reach = place[-1].reach;
    }
}

/* classes_fill - false: no memory. */
static bool classes_fill(struct conn_index *index, const struct ike *ike)
{
    struct map by_hash = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < ike->n_conns; i++) {
        uint64_t hash = hash_of(ike, ike->conns[i]);
        const struct conn_class *class = map_get(&by_hash, hash);
        if (class != NULL && same_class(class->conn, ike->conns[i]))
            continue;
        index->classes[index->n_classes] = (struct conn_class){ike->conns[i], i};
        ok = map_set(&by_hash, hash, &index->classes[index->n_classes++]) == 0;
    }
    map_done(&by_hash);
    return ok;
}

static bool add_encr(struct ike_proposal *any, struct ike_encr_choice encr)
{
    for (uint8_t i = 0; i < any->n_encr; i++)
        if (any->encr[i].id == encr.id && any->encr[i].key_bits == encr.key_bits)
            return true;
    if (any->n_encr == POLICY_CHOICES)
        return false;
    any->encr[any->n_encr++] = encr;
    return true;
}

static bool add_all(struct ike_proposal *any, const struct ike_proposal *p)
{
    bool ok = true;
    for (uint8_t i = 0; i < p->n_encr; i++)
        ok &= add_encr(any, p->encr[i]);
    for (uint8_t i = 0; i < p->n_prf; i++)
        ok &= proposal_id_add(any->prf, &any->n_prf, p->prf[i]);
    for (uint8_t i = 0; i < p->n_ke; i++)
        ok &= proposal_id_add(any->ke, &any->n_ke, p->ke[i]);
    return ok;
}

static struct conn_index *conn_index_new(const struct ike *ike)
{
    struct conn_index *index = calloc(1, sizeof(*index));
    if (index == NULL)
        return NULL;
    size_t n = ike->n_conns > 0 ? ike->n_conns : 1;
    index->classes = calloc(n, sizeof(index->classes[0]));
    index->anywhere = calloc(n, sizeof(index->anywhere[0]));
    index->places = calloc(n * POLICY_ADDRESSES, sizeof(index->places[0]));
    if (index->classes == NULL || index->anywhere == NULL || index->places == NULL ||
        !classes_fill(index, ike))
        return conn_index_drop(index);
    places_fill(index);
    index->any.protocol = WIRE_PROTO_IKE;
    index->any_complete = true;
    for (size_t c = 0; c < index->n_classes; c++)
        for (size_t i = 0; i < index->classes[c].conn->proposals.n; i++)
            index->any_complete &=
                add_all(&index->any, &index->classes[c].conn->proposals.proposals[i]);
    return index;
}

/* --- searching --- */

/* none_offers - no connection can accept any proposal of the peer: each lacks a common transform of
 * some type. */
static bool none_offers(const struct conn_index *index, const struct wire_sa *offer)
{
    bool some = !index->any_complete;
    for (size_t i = 0; i < offer->n && !some; i++)
        some = proposal_overlaps(&index->any, &offer->proposals[i]);
    return !some;
}

struct search {
    const struct ike_path *path;
    const struct wire_sa *offer;
    uint16_t ke_sent;
    const struct conn_class *best;
    unsigned best_rank;
    struct proposal_choice choice;
};

static void consider(struct search *search, const struct conn_class *class)
{
    unsigned rank = conn_rank(class->conn, search->path);
    bool better = rank > search->best_rank ||
                  (rank > 0 && rank == search->best_rank && class->order < search->best->order);
    struct proposal_wish wish = {.with_ke = true, .ke_sent = search->ke_sent};
    struct proposal_choice choice = {0};
    if (!better ||
        (search->offer != NULL &&
         !proposal_select(&class->conn->proposals, search->offer, WIRE_PROTO_IKE, wish, &choice)))
        return;
    search->best = class;
    search->best_rank = rank;
    search->choice = choice;
}

/* places_below - the number of places that begin at `address` or below. */
static size_t places_below(const struct conn_index *index, const struct address *address)
{
    size_t low = 0, high = index->n_places;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (address_compare(&index->places[middle].first, address) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct ike_conn *conn_index_find(struct ike *ike, const struct ike_path *path,
                                 const struct wire_sa *offer, uint16_t ke_sent,
                                 struct proposal_choice *ret_choice)
{
    if (ike->conn_index == NULL)
        ike->conn_index = conn_index_new(ike);
    const struct conn_index *index = ike->conn_index;
    if (index == NULL || (offer != NULL && none_offers(index, offer)))
        return NULL;
    struct search search = {.path = path, .offer = offer, .ke_sent = ke_sent};
    for (size_t i = places_below(index, &path->remote.address); i-- > 0;) {
        const struct conn_place *place = &index->places[i];
        if (address_compare(&place->reach, &path->remote.address) < 0)
            break; /* no earlier place reaches this address either */
        if (address_compare(&place->last, &path->remote.address) >= 0)
            consider(&search, &index->classes[place->class]);
    }
    for (size_t i = 0; i < index->n_anywhere; i++)
        consider(&search, &index->classes[index->anywhere[i]]);
    if (search.best == NULL)
        return NULL;
    if (offer != NULL)
        *ret_choice = search.choice;
    return search.best->conn;
}
