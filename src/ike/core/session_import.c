/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/assert.h"
#include "crypto/prf.h"
#include "ike/core/inner_address.h"
#include "ike/core/session_octets.h"
#include "ike/session_export.h"

/* --- prepare: nothing of `ike` changes --- */

/* digest_fits - the digest is right: the octets are unchanged. It proves no origin. The octets
 * carry keys and come over a channel of the daemon. */
static int digest_fits(struct ike *ike, struct span octets)
{
    uint8_t digest[EXPORT_DIGEST];
    if (octets.len < EXPORT_DIGEST)
        return ERR_INVALID;
    struct span all = span_of(octets.ptr, octets.len - EXPORT_DIGEST);
    int err = crypto_digest(ike->crypto, CRYPTO_SHA2_256, &all, 1, digest);
    if (err == 0 && memcmp(digest, octets.ptr + all.len, EXPORT_DIGEST) != 0)
        err = ERR_INVALID;
    return err;
}

/* struct incoming - the session that is read. */
struct incoming {
    uint64_t number; /* of the export */
    struct session *session;
    ike_session_id last_session; /* the highest number in it */
    ike_sa_id last_sa;
    ike_child_id last_child;
};

static int incoming_read(struct ike *ike, struct span octets, struct incoming *in)
{
    struct reader r = reader_of(span_of(octets.ptr, octets.len - EXPORT_DIGEST));
    struct span magic = read_bytes(&r, sizeof(EXPORT_MAGIC) - 1);
    uint8_t version = read_u8(&r);
    in->number = read_u64(&r);
    if (reader_failed(&r) || !span_equal(magic, span_text(EXPORT_MAGIC)) ||
        version < EXPORT_OLDEST || version > EXPORT_VERSION)
        return ERR_INVALID;
    if (map_get(&ike->imported, in->number) != NULL)
        return ERR_WRONG_STATE;
    in->session = calloc(1, sizeof(*in->session));
    if (in->session == NULL)
        return ERR_NO_MEMORY;
    in->session->ike = ike;
    in->session->yield_at_ns = NANOS_NEVER;
    struct carrier c = carrier_reads(read_rest(&r), version, ike->now);
    session_carry(&c, in->session);
    return carrier_done(&c);
}

/* twice_child - two Child SAs of the session have the same number or SPI. */
static bool twice_child(const struct session *session, const struct child *child)
{
    unsigned n = 0;
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        for (const struct child *other = sa->children; other != NULL; other = other->sa_next)
            n += other->id == child->id || other->spi_in == child->spi_in;
    return n > 1;
}

/* twice_sa - the same of two IKE SAs. */
static bool twice_sa(const struct session *session, const struct sa *sa)
{
    unsigned n = 0;
    for (const struct sa *other = session->sas; other != NULL; other = other->session_next)
        n += other->id == sa->id || sa_spi_ours(other) == sa_spi_ours(sa) ||
             (other->inner != NULL && sa->inner != NULL && other->inner->owner == sa->inner->owner);
    return n > 1 || (sa->inner != NULL && sa->inner->owner == session->id);
}

static bool has_sa(const struct session *session, ike_sa_id id)
{
    const struct sa *sa = session->sas;
    while (sa != NULL && sa->id != id)
        sa = sa->session_next;
    return sa != NULL;
}

static bool has_child(const struct session *session, ike_child_id id)
{
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        for (const struct child *child = sa->children; child != NULL; child = child->sa_next)
            if (child->id == id)
                return true;
    return false;
}

/* strangers_forget - clears numbers that name no IKE SA or Child SA of the session: those have
 * ended. Here the same number may name an IKE SA of another session, now or later. */
static void strangers_forget(struct session *session)
{
    for (struct sa *sa = session->sas; sa != NULL; sa = sa->session_next) {
        if (!has_sa(session, sa->replaced_by))
            sa->replaced_by = 0;
        for (struct child *child = sa->children; child != NULL; child = child->sa_next) {
            if (!has_child(session, child->replaces))
                child->replaces = 0;
            if (!has_child(session, child->replaced_by))
                child->replaced_by = 0;
        }
    }
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* children_check - the numbers and SPIs of the Child SAs are free here. */
static int children_check(struct incoming *in, const struct sa *sa)
{
    const struct session *session = in->session;
    const struct ike *ike = session->ike;
    for (const struct child *child = sa->children; child != NULL; child = child->sa_next) {
        if (twice_child(session, child))
            return ERR_INVALID;
        if (map_get(&ike->children_by_id, child->id) != NULL ||
            map_get(&ike->children_by_spi, child->spi_in) != NULL)
            return ERR_WRONG_STATE;
        in->last_child = later(in->last_child, later(child->id, child->replaces));
        in->last_child = later(in->last_child, child->replaced_by);
    }
    return 0;
}

static int incoming_check(struct incoming *in)
{
    const struct session *session = in->session;
    const struct ike *ike = session->ike;
    if (session_live_sas(session) == 0)
        return ERR_INVALID;
    if (session_find(ike, session->id) != NULL)
        return ERR_WRONG_STATE;
    in->last_session = session->id;
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next) {
        if (twice_sa(session, sa))
            return ERR_INVALID;
        if (sa_find(ike, sa->id) != NULL || map_get(&ike->sas_by_spi, sa_spi_ours(sa)) != NULL ||
            (sa->inner != NULL && session_find(ike, sa->inner->owner) != NULL))
            return ERR_WRONG_STATE;
        in->last_sa = later(in->last_sa, later(sa->id, sa->parent));
        in->last_sa = later(in->last_sa, later(sa->line, sa->replaced_by));
        in->last_session = later(in->last_session, sa->inner == NULL ? 0 : sa->inner->owner);
        int err = children_check(in, sa);
        if (err != 0)
            return err;
    }
    return 0;
}

static size_t children_of(const struct session *session)
{
    size_t n = 0;
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        for (const struct child *child = sa->children; child != NULL; child = child->sa_next)
            n++;
    return n;
}

/* room_make - allocates all memory that the commit needs. */
static int room_make(struct ike *ike, const struct session *session)
{
    size_t sas = session->n_sas, children = children_of(session), joined = 0;
    const struct {
        struct map *map;
        size_t n;
    } rooms[] = {
        {&ike->sessions_by_peer, ike->stats.sessions + 1},
        {&ike->sessions_by_id, ike->sessions_by_id.n + 1},
        {&ike->sas_by_remote, ike->deadlines.members + sas},
        {&ike->sas_by_id, ike->sas_by_id.n + sas},
        {&ike->sas_by_spi, ike->sas_by_spi.n + sas},
        {&ike->children_by_id, ike->children_by_id.n + children},
        {&ike->children_by_spi, ike->children_by_spi.n + children},
        {&ike->imported, ike->imported.n + 1},
    };
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
        if (map_reserve(rooms[i].map, rooms[i].n) != 0)
            return ERR_NO_MEMORY;
    while (joined < sas && deadline_heap_join(&ike->deadlines) == 0)
        joined++;
    if (joined == sas)
        return 0;
    for (struct deadline none = {0}; joined > 0; joined--)
        deadline_heap_leave(&ike->deadlines, &none);
    return ERR_NO_MEMORY;
}

/* --- commit --- */

static void incoming_enter(struct ike *ike, const struct incoming *in)
{
    int err = map_put(&ike->imported, in->number, ike);
    ASSERT(err == 0);
    strangers_forget(in->session);
    session_enter(in->session);
    for (struct sa *sa = in->session->sas; sa != NULL; sa = sa->session_next)
        sa_enter(sa);
    /* numbers are never used again while the process lives */
    ike->last_session = later(ike->last_session, in->last_session);
    ike->last_sa = later(ike->last_sa, in->last_sa);
    ike->last_child = later(ike->last_child, in->last_child);
}

int ike_session_import(struct ike *ike, struct span octets, ike_session_id *ret_id, nanos now)
{
    struct incoming in = {0};
    ike->now = now;
    if (ike->stats.sessions >= LIMIT_SESSIONS)
        return ERR_FULL;
    int err = digest_fits(ike, octets);
    if (err == 0)
        err = incoming_read(ike, octets, &in);
    if (err == 0)
        err = incoming_check(&in);
    if (err == 0)
        err = room_make(ike, in.session);
    if (err != 0) {
        session_carried_free(in.session);
        return err;
    }
    *ret_id = in.session->id;
    incoming_enter(ike, &in);
    ike_settle(ike);
    return 0;
}
