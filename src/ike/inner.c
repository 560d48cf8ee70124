/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/inner.h"

#include <stdlib.h>

#include "ike/cp.h"
#include "ike/endpoint.h"
#include "ike/jobs.h"

bool inner_own(const struct sa *sa)
{
    const struct inner *inner = sa->inner;
    return inner != NULL && inner->known && (inner->given || sa->session->role == IKE_END_USER);
}

const struct ike_config *inner_config(const struct sa *sa)
{
    return inner_own(sa) ? &sa->inner->config : &sa->session->config;
}

ike_session_id inner_owner(const struct sa *sa)
{
    return inner_own(sa) ? sa->inner->owner : sa->session->id;
}

/* wanted - only clones: the first IKE SA has what the login brought. */
static bool wanted(const struct sa *sa)
{
    return sa->session->conn->inner_per_path && sa->origin == IKE_ORIGIN_CLONED &&
           sa->inner == NULL && sa->session->config.n_addresses > 0;
}

static struct inner *inner_new(struct sa *sa)
{
    struct inner *inner = sa->inner = calloc(1, sizeof(*inner));
    if (inner != NULL)
        inner->owner = ++sa->ike->last_session;
    return inner;
}

/* --- End User --- */

bool inner_asks(const struct sa *sa)
{
    return sa->session->role == IKE_END_USER && wanted(sa) && sa->session->conn->n_vips > 0;
}

void inner_ask(const struct sa *sa, struct wire_builder *request)
{
    cp_request_add(sa->session->conn, NULL, request);
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

void inner_lease(struct sa *sa)
{
    const struct session *session = sa->session;
    if (session->role != IKE_GATEWAY || !wanted(sa) || !session->leased || inner_new(sa) == NULL)
        return;
    struct ike_event *event = event_sa(sa, IKE_EV_LEASE);
    event->session = sa->inner->owner;
    event->job = job_add(sa, IKE_EV_LEASE, sa->inner->owner);
    event->lease.conn = session->conn;
    event->lease.identity = session->remote_id;
    for (uint8_t i = 0; i < session->config.n_addresses && i < IKE_LEASE_ADDRESSES; i++)
        event->lease.requested[event->lease.n_requested++].family =
            session->config.addresses[i].family;
}

void inner_leased(struct ike *ike, struct sa *sa, ike_session_id owner,
                  const struct ike_result *result)
{
    if (sa != NULL && (sa->inner == NULL || sa->inner->owner != owner))
        sa = sa_heir(sa); /* rekeyed meanwhile */
    bool mine = sa != NULL && sa->inner != NULL && sa->inner->owner == owner;
    if (mine && result->error == 0) {
        sa->inner->config = result->config;
        sa->inner->known = true;
    } else if (mine) { /* none is left: the session's will do */
        free(sa->inner);
        sa->inner = NULL;
    } else if (result->error == 0) { /* the clone is gone, and said so before the lease was there */
        event_add(ike, IKE_EV_LEASE_RELEASE)->session = owner;
    }
}

static bool asked(const struct wire_message *request)
{
    const struct wire_payload *cp = wire_find(request, WIRE_PAYLOAD_CP, NULL);
    struct ike_lease_job job;
    return cp != NULL && cp_request_read(cp->body, &job) && job.n_requested > 0;
}

void inner_give(struct sa *sa, const struct wire_message *request)
{
    if (sa->session->role == IKE_GATEWAY && sa->inner != NULL && asked(request))
        sa->inner->given = true;
}

void inner_answer(const struct sa *sa, const struct wire_message *request,
                  struct wire_builder *reply)
{
    if (sa->session->role == IKE_GATEWAY && inner_config(sa)->n_addresses > 0 && asked(request))
        cp_reply_add(inner_config(sa), reply);
}

/* --- the life of it --- */

void inner_move(struct sa *from, struct sa *to)
{
    if (from->inner == NULL || to->inner != NULL)
        return;
    to->inner = from->inner;
    from->inner = NULL;
}

void inner_drop(struct sa *sa)
{
    if (sa->inner == NULL)
        return;
    struct ike_event *event = event_add(sa->ike, IKE_EV_LEASE_RELEASE);
    event->session = sa->inner->owner;
    free(sa->inner);
    sa->inner = NULL;
}
