/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/inner_address.h"

#include <stdlib.h>

#include "ike/core/child_sa.h"
#include "ike/core/ike_state.h"
#include "ike/core/upper.h"

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

bool inner_same(const struct ike_config *a, const struct ike_config *b)
{
    return a->n_addresses > 0 && b->n_addresses > 0 &&
           address_equal(&a->addresses[0], &b->addresses[0]);
}

/* sa_of_addresses - the IKE SA of `session` whose own addresses are those of `config`; NULL:
 * none. */
static struct sa *sa_of_addresses(const struct session *session, const struct ike_config *config)
{
    struct sa *sa = session == NULL ? NULL : session->sas;
    while (sa != NULL && !(inner_own(sa) && inner_same(&sa->inner->config, config)))
        sa = sa->session_next;
    return sa;
}

bool inner_waits(const struct sa *sa)
{
    if (!inner_own(sa))
        return session_waits(sa->session);
    return sa_of_addresses(session_find(sa->ike, sa->session->elder), &sa->inner->config) != NULL;
}

struct inner *inner_new(struct sa *sa)
{
    struct inner *inner = sa->inner = calloc(1, sizeof(*inner));
    if (inner != NULL)
        inner->owner = ++sa->ike->last_session;
    return inner;
}

void inner_leased(struct ike *ike, struct sa *sa, ike_session_id owner,
                  const struct ike_result *result)
{
    if (sa != NULL && (sa->inner == NULL || sa->inner->owner != owner))
        sa = sa_heir(sa); /* it was rekeyed meanwhile */
    bool mine = sa != NULL && sa->inner != NULL && sa->inner->owner == owner;
    if (mine)
        early_due(sa);
    if (mine && result->error == 0) {
        sa->inner->config = result->config;
        sa->inner->known = true;
    } else if (mine) { /* the pool is empty: the clone uses the session's addresses */
        free(sa->inner);
        sa->inner = NULL;
    } else if (result->error == 0) { /* the clone ended before the lease came */
        event_add(ike, IKE_EV_LEASE_RELEASE)->session = owner;
    }
}

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
    struct sa *heir =
        sa_of_addresses(session_find(sa->ike, sa->session->successor), &sa->inner->config);
    if (heir != NULL)
        child_wait_over(heir);
    struct ike_event *event = event_add(sa->ike, IKE_EV_LEASE_RELEASE);
    event->session = sa->inner->owner;
    free(sa->inner);
    sa->inner = NULL;
}
