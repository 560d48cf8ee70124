/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vici/vici_alert.h"

#include "daemon/vici/vici_status.h"

/* of_end - the alert for the end of an established IKE SA. */
static const char *of_end(const struct ike_event *event)
{
    switch ((int)event->outcome) {
    case IKE_TIMEOUT: return "retransmit-send-timeout";
    case IKE_EXPIRED: return "ike-sa-expired";
    case IKE_REPLACED:
        return event->gone != NULL && !event->gone->replaced ? "unique-replace" : NULL;
    default: return NULL;
    }
}

/* of_command - the alert for a request of ours on an IKE SA, or for a login. */
static const char *of_command(const struct engine_ops *ops, const struct ike_event *event)
{
    struct ike_sa_info sa;
    bool up = ike_sa_get(ops->ike(ops->engine), event->sa, &sa) && sa.established_ns != 0;
    switch ((int)event->outcome) {
    case IKE_TS_REFUSED: return "ts-mismatch";
    case IKE_ADDRESS_FAILURE: return "vip-failure";
    case IKE_INSTALL_FAILED: return "install-child-sa-failed";
    case IKE_NO_PROPOSAL: return up ? "proposal-mismatch-child" : "proposal-mismatch-ike";
    case IKE_KE_REFUSED: return up ? NULL : "proposal-mismatch-ike";
    case IKE_TIMEOUT: return up ? NULL : "peer-init-unreachable";
    case IKE_AUTH_FAILED:
    case IKE_NO_PPK:
    case IKE_NO_SECRET: return "local-auth-failed";
    case IKE_PEER_AUTH_FAILED:
    case IKE_ID_MISMATCH: return "peer-auth-failed";
    default: return NULL;
    }
}

const char *vici_alert_of(const struct engine_ops *ops, const struct ike_event *event)
{
    if (event->kind == IKE_EV_SA_DOWN)
        return of_end(event);
    if (event->kind == IKE_EV_NOTICE && event->outcome == IKE_PEER_AUTH_FAILED)
        return "peer-auth-failed";
    return event->kind == IKE_EV_COMMAND_DONE ? of_command(ops, event) : NULL;
}

void vici_alert_body(struct vici_writer *w, const struct engine_ops *ops,
                     const struct ike_event *event, const char *type)
{
    struct ike *ike = ops->ike(ops->engine);
    struct ike_session_info session;
    struct ike_sa_info sa;
    bool known = event != NULL && event->gone != NULL && event->gone->session.conn != NULL;
    vici_put(w, "type", "%s", type);
    if (known) {
        sa = event->gone->sa;
        session = event->gone->session;
    } else if (event != NULL) {
        known = ike_sa_get(ike, event->sa, &sa) && ike_session_get(ike, sa.session, &session);
    }
    if (!known)
        return;
    vici_section(w, "ike-sa");
    vici_section(w, session.conn->name);
    vici_status_sa_keys(w, ops, &sa, &session);
    vici_section_end(w);
    vici_section_end(w);
}
