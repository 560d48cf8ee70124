/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that begin, end and renew sessions. */
#include <stdio.h>
#include <string.h>

#include "control/values.h"
#include "daemon/vici/vici_server.h"
#include "ike/terms/gateway.h"

static void control_log(void *context, const struct engine_line *line)
{
    struct vici_client *client = context;
    struct vici_writer w;
    if (!vici_client_registered(client, VICI_EV_CONTROL_LOG) ||
        (int)line->level > vici_client_level(client))
        return;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_CONTROL_LOG));
    vici_put_line(&w, line);
    vici_client_send(client, &w);
}

static void respond(struct vici_client *client, const char *error)
{
    vici_client_busy(client, false);
    vici_finish(client, error == NULL ? 0 : ERR_WRONG_STATE, error);
}

static void initiated(void *context, bool success, unsigned matches, const char *error)
{
    (void)matches;
    respond(context, success ? NULL : error);
}

static void put_matches(struct vici_client *client, unsigned matches, bool terminate,
                        const char *error)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "success", "%s", error == NULL ? "yes" : "no");
    vici_put(&w, "matches", "%u", matches);
    if (terminate)
        vici_put(&w, "terminated", "%u", error == NULL ? matches : 0);
    if (error != NULL)
        vici_put(&w, "errmsg", "%s", error);
    vici_client_send(client, &w);
}

static void terminated(void *context, bool success, unsigned matches, const char *error)
{
    struct vici_client *client = context;
    vici_client_busy(client, false);
    put_matches(client, matches, true, success ? NULL : error);
}

/* level_read - reads `loglevel`: the highest level of control-log events that the client wants. */
static void level_read(struct vici_client *client, const struct tree *m)
{
    const char *text = tree_text_or(m, "loglevel", "1");
    uint64_t level;
    bool negative = text[0] == '-';
    vici_client_level_set(client, negative                                ? -1
                                  : value_u64(text, &level) && level <= 4 ? (int)level
                                                                          : 1);
}

/* conn_of_child - the first connection that has the child: swanctl names only the child. */
static const char *conn_of_child(const struct engine_ops *ops, const char *child)
{
    const struct ike_conn *conn;
    for (size_t i = 0; (conn = ike_conn_at(ops->ike(ops->engine), i)) != NULL; i++)
        for (uint8_t j = 0; j < conn->n_children; j++)
            if (strcmp(conn->children[j].name, child) == 0)
                return conn->name;
    return NULL;
}

/* not_there - the error in the words of charon, since scripts look for them. */
static void not_there(struct vici_client *client, const char *conn, const char *child)
{
    char why[ENGINE_ERROR_MAX];
    if (child != NULL)
        (void)snprintf(why, sizeof(why), "CHILD_SA config '%.60s' not found", child);
    else
        (void)snprintf(why, sizeof(why), "IKE_SA config '%.60s' not found", conn);
    vici_fail(client, why);
}

void vici_initiate(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct engine_watch watch = {.context = client, .log = control_log, .done = initiated};
    const char *wait = tree_text_or(m, "timeout", "0");
    struct engine_initiate what = {.conn = tree_text(m, "ike"), .child = tree_text(m, "child")};
    bool first = false;
    uint64_t ms;
    (void)value_bool(tree_text_or(m, "first-child", "no"), &first);
    if (what.conn == NULL && what.child == NULL) {
        vici_fail(client, "missing configuration name");
        return;
    }
    if (what.conn == NULL && (what.conn = conn_of_child(ops, what.child)) == NULL) {
        not_there(client, NULL, what.child);
        return;
    }
    level_read(client, m);
    bool forget = strcmp(wait, "-1") == 0;
    what.alone = what.child == NULL && !first;
    what.timeout = !forget && value_u64(wait, &ms) && ms < 86400000 ? (nanos)ms * NANOS_PER_MS : 0;
    what.watch = forget ? NULL : &watch;
    vici_client_busy(client, !forget);
    int err = ops->initiate(ops->engine, &what);
    if (err == 0 && !forget)
        return;
    vici_client_busy(client, false);
    if (err == ERR_NOT_FOUND)
        not_there(client, what.conn, what.child);
    else
        vici_finish(client, err, NULL);
}

static struct engine_filter filter_of(const struct tree *m)
{
    return (struct engine_filter){
        .ike = tree_text(m, "ike"),
        .child = tree_text(m, "child"),
        .ike_id = vici_number(m, "ike-id"),
        .child_id = vici_number(m, "child-id"),
        .session_id = vici_number(m, "session-id"),
        .remote_id = tree_text(m, "remote-id"),
    };
}

static bool filter_empty(const struct engine_filter *filter)
{
    return filter->ike == NULL && filter->child == NULL && filter->ike_id == 0 &&
           filter->child_id == 0 && filter->session_id == 0 && filter->remote_id == NULL;
}

void vici_terminate(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct engine_watch watch = {.context = client, .log = control_log, .done = terminated};
    struct engine_filter filter = filter_of(m);
    bool force = false;
    (void)value_bool(tree_text_or(m, "force", "no"), &force);
    (void)value_bool(tree_text_or(m, "hold", "no"), &filter.hold);
    filter.hold &= filter.ike != NULL;
    if (filter_empty(&filter)) {
        vici_fail(client, "missing terminate selector: ike, child, ike-id, child-id, session-id or "
                          "remote-id");
        return;
    }
    level_read(client, m);
    bool forget = strcmp(tree_text_or(m, "timeout", "0"), "-1") == 0;
    vici_client_busy(client, !forget);
    unsigned n = ops->terminate(ops->engine, &filter, force, forget ? NULL : &watch);
    if (n > 0 && !forget)
        return;
    vici_client_busy(client, false);
    put_matches(client, n, true, n > 0 ? NULL : "no matching SAs to terminate found");
}

void vici_rekey(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct engine_filter filter = filter_of(m);
    bool reauth = false;
    (void)value_bool(tree_text_or(m, "reauth", "no"), &reauth);
    (void)value_bool(tree_text_or(m, "unused-old", "no"), &filter.unused_old);
    if (filter_empty(&filter)) {
        vici_fail(client, "missing rekey selector");
        return;
    }
    unsigned n = ops->rekey(ops->engine, &filter, reauth);
    put_matches(client, n, false, n > 0 ? NULL : "no matching SAs to rekey found");
}

/* peers_read - reads "ADDRESS", "SUBNET" or "FIRST-LAST". */
static bool peers_read(const struct tree *m, struct address_range *ret)
{
    const char *text = tree_text(m, "peer-ip");
    return text == NULL || range_parse(text, ret);
}

void vici_redirect(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const char *gateway = tree_text(m, "gateway");
    char why[ENGINE_ERROR_MAX];
    struct engine_redirect what = {.ike = tree_text(m, "ike"),
                                   .peer_id = tree_text(m, "peer-id"),
                                   .ike_id = vici_number(m, "ike-id")};
    if (gateway == NULL || !gateway_parse(gateway, &what.gateway)) {
        vici_fail(client, gateway == NULL ? "missing target gateway"
                                          : "the target gateway is neither an address nor a name");
        return;
    }
    if (!peers_read(m, &what.peers)) {
        vici_fail(client, "peer-ip is neither an address nor a range nor a subnet");
        return;
    }
    if (what.ike == NULL && what.peer_id == NULL && what.ike_id == 0 &&
        what.peers.first.family == ADDRESS_NONE) {
        vici_fail(client, "missing redirect selector");
        return;
    }
    unsigned n = ops->redirect(ops->engine, &what);
    (void)snprintf(why, sizeof(why), "%u of %u peers did not announce that they follow a REDIRECT",
                   what.refused, n);
    put_matches(client, n, false,
                n == 0             ? "no matching SAs to redirect found"
                : what.refused > 0 ? why
                                   : NULL);
}
