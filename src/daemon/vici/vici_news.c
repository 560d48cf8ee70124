/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vici/vici_news.h"

#include "daemon/vici/vici_status.h"

bool vici_news_of(const struct engine_ops *ops, const struct ike_event *event,
                  enum vici_event_id *ret_id)
{
    struct ike_sa_info sa;
    bool replaced = event->gone != NULL && event->gone->replaced;
    switch ((int)event->kind) {
    case IKE_EV_SA_UP: {
        bool rekey = ike_sa_get(ops->ike(ops->engine), event->sa, &sa) && sa.rekey;
        *ret_id = rekey ? VICI_EV_IKE_REKEY : VICI_EV_IKE_UPDOWN;
        return true;
    }
    case IKE_EV_SA_DOWN: *ret_id = VICI_EV_IKE_UPDOWN; return !replaced;
    case IKE_EV_SA_MOVED: *ret_id = VICI_EV_IKE_UPDATE; return true;
    case IKE_EV_CHILD_UP:
        *ret_id = event->child_old != 0 ? VICI_EV_CHILD_REKEY : VICI_EV_CHILD_UPDOWN;
        return true;
    case IKE_EV_CHILD_DOWN:
        *ret_id = VICI_EV_CHILD_UPDOWN;
        /* an SA that never came up had no event */
        return !replaced && (event->gone == NULL || event->gone->child.up);
    default: return false;
    }
}

static void put_section(struct vici_writer *w, const struct engine_ops *ops, const char *name,
                        const struct ike_sa_info *sa)
{
    struct ike_session_info session = {0};
    (void)ike_session_get(ops->ike(ops->engine), sa->session, &session);
    vici_section(w, name != NULL ? name : session.conn != NULL ? session.conn->name : "(unnamed)");
    vici_status_sa_keys(w, ops, sa, &session);
}

static void put_ike_rekey(struct vici_writer *w, const struct engine_ops *ops,
                          const struct ike_event *event, const struct ike_sa_info *sa)
{
    struct ike_session_info session = {0};
    struct ike_sa_info old = {0};
    (void)ike_session_get(ops->ike(ops->engine), sa->session, &session);
    vici_section(w, session.conn != NULL ? session.conn->name : "(unnamed)");
    if (ike_sa_get(ops->ike(ops->engine), event->sa_old, &old)) {
        old.life = IKE_SA_REPLACED; /* its Delete may have been sent already */
        put_section(w, ops, "old", &old);
        vici_section_end(w);
    }
    put_section(w, ops, "new", sa);
    vici_section_end(w);
    vici_section_end(w);
}

static void put_child_rekey(struct vici_writer *w, const struct engine_ops *ops,
                            const struct ike_event *event)
{
    struct ike *ike = ops->ike(ops->engine);
    struct ike_child_info child, old;
    vici_section(w, "child-sas");
    if (ike_child_get(ike, event->child, &child)) {
        vici_section(w, child.policy->name);
        if (ike_child_get(ike, event->child_old, &old)) {
            vici_section(w, "old"); /* its Delete may have been sent already */
            vici_status_child_keys(w, ops, &old, "REKEYED");
            vici_section_end(w);
        }
        vici_section(w, "new");
        vici_status_child_keys(w, ops, &child, NULL);
        vici_section_end(w);
        vici_section_end(w);
    }
    vici_section_end(w);
}

/* put_gone - describes an object that has ended. A client may not have listed it before. */
static void put_gone(struct vici_writer *w, const struct engine_ops *ops,
                     const struct ike_event *event)
{
    const struct ike_gone *gone = event->gone;
    bool named = gone != NULL && gone->session.conn != NULL;
    vici_section(w, named ? gone->session.conn->name : "(unnamed)");
    if (named)
        vici_status_sa_keys(w, ops, &gone->sa, &gone->session);
    else
        vici_put(w, "uniqueid", "%u", event->sa);
    vici_put(w, "reason", "%s", ike_outcome_name(event->outcome)); /* ours */
    if (named && gone->child.id != 0) {
        vici_section(w, "child-sas");
        vici_status_child(w, ops, &gone->child, "DELETED");
        vici_section_end(w);
    }
    vici_section_end(w);
}

static void put_new_path(struct vici_writer *w, const struct ike_event *event)
{
    char address[ADDRESS_TEXT_MAX];
    vici_put(w, "local-host", "%s", address_print(&event->path.local.address, address));
    vici_put(w, "local-port", "%u", event->path.local.port);
    vici_put(w, "remote-host", "%s", address_print(&event->path.remote.address, address));
    vici_put(w, "remote-port", "%u", event->path.remote.port);
}

void vici_news_body(struct vici_writer *w, const struct engine_ops *ops,
                    const struct ike_event *event, enum vici_event_id id)
{
    struct ike_sa_info sa;
    bool down = event->kind == IKE_EV_SA_DOWN || event->kind == IKE_EV_CHILD_DOWN;
    if (!down && (id == VICI_EV_IKE_UPDOWN || id == VICI_EV_CHILD_UPDOWN))
        vici_put(w, "up", "yes");
    if (id == VICI_EV_IKE_UPDATE)
        put_new_path(w, event);
    if (down || !ike_sa_get(ops->ike(ops->engine), event->sa, &sa)) {
        put_gone(w, ops, event);
        return;
    }
    if (id == VICI_EV_IKE_REKEY) {
        put_ike_rekey(w, ops, event, &sa);
        return;
    }
    if (id == VICI_EV_CHILD_UPDOWN) {
        vici_status_sa(w, ops, &sa, &(struct vici_child_filter){.id = event->child});
        return;
    }
    put_section(w, ops, NULL, &sa);
    if (id == VICI_EV_CHILD_REKEY)
        put_child_rekey(w, ops, event);
    vici_section_end(w);
}
