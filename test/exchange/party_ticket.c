/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/party_ticket.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/prf.h"

#define MAGIC UINT64_C(0x7469636b65747321)

static void family_over(struct party_tickets *tickets, uint64_t family)
{
    for (unsigned i = 0; i < tickets->n; i++)
        if (tickets->tickets[i].what.family == family)
            tickets->tickets[i].over = true;
}

static void seal(struct party_tickets *tickets, const struct ike_ticket_job *job, nanos now,
                 struct ike_result *result)
{
    struct writer w = writer_of(tickets->sealed, sizeof(tickets->sealed));
    ASSERT(tickets->n < PARTY_TICKETS && job->sk_d.len <= AUTH_OCTETS_PRF);
    struct party_ticket *ticket = &tickets->tickets[tickets->n];
    *ticket = (struct party_ticket){.what = *job->ticket, .n_sk_d = job->sk_d.len};
    memcpy(ticket->sk_d, job->sk_d.ptr, job->sk_d.len);
    if (ticket->what.family == 0)
        ticket->what.family = ++tickets->families;
    family_over(tickets, ticket->what.family);
    ticket->what.issued = tickets->n;
    ticket->sealed_ns = now;
    if (tickets->lifetime_ns != 0)
        ticket->what.lifetime_ns = tickets->lifetime_ns;
    write_u64(&w, MAGIC);
    write_u64(&w, tickets->n);
    write_u64(&w, MAGIC ^ tickets->n++);
    result->sealed = writer_span(&w);
    result->family = ticket->what.family;
    result->ticket_lifetime_ns = ticket->what.lifetime_ns;
}

static void open_ticket(struct party_tickets *tickets, struct crypto_provider *crypto,
                        const struct ike_ticket_job *job, nanos now, struct ike_result *result)
{
    struct reader r = reader_of(job->sealed);
    uint64_t magic = read_u64(&r), n = read_u64(&r), sum = read_u64(&r);
    result->error = ERR_AUTH;
    if (!reader_done(&r) || magic != MAGIC || sum != (MAGIC ^ n) || n >= tickets->n)
        return;
    const struct party_ticket *ticket = &tickets->tickets[n];
    result->error = ERR_DENIED;
    if (ticket->over || now >= nanos_after(ticket->sealed_ns, ticket->what.lifetime_ns))
        return;
    const struct span parts[] = {span_text("Resumption"), job->ni, job->nr};
    result->error = crypto_prf(crypto, ticket->what.prf, span_of(ticket->sk_d, ticket->n_sk_d),
                               parts, 3, tickets->skeyseed);
    tickets->opened = ticket->what;
    if (ticket->what.valid_ns != 0)
        tickets->opened.valid_ns -= now - ticket->sealed_ns;
    result->ticket = &tickets->opened;
    result->skeyseed = span_of(tickets->skeyseed, ticket->n_sk_d);
}

void party_ticket(struct party_tickets *tickets, struct crypto_provider *crypto,
                  const struct ike_event *event, nanos now, struct ike_result *ret_result)
{
    *ret_result = (struct ike_result){.error = tickets->refuse ? ERR_DENIED : 0};
    if (event->kind == IKE_EV_TICKET_END) {
        family_over(tickets, event->tag);
        return;
    }
    if (tickets->refuse)
        return;
    if (event->kind == IKE_EV_TICKET_SEAL) {
        seal(tickets, &event->ticket, now, ret_result);
    } else if (event->kind == IKE_EV_TICKET_OPEN) {
        open_ticket(tickets, crypto, &event->ticket, now, ret_result);
    } else {
        struct party_ticket *ticket = &tickets->tickets[event->ticket.ticket->issued];
        ret_result->error = ticket->over ? ERR_DENIED : 0;
        ret_result->proof.grant = ticket->what.grant;
        ticket->over = true;
    }
}
