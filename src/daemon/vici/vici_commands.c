/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the VICI server, one row each. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/utsname.h>
#include <time.h>

#include "control/values.h"
#include "daemon/config/conn_build.h"
#include "daemon/vici/vici_server.h"
#include "daemon/vici/vici_stage.h"
#include "daemon/vici/vici_status.h"
#include "ike/terms/identity.h"

static void answer(struct vici_client *client, struct vici_writer *w)
{
    vici_client_send(client, w);
}

void vici_succeed(struct vici_client *client)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "success", "yes");
    answer(client, &w);
}

void vici_fail(struct vici_client *client, const char *why)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "success", "no");
    vici_put(&w, "errmsg", "%s", why);
    answer(client, &w);
}

void vici_finish(struct vici_client *client, int err, const char *why)
{
    if (err == 0)
        vici_succeed(client);
    else
        vici_fail(client, why != NULL && why[0] != '\0' ? why : error_text(err));
}

static void respond_empty(struct vici_client *client)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    answer(client, &w);
}

/* --- about us --- */

static void version(struct vici_client *client, const struct tree *m)
{
    struct utsname host;
    struct vici_writer w;
    (void)m;
    (void)uname(&host);
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "daemon", "ikatd");
    vici_put(&w, "version", "%s", IKAT_VERSION);
    vici_put(&w, "sysname", "%s", host.sysname);
    vici_put(&w, "release", "%s", host.release);
    vici_put(&w, "machine", "%s", host.machine);
    answer(client, &w);
}

static void zeros(struct vici_writer *w, const char *section, const char *const *names, size_t n)
{
    vici_section(w, section);
    for (size_t i = 0; i < n; i++)
        vici_put(w, names[i], "0");
    vici_section_end(w);
}

/* put_uptime - `since` as charon prints it, in UTC: no file with a time zone can be opened here. */
static void put_uptime(struct vici_writer *w, nanos up)
{
    time_t since = time(NULL) - (time_t)(up / NANOS_PER_SEC);
    struct tm utc;
    char text[32];
    vici_section(w, "uptime");
    vici_put(w, "running", "%lld seconds", (long long)(up / NANOS_PER_SEC));
    if (gmtime_r(&since, &utc) != NULL && strftime(text, sizeof(text), "%b %d %H:%M:%S %Y", &utc))
        vici_put(w, "since", "%s", text);
    vici_section_end(w);
}

static void put_memory(struct vici_writer *w)
{
#ifdef __GLIBC__
    struct mallinfo2 info = mallinfo2();
    vici_section(w, "mallinfo");
    vici_put(w, "sbrk", "%zu", info.arena);
    vici_put(w, "mmap", "%zu", info.hblkhd);
    vici_put(w, "used", "%zu", info.uordblks);
    vici_put(w, "free", "%zu", info.fordblks);
    vici_section_end(w);
#else
    (void)w;
#endif
}

static void stats(struct vici_client *client, const struct tree *m)
{
    static const char *const priorities[] = {"critical", "high", "medium", "low"};
    const struct engine_ops *ops = vici_client_ops(client);
    struct ike_stats stats;
    struct vici_writer w;
    nanos up = ops->now(ops->engine) - vici_client_started(client);
    (void)m;
    ike_stats_get(ops->ike(ops->engine), &stats);
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    put_uptime(&w, up);
    vici_section(&w, "workers");
    vici_put(&w, "total", "1");
    vici_put(&w, "idle", "0");
    zeros(&w, "active", priorities, 4);
    vici_section_end(&w);
    zeros(&w, "queues", priorities, 4);
    vici_put(&w, "scheduled", "0");
    vici_section(&w, "ikesas");
    vici_put(&w, "total", "%" PRIu64, stats.established + stats.half_open);
    vici_put(&w, "half-open", "%" PRIu64, stats.half_open);
    vici_section_end(&w);
    vici_list(&w, "plugins");
    vici_item(&w, "ikat");
    vici_list_end(&w);
    put_memory(&w);
    /* ours */
    vici_section(&w, "ikat");
    vici_put(&w, "sessions", "%" PRIu64, stats.sessions);
    vici_put(&w, "children", "%" PRIu64, stats.children);
    vici_put(&w, "logins", "%" PRIu64, stats.logins);
    vici_put(&w, "clones", "%" PRIu64, stats.clones);
    vici_put(&w, "moves", "%" PRIu64, stats.moves);
    vici_put(&w, "rekeys-ike", "%" PRIu64, stats.rekeys_ike);
    vici_put(&w, "rekeys-child", "%" PRIu64, stats.rekeys_child);
    vici_put(&w, "received", "%" PRIu64, stats.received);
    vici_put(&w, "sent", "%" PRIu64, stats.sent);
    vici_put(&w, "retransmitted", "%" PRIu64, stats.retransmitted);
    vici_put(&w, "malformed", "%" PRIu64, stats.malformed);
    vici_put(&w, "unauthenticated", "%" PRIu64, stats.unauthenticated);
    vici_put(&w, "packet-filter", "%s", ops->filtered(ops->engine) ? "yes" : "no");
    vici_put(&w, "cookies-sent", "%" PRIu64, stats.cookies_sent);
    vici_section_end(&w);
    answer(client, &w);
}

/* --- loading --- */

static void load_conn(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct build_error error = {.text = ""};
    struct conn_credentials credentials;
    struct ike_conn *conn = NULL;
    if (m->first == NULL || m->first != m->last || m->first->kind != TREE_SECTION) {
        vici_fail(client, "exactly one section, named after the connection, is expected");
        return;
    }
    int err = conn_build(m->first, &conn, &credentials, &error);
    if (err == 0)
        err = ops->conn_credentials(ops->engine, &credentials, conn);
    if (err == 0)
        err = vici_client_stage(client) != NULL ? vici_stage_conn(vici_client_stage(client), conn)
                                                : ops->conn_load(ops->engine, conn);
    else if (err == ERR_INVALID) {
        struct build_error named = {.text = ""};
        (void)snprintf(named.text, sizeof(named.text), "connection %.60s: %.400s", m->first->name,
                       error.text);
        error = named;
    }
    ike_conn_unref(conn);
    conn_credentials_done(&credentials);
    vici_finish(client, err, error.text);
}

static void load_begin(struct vici_client *client, const struct tree *m)
{
    struct vici_stage *stage = vici_stage_new();
    (void)m;
    vici_client_stage_set(client, stage);
    vici_finish(client, stage == NULL ? ERR_NO_MEMORY : 0, NULL);
}

static void load_commit(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct vici_stage *stage = vici_client_stage(client);
    char why[ENGINE_ERROR_MAX];
    (void)m;
    if (stage == NULL) {
        vici_fail(client, "there is no load-begin that this could end");
        return;
    }
    int err = ops->load_all(ops->engine, vici_stage_load(stage), why);
    vici_client_stage_set(client, NULL);
    vici_finish(client, err, why);
}

static void unload_conn(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const char *name = tree_text_or(m, "name", "");
    vici_finish(client, ops->conn_unload(ops->engine, name),
                "no connection of that name is loaded");
}

static void load_pool(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct build_error error = {.text = ""};
    struct pool_config pool;
    struct pools_fault fault;
    if (m->first == NULL || m->first != m->last || m->first->kind != TREE_SECTION) {
        vici_fail(client, "exactly one section, named after the pool, is expected");
        return;
    }
    int err = pool_build(m->first, &pool, &error);
    if (err == 0 && vici_client_stage(client) != NULL) {
        err = vici_stage_pool(vici_client_stage(client), &pool);
    } else if (err == 0) {
        err = pools_load(ops->pools(ops->engine), &pool, &fault);
        if (err == 0)
            ops->pools_changed(ops->engine);
        if (err == ERR_INVALID)
            (void)snprintf(error.text, sizeof(error.text), "pool %s overlaps pool %s", pool.name,
                           fault.other);
        else if (err == ERR_WRONG_STATE)
            (void)snprintf(error.text, sizeof(error.text),
                           "pool %s has online leases, its range cannot change", pool.name);
    }
    vici_finish(client, err, error.text);
}

static void unload_pool(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    int err = pools_unload(ops->pools(ops->engine), tree_text_or(m, "name", ""));
    if (err == 0)
        ops->pools_changed(ops->engine);
    vici_finish(client, err,
                err == ERR_NOT_FOUND ? "no pool of that name is loaded"
                                     : "the pool has online leases");
}

/* as many leases as an answer surely holds; `online` and `offline` count all */
#define LEASES_SHOWN 1024

static void put_leases(struct vici_writer *w, const struct pools *pools, size_t pool)
{
    struct pool_lease lease;
    char name[16], address[ADDRESS_TEXT_MAX], identity[IDENTITY_TEXT_MAX];
    vici_section(w, "leases");
    for (unsigned i = 0; i < LEASES_SHOWN && pools_lease_at(pools, pool, i, &lease); i++) {
        (void)snprintf(name, sizeof(name), "%u", i);
        vici_section(w, name);
        vici_put(w, "address", "%s", address_print(&lease.address, address));
        vici_put(w, "identity", "%s", identity_print(&lease.identity, identity));
        vici_put(w, "status", "%s", lease.online ? "online" : "offline");
        vici_section_end(w);
    }
    vici_section_end(w);
}

static void get_pools(struct vici_client *client, const struct tree *m)
{
    bool leases = tree_text(m, "leases") != NULL && strcmp(tree_text(m, "leases"), "yes") == 0;
    const struct engine_ops *ops = vici_client_ops(client);
    const struct pools *pools = ops->pools(ops->engine);
    const char *only = tree_text(m, "name");
    struct pool_status status;
    struct vici_writer w;
    char address[ADDRESS_TEXT_MAX];
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    for (size_t i = 0; pools_status(pools, i, &status); i++) {
        if (only != NULL && strcmp(only, status.config->name) != 0)
            continue;
        vici_section(&w, status.config->name);
        vici_put(&w, "base", "%s", address_print(&status.config->range.first, address));
        vici_put(&w, "size", "%" PRIu64, status.size);
        vici_put(&w, "online", "%u", status.online);
        vici_put(&w, "offline", "%u", status.offline);
        if (leases)
            put_leases(&w, pools, i);
        vici_section_end(&w);
    }
    answer(client, &w);
}

static void get_conns(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct ike *ike = ops->ike(ops->engine);
    const struct ike_conn *conn;
    struct vici_writer w;
    (void)m;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_list(&w, "conns");
    for (size_t i = 0; (conn = ike_conn_at(ike, i)) != NULL; i++)
        vici_item(&w, conn->name);
    vici_list_end(&w);
    answer(client, &w);
}

/* --- listing --- */

static uint32_t number(const struct tree *m, const char *key)
{
    uint64_t value;
    const char *text = tree_text(m, key);
    return text != NULL && value_u64(text, &value) && value <= UINT32_MAX ? (uint32_t)value : 0;
}

static bool sa_wanted(const struct engine_ops *ops, const struct tree *m,
                      const struct ike_sa_info *sa)
{
    struct ike_session_info session;
    const char *name = tree_text(m, "ike");
    uint32_t id = number(m, "ike-id");
    if (id != 0 && id != sa->id)
        return false;
    return name == NULL || (ike_session_get(ops->ike(ops->engine), sa->session, &session) &&
                            strcmp(session.conn->name, name) == 0);
}

static void list_sas(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct ike_sa_info sa;
    for (ike_sa_id id = 0; ike_sa_next(ops->ike(ops->engine), id, &sa); id = sa.id) {
        struct vici_writer w;
        if (!sa_wanted(ops, m, &sa) || !vici_client_registered(client, VICI_EV_LIST_SA))
            continue;
        vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_SA));
        vici_status_sa(&w, ops, &sa, number(m, "child-id"));
        answer(client, &w);
    }
    respond_empty(client);
}

static void list_conns(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const char *only = tree_text(m, "ike");
    const struct ike_conn *conn;
    for (size_t i = 0; (conn = ike_conn_at(ops->ike(ops->engine), i)) != NULL; i++) {
        struct vici_writer w;
        if ((only != NULL && strcmp(conn->name, only) != 0) ||
            !vici_client_registered(client, VICI_EV_LIST_CONN))
            continue;
        vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_CONN));
        vici_status_conn(&w, conn);
        answer(client, &w);
    }
    respond_empty(client);
}

static void list_sessions(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct ike_session_info session;
    (void)m;
    for (ike_session_id id = 0; ike_session_next(ops->ike(ops->engine), id, &session);
         id = session.id) {
        struct vici_writer w;
        if (!vici_client_registered(client, VICI_EV_LIST_SESSION))
            break;
        vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_SESSION));
        vici_status_session(&w, ops, &session);
        answer(client, &w);
    }
    respond_empty(client);
}

static void list_paths(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct path_status path;
    (void)m;
    for (size_t i = 0; ops->path_at(ops->engine, i, &path); i++) {
        struct vici_writer w;
        if (!vici_client_registered(client, VICI_EV_LIST_PATH))
            break;
        vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_PATH));
        vici_status_path(&w, ops, &path);
        answer(client, &w);
    }
    respond_empty(client);
}

static void put_policy(struct vici_client *client, const struct tree *m, const char *conn,
                       const struct ike_child_policy *child)
{
    const char *ike = tree_text(m, "ike"), *name = tree_text(m, "child");
    struct vici_writer w;
    if ((ike != NULL && strcmp(ike, conn) != 0) ||
        (name != NULL && strcmp(name, child->name) != 0) ||
        !vici_client_registered(client, VICI_EV_LIST_POLICY))
        return;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_POLICY));
    vici_status_policy(&w, conn, child);
    answer(client, &w);
}

/* list_policies - of the kinds that are named; all of them if none is. */
static void list_policies(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    bool trap = tree_get(m, "trap") != NULL, pass = tree_get(m, "pass") != NULL;
    bool drop = tree_get(m, "drop") != NULL;
    const struct ike_conn *conn;
    const struct ike_child_policy *child;
    const char *name;
    if (!trap && !pass && !drop)
        trap = pass = drop = true;
    for (size_t i = 0; trap && (conn = ike_conn_at(ops->ike(ops->engine), i)) != NULL; i++)
        for (uint8_t c = 0; c < conn->n_children; c++)
            if (ops->is_trap(ops->engine, conn, &conn->children[c]))
                put_policy(client, m, conn->name, &conn->children[c]);
    for (size_t i = 0; (pass || drop) && ops->shunt_at(ops->engine, i, &name, &child); i++)
        if (child->mode == IKE_MODE_PASS ? pass : drop)
            put_policy(client, m, name, child);
    respond_empty(client);
}

static void get_algorithms(struct vici_client *client, const struct tree *m)
{
    struct vici_writer w;
    (void)m;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_status_algorithms(&w);
    answer(client, &w);
}

/* --- control --- */

static void control_log(void *context, const char *line)
{
    struct vici_client *client = context;
    struct vici_writer w;
    if (!vici_client_registered(client, VICI_EV_CONTROL_LOG))
        return;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_CONTROL_LOG));
    vici_put(&w, "group", "IKE");
    vici_put(&w, "level", "1");
    vici_put(&w, "msg", "%s", line);
    answer(client, &w);
}

static void control_done(void *context, bool success, unsigned matches, const char *error)
{
    struct vici_client *client = context;
    struct vici_writer w;
    vici_client_busy(client, false);
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "success", "%s", success ? "yes" : "no");
    if (matches > 0) {
        vici_put(&w, "matches", "%u", matches);
        vici_put(&w, "terminated", "%u", success ? matches : 0);
    }
    if (!success)
        vici_put(&w, "errmsg", "%s", error);
    answer(client, &w);
}

static struct engine_watch watch_of(struct vici_client *client)
{
    return (struct engine_watch){.context = client, .log = control_log, .done = control_done};
}

/* conn_of_child - swanctl names the child only: the first connection that has it. */
static const char *conn_of_child(const struct engine_ops *ops, const char *child)
{
    const struct ike_conn *conn;
    for (size_t i = 0; (conn = ike_conn_at(ops->ike(ops->engine), i)) != NULL; i++)
        for (uint8_t j = 0; j < conn->n_children; j++)
            if (strcmp(conn->children[j].name, child) == 0)
                return conn->name;
    return NULL;
}

static void initiate(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const char *child = tree_text(m, "child"), *conn = tree_text(m, "ike");
    const char *wait = tree_text_or(m, "timeout", "0");
    char why[ENGINE_ERROR_MAX];
    uint64_t ms;
    if (conn == NULL && child != NULL)
        conn = conn_of_child(ops, child);
    if (conn == NULL) {
        (void)snprintf(why, sizeof(why), "no connection has a child '%.60s'; see --list-conns",
                       child == NULL ? "" : child);
        vici_fail(client, why);
        return;
    }
    bool forget = strcmp(wait, "-1") == 0;
    nanos timeout = !forget && value_u64(wait, &ms) && ms < 86400000 ? (nanos)ms * NANOS_PER_MS : 0;
    struct engine_watch watch = watch_of(client);
    vici_client_busy(client, !forget);
    int err = ops->initiate(ops->engine, conn, child, timeout, forget ? NULL : &watch);
    if (err == 0 && !forget)
        return;
    vici_client_busy(client, false);
    (void)snprintf(why, sizeof(why), "connection '%.60s'%s%.60s is not loaded", conn,
                   child == NULL ? "" : " with child ", child == NULL ? "" : child);
    vici_finish(client, err, err == ERR_NOT_FOUND ? why : NULL);
}

/* policy_change - install and uninstall. */
static void policy_change(struct vici_client *client, const struct tree *m, bool on)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const char *child = tree_text(m, "child"), *conn = tree_text(m, "ike");
    const char *why = NULL;
    if (child == NULL) {
        vici_fail(client, "missing configuration name: child");
        return;
    }
    int err =
        on ? ops->install(ops->engine, conn, child) : ops->uninstall(ops->engine, conn, child);
    if (err == ERR_NOT_FOUND)
        why = on ? "no loaded connection has this child" : "no policy of this child is installed";
    else if (err == ERR_WRONG_STATE)
        why = "a trap needs a remote address and fixed remote selectors; mode = drop needs a host "
              "with nftables";
    else if (err == ERR_INVALID)
        why = "no packet matches its local and a remote selector";
    else if (err == ERR_FULL)
        why = "its selectors are more than 64 pairs of prefixes";
    vici_finish(client, err, why);
}

static void install(struct vici_client *client, const struct tree *m)
{
    policy_change(client, m, true);
}

static void uninstall(struct vici_client *client, const struct tree *m)
{
    policy_change(client, m, false);
}

static struct engine_filter filter_of(const struct tree *m)
{
    return (struct engine_filter){
        .ike = tree_text(m, "ike"),
        .child = tree_text(m, "child"),
        .ike_id = number(m, "ike-id"),
        .child_id = number(m, "child-id"),
        .session_id = number(m, "session-id"),
        .remote_id = tree_text(m, "remote-id"),
    };
}

static bool filter_empty(const struct engine_filter *filter)
{
    return filter->ike == NULL && filter->child == NULL && filter->ike_id == 0 &&
           filter->child_id == 0 && filter->session_id == 0 && filter->remote_id == NULL;
}

static void terminate(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct engine_filter filter = filter_of(m);
    bool force = false;
    (void)value_bool(tree_text_or(m, "force", "no"), &force);
    if (filter_empty(&filter)) {
        vici_fail(client, "missing terminate selector: ike, child, ike-id, child-id, session-id or "
                          "remote-id");
        return;
    }
    struct engine_watch watch = watch_of(client);
    bool forget = strcmp(tree_text_or(m, "timeout", "0"), "-1") == 0;
    vici_client_busy(client, !forget);
    unsigned n = ops->terminate(ops->engine, &filter, force, forget ? NULL : &watch);
    if (n > 0 && !forget)
        return;
    vici_client_busy(client, false);
    if (n > 0)
        vici_succeed(client);
    else
        vici_fail(client, "no matching SAs to terminate found");
}

static void rekey(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct engine_filter filter = filter_of(m);
    bool reauth = false;
    struct vici_writer w;
    (void)value_bool(tree_text_or(m, "reauth", "no"), &reauth);
    (void)value_bool(tree_text_or(m, "unused-old", "no"), &filter.unused_old);
    unsigned n = filter_empty(&filter) ? 0 : ops->rekey(ops->engine, &filter, reauth);
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "success", "%s", n > 0 ? "yes" : "no");
    vici_put(&w, "matches", "%u", n);
    if (n == 0)
        vici_put(&w, "errmsg", "no matching SAs to rekey found");
    answer(client, &w);
}

/* nothing_to_do - reload-settings: the other commands load all that there is. */
static void nothing_to_do(struct vici_client *client, const struct tree *m)
{
    (void)m;
    vici_succeed(client);
}

static void no_such_thing(struct vici_client *client, const struct tree *m)
{
    (void)m;
    vici_fail(client, "not supported by ikat yet");
}

static const struct command {
    const char *name;
    void (*run)(struct vici_client *client, const struct tree *message);
} commands[] = {
    {"version", version},
    {"stats", stats},
    {"reload-settings", nothing_to_do},
    {"flush-certs", vici_flush_certs},
    {"get-algorithms", get_algorithms},
    {"get-counters", vici_get_counters},
    {"reset-counters", vici_reset_counters},
    {"install", install},
    {"uninstall", uninstall},
    {"redirect", no_such_thing},
    {"load-cert", vici_load_cert},
    {"load-key", vici_load_key},
    {"unload-key", vici_unload_key},
    {"load-token", vici_load_token},
    {"load-authority", vici_load_authority},
    {"unload-authority", vici_unload_authority},
    {"initiate", initiate},
    {"terminate", terminate},
    {"rekey", rekey},
    {"list-sas", list_sas},
    {"list-conns", list_conns},
    {"list-policies", list_policies},
    {"list-certs", vici_list_certs},
    {"list-authorities", vici_list_authorities},
    {"get-conns", get_conns},
    {"load-begin", load_begin},
    {"load-commit", load_commit},
    {"load-conn", load_conn},
    {"unload-conn", unload_conn},
    {"load-shared", vici_load_shared},
    {"unload-shared", vici_unload_shared},
    {"get-shared", vici_get_shared},
    {"clear-creds", vici_clear_creds},
    {"retain-credentials", vici_retain_credentials},
    {"get-keys", vici_get_keys},
    {"get-authorities", vici_get_authorities},
    {"load-radius", vici_load_radius},
    {"unload-radius", vici_unload_radius},
    {"get-radius", vici_get_radius},
    {"load-pool", load_pool},
    {"unload-pool", unload_pool},
    {"get-pools", get_pools},
    {"list-sessions", list_sessions},
    {"list-paths", list_paths},
};

bool vici_command_changes(const char *name)
{
    static const char *const reads[] = {"version", "stats", "get-", "list-"};
    bool known = false;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        known |= strcmp(commands[i].name, name) == 0;
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
        known &= strncmp(name, reads[i], strlen(reads[i])) != 0;
    return known;
}

bool vici_command_run(struct vici_client *client, const char *name, const struct tree *message)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0) {
            commands[i].run(client, message);
            return true;
        }
    return false;
}
