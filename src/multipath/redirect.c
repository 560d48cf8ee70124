/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Gateway sends us to another one (RFC 5685). The other one gets the place of the configured
 * addresses until its session is over, or until it does not answer. More than five redirections
 * within five minutes are a loop (section 7).
 */
#include "multipath/vpn.h"

#define MAX_REDIRECTS  5
#define LOOP_DETECT_NS (300 * NANOS_PER_SEC)

static bool allowed(struct vpn *vpn, nanos now)
{
    struct vpn_redirect *redirect = &vpn->redirect;
    if (redirect->n == 0 || now - redirect->since_ns > LOOP_DETECT_NS) {
        redirect->n = 0;
        redirect->since_ns = now;
    }
    if (redirect->n >= MAX_REDIRECTS)
        return false;
    redirect->n++;
    return true;
}

static void turn_to(struct vpn *vpn, const struct address *from, const struct address *to)
{
    struct vpn_redirect *redirect = &vpn->redirect;
    if (redirect->n_home == 0) {
        memcpy(vpn->gateway->home, vpn->gateway->remotes, sizeof(vpn->gateway->home));
        redirect->n_home = vpn->n_own_remotes;
    }
    redirect->from = *from;
    vpn->gateway->remotes[0] = *to;
    vpn->n_own_remotes = vpn->n_remotes = 1;
}

bool redirect_login(struct vpn *vpn, const struct address *from, const struct address *to,
                    nanos now)
{
    if (!allowed(vpn, now))
        return false;
    turn_to(vpn, from, to);
    return true;
}

void redirect_session(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    const struct leg *leg = leg_find(vpn, event->sa);
    const struct address *to = &event->path.remote.address;
    if (!vpn_end_user(vpn) || vpn_released(vpn) || leg == NULL || vpn->replace.successor != NULL ||
        !allowed(vpn, now) || !beside_begin(vpn, true, now))
        return;
    struct vpn *successor = vpn->replace.successor;
    successor->redirect = vpn->redirect;
    *successor->gateway = *vpn->gateway;
    turn_to(successor, &leg->at.remote.address, to);
    wanted_plan(successor, now);
}

void redirect_home(struct vpn *vpn)
{
    struct vpn_redirect *redirect = &vpn->redirect;
    redirect->from = (struct address){0};
    if (vpn->gateway == NULL)
        return;
    vpn->gateway->heard.until_ns = 0;
    if (redirect->n_home == 0)
        return;
    memcpy(vpn->gateway->remotes, vpn->gateway->home, sizeof(vpn->gateway->home));
    vpn->n_own_remotes = vpn->n_remotes = redirect->n_home;
    redirect->n_home = 0;
}
