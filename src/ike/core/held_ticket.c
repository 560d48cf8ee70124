/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/held_ticket.h"

#include <stdlib.h>

#include "base/reader.h"
#include "crypto/prf.h"

struct held_ticket *held_ticket_ref(struct held_ticket *ticket)
{
    ticket->refs++;
    return ticket;
}

static void chains_end(struct ike *ike, ike_session_id session)
{
    if (!ike->closing)
        event_add(ike, IKE_EV_CHAINS_END)->session = session;
}

struct held_ticket *held_ticket_unref(struct held_ticket *ticket)
{
    if (ticket == NULL || --ticket->refs > 0)
        return NULL;
    if (ticket->has_chains)
        chains_end(ticket->ike, ticket->session);
    ike_conn_unref(ticket->conn);
    wipe(ticket, sizeof(*ticket) + ticket->n_octets);
    free(ticket);
    return NULL;
}

/* unlink_ticket - takes the ticket out of the list and gives back the list's reference. */
static void unlink_ticket(struct held_ticket **link)
{
    struct held_ticket *ticket = *link;
    *link = ticket->next;
    ticket->next = NULL;
    held_ticket_unref(ticket);
}

void held_ticket_drop(struct ike *ike, struct held_ticket *ticket)
{
    struct held_ticket **link = &ike->tickets;
    while (*link != NULL && *link != ticket)
        link = &(*link)->next;
    if (*link != NULL)
        unlink_ticket(link);
}

static struct held_ticket **place_of(struct ike *ike, const struct ike_conn *conn)
{
    struct held_ticket **link = &ike->tickets;
    while (*link != NULL && strcmp((*link)->conn->name, conn->name) != 0)
        link = &(*link)->next;
    return link;
}

static void ticket_fill(struct held_ticket *ticket, const struct sa *sa,
                        const struct ike_id *peer_id)
{
    const struct session *session = sa->session;
    *ticket = (struct held_ticket){
        .refs = 1,
        .ike = sa->ike,
        .conn = ike_conn_ref(session->conn),
        .session = session->id,
        .chains = session->chains,
        .ppk = session->ppk,
        .local_id = session->local_id,
        .remote_id = *peer_id,
        .proven_id = session->remote_id,
        .encr = sa->encr,
        .encr_key_bits = sa->encr_key_bits,
        .integ = sa->integ,
        .prf = sa->prf,
        .ke = sa->ke,
        .valid_until_ns = session->valid_until_ns,
        .config = session->config,
        .n_remotes = sa->n_peer_addresses,
    };
    ticket->chains.from = session->id;
    memcpy(ticket->sk_d, sa->keys.sk_d, crypto_prf_find(sa->prf)->len);
    memcpy(ticket->remotes, sa->peer_addresses, sizeof(ticket->remotes));
}

void held_ticket_keep(struct sa *sa, const struct ike_id *peer_id, struct span data)
{
    struct ike *ike = sa->ike;
    struct held_ticket **place = place_of(ike, sa->session->conn);
    struct reader r = reader_of(data);
    uint32_t seconds = read_u32(&r);
    struct span octets = read_rest(&r);
    if (*place != NULL)
        unlink_ticket(place);
    if (reader_failed(&r) || octets.len == 0 || seconds == 0)
        return;
    struct held_ticket *ticket = malloc(sizeof(*ticket) + octets.len);
    if (ticket == NULL)
        return; /* the next login is a full one, without a ticket */
    ticket_fill(ticket, sa, peer_id);
    ticket->expires_ns = nanos_after(ike->now, seconds * NANOS_PER_SEC);
    ticket->n_octets = octets.len;
    memcpy(ticket->octets, octets.ptr, octets.len);
    ticket->next = ike->tickets;
    ike->tickets = ticket;
}

/* of_gateway - RFC 5723 section 4.3.2: a ticket is presented to the Gateway that made it. */
static bool of_gateway(const struct held_ticket *ticket, const struct address *gateway)
{
    for (uint8_t i = 0; i < ticket->n_remotes; i++)
        if (address_equal(&ticket->remotes[i], gateway))
            return true;
    return false;
}

struct held_ticket *held_ticket_find(struct ike *ike, const struct ike_conn *conn,
                                     const struct address *gateway)
{
    struct held_ticket **place = place_of(ike, conn);
    struct held_ticket *ticket = *place;
    if (ticket == NULL || !of_gateway(ticket, gateway))
        return NULL;
    /* section 4.3.1: MUST NOT present a ticket that has expired */
    if (ticket->expires_ns > ike->now && ike_conn_same(ticket->conn, conn))
        return ticket;
    unlink_ticket(place);
    return NULL;
}

static struct held_ticket **of_session(const struct session *session)
{
    struct held_ticket **link = &session->ike->tickets;
    while (*link != NULL && (*link)->session != session->id)
        link = &(*link)->next;
    return link;
}

void held_ticket_forget(const struct session *session)
{
    struct held_ticket **link = of_session(session);
    if (*link != NULL)
        unlink_ticket(link);
}

void held_ticket_session_ended(const struct session *session)
{
    struct held_ticket *ticket = *of_session(session);
    if (session->chains.n == 0 || !session->established)
        return;
    if (ticket != NULL)
        ticket->has_chains = true;
    else
        chains_end(session->ike, session->id);
}

void held_tickets_done(struct ike *ike)
{
    while (ike->tickets != NULL)
        unlink_ticket(&ike->tickets);
}
