/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/engine.h"
#include "base/siphash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/provider.h"
#include "daemon/common/log.h"
#include "daemon/engine/accounts.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_eap.h"
#include "daemon/engine/reqids.h"
#include "daemon/process/spawn.h"
#include "daemon/vici/vici_server.h"
#include "linux/clock.h"
#include "linux/entropy.h"
#include "linux/sandbox.h"

/* path sockets, control connections, and the descriptors from the supervisor */
#define ENGINE_DESCRIPTORS 1024

static int failed(const char *what)
{
    log_line(LOG_LEVEL_ERROR, "event=start-failed what=\"%s\" reason=\"%s\"", what,
             strerror(errno));
    return ERR_SYSTEM;
}

/* child_traffic - reads a Child SA's counters for the path manager. */
static bool child_traffic(const void *context, ike_child_id id, nanos *ret_in, nanos *ret_out)
{
    struct esp_counters counters;
    if (data_plane_counters(((const struct engine *)context)->plane, id, &counters) != 0)
        return false;
    *ret_in = counters.last_in_ns;
    *ret_out = counters.last_out_ns;
    return true;
}

/* --- start --- */

static bool account_read(void *context, ike_child_id child, struct engine_child_traffic *ret)
{
    struct engine *e = context;
    return e->ops.traffic(e, child, ret);
}

static int cores_new(struct engine *e)
{
    e->crypto = crypto_new();
    if (e->crypto == NULL)
        return failed("algorithms of libcrypto");
    const struct ike_options ike = {.crypto = e->crypto,
                                    .random = entropy_random(),
                                    .ke_budget_ns = e->start->n_workers * LIMIT_KE_BUDGET_NS,
                                    .ke_jobs = true,
                                    .silent_at_first = true};
    e->ike = ike_new(&ike);
    const struct path_options paths = {
        .random = entropy_random(),
        .view = path_view_of(e->ike),
        .traffic = {.context = e, .child = child_traffic},
    };
    e->paths = path_manager_new(&paths);
    uint8_t hash_key[SIPHASH_KEY_LEN];
    random_fill(entropy_random(), hash_key, sizeof(hash_key));
    e->pools = pools_new(hash_key);
    e->accounts = accounts_new(account_read, e);
    e->reqids = reqids_new();
    e->proofs = proofs_new();
    e->credentials = credentials_new();
    e->hooks = engine_hooks_new();
    e->name_servers = engine_name_servers_new();
    e->devices = engine_devices_new();
    e->host = host_new(e->start->priv_fd);
    e->ke_workers = ke_workers_new();
    e->loop = event_loop_new();
    if (e->ike == NULL || e->paths == NULL || e->pools == NULL || e->accounts == NULL ||
        e->reqids == NULL || e->proofs == NULL || e->credentials == NULL || e->hooks == NULL ||
        e->name_servers == NULL || e->devices == NULL || e->host == NULL || e->ke_workers == NULL ||
        e->loop == NULL)
        return failed("memory");
    return 0;
}

/* order_spaces - as many as fit half of the engine's memory. */
static uint32_t order_spaces(const struct engine_start *start)
{
    uint64_t fit = start->memory_most / 2 / LIMIT_ORDER_SPACE_OCTETS;
    if (start->memory_most == 0 || fit > LIMIT_ORDER_SPACES)
        return LIMIT_ORDER_SPACES;
    return fit == 0 ? 1 : (uint32_t)fit;
}

static int plane_new(struct engine *e)
{
    const struct engine_start *start = e->start;
    struct esp_plane_options options = {
        .n_workers = start->n_workers,
        .raw4_fd = start->raw4_fd,
        .raw6_fd = start->raw6_fd,
        .nat_port = NAT_PORT,
        .random = entropy_random(),
        .tun_offload = true,
        .tun_uso = start->tun_uso,
        .order_spaces = order_spaces(start),
    };
    for (unsigned i = 0; i < LIMIT_WORKERS; i++) {
        options.tun_fds[i] = start->tun_fds[i];
        options.udp4_fds[i] = start->udp4_fds[i];
        options.udp6_fds[i] = start->udp6_fds[i];
    }
    if (esp_plane_new(&options, &e->esp) != 0)
        return failed("data plane");
    e->plane = esp_plane_verbs(e->esp);
    return 0;
}

static void on_order(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    struct order order;
    int fds[LIMIT_WORKERS];
    unsigned n_fds = 0;
    (void)events;
    int error = channel_recv(fd, &order, sizeof(order), fds, &n_fds);
    if (error == ERR_AGAIN)
        return;
    if (error == 0 && order.kind == ORDER_LOADED) {
        e->loads.last_refused = order.load != 0;
        e->loads.n++;
        e->loads.n_refused += e->loads.last_refused;
        engine_load_ended(e);
        engine_shunts_all(e);
        return;
    }
    if (error == 0 && order.kind == ORDER_LOADER && n_fds == 1) {
        vici_server_loader(e->vici, fds[0], order.load);
        return;
    }
    if (error == 0 && order.kind == ORDER_ALIVE) {
        if (channel_send(fd, &order, sizeof(order), NULL, 0) != 0)
            log_line(LOG_LEVEL_DEBUG, "event=answer-lost kind=alive");
        return;
    }
    if (error == 0 && order.kind == ORDER_RESOLVER && n_fds == 1) {
        if (engine_resolver_take(e, fds[0]) != 0)
            log_line(LOG_LEVEL_ERROR, "event=resolver-lost");
        return;
    }
    if (error == 0 && order.kind == ORDER_UPGRADE && !engine_upgrade_answered(e, order.upgrade))
        return; /* no upgrade: the engine goes on; otherwise it stops as at its end */
    if (error == 0 && order.kind == ORDER_UPGRADE && n_fds == 1)
        engine_leave_begin(e, fds[0]);
    /* the supervisor has ended: no other process can change the host */
    if (error != 0 || e->stopping) {
        e->done = true;
        e->status = error != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        return;
    }
    log_line(LOG_LEVEL_INFO, "event=stopping");
    vici_server_alert(e->vici, "shutdown-signal");
    e->stopping = true;
    e->stop_by = nanos_after(e->now, FAREWELL_NS);
    if (e->leave.fd < 0)
        engine_delete_all(e);
}

static int nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? ERR_SYSTEM : 0;
}

/* The supervisor has answered. If it has ended, the other channel reports that as well. */
static void on_host(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    struct host_sockets sockets;
    if ((events & EVENT_GONE) != 0)
        event_loop_remove(e->loop, fd);
    while (host_answer(e->host, &sockets)) {
        if (sockets.id != 0)
            engine_path_bound(e, &sockets);
        if (sockets.device != 0)
            engine_devices_answer(e, &sockets);
        if (sockets.denied[0] != '\0')
            (void)snprintf(e->denied, sizeof(e->denied), "%s", sockets.denied);
        engine_routes_decide(e);
    }
    engine_pump(e); /* a Child SA comes up before `ikat up` hears of it */
    engine_watch_host(e);
}

static int loop_fill(struct engine *e)
{
    const struct engine_start *start = e->start;
    if (nonblocking(start->order_fd) != 0 || nonblocking(start->key_fd) != 0 ||
        nonblocking(start->verifier_fd) != 0 || nonblocking(start->eap_fd) != 0 ||
        nonblocking(start->aaa_fd) != 0 || nonblocking(start->resolver_fd) != 0 ||
        nonblocking(start->hooks_fd) != 0 || engine_io_add(e) != 0 || engine_helpers_add(e) != 0 ||
        engine_jobs_add(e) != 0 || engine_audit_add(e) != 0 || engine_eap_add(e) != 0 ||
        engine_aaa_add(e) != 0 ||
        event_loop_add(e->loop, start->order_fd, EVENT_READ, on_order, e) != 0 ||
        event_loop_add(e->loop, start->priv_fd, EVENT_READ, on_host, e) != 0)
        return failed("event loop");
    engine_ops_init(e);
    e->vici = vici_server_new(&e->ops, e->loop, start->vici_fd);
    engine_listen(e);
    if (e->vici == NULL)
        return failed("control server");
    vici_server_loading(e->vici, true);
    return 0;
}

static int rights_drop(pid_t parent)
{
    bool same_uid;
    if (sandbox_common(parent) != 0 ||
        sandbox_unprivileged(process_user(PROCESS_ENGINE), &same_uid) != 0)
        return failed("privileges");
    if (same_uid)
        log_line(LOG_LEVEL_WARNING, "event=same-uid text=\"no other user here: the engine keeps "
                                    "the uid, without capabilities\"");
    return 0;
}

static int engine_begin(struct engine *e, pid_t parent)
{
    e->now = clock_now();
    int error = rights_drop(parent);
    if (error == 0)
        error = cores_new(e);
    if (error == 0)
        error = plane_new(e);
    if (error == 0 && netlink_monitor_open(&e->monitor) != 0)
        error = failed("link monitor");
    if (error == 0)
        error = loop_fill(e);
    int abi = 0; /* before threads exist: they inherit the restriction */
    if (error == 0 && sandbox_files(SANDBOX_FILES_NONE, &abi) != 0)
        error = failed("Landlock");
    log_line(LOG_LEVEL_DEBUG, "event=landlock abi=%d", abi);
    if (e->start->sessions_fd >= 0 && e->esp != NULL)
        esp_plane_hold(e->esp); /* until engine_arrive */
    if (error == 0 &&
        (esp_plane_start(e->esp) != 0 || ke_workers_start(e->ke_workers, e->start->n_workers) != 0))
        error = failed("workers");
    if (error == 0 && sandbox_limits(ENGINE_DESCRIPTORS, 0, false) != 0)
        error = failed("limits");
    /* from here on: no new descriptors but accepted control connections, no files */
    if (error == 0 && sandbox_filter(SANDBOX_ENGINE) != 0)
        error = failed("system call filter");
    if (error == 0 && !gate_pass(&e->start->gate))
        error = ERR_WRONG_STATE;
    if (error == 0 && engine_arrival_open(e) != 0)
        error = failed("sessions of the engine before this one");
    if (error == 0) {
        e->now = clock_now();
        engine_links_read(e);
        engine_hooks_begin(e);
        host_ready(e->host);
    }
    return error;
}

/* --- the loop --- */

static nanos engine_deadline(const struct engine *e)
{
    nanos deadline = nanos_min(ike_deadline(e->ike), path_manager_deadline(e->paths));
    deadline = nanos_min(deadline, data_plane_deadline(e->plane));
    deadline = nanos_min(deadline, engine_watch_deadline(e));
    deadline = nanos_min(deadline, engine_connect_deadline(e));
    deadline = nanos_min(deadline, engine_aaa_deadline(e));
    deadline = nanos_min(deadline, engine_limits_deadline(e));
    deadline = nanos_min(deadline, engine_leave_deadline(e));
    return e->stopping && e->leave.fd < 0 ? nanos_min(deadline, e->stop_by) : deadline;
}

/* serve_check - a peer that comes before the first connection is loaded gets no response, and tries
 * again. A host that only initiates never serves. */
static void serve_check(struct engine *e)
{
    if (e->start->initiator_only || e->serving || !e->load_ended || ike_conn_at(e->ike, 0) == NULL)
        return;
    e->serving = true;
    if (!e->kept) /* an Accounting-On would end earlier sessions at the server */
        engine_accounting_nas(e, AAA_ACCOUNT_ON);
    ike_serve(e->ike);
}

static void engine_tick(struct engine *e)
{
    serve_check(e);
    engine_limits_tick(e);
    if (ike_deadline(e->ike) <= e->now) {
        ike_tick(e->ike, e->now);
        engine_pump(e);
    }
    if (path_manager_deadline(e->paths) <= e->now) {
        path_manager_tick(e->paths, e->now);
        engine_pump(e);
    }
    if (data_plane_deadline(e->plane) <= e->now)
        data_plane_tick(e->plane, e->now);
    engine_watch_tick(e);
    engine_connect_tick(e);
    engine_name_servers_tick(e);
    engine_aaa_tick(e);
    engine_pump(e);
    struct ike_session_info session;
    if (e->stopping && e->leave.fd >= 0)
        e->done = engine_leave_turn(e);
    else if (e->stopping && (e->now >= e->stop_by || !ike_session_next(e->ike, 0, &session)))
        e->done = true;
}

static void engine_end(struct engine *e)
{
    log_listen(NULL, NULL);
    e->vici = vici_server_free(e->vici);
    if (e->plane != NULL)
        engine_accounts_close(e);
    engine_paths_done(e);
    e->esp = esp_plane_free(e->esp);
    e->plane = NULL; /* freed with e->esp */
    e->ke_workers = ke_workers_free(e->ke_workers);
    e->paths = path_manager_free(e->paths);
    e->ike = ike_free(e->ike);
    engine_auth_done(e);
    engine_audit_done(e);
    engine_helpers_done(e);
    engine_aaa_done(e);
    engine_authorities_done(e);
    engine_credentials_done(e);
    engine_down_forget(e);
    engine_chains_done(e);
    e->pools = pools_free(e->pools);
    e->accounts = accounts_free(e->accounts);
    e->reqids = reqids_free(e->reqids);
    e->proofs = proofs_free(e->proofs);
    e->hooks = engine_hooks_free(e->hooks);
    e->name_servers = engine_name_servers_free(e->name_servers);
    e->devices = engine_devices_free(e->devices);
    e->host = host_free(e->host);
    engine_shunts_done(e);
    free(e->choices);
    free(e->waits);
    e->monitor = netlink_monitor_free(e->monitor);
    e->loop = event_loop_free(e->loop);
    e->crypto = crypto_free(e->crypto);
}

int engine_run(const struct engine_start *start, pid_t parent)
{
    struct engine *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return EXIT_FAILURE;
    e->start = start;
    e->leave.fd = -1;
    if (engine_begin(e, parent) != 0)
        return EXIT_FAILURE; /* the exit of the process closes all descriptors */
    while (!e->done) {
        if (event_loop_wait(e->loop, engine_deadline(e), &e->now) < 0) {
            e->status = EXIT_FAILURE;
            break;
        }
        e->now = clock_now();
        engine_tick(e);
    }
    int status = e->status;
    engine_end(e);
    free(e);
    return status;
}
