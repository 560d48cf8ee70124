/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/exchanges/clone_address.h"

#include <stdlib.h>

#include "ike/core/child_sa.h"
#include "ike/core/ike_state.h"
#include "ike/core/jobs.h"
#include "ike/exchanges/cp.h"

/* inner_wanted - the IKE SA needs its own addresses. Only clones do: the first IKE SA has those of
 * the login. */
static bool inner_wanted(const struct sa *sa)
{
    return sa->session->conn->inner_per_path && sa->origin == IKE_ORIGIN_CLONED &&
           sa->inner == NULL && sa->session->config.n_addresses > 0;
}

/* --- End User --- */

bool inner_asks(const struct sa *sa)
{
    return sa->session->role == IKE_END_USER && inner_wanted(sa) && sa->session->conn->n_vips > 0;
}

/* held_on - the own addresses of the replaced session's IKE SA on `path`; NULL: none. */
static const struct ike_config *held_on(const struct session *session, const struct ike_path *path)
{
    const struct session *old = session_find(session->ike, session->replaces);
    for (const struct sa *sa = old == NULL ? NULL : old->sas; sa != NULL; sa = sa->session_next)
        if (inner_own(sa) && address_equal(&sa->path.local.address, &path->local.address) &&
            address_equal(&sa->path.remote.address, &path->remote.address))
            return &sa->inner->config;
    return NULL;
}

void inner_ask(const struct sa *sa, const struct ike_path *path, struct wire_builder *request)
{
    cp_request_add(sa->session->conn, held_on(sa->session, path), request);
}

bool inner_read(struct sa *sa, const struct wire_message *response)
{
    const struct wire_payload *cp = wire_find(response, WIRE_PAYLOAD_CP, NULL);
    const struct ike_config *session = &sa->session->config;
    struct ike_config config;
    if (!inner_asks(sa) || cp == NULL || !cp_reply_read(cp->body, sa->session->conn, &config) ||
        config.n_addresses == 0 || address_equal(&config.addresses[0], &session->addresses[0]))
        return true;
    struct inner *inner = inner_new(sa);
    if (inner == NULL)
        return false;
    inner->config = config;
    inner->known = true;
    return true;
}

/* --- Gateway --- */

/* twin_for - a clone of the elder session whose addresses no clone of this session shares yet. */
static const struct sa *twin_for(const struct session *session)
{
    const struct session *elder = session_find(session->ike, session->elder);
    for (const struct sa *twin = elder == NULL ? NULL : elder->sas; twin != NULL;
         twin = twin->session_next) {
        bool taken = !inner_own(twin);
        for (const struct sa *sa = session->sas; !taken && sa != NULL; sa = sa->session_next)
            taken = sa->inner != NULL && sa->inner->twin == twin->inner->owner;
        if (!taken)
            return twin;
    }
    return NULL;
}

void inner_lease(struct sa *sa)
{
    const struct session *session = sa->session;
    if (session->role != IKE_GATEWAY || !inner_wanted(sa) || !session->leased ||
        inner_new(sa) == NULL)
        return;
    const struct sa *twin = twin_for(session);
    const struct ike_config *held = twin == NULL ? NULL : &twin->inner->config;
    sa->inner->twin = twin == NULL ? 0 : twin->inner->owner;
    struct ike_event *event = event_job(sa, IKE_EV_LEASE, sa->inner->owner, (struct span){0});
    if (event == NULL) {
        free(sa->inner);
        sa->inner = NULL; /* the clone uses the session's addresses */
        return;
    }
    event->lease.beside = sa->inner->twin;
    event->session = sa->inner->owner;
    event->lease.conn = session->conn;
    event->lease.identity = session->remote_id;
    for (uint8_t i = 0; i < session->config.n_addresses && i < IKE_LEASE_ADDRESSES; i++) {
        struct address *wish = &event->lease.requested[event->lease.n_requested++];
        wish->family = session->config.addresses[i].family;
        for (uint8_t k = 0; held != NULL && k < held->n_addresses; k++)
            if (held->addresses[k].family == wish->family)
                *wish = held->addresses[k];
    }
}

static bool asked(const struct wire_message *request, struct ike_lease_job *ret_job)
{
    const struct wire_payload *cp = wire_find(request, WIRE_PAYLOAD_CP, NULL);
    return cp != NULL && cp_request_read(cp->body, ret_job) && ret_job->n_requested > 0;
}

/* inner_exchange - swaps the addresses of this clone with those of the clone that has the requested
 * address. Neither clone's addresses were given out yet. */
static void inner_exchange(struct sa *sa, const struct address *wish)
{
    const struct ike_config wanted = {.n_addresses = 1, .addresses = {*wish}};
    struct inner *inner = sa->inner;
    if (inner->given || !inner->known || inner_same(&inner->config, &wanted))
        return;
    for (struct sa *other = sa->session->sas; other != NULL; other = other->session_next)
        if (other->inner != NULL && other->inner->known && !other->inner->given &&
            inner_same(&other->inner->config, &wanted)) {
            sa->inner = other->inner;
            other->inner = inner;
            return;
        }
}

void inner_give(struct sa *sa, const struct wire_message *request)
{
    struct ike_lease_job job;
    if (sa->session->role != IKE_GATEWAY || sa->inner == NULL || !asked(request, &job))
        return;
    inner_exchange(sa, &job.requested[0]);
    sa->inner->given = true;
}

void inner_answer(const struct sa *sa, const struct wire_message *request,
                  struct wire_builder *reply)
{
    struct ike_lease_job job;
    if (sa->session->role == IKE_GATEWAY && inner_config(sa)->n_addresses > 0 &&
        asked(request, &job))
        cp_reply_add(inner_config(sa), reply);
}
