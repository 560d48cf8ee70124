/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/unprotected_hint.h"

#include "base/assert.h"
#include "base/rate.h"
#include "base/reader.h"
#include "ike/core/exchange.h"
#include "wire/payloads.h"

#define LOOKS_PER_SECOND 100
#define PEERS_PER_LOOK   64 /* IKE SAs at one endpoint: more are as good as told by these */
#define PORT_IKE         500
#define PORT_NAT_T       4500
#define STRAY_LASTS_NS   NANOS_PER_SEC
#define STRAY_PAUSE_NS   (10 * NANOS_PER_SEC)
#define DELETE_AGAIN_NS  NANOS_PER_SEC /* a Delete of which the peer seems to have heard ... */
#define DELETE_ENOUGH_NS (3 * NANOS_PER_SEC) /* ... is said some times more */

/* remote_key - of an endpoint; those that fall together are told apart by whoever asks. Never 0. */
static uint64_t remote_key(const struct endpoint *there)
{
    uint64_t words[2];
    memcpy(words, there->address.octets, sizeof(words));
    uint64_t key = words[0] ^ ((uint64_t)there->port << 16 | there->address.family);
    key = (key ^ key >> 32) * 0x9e3779b97f4a7c15u ^ words[1];
    key = (key ^ key >> 29) * 0xf1de83e19937733du;
    return key | (key == 0);
}

void hint_enter(struct sa *sa)
{
    struct map *map = &sa->ike->sas_by_remote;
    ASSERT(sa->remote_key == 0);
    sa->remote_key = remote_key(&sa->path.remote);
    sa->remote_previous = NULL;
    sa->remote_next = map_get(map, sa->remote_key);
    if (sa->remote_next != NULL)
        sa->remote_next->remote_previous = sa;
    int err = map_set(map, sa->remote_key, sa); /* sa_new made room */
    ASSERT(err == 0);
}

void hint_leave(struct sa *sa)
{
    if (sa->remote_key == 0)
        return;
    if (sa->remote_next != NULL)
        sa->remote_next->remote_previous = sa->remote_previous;
    if (sa->remote_previous != NULL)
        sa->remote_previous->remote_next = sa->remote_next;
    else
        map_replace(&sa->ike->sas_by_remote, sa->remote_key, sa->remote_next);
    sa->remote_key = 0;
}

bool hint_entered(const struct sa *sa)
{
    return sa->remote_key == remote_key(&sa->path.remote);
}

struct look {
    const struct ike *ike;
    struct endpoint there;
    unsigned n;
};

/* look_next - the established IKE SA with the peer there that comes after `sa` (NULL: the first).
 * NULL: none, or enough. */
static struct sa *look_next(struct look *look, const struct sa *sa)
{
    struct sa *next =
        sa != NULL ? sa->remote_next : map_get(&look->ike->sas_by_remote, remote_key(&look->there));
    while (next != NULL && look->n < PEERS_PER_LOOK) {
        look->n++;
        if (endpoint_equal(&next->path.remote, &look->there))
            return next;
        next = next->remote_next;
    }
    return NULL;
}

/* any_at - an IKE SA with the peer there. Port 0: what came was not in UDP, so that there is no NAT
 * which could have changed the ports of IKE. */
static struct sa *any_at(const struct ike *ike, const struct endpoint *there)
{
    static const uint16_t ports[] = {PORT_NAT_T, PORT_IKE};
    struct look look = {.ike = ike, .there = *there};
    if (there->port != 0)
        return look_next(&look, NULL);
    struct sa *sa = NULL;
    for (size_t i = 0; sa == NULL && i < sizeof(ports) / sizeof(ports[0]); i++) {
        look.there.port = ports[i];
        sa = look_next(&look, NULL);
    }
    return sa;
}

/* stray_lasts - it went on for a while, and was not told of lately. */
static bool stray_lasts(struct sa *sa, nanos now)
{
    if (now < sa->stray_ns)
        return false;
    if (sa->stray_ns == 0 || now - sa->stray_ns > STRAY_PAUSE_NS) {
        sa->stray_ns = now;
        return false;
    }
    if (now - sa->stray_ns < STRAY_LASTS_NS)
        return false;
    sa->stray_ns = nanos_after(now, STRAY_PAUSE_NS);
    return true;
}

void hint_stray(struct ike *ike, const struct endpoint *from, uint32_t spi, nanos now)
{
    if (!rate_second(&ike->hints_ns, LOOKS_PER_SECOND, now))
        return;
    struct sa *sa = any_at(ike, from);
    struct intent intent = {.kind = INTENT_STRAY, .spi_in = spi};
    if (sa != NULL && stray_lasts(sa, now) && !intent_pending(sa, INTENT_STRAY, 0))
        (void)!intent_add(sa, &intent); /* a full queue: they come again, or it was nothing */
}

void hint_unreachable(struct ike *ike, const struct endpoint *remote, nanos now)
{
    if (!rate_second(&ike->hints_ns, LOOKS_PER_SECOND, now))
        return;
    struct look look = {.ike = ike, .there = *remote};
    for (struct sa *sa = NULL; (sa = look_next(&look, sa)) != NULL;)
        sa_suspect(sa, now);
}

/* invalid_spi - the SPI is one that we send with, and the message came from where that goes: nobody
 * who has not seen our packets knows it. */
static void invalid_spi(struct ike *ike, const struct ike_path *path,
                        const struct wire_message *message, nanos now)
{
    struct wire_notify notify;
    if (message->header.exchange != WIRE_INFORMATIONAL || ike_header_response(&message->header) ||
        !wire_notify_find(message, N_INVALID_SPI, &notify) || notify.data.len != 4 ||
        !rate_second(&ike->hints_ns, LOOKS_PER_SECOND, now))
        return;
    struct reader r = reader_of(notify.data);
    uint32_t spi = read_u32(&r);
    struct look look = {.ike = ike, .there = path->remote};
    for (struct sa *sa = NULL; (sa = look_next(&look, sa)) != NULL;)
        if (child_find_outbound(sa, spi) != NULL)
            sa_suspect(sa, now);
}

/*
 * unknown_there - the IKE SA is unknown to whom we send its Delete: the answer was probably lost.
 * Nobody is hurt by an IKE SA that goes: so the Delete is repeated for a few seconds instead of
 * minutes. Not at once, as whoever forges this hint could keep the Delete from a peer that did not
 * get it yet.
 */
static void unknown_there(struct sa *sa, const struct ike_path *path,
                          const struct wire_message *message, nanos now)
{
    struct window *mine = &sa->mine;
    if (!window_busy(mine) || sa->asking->intent.kind != INTENT_DELETE_IKE ||
        mine->pace != WINDOW_TRIES || message->header.message_id != mine->next_id ||
        !endpoint_equal(&mine->path.remote, &path->remote))
        return;
    mine->interval_ns = DELETE_AGAIN_NS;
    mine->resend_at_ns = nanos_min(mine->resend_at_ns, nanos_after(now, DELETE_AGAIN_NS));
    window_end_by(mine, nanos_after(now, DELETE_ENOUGH_NS));
    sa_touch(sa);
}

void hint_in_the_open(struct ike *ike, struct sa *sa, const struct ike_path *path,
                      const struct wire_message *message, nanos now)
{
    if (sa == NULL)
        invalid_spi(ike, path, message, now);
    else if (!ike_header_response(&message->header) || !wire_notify_has(message, N_INVALID_IKE_SPI))
        return;
    else if (sa->life == IKE_DELETING)
        unknown_there(sa, path, message, now);
    else
        sa_suspect(sa, now);
}
