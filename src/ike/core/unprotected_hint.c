/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/unprotected_hint.h"

#include "base/assert.h"
#include "base/rate.h"
#include "base/reader.h"
#include "ike/core/exchange.h"
#include "wire/payloads.h"

#define LOOKS_PER_SECOND 100
/* the most IKE SAs that one look-up visits for an endpoint */
#define PEERS_PER_LOOK 64
#define PORT_IKE       500
#define PORT_NAT_T     4500
#define STRAY_LASTS_NS NANOS_PER_SEC
#define STRAY_PAUSE_NS (10 * NANOS_PER_SEC)
/* the interval of a Delete that the peer seems to have handled ... */
#define DELETE_AGAIN_NS  NANOS_PER_SEC
#define DELETE_ENOUGH_NS (3 * NANOS_PER_SEC) /* ... and how long it is repeated */

/* remote_key - the hash of an endpoint, never 0. Callers compare endpoints, since keys can
 * collide. */
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

/* look_next - the next established IKE SA after `sa` whose peer is at look->there; `sa` NULL: the
 * first. NULL: no more, or PEERS_PER_LOOK were looked at. */
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

/* any_at - an IKE SA whose peer is at `there`. Port 0: the hint is about plain ESP. So no NAT is on
 * the path, and IKE uses its usual ports. */
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

/* stray_lasts - stray ESP has lasted for STRAY_LASTS_NS, and the last INVALID_SPI notify is old
 * enough. */
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
    if (ike->exported || !rate_second(&ike->hints_ns, LOOKS_PER_SECOND, now))
        return;
    struct sa *sa = any_at(ike, from);
    struct intent intent = {.kind = INTENT_STRAY, .spi_in = spi};
    if (sa != NULL && stray_lasts(sa, now) && !intent_pending(sa, INTENT_STRAY, 0))
        (void)!intent_add(sa, &intent); /* a full queue: further stray ESP asks again */
}

void hint_unreachable(struct ike *ike, const struct endpoint *remote, nanos now)
{
    if (!rate_second(&ike->hints_ns, LOOKS_PER_SECOND, now))
        return;
    struct look look = {.ike = ike, .there = *remote};
    for (struct sa *sa = NULL; (sa = look_next(&look, sa)) != NULL;)
        sa_suspect(sa, now);
}

/* invalid_spi - a hint counts if we send with this SPI to the source of the hint. Only a host that
 * saw our packets knows the SPI. */
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
 * unknown_there - the peer does not know the IKE SA that we delete. Probably its response was lost,
 * so we repeat the Delete for seconds instead of minutes. We do not stop at once: an attacker who
 * forges the hint could keep the Delete from the peer.
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
