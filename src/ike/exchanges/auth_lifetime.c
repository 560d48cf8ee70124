/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   HDR, SK{IDr, AUTH, ..., N(AUTH_LIFETIME)}      in the last IKE_AUTH response, or
 *
 *                           <--  HDR, SK{N(AUTH_LIFETIME)}
 *   HDR, SK{}               -->
 */
#include "ike/exchanges/auth_lifetime.h"

#include "base/reader.h"
#include "ike/core/exchange.h"
#include "ike/core/ike_state.h"

/* RFC 4478 section 5: an End User may set reasonable limits. A Gateway that keeps asking causes one
 * login per LEAST_NS. */
#define LEAST_NS (10 * NANOS_PER_SEC)

static bool limited(const struct ike_conn *conn)
{
    return conn->reauth_ns > 0 && conn->reauth_ns != NANOS_NEVER;
}

/* deadline_from - the deadline of our configuration, for a session that began at `began`. It is
 * never later than the end of the proof (a certificate, a Session-Timeout). */
static nanos deadline_from(const struct session *session, nanos began)
{
    const struct ike_conn *conn = session->conn;
    nanos over = conn->reauth_over_ns > 0 ? conn->reauth_over_ns : conn->reauth_ns / 10;
    nanos own =
        limited(conn) ? nanos_after(nanos_after(began, conn->reauth_ns), over) : NANOS_NEVER;
    return nanos_min(own, session->valid_until_ns);
}

static nanos own_deadline(const struct session *session)
{
    return deadline_from(session, session->established_ns);
}

nanos auth_lifetime_end(const struct session *session)
{
    return session->established ? session->auth_deadline_ns
                                : deadline_from(session, session->ike->now);
}

/* lifetime_of - the time from now until a new login is wanted; 0: no limit. */
static nanos lifetime_of(const struct session *session)
{
    nanos age = session->established ? session->ike->now - session->established_ns : 0;
    nanos own = limited(session->conn) ? session->conn->reauth_ns - age : NANOS_NEVER;
    nanos valid = session->valid_until_ns == NANOS_NEVER
                      ? NANOS_NEVER
                      : session->valid_until_ns - session->ike->now;
    nanos least = nanos_min(own, valid - valid / 10);
    return own == NANOS_NEVER && valid == NANOS_NEVER ? 0 : least;
}

static void touch_all(const struct session *session)
{
    for (struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        sa_touch(sa);
}

void auth_lifetime_begin(struct session *session, nanos now)
{
    const struct ike_conn *conn = session->conn;
    struct ike_lifetime lifetime = {.rekey_ns = lifetime_of(session),
                                    .jitter_ns = conn->lifetime.jitter_ns};
    session->auth_deadline_ns = own_deadline(session);
    if (session->role == IKE_END_USER && lifetime.rekey_ns > 0)
        session->own_reauth_ns = session->reauth_at_ns =
            ike_lifetime_rekey_at(&lifetime, session->ike->random, now);
    touch_all(session);
}

void auth_lifetime_set(struct session *session, nanos lifetime, nanos now)
{
    session->valid_until_ns = nanos_min(nanos_after(now, lifetime), session->certs_until_ns);
    session->auth_deadline_ns = own_deadline(session);
    touch_all(session);
}

static void seconds_write(nanos lifetime, uint8_t octets[4])
{
    struct writer w = writer_of(octets, 4);
    nanos seconds = lifetime / NANOS_PER_SEC;
    write_u32(&w, seconds < 1 ? 1 : seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds);
}

void auth_lifetime_add(const struct session *session, struct wire_builder *response)
{
    uint8_t octets[4];
    nanos lifetime = lifetime_of(session);
    if (session->role != IKE_GATEWAY || lifetime == 0)
        return;
    seconds_write(lifetime, octets);
    wire_add_notify(response, N_AUTH_LIFETIME, span_of(octets, sizeof(octets)));
}

void auth_lifetime_read(struct session *session, const struct wire_message *message, nanos now)
{
    struct wire_notify notify;
    if (session->role != IKE_END_USER || !wire_notify_find(message, N_AUTH_LIFETIME, &notify) ||
        notify.data.len != 4)
        return;
    struct reader r = reader_of(notify.data);
    nanos lifetime = read_u32(&r) * NANOS_PER_SEC;
    /* The Gateway wants the login within that time, so the End User begins earlier. A random part
     * keeps End Users from logging in all at once. */
    nanos margin = session->conn->reauth_margin_ns;
    if (margin < lifetime / 10 || margin > lifetime / 2)
        margin = lifetime / 10;
    struct ike_lifetime within = {.rekey_ns = lifetime - margin, .jitter_ns = lifetime / 10};
    nanos at = lifetime == 0 ? now : ike_lifetime_rekey_at(&within, session->ike->random, now);
    nanos least = nanos_after(session->established_ns, LEAST_NS);
    at = at < least ? least : at;
    session->reauth_at_ns = nanos_min(at, session->own_reauth_ns);
    /* With zero the Gateway allows "a reasonable time", and it ends the session itself (section
     * 2). */
    nanos over = nanos_after(now, lifetime + lifetime / 10);
    least = nanos_after(least, LEAST_NS);
    if (lifetime != 0)
        session->auth_deadline_ns = nanos_min(own_deadline(session), over < least ? least : over);
    touch_all(session);
}

void auth_lifetime_due(struct session *session)
{
    session->reauth_at_ns = NANOS_NEVER;
    struct ike_event *event = event_add(session->ike, IKE_EV_REAUTH);
    event->session = session->id;
    touch_all(session);
}

/* --- the Gateway asks for a new login, now or by a deadline --- */

static enum ike_outcome lifetime_ask(struct sa *sa, struct asking *asking,
                                     struct wire_builder *request, nanos now)
{
    uint8_t octets[4] = {0};
    const struct session *session = sa->session;
    (void)asking;
    (void)now;
    if (session->tells_lifetime)
        seconds_write(lifetime_of(session), octets);
    wire_add_notify(request, N_AUTH_LIFETIME, span_of(octets, sizeof(octets)));
    return IKE_OK;
}

const struct exchange_ops exchange_auth_lifetime = {.what = "auth-lifetime",
                                                    .exchange = WIRE_INFORMATIONAL,
                                                    .ask = lifetime_ask,
                                                    .answered = exchange_acknowledged};
