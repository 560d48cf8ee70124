/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/hint.h"

#include "base/reader.h"
#include "ike/exchange.h"
#include "wire/payloads.h"

#define LOOKS_PER_SECOND 4 /* each walks all IKE SAs or Child SAs */
#define STRAY_LASTS_NS   NANOS_PER_SEC
#define STRAY_PAUSE_NS   (10 * NANOS_PER_SEC)

bool hint_rate(struct ike_rate *rate, unsigned per_second, nanos now)
{
    if (now - rate->since_ns >= NANOS_PER_SEC) {
        rate->since_ns = now;
        rate->n = 0;
    }
    if (rate->n >= per_second)
        return false;
    rate->n++;
    return true;
}

/* is_peer - the IKE SA is with `there`. Port 0: what came was not in UDP. */
static bool is_peer(const struct sa *sa, const struct endpoint *there)
{
    return sa->life == IKE_ESTABLISHED &&
           address_equal(&sa->path.remote.address, &there->address) &&
           (there->port == 0 || sa->path.remote.port == there->port);
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
    if (!hint_rate(&ike->hints, LOOKS_PER_SECOND, now))
        return;
    struct sa *sa = ike->sas;
    while (sa != NULL && !is_peer(sa, from))
        sa = sa->next;
    struct intent intent = {.kind = INTENT_STRAY, .spi_in = spi};
    if (sa != NULL && stray_lasts(sa, now) && !intent_pending(sa, INTENT_STRAY, 0))
        (void)!intent_add(sa, &intent); /* a full queue: they come again, or it was nothing */
}

void hint_unreachable(struct ike *ike, const struct endpoint *remote, nanos now)
{
    if (!hint_rate(&ike->hints, LOOKS_PER_SECOND, now))
        return;
    for (struct sa *sa = ike->sas; sa != NULL; sa = sa->next)
        if (is_peer(sa, remote))
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
        !hint_rate(&ike->hints, LOOKS_PER_SECOND, now))
        return;
    struct reader r = reader_of(notify.data);
    uint32_t spi = read_u32(&r);
    for (struct child *child = ike->children; child != NULL; child = child->next)
        if (child->spi_out == spi && is_peer(child->sa, &path->remote))
            sa_suspect(child->sa, now);
}

void hint_in_the_open(struct ike *ike, struct sa *sa, const struct ike_path *path,
                      const struct wire_message *message, nanos now)
{
    if (sa == NULL)
        invalid_spi(ike, path, message, now);
    else if (ike_header_response(&message->header) && wire_notify_has(message, N_INVALID_IKE_SPI))
        sa_suspect(sa, now);
}
