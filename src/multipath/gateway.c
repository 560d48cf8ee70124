/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two exchanges that a Gateway begins by itself, if configured. First: a clone directly after
 * the login (draft-mglt-ipsecme-keep-old-ike-sa-00 B.2, third variant). Second: the exchange that
 * creates the VPN of a clone and moves it to another address of the End User (B.5, M13). The End
 * User begins all other exchanges. It also tries again if one of the Gateway's failed.
 */
#include "multipath/vpn.h"

#define OFFER_WITHIN_NS NANOS_PER_SEC /* later the End User does it */
#define OFFER_RETRY_NS  (250 * NANOS_PER_MS)

static void first_clone(struct vpn *vpn)
{
    struct ike_session_info session;
    struct ike_sa_info info;
    const struct path_view *view = &vpn->pm->options.view;
    if (vpn->session.first_clone_decided || vpn->session.n_legs == 0 ||
        !view->session(view->context, vpn->session.id, &session) ||
        !view->sa(view->context, vpn->legs[0].id, &info))
        return;
    vpn->session.first_clone_decided = true;
    /* A clone may have come with the login. Without MOBIKE a clone is useless. */
    if (session.n_ike_sas > 1 || !session.mobike || session.dialect == IKE_DIALECT_NONE ||
        info.n_peer_addresses < 2)
        return;
    struct ike_command command = {.kind = IKE_CMD_CLONE, .sa = info.id, .session = vpn->session.id};
    (void)command_add(vpn, &command); /* if the queue is full, the End User makes the clone */
}

static bool taken(const struct vpn *vpn, const struct address *address)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        const struct leg *leg = &vpn->legs[i];
        if (address_equal(&leg->at.remote.address, address) ||
            (leg->offered && address_equal(&leg->offer, address)))
            return true;
    }
    return false;
}

static const struct ike_child_policy *child_of(const struct vpn *vpn, uint8_t *ret_index)
{
    for (uint8_t i = 0; i < vpn->conn->n_children; i++) {
        *ret_index = i;
        if ((vpn->wish.children >> i & 1) != 0)
            return &vpn->conn->children[i];
    }
    return NULL;
}

/* offer - creates the VPN of a new clone at an address of the End User that no other IKE SA
 * uses. */
static void offer(struct vpn *vpn, struct leg *leg, nanos now)
{
    struct ike_sa_info info;
    const struct path_view *view = &vpn->pm->options.view;
    const struct ike_child_policy *child = child_of(vpn, &leg->job_policy);
    if (leg->offered || leg->parent == 0 || leg->job != JOB_NONE || child == NULL ||
        vpn->session.separate || leg_bears(vpn, leg) || now - leg->up_ns > OFFER_WITHIN_NS ||
        !view->sa(view->context, leg->id, &info) || info.nat_remote ||
        !address_equal(&info.path.remote.address, &leg->at.remote.address))
        return;
    for (uint8_t i = 0; i < info.n_peer_addresses; i++) {
        const struct address *address = &info.peer_addresses[i];
        if (address->family != leg->at.local.address.family || taken(vpn, address))
            continue;
        struct ike_command command = {
            .kind = IKE_CMD_CREATE_MOVED,
            .sa = leg->id,
            .session = vpn->session.id,
            .child = child->name,
            .path = leg->at,
            .retry_ns = OFFER_RETRY_NS,
            .give_up_ns = OFFER_WITHIN_NS,
        };
        command.path.remote.address = *address;
        leg->offered = repair_job(vpn, leg, JOB_CREATE_MOVED, &command);
        leg->offer = *address;
        return;
    }
}

void gateway_settle(struct vpn *vpn, nanos now)
{
    if (vpn->conn->gateway_clones)
        first_clone(vpn);
    if (vpn->conn->reduced == IKE_REDUCED_GATEWAY)
        for (unsigned i = 0; i < vpn->session.n_legs; i++)
            offer(vpn, &vpn->legs[i], now);
}
