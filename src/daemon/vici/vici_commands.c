/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the VICI server, one row each. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

#include "control/values.h"
#include "daemon/config/conn_build.h"
#include "daemon/vici/vici_server.h"
#include "daemon/vici/vici_stage.h"
#include "daemon/vici/vici_status.h"
#include "daemon/vici/vici_trace.h"

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

bool vici_of_files(struct vici_client *client, enum vici_file_kind kind, const char *name)
{
    char why[2 * LIMIT_NAME + 128];
    if (!vici_files_have(vici_client_files(client), kind, name))
        return false;
    (void)snprintf(why, sizeof(why),
                   "'%s' stays: it is of the files of ikatd; change them and reload ikatd", name);
    vici_fail(client, why);
    return true;
}

static void respond_empty(struct vici_client *client)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    answer(client, &w);
}

uint32_t vici_number(const struct tree *m, const char *key)
{
    uint64_t value;
    const char *text = tree_text(m, key);
    return text != NULL && value_u64(text, &value) && value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* --- the daemon itself --- */

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

/* put_running - writes the run time in the largest unit of which more than two have passed, as
 * charon does. */
static void put_running(struct vici_writer *w, long long seconds)
{
    static const struct {
        long long seconds;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t i = 0;
    while (units[i].seconds > 1 && seconds <= 2 * units[i].seconds)
        i++;
    long long n = seconds / units[i].seconds;
    vici_put(w, "running", "%lld %s%s", n, units[i].name, n == 1 ? "" : "s");
}

/* put_uptime - prints `since` in UTC as charon does. No file with a time zone can be opened here. */
static void put_uptime(struct vici_writer *w, nanos up)
{
    time_t since = time(NULL) - (time_t)(up / NANOS_PER_SEC);
    struct tm utc;
    char text[32];
    vici_section(w, "uptime");
    put_running(w, (long long)(up / NANOS_PER_SEC));
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

static void put_limits(struct vici_writer *w, const struct engine_ops *ops)
{
    struct engine_limit limit;
    vici_section(w, "limits");
    for (size_t i = 0; ops->limit_at(ops->engine, i, &limit); i++) {
        if (limit.most == 0)
            continue;
        vici_section(w, limit.name);
        vici_put(w, "used", "%" PRIu64, limit.used);
        vici_put(w, "most", "%" PRIu64, limit.most);
        vici_section_end(w);
    }
    vici_section_end(w);
}

/* put_drops - packets that the data plane has dropped, by reason. */
static void put_drops(struct vici_writer *w, const struct engine_ops *ops)
{
    struct esp_plane_stats n;
    ops->plane_stats(ops->engine, &n);
    const struct {
        const char *reason;
        uint64_t packets;
    } drops[] = {
        {"out-no-policy", n.no_policy}, {"out-bad-packet", n.bad_inner},
        {"out-no-path", n.not_usable},  {"in-unknown-spi", n.unknown_spi},
        {"in-too-short", n.runt},       {"in-queue-full", n.queue_full},
        {"in-checksum", n.auth_failed}, {"in-replayed", n.replayed},
        {"in-bad-packet", n.malformed}, {"in-wrong-selector", n.wrong_selector},
        {"shunt", n.shunted},
    };
    vici_section(w, "drops");
    for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++)
        vici_put(w, drops[i].reason, "%" PRIu64, drops[i].packets);
    vici_section_end(w);
}

/* put_failures - writes a counter for each outcome of a failed login. An outcome that no login had is 0. */
static void put_failures(struct vici_writer *w, const struct ike_stats *stats)
{
    vici_section(w, "logins-failed");
    for (int outcome = IKE_OK + 1; outcome < IKE_OUTCOMES; outcome++)
        vici_put(w, ike_outcome_name((enum ike_outcome)outcome), "%" PRIu64,
                 stats->logins_failed[outcome]);
    vici_section_end(w);
}

static void put_failovers(struct vici_writer *w, const struct engine_ops *ops)
{
    const struct path_failovers failovers = ops->failovers(ops->engine);
    vici_section(w, "failovers");
    vici_put(w, "number", "%" PRIu64, failovers.n);
    vici_put(w, "gaps-us", "%lld", (long long)(failovers.gaps_ns / NANOS_PER_US));
    vici_put(w, "longest-us", "%lld", (long long)(failovers.longest_ns / NANOS_PER_US));
    vici_section_end(w);
}

static void stats(struct vici_client *client, const struct tree *m)
{
    static const char *const priorities[] = {"critical", "high", "medium", "low"};
    const struct engine_ops *ops = vici_client_ops(client);
    struct ike_stats stats;
    const struct engine_loads loads = ops->loads(ops->engine);
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
    uint64_t half_open = stats.half_open + stats.in_eap;
    vici_put(&w, "total", "%" PRIu64, stats.established + half_open);
    vici_put(&w, "half-open", "%" PRIu64, half_open);
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
    vici_put(&w, "loads", "%" PRIu64, loads.n);
    vici_put(&w, "loads-refused", "%" PRIu64, loads.n_refused);
    vici_put(&w, "load-refused", "%s", loads.last_refused ? "yes" : "no");
    vici_put(&w, "cookies-sent", "%" PRIu64, stats.cookies_sent);
    put_limits(&w, ops);
    put_drops(&w, ops);
    put_failures(&w, &stats);
    put_failovers(&w, ops);
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
        err = ops->conn_credentials(ops->engine, &credentials, conn,
                                    vici_client_stage(client) != NULL);
    if (err == 0)
        err = vici_client_stage(client) != NULL
                  ? vici_stage_conn(vici_client_stage(client), conn, &credentials)
                  : ops->conn_load(ops->engine, conn);
    else if (err == ERR_INVALID) {
        struct build_error named = {.text = ""};
        (void)snprintf(named.text, sizeof(named.text), "connection %.60s: %.400s", m->first->name,
                       error.text);
        error = named;
    }
    if (err == 0 && vici_client_stage(client) == NULL)
        vici_files_forget(vici_client_files(client), VICI_FILE_CONN, conn->name);
    ike_conn_unref(conn);
    conn_credentials_done(&credentials);
    vici_finish(client, err, error.text);
}

static void load_begin(struct vici_client *client, const struct tree *m)
{
    struct vici_stage *stage = vici_stage_new(vici_client_load(client));
    (void)m;
    vici_client_stage_set(client, stage);
    vici_finish(client, stage == NULL ? ERR_NO_MEMORY : 0, NULL);
}

/* on_committed - all processes that keep secrets have switched to those of the load. */
static void on_committed(void *context, int error, const char *reason, const uint8_t *key_id)
{
    struct vici_client *client = context;
    (void)key_id;
    vici_client_busy(client, false);
    vici_finish(client, error, reason);
}

static void load_commit(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct vici_stage *stage = vici_client_stage(client);
    const struct engine_reply reply = {.context = client, .done = on_committed};
    char why[ENGINE_ERROR_MAX];
    (void)m;
    if (stage == NULL) {
        vici_fail(client, "there is no load-begin that this could end");
        return;
    }
    if (vici_stage_broken(stage)) {
        vici_client_stage_set(client, NULL);
        vici_fail(client, "a key or certificate of this load was refused");
        return;
    }
    bool waits = vici_stage_load(stage)->number != 0;
    struct vici_files *files = waits ? vici_files_new(vici_stage_load(stage)) : NULL;
    if (waits && files == NULL) {
        vici_client_stage_set(client, NULL);
        vici_finish(client, ERR_NO_MEMORY, NULL);
        return;
    }
    vici_client_busy(client, waits);
    int err = ops->load_all(ops->engine, vici_stage_load(stage), &reply, why);
    vici_client_stage_set(client, NULL);
    if (err == 0)
        vici_client_files_set(client, files);
    else
        vici_files_free(files);
    if (err == 0 && waits)
        return;
    vici_client_busy(client, false);
    vici_finish(client, err, why);
}

/* load_say - takes a log line of the loader: `ikat log` shows it between those of the engine. */
static void load_say(struct vici_client *client, const struct tree *m)
{
    const char *text = tree_text(m, "msg");
    if (vici_client_load(client) == 0 || text == NULL) {
        vici_fail(client, "this is for the loader of ikatd alone");
        return;
    }
    vici_client_say(client, &(struct engine_line){
                                .level = vici_number(m, "level"), .group = "CFG", .text = text});
    vici_succeed(client);
}

static void unload_conn(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const char *name = tree_text_or(m, "name", "");
    if (vici_of_files(client, VICI_FILE_CONN, name))
        return;
    vici_finish(client, ops->conn_unload(ops->engine, name),
                "no connection of that name is loaded");
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

/* list_policies - lists policies of the kinds that are named, or all. */
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

/* policy_change - the commands install and uninstall. */
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
        why = "a trap needs a remote address and fixed remote selectors; where any host may be the "
              "peer, start_action = trap; mode = drop needs a host with nftables";
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

/* nothing_to_do - reload-settings does nothing: the other commands load everything. */
static void nothing_to_do(struct vici_client *client, const struct tree *m)
{
    struct vici_writer w;
    (void)m;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "success", "yes"); /* clients of charon expect it */
    vici_put(&w, "note",
             "nothing was done: ikatd has no settings of its own; SIGHUP loads its files");
    answer(client, &w);
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
    {"redirect", vici_redirect},
    {"load-cert", vici_load_cert},
    {"load-key", vici_load_key},
    {"unload-key", vici_unload_key},
    {"load-token", vici_load_token},
    {"load-authority", vici_load_authority},
    {"unload-authority", vici_unload_authority},
    {"initiate", vici_initiate},
    {"terminate", vici_terminate},
    {"rekey", vici_rekey},
    {"list-sas", vici_list_sas},
    {"list-conns", vici_list_conns},
    {"list-policies", list_policies},
    {"list-certs", vici_list_certs},
    {"list-authorities", vici_list_authorities},
    {"get-conns", get_conns},
    {"load-begin", load_begin},
    {"load-commit", load_commit},
    {"load-say", load_say},
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
    {"upgrade", vici_upgrade},
    {"get-upgrade", vici_get_upgrade},
    {"load-pool", vici_load_pool},
    {"unload-pool", vici_unload_pool},
    {"get-pools", vici_get_pools},
    {"list-sessions", vici_list_sessions},
    {"list-paths", vici_list_paths},
    {"list-leases", vici_list_leases},
    {"list-log", vici_list_log},
    {"list-trace", vici_list_trace},
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
