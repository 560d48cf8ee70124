/* SPDX-License-Identifier: Apache-2.0 */
/* The rest of a trap: the peer agreed to a part of its selectors. A packet of the rest asks for a further Child SA. */
#include <stdio.h>

#include "daemon/common/log.h"
#include "daemon/config/selectors.h"
#include "daemon/engine/engine_state.h"
#include "daemon/engine/engine_traps.h"

/* after a refusal of a Child SA for the rest of a trap, for packets to that host: 10 s, doubling to 640 s */
#define REST_PAUSE_NS  (10 * NANOS_PER_SEC)
#define REST_DOUBLINGS 6

static bool child_takes(const struct ike_child_info *child, const struct ike_packet *packet)
{
    return selectors_take(&child->remote_ts, &packet->dst, packet->dst_port, packet->protocol) &&
           selectors_take(&child->local_ts, &packet->src, packet->src_port, packet->protocol);
}

/* rest_beside - a Child SA of the trap, on whose IKE SA one for the packet can be asked for. false:
 * there is none, or one takes the packet. */
static bool rest_beside(const struct engine *e, const struct ike_conn *conn,
                        const struct ike_child_policy *child, const struct ike_packet *packet,
                        struct ike_child_info *ret_beside)
{
    struct ike_child_info info = {0};
    struct ike_session_info session;
    bool found = false;
    while (ike_child_next(e->ike, info.id, &info)) {
        if (strcmp(info.policy->name, child->name) != 0 ||
            !ike_session_get(e->ike, info.session, &session) ||
            strcmp(session.conn->name, conn->name) != 0)
            continue;
        if (child_takes(&info, packet))
            return false;
        if (info.up) {
            *ret_beside = info;
            found = true;
        }
    }
    return found;
}

void engine_trap_rest(struct engine *e, const struct ike_conn *conn,
                      const struct ike_child_policy *child, const struct esp_acquire *wanted)
{
    struct ike_child_info beside;
    const struct ike_packet packet = {wanted->src, wanted->dst, wanted->src_port, wanted->dst_port,
                                      wanted->protocol};
    if (e->rest.tag != 0 || !rest_beside(e, conn, child, &packet, &beside) ||
        !engine_trap_asks(e, conn, child, &packet.dst))
        return;
    const struct ike_command command = {.kind = IKE_CMD_CREATE_CHILD,
                                        .sa = beside.sa,
                                        .session = beside.session,
                                        .child = child->name,
                                        .packet = packet,
                                        .tag = engine_number(e)};
    struct trap_rest rest = {.tag = command.tag, .packet = packet};
    (void)snprintf(rest.conn, sizeof(rest.conn), "%s", conn->name);
    (void)snprintf(rest.child, sizeof(rest.child), "%s", child->name);
    e->rest = rest; /* the command may be done before it returns */
    int error = ike_command(e->ike, &command, e->now);
    if (error != 0)
        e->rest.tag = 0;
    log_line(LOG_LEVEL_INFO, "event=trap-rest conn=%s child=%s sa=%u result=%s", conn->name,
             child->name, beside.sa, error_text(error));
}

void engine_trap_done(struct engine *e, const struct ike_event *done)
{
    struct ike_child_info child;
    if (e->rest.tag == 0 || done->tag != e->rest.tag)
        return;
    const struct trap_rest rest = e->rest;
    e->rest.tag = 0;
    struct trapped *at = engine_trapped_of(e, rest.conn, rest.child, &rest.packet.dst);
    bool there = done->outcome == IKE_OK && ike_child_get(e->ike, done->child, &child);
    if (there && child_takes(&child, &rest.packet)) {
        at->refusals = 0;
        return;
    }
    /* the peer has no Child SA for the packet, or gave the part anew that is there already */
    const struct ike_command command = {
        .kind = IKE_CMD_DELETE_CHILD, .child_id = done->child, .tag = engine_number(e)};
    if (there && ike_command(e->ike, &command, e->now) != 0)
        log_line(LOG_LEVEL_WARNING, "event=delete-failed child=%u", done->child);
    nanos pause = REST_PAUSE_NS << (at->refusals < REST_DOUBLINGS ? at->refusals : REST_DOUBLINGS);
    at->refusals++;
    at->until = nanos_after(e->now, pause);
    log_line(LOG_LEVEL_INFO, "event=trap-rest-refused conn=%s child=%s reason=%s pause-s=%lld",
             rest.conn, rest.child, ike_outcome_name(there ? IKE_TS_REFUSED : done->outcome),
             (long long)(pause / NANOS_PER_SEC));
}
