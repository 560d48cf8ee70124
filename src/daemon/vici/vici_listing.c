/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that list: one event for each object, then the response. A listing advances as fast as
 * its client reads (vici_client_list), so its length costs neither memory nor the engine's time.
 */
#include <string.h>

#include "daemon/vici/vici_server.h"
#include "daemon/vici/vici_status.h"

static bool sa_wanted(const struct engine_ops *ops, const struct tree *m,
                      const struct ike_sa_info *sa)
{
    struct ike_session_info session;
    const char *name = tree_text(m, "ike");
    uint32_t id = vici_number(m, "ike-id");
    if (sa->refused || (id != 0 && id != sa->id))
        return false;
    return name == NULL || (ike_session_get(ops->ike(ops->engine), sa->session, &session) &&
                            strcmp(session.conn->name, name) == 0);
}

static bool next_sa(struct vici_client *client, const struct tree *m, uint64_t *at)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct vici_child_filter filter = {.id = vici_number(m, "child-id"),
                                             .name = tree_text(m, "child")};
    struct vici_writer w;
    struct ike_sa_info sa;
    if (!ike_sa_next(ops->ike(ops->engine), (ike_sa_id)*at, &sa))
        return false;
    *at = sa.id;
    if (!sa_wanted(ops, m, &sa))
        return true;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_SA));
    vici_status_sa(&w, ops, &sa, &filter);
    vici_client_send(client, &w);
    return true;
}

static bool next_conn(struct vici_client *client, const struct tree *m, uint64_t *at)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct ike_conn *conn = ike_conn_at(ops->ike(ops->engine), (size_t)(*at)++);
    const char *only = tree_text(m, "ike");
    struct vici_writer w;
    if (conn == NULL || (only != NULL && strcmp(conn->name, only) != 0))
        return conn != NULL;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_CONN));
    vici_status_conn(&w, ops, conn);
    vici_client_send(client, &w);
    return true;
}

static bool next_session(struct vici_client *client, const struct tree *m, uint64_t *at)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct ike_session_info session;
    struct vici_writer w;
    (void)m;
    if (!ike_session_next(ops->ike(ops->engine), (ike_session_id)*at, &session))
        return false;
    *at = session.id;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_SESSION));
    vici_status_session(&w, ops, &session);
    vici_client_send(client, &w);
    return true;
}

static bool next_path(struct vici_client *client, const struct tree *m, uint64_t *at)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct path_status path;
    struct vici_writer w;
    (void)m;
    if (!ops->path_at(ops->engine, (size_t)(*at)++, &path))
        return false;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_PATH));
    vici_status_path(&w, ops, &path);
    vici_client_send(client, &w);
    return true;
}

void vici_list_sas(struct vici_client *client, const struct tree *m)
{
    (void)m;
    vici_client_list(client, VICI_EV_LIST_SA, next_sa);
}

void vici_list_conns(struct vici_client *client, const struct tree *m)
{
    (void)m;
    vici_client_list(client, VICI_EV_LIST_CONN, next_conn);
}

void vici_list_sessions(struct vici_client *client, const struct tree *m)
{
    (void)m;
    vici_client_list(client, VICI_EV_LIST_SESSION, next_session);
}

void vici_list_paths(struct vici_client *client, const struct tree *m)
{
    (void)m;
    vici_client_list(client, VICI_EV_LIST_PATH, next_path);
}
