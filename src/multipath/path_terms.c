/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An End User tells its Gateway the terms of its paths (docs/protocol.md section 7). So the traffic towards the End
 * User takes the paths that the End User would take.
 */
#include "multipath/vpn.h"

#define AGAIN_NS (5 * NANOS_PER_SEC) /* after a failure */

static struct path_terms terms_of(const struct vpn *vpn, const struct leg *leg)
{
    const struct path *path = &vpn->paths[leg->path];
    return (struct path_terms){.rank = path->priority,
                               .weight = path->weight,
                               .metered = path->metered,
                               .classes = classes_of_path(vpn, path)};
}

/* untold - the Gateway lacks the terms of the path, and needs them. It needs none while all paths have the
 * defaults, unless it was told other ones before. */
static bool untold(const struct vpn *vpn, const struct leg *leg)
{
    bool differs = leg->terms.weight != 0 || classes_to_tell(vpn);
    for (unsigned i = 0; i < vpn->n_paths; i++)
        differs |= vpn->paths[i].priority != PATH_TERMS_UNSAID.rank || vpn->paths[i].metered ||
                   vpn->paths[i].weight != PATH_TERMS_UNSAID.weight;
    bool classes = classes_to_tell(vpn);
    return (differs && !path_terms_equal(terms_of(vpn, leg), leg->terms)) ||
           (classes && !leg->classes_told);
}

/* grows - a path is about to get its IKE SA or its Child SA. The exchange for that goes first in the window. */
static bool grows(const struct vpn *vpn)
{
    for (unsigned i = 0; i < vpn->n_paths; i++)
        if (vpn->paths[i].use.clone_tag != 0)
            return true;
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        if (vpn->legs[i].clone_tag != 0 || vpn->legs[i].job != JOB_NONE)
            return true;
    return false;
}

/* next_to_tell - the leg whose terms are told next. The best path comes first, because the Gateway prefers a path with
 * terms to one without: so traffic never moves to a worse path meanwhile. Only a leg at home has the terms of its
 * path. */
static struct leg *next_to_tell(const struct vpn *vpn)
{
    struct leg *best = NULL;
    if (grows(vpn))
        return NULL;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        if (leg->terms_tag != 0)
            return NULL;
        if (leg->job == JOB_NONE && leg->health == HEALTH_GOOD && leg_home(vpn, leg) &&
            untold(vpn, leg) &&
            (best == NULL || path_terms_better(terms_of(vpn, leg), terms_of(vpn, best))))
            best = leg;
    }
    return best;
}

nanos terms_settle(struct vpn *vpn, nanos now)
{
    if (!vpn->session.path_terms || vpn_single(vpn))
        return NANOS_NEVER;
    struct leg *leg = next_to_tell(vpn);
    if (leg == NULL || leg->terms_at_ns > now)
        return leg == NULL ? NANOS_NEVER : leg->terms_at_ns;
    struct ike_command command = {.kind = IKE_CMD_PATH_TERMS,
                                  .sa = leg->id,
                                  .session = vpn->session.id,
                                  .terms = terms_of(vpn, leg)};
    leg->terms_tag = command_add(vpn, &command); /* without room the next call tells it */
    leg->classes_told = leg->terms_tag != 0;
    vpn->session.classes_spoken |= command.terms.classes != 0;
    return NANOS_NEVER;
}

void terms_known(struct vpn *vpn)
{
    const struct path_view *view = &vpn->pm->options.view;
    struct ike_session_info session;
    struct ike_sa_info info;
    /* other classes concern the terms of all paths */
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        if (view->sa(view->context, vpn->legs[i].id, &info))
            vpn->legs[i].terms = info.terms;
    if (vpn_end_user(vpn) || !view->session(view->context, vpn->session.id, &session) ||
        session.classes_changes == vpn->session.classes_changes)
        return;
    vpn->session.classes_changes = session.classes_changes;
    vpn->session.classes_told = false;
}

bool terms_done(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        if (leg->terms_tag != event->tag)
            continue;
        leg->terms_tag = 0;
        if (event->outcome != IKE_OK) {
            const struct path_view *view = &vpn->pm->options.view;
            struct ike_session_info info; /* the Gateway may have refused them for good */
            vpn->session.path_terms =
                view->session(view->context, vpn->session.id, &info) && info.path_terms;
            leg->terms_at_ns = now + AGAIN_NS;
            leg->classes_told = false;
        }
        return true;
    }
    return false;
}
