/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Gateway sends us to another one (RFC 5685). The other one gets the place of the configured
 * addresses until its session is over, or until it does not answer. More than five redirections
 * within five minutes are a loop (section 7). A name is resolved first, outside of the path manager;
 * that counts as a redirection whether there is an answer or not.
 */
#include <stdio.h>

#include "multipath/vpn.h"

#define MAX_REDIRECTS  5
#define LOOP_DETECT_NS (300 * NANOS_PER_SEC)
#define NAME_NS        (20 * NANOS_PER_SEC) /* two name servers that do not answer, twice */

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

static void turn_to(struct vpn *vpn, const struct address *to, uint8_t n)
{
    struct vpn_redirect *redirect = &vpn->redirect;
    if (redirect->n_home == 0) {
        memcpy(vpn->gateway->home, vpn->gateway->remotes, sizeof(vpn->gateway->home));
        redirect->n_home = vpn->n_own_remotes;
    }
    memcpy(vpn->gateway->remotes, to, n * sizeof(*to));
    vpn->n_own_remotes = vpn->n_remotes = n;
}

static void turn(struct vpn *vpn, const struct address *from, const struct ike_gateway *to,
                 nanos now)
{
    vpn->gateway->question.tag = 0;
    vpn->redirect.from = *from;
    if (to->name[0] == '\0') {
        turn_to(vpn, &to->address, 1);
        return;
    }
    vpn->gateway->question.tag = PATH_TAG | ++vpn->pm->last_tag;
    vpn->gateway->question.pulled = false;
    vpn->gateway->question.until_ns = now + NAME_NS;
    (void)snprintf(vpn->gateway->question.name, GATEWAY_NAME, "%s", to->name);
}

struct ike_gateway redirect_target(const struct ike_event *event)
{
    struct ike_gateway to = {.address = event->path.remote.address};
    if (to.address.family == ADDRESS_NONE)
        (void)snprintf(to.name, sizeof(to.name), "%s", event->notice);
    return to;
}

bool redirect_login(struct vpn *vpn, const struct address *from, const struct ike_gateway *to,
                    nanos now)
{
    if (!ike_gateway_given(to) || !allowed(vpn, now))
        return false;
    turn(vpn, from, to, now);
    return true;
}

void redirect_session(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    const struct leg *leg = leg_find(vpn, event->sa);
    const struct ike_gateway to = redirect_target(event);
    if (!vpn_end_user(vpn) || vpn_released(vpn) || leg == NULL || vpn->replace.successor != NULL ||
        !ike_gateway_given(&to) || !allowed(vpn, now) || !beside_begin(vpn, true, now))
        return;
    struct vpn *successor = vpn->replace.successor;
    turn(successor, &leg->at.remote.address, &to, now);
    successor->redirect.only = true;
    wanted_plan(successor, now);
}

void redirect_home(struct vpn *vpn)
{
    struct vpn_redirect *redirect = &vpn->redirect;
    redirect->from = (struct address){0};
    if (vpn->gateway == NULL)
        return;
    vpn->gateway->heard.until_ns = 0;
    vpn->gateway->question.tag = 0;
    if (redirect->n_home == 0)
        return;
    memcpy(vpn->gateway->remotes, vpn->gateway->home, sizeof(vpn->gateway->home));
    vpn->n_own_remotes = vpn->n_remotes = redirect->n_home;
    redirect->n_home = 0;
}

void redirect_configured(struct vpn *vpn, const struct address remotes[REMOTES_MAX], uint8_t n)
{
    struct vpn_gateway *gateway = vpn->gateway;
    if (gateway == NULL)
        return; /* a Gateway's own */
    if (vpn->session.id != 0 && vpn->redirect.n_home > 0) {
        memcpy(gateway->home, remotes, sizeof(gateway->home));
        vpn->redirect.n_home = n;
        return;
    }
    redirect_home(vpn);
    memcpy(gateway->remotes, remotes, sizeof(gateway->remotes));
    vpn->n_own_remotes = vpn->n_remotes = n;
}

nanos redirect_waits(const struct vpn *vpn)
{
    return vpn->gateway != NULL && vpn->gateway->question.tag != 0 ? vpn->gateway->question.until_ns
                                                                   : 0;
}

bool redirect_over(struct vpn *vpn)
{
    if (!vpn->redirect.only || vpn->replace.elder == NULL)
        return false;
    beside_end(vpn->replace.elder);
    return true;
}

/* --- names --- */

bool path_manager_question(struct path_manager *pm, struct path_question *ret_question)
{
    for (struct vpn *vpn = pm->wishes; vpn != NULL; vpn = vpn->wish_next) {
        if (redirect_waits(vpn) == 0 || vpn->gateway->question.pulled)
            continue;
        vpn->gateway->question.pulled = true;
        *ret_question = (struct path_question){.tag = vpn->gateway->question.tag,
                                               .conn = vpn->conn->name,
                                               .name = vpn->gateway->question.name};
        return true;
    }
    return false;
}

/* resolved - takes the addresses of the name. Unusable ones count as no answer. */
static void resolved(struct vpn *vpn, const struct address *addresses, size_t n, nanos now)
{
    struct address to[POLICY_ADDRESSES];
    uint8_t n_to = 0;
    for (size_t i = 0; i < n && n_to < POLICY_ADDRESSES; i++)
        if (address_usable_outer(&addresses[i], false))
            to[n_to++] = addresses[i];
    if (n_to == 0) {
        vpn->gateway->question.until_ns = moment(now);
        return;
    }
    vpn->gateway->question.tag = 0;
    turn_to(vpn, to, n_to);
    vpn->wish.round_at_ns = now;
    wanted_plan(vpn, now);
}

void path_manager_resolved(struct path_manager *pm, uint64_t tag, const struct address *addresses,
                           size_t n, nanos now)
{
    manager_input(pm, now);
    for (struct vpn *vpn = pm->wishes; vpn != NULL; vpn = vpn->wish_next) {
        if (redirect_waits(vpn) == 0 || vpn->gateway->question.tag != tag)
            continue;
        resolved(vpn, addresses, n, now);
        vpn_touch(vpn);
        break;
    }
    manager_settle(pm, now);
}
