/* SPDX-License-Identifier: Apache-2.0 */
/* A machine: plays the daemon for the cores, without processes, sockets and clocks. */
#include "sim/host.h"

#include <stdio.h>

#include "base/assert.h"
#include "crypto/prf.h"
#include "exchange/party.h"
#include "ike/terms/identity.h"
#include "sim/checker.h"
#include "sim/lease.h"
#include "sim/memory.h"
#include "sim/network.h"
#include "sim/plane.h"

#define IKE_PORT 500
#define PSK      "a secret of both"

/* --- beginning and end --- */

struct sim_host *sim_host_add(struct sim *sim, bool gateway)
{
    char id[64];
    ASSERT(sim->n_hosts < SIM_HOSTS);
    struct sim_host *host = &sim->hosts[sim->n_hosts++];
    unsigned number = 0;
    for (struct sim_host *other = sim->hosts; other < host; other++)
        number += other->gateway == gateway;
    host->sim = sim;
    host->gateway = gateway;
    host->psk = PSK;
    host->wanted = !gateway;
    host->dice = dice_next(&sim->dice);
    host->random = dice_random(&host->dice);
    host->deadline = NANOS_NEVER;
    (void)snprintf(host->name, sizeof(host->name), "%c%u", gateway ? 'g' : 'u', number);
    host->conn = party_conn(gateway);
    if (!gateway) {
        (void)snprintf(id, sizeof(id), "%s.user.example", host->name);
        ASSERT(identity_parse(id, &host->conn->local[0].id) == 0);
    }
    return host;
}

struct sim_host *sim_host_user(struct sim *sim, const struct ike_id *id)
{
    char text[IDENTITY_TEXT_MAX];
    identity_print(id, text);
    for (unsigned i = 0; i < sim->n_hosts; i++) {
        size_t len = strlen(sim->hosts[i].name);
        if (strncmp(text, sim->hosts[i].name, len) == 0 && text[len] == '.')
            return &sim->hosts[i];
    }
    return NULL;
}

static bool child_traffic(const void *context, ike_child_id id, nanos *ret_in_ns, nanos *ret_out_ns)
{
    return sim_plane_seen(((const struct sim_host *)context)->plane, id, ret_in_ns, ret_out_ns);
}

/* wish - an End User wants its session with its children, again and again. */
static void wish(struct sim_host *host)
{
    for (uint8_t i = 0; i < host->conn->n_children; i++) {
        const char *child = host->conn->children[i].name;
        struct path_connect connect = {.conn = host->conn, .child = child, .keep = true};
        if (host->only[0] != '\0' && strcmp(host->only, child) != 0)
            continue;
        int err = path_manager_connect(host->paths, &connect, host->sim->now);
        if (err != 0)
            sim_violation(host->sim, "%s cannot connect: %s", host->name, error_text(err));
    }
}

static void paths_begin(struct sim_host *host)
{
    const struct path_options options = {.random = &host->random,
                                         .view = path_view_of(host->ike),
                                         .traffic = {.context = host, .child = child_traffic}};
    host->paths = path_manager_new(&options);
    ASSERT(host->paths != NULL);
}

void sim_host_start(struct sim_host *host)
{
    ASSERT(!host->running);
    host->running = true;
    host->options.crypto = host->sim->crypto;
    host->options.random = &host->random;
    host->ike = ike_new(&host->options);
    ASSERT(host->ike != NULL);
    paths_begin(host);
    host->plane = sim_plane_new(host);
    sim_lease_start(host);
    ASSERT(ike_conn_add(host->ike, host->conn) == 0);
    sim_log(host->sim, host, "starts");
    sim_host_links_changed(host);
    if (host->wanted)
        wish(host);
    if (host->traffic_interval > 0)
        sim_event_new(host->sim, SIM_TRAFFIC, host->traffic_interval, host);
    sim_host_pump(host);
}

static void cores_free(struct sim_host *host)
{
    path_manager_free(host->paths);
    ike_free(host->ike);
    sim_plane_free(host->plane);
    host->paths = NULL;
    host->ike = NULL;
    host->plane = NULL;
    host->running = false;
    host->incarnation++;
    host->deadline = NANOS_NEVER;
    host->inner = (struct address){0};
    sim_lease_done(host);
}

void sim_host_crash(struct sim_host *host)
{
    if (!host->running)
        return;
    sim_log(host->sim, host, "CRASHES");
    host->sim->counts.crashes++;
    cores_free(host);
    sim_check_crashed(host);
}

void sim_host_done(struct sim_host *host)
{
    if (host->running)
        cores_free(host);
    host->conn = ike_conn_unref(host->conn);
}

void sim_host_leave(struct sim_host *host)
{
    struct ike_session_info info;
    host->wanted = false;
    if (!host->running)
        return;
    path_manager_disconnect(host->paths, host->conn->name, host->sim->now);
    for (ike_session_id id = 0; ike_session_next(host->ike, id, &info); id = info.id) {
        path_manager_session_release(host->paths, info.id);
        (void)sim_host_command(
            host, (struct ike_command){.kind = IKE_CMD_DELETE_SESSION, .session = info.id});
    }
    sim_host_pump(host);
}

void sim_host_join(struct sim_host *host)
{
    host->wanted = true;
    if (!host->running)
        return;
    wish(host);
    sim_host_pump(host);
}

void sim_host_reload(struct sim_host *host)
{
    struct ike_conn *conn = ike_conn_copy(host->conn);
    ASSERT(conn != NULL && host->running);
    for (uint8_t i = 1; i < conn->n_children; i++) {
        struct ike_child_policy other = conn->children[i - 1];
        conn->children[i - 1] = conn->children[i];
        conn->children[i] = other;
    }
    ike_conn_unref(host->conn);
    host->conn = conn;
    ASSERT(ike_conn_add(host->ike, conn) == 0);
    path_manager_conn_loaded(host->paths, conn, host->sim->now);
    sim_host_pump(host);
}

static void links_tell(struct sim_host *host)
{
    struct path_link links[SIM_INTERFACES] = {0};
    for (unsigned i = 0; i < host->n_interfaces; i++) {
        const struct sim_interface *interface = &host->interfaces[i];
        links[i].index = i + 1;
        links[i].mtu = 1500;
        (void)snprintf(links[i].name, sizeof(links[i].name), "if%u", i);
        links[i].up = interface->link.up;
        bool usable = links[i].up && interface->address.family != ADDRESS_NONE;
        bool v6 = interface->address.family == ADDRESS_V6;
        links[i].n_addresses = links[i].n_routes = usable;
        links[i].addresses[0] = interface->address;
        ASSERT(range_parse(v6 ? "::/0" : "0.0.0.0/0", &links[i].routes[0].destination));
    }
    path_manager_links_set(host->paths, links, host->n_interfaces, host->sim->now);
}

static void addresses_tell(struct sim_host *host)
{
    struct address addresses[SIM_INTERFACES];
    size_t n = 0;
    for (unsigned i = 0; i < host->n_interfaces; i++)
        if (host->interfaces[i].link.up && host->interfaces[i].address.family != ADDRESS_NONE)
            addresses[n++] = host->interfaces[i].address;
    ike_local_addresses_set(host->ike, addresses, n, host->sim->now);
}

void sim_host_links_changed(struct sim_host *host)
{
    if (!host->running)
        return;
    links_tell(host);
    sim_host_pump(host);
    addresses_tell(host);
    sim_host_pump(host);
}

void sim_host_core_renew(struct sim_host *host)
{
    ike_free(host->ike);
    host->ike = ike_new(&host->options);
    ASSERT(host->ike != NULL && ike_conn_add(host->ike, host->conn) == 0);
    addresses_tell(host);
    const struct path_view view = path_view_of(host->ike);
    path_manager_view_set(host->paths, &view);
}

void sim_host_paths_renew(struct sim_host *host)
{
    path_manager_free(host->paths);
    paths_begin(host);
    links_tell(host);
}

/* --- jobs --- */

/* core_enter - from here to core_leave() allocations may fail, if that is a fault of the host. */
static void core_enter(struct sim_host *host)
{
    sim_memory_fail(host->sim, &host->faults);
}

static void core_leave(const struct sim_host *host)
{
    sim_memory_fail(host->sim, NULL);
}

static void complete(struct sim_host *host, ike_job_id job, const struct ike_result *result)
{
    core_enter(host);
    ike_complete(host->ike, job, result, host->sim->now);
    core_leave(host);
}

/* auth_job - keys are in another process, so its allocations are not part of this step. */
static void auth_job(struct sim_host *host, const struct ike_event *event)
{
    struct sim *sim = host->sim;
    struct ike_result result;
    uint8_t room[PARTY_ROOM];
    party_auth(sim->crypto, host->psk, event, room, &result);
    if (event->kind == IKE_EV_AUTH_VERIFY && result.error == 0)
        sim_check_verified(host, event->sa);
    if (event->kind == IKE_EV_AUTH_SIGN && sim_chance(sim, host->faults.sign_fail))
        result.error = ERR_SYSTEM;
    nanos wait = host->faults.sign_delay;
    if (wait > 0)
        wait = 1 + (nanos)sim_below(sim, (uint64_t)wait);
    struct sim_event *later = sim_event_new(sim, SIM_JOB, wait, host);
    later->job = event->job;
    later->error = result.error;
    later->auth_len = result.auth.len;
    later->auth_method = result.auth_method; /* certificates are left out: names are keys here */
    ASSERT(result.auth.len <= sizeof(later->auth));
    if (result.auth.len > 0)
        memcpy(later->auth, result.auth.ptr, result.auth.len);
}

/* eap_job - a scripted method, which answers at once. */
static void eap_job(struct sim_host *host, const struct ike_event *event)
{
    struct ike_result result;
    struct party_eap *eap = &host->eap[event->eap.conversation % SIM_EAP_CONVERSATIONS];
    eap->key = host->psk;
    party_eap(eap, event, &result);
    complete(host, event->job, &result);
}

void sim_host_job_done(struct sim_host *host, const struct sim_event *event)
{
    struct ike_result result = {.error = event->error,
                                .auth_method = event->auth_method,
                                .auth = span_of(event->auth, event->auth_len)};
    complete(host, event->job, &result);
    sim_host_pump(host);
}

static void lease(struct sim_host *host, const struct ike_event *event)
{
    struct ike_result result = {.error = ERR_FULL};
    if (!sim_chance(host->sim, host->faults.lease_fail)) {
        core_enter(host);
        result.error = sim_lease_give(host, event, &result.config);
        core_leave(host);
    }
    complete(host, event->job, &result);
}

static void install(struct sim_host *host, const struct ike_event *event)
{
    struct ike_result result = {0};
    sim_check_install(host, &event->install);
    if (sim_chance(host->sim, host->faults.install_fail))
        result.error = ERR_SYSTEM;
    else
        result.error = sim_plane_install(host->plane, &event->install);
    if (result.error != 0)
        host->refused[host->n_refused++ % SIM_REFUSED] = event->install.child;
    complete(host, event->job, &result);
}

/* --- events --- */

static void session_config(struct sim_host *host, ike_session_id id)
{
    struct ike_session_info info;
    if (ike_session_get(host->ike, id, &info) && info.role == IKE_END_USER &&
        info.config.n_addresses > 0)
        host->inner = info.config.addresses[0];
}

static void session_up(struct sim_host *host, const struct ike_event *event)
{
    struct ike_session_info info;
    sim_check_session(host, event->sa, event->session);
    host->logins++;
    host->sim->counts.logins += !host->gateway;
    if (host->gateway && ike_session_get(host->ike, event->session, &info))
        sim_check_login(host, sim_host_user(host->sim, &info.remote_id));
}

static void event_act(struct sim_host *host, const struct ike_event *event)
{
    switch ((int)event->kind) {
    case IKE_EV_AUTH_SIGN:
    case IKE_EV_AUTH_VERIFY: auth_job(host, event); break;
    case IKE_EV_EAP: eap_job(host, event); break;
    case IKE_EV_ADMIT: complete(host, event->job, &(struct ike_result){0}); break;
    case IKE_EV_LEASE: lease(host, event); break;
    case IKE_EV_LEASE_RELEASE:
        if (host->gateway) /* for an End User it means that the addresses of a clone have gone */
            sim_lease_release(host, event->session);
        break;
    case IKE_EV_CHILD_INSTALL: install(host, event); break;
    case IKE_EV_CHILD_SWITCH: sim_plane_switch(host->plane, event->child); break;
    case IKE_EV_CHILD_MOVE: sim_plane_move(host->plane, event); break;
    case IKE_EV_CHILD_REMOVE: sim_plane_remove(host->plane, event->child, event->linger_ns); break;
    case IKE_EV_COMMAND_DONE:
        if (event->sa != 0 && event->session == 0)
            sim_violation(host->sim, "%s: the outcome for IKE SA %u names no session", host->name,
                          event->sa);
        /* the user tries such a login again */
        host->excused += event->outcome == IKE_ADDRESS_FAILURE;
        break;
    case IKE_EV_CONFIG: session_config(host, event->session); break;
    case IKE_EV_SESSION_UP: session_up(host, event); break;
    case IKE_EV_SESSION_DOWN: sim_plane_session_end(host->plane, event->session); break;
    case IKE_EV_SA_UP: host->sim->counts.clones += event->sa_old != 0; break;
    case IKE_EV_SA_MOVED: host->sim->counts.moves++; break;
    default: break;
    }
}

static const char *event_name(enum ike_event_kind kind)
{
    static const char *const names[] = {
        [IKE_EV_AUTH_SIGN] = "sign",
        [IKE_EV_AUTH_VERIFY] = "verify",
        [IKE_EV_EAP] = "eap",
        [IKE_EV_EAP_END] = "eap-end",
        [IKE_EV_ADMIT] = "admit",
        [IKE_EV_LEASE] = "lease",
        [IKE_EV_CHILD_INSTALL] = "child-install",
        [IKE_EV_LEASE_RELEASE] = "lease-release",
        [IKE_EV_CHILD_SWITCH] = "child-switch",
        [IKE_EV_CHILD_MOVE] = "child-move",
        [IKE_EV_CHILD_REMOVE] = "child-remove",
        [IKE_EV_COMMAND_DONE] = "command-done",
        [IKE_EV_SESSION_UP] = "session-up",
        [IKE_EV_SESSION_DOWN] = "session-down",
        [IKE_EV_SA_UP] = "sa-up",
        [IKE_EV_SA_MOVED] = "sa-moved",
        [IKE_EV_SA_DOWN] = "sa-down",
        [IKE_EV_CHILD_NEW] = "child-new",
        [IKE_EV_CHILD_UP] = "child-up",
        [IKE_EV_CHILD_DOWN] = "child-down",
        [IKE_EV_PATH_TERMS] = "path-terms",
        [IKE_EV_PEER_ADDRESSES] = "peer-addresses",
        [IKE_EV_CONFIG] = "config",
        [IKE_EV_EXCHANGE] = "exchange",
        [IKE_EV_NOTICE] = "notice",
    };
    return names[kind] != NULL ? names[kind] : "event";
}

static void event_take(struct sim_host *host, const struct ike_event *event)
{
    struct sim *sim = host->sim;
    sim_mix(sim, (uint64_t)event->kind << 56 ^ (uint64_t)event->sa << 28 ^ event->child);
    if (event->kind != IKE_EV_EXCHANGE)
        sim_log(sim, host, "%s session=%u sa=%u old=%u child=%u %s %s %s", event_name(event->kind),
                event->session, event->sa, event->sa_old, event->child,
                ike_outcome_name(event->outcome), event->what, event->notice);
    event_act(host, event);
    core_enter(host);
    path_manager_event(host->paths, event, sim->now);
    core_leave(host);
}

/* --- the pump --- */

static void command_log(const struct sim_host *host, const struct ike_command *command)
{
    static const char *const names[] = {
        [IKE_CMD_CONNECT] = "connect",
        [IKE_CMD_CANCEL] = "cancel",
        [IKE_CMD_CREATE_CHILD] = "create-child",
        [IKE_CMD_REKEY_IKE] = "rekey-ike",
        [IKE_CMD_REKEY_CHILD] = "rekey-child",
        [IKE_CMD_CLONE] = "clone",
        [IKE_CMD_MOVE] = "move",
        [IKE_CMD_CREATE_MOVED] = "create-moved",
        [IKE_CMD_PROBE] = "probe",
        [IKE_CMD_PATH_TEST] = "path-test",
        [IKE_CMD_DELETE_IKE] = "delete-ike",
        [IKE_CMD_DELETE_CHILD] = "delete-child",
        [IKE_CMD_DELETE_SESSION] = "delete-session",
        [IKE_CMD_REAUTH] = "reauth",
    };
    char to[ENDPOINT_TEXT_MAX], from[ENDPOINT_TEXT_MAX];
    if (host->sim->trace)
        sim_log(host->sim, host, "do %s sa=%u child=%u session=%u if%d %s > %s",
                names[command->kind], command->sa, command->child_id, command->session,
                (int)command->path.interface - 1, endpoint_print(&command->path.local, from),
                endpoint_print(&command->path.remote, to));
}

static void command_run(struct sim_host *host, const struct ike_command *command)
{
    command_log(host, command);
    core_enter(host);
    int err = ike_command(host->ike, command, host->sim->now);
    if (err != 0)
        path_manager_refused(host->paths, command->tag, err, host->sim->now);
    core_leave(host);
}

static void news_take(struct sim_host *host, const struct path_news *news)
{
    char from[16];
    (void)snprintf(from, sizeof(from), "%s", path_state_name(news->from));
    sim_mix(host->sim, (uint64_t)news->kind << 32 ^ (uint64_t)news->to);
    if (news->kind == PATH_NEWS_STATE)
        sim_log(host->sim, host, "path %s: %s -> %s sa=%u %s", news->path, from,
                path_state_name(news->to), news->sa, news->reason);
    else
        sim_log(host->sim, host, "connect: %s %s",
                news->kind == PATH_NEWS_CONNECTED ? "done" : "failed",
                ike_outcome_name(news->outcome));
}

static bool pump_once(struct sim_host *host)
{
    struct ike_command command;
    struct path_order order;
    struct path_news news;
    bool busy = false;
    const struct ike_event *event;
    while ((event = ike_event(host->ike)) != NULL) {
        event_take(host, event);
        busy = true;
    }
    if (path_manager_command(host->paths, &command)) {
        command_run(host, &command);
        busy = true;
    }
    while (path_manager_order(host->paths, &order)) {
        sim_plane_order(host->plane, &order);
        busy = true;
    }
    while (path_manager_news(host->paths, &news)) {
        news_take(host, &news);
        busy = true;
    }
    return busy;
}

/* datagram_send - from port 4500 with the non-ESP marker in front (RFC 3948 section 2.2). */
static void datagram_send(struct sim_host *host, const struct ike_datagram *d)
{
    static uint8_t marked[4 + LIMIT_IKE_MESSAGE];
    sim_check_ike(host, d);
    if (d->path.local.port == IKE_PORT) {
        sim_network_send(host, &d->path, false, span_of(d->octets, d->len));
        return;
    }
    memset(marked, 0, 4);
    memcpy(marked + 4, d->octets, d->len);
    sim_network_send(host, &d->path, false, span_of(marked, d->len + 4));
}

void sim_host_pump(struct sim_host *host)
{
    struct sim *sim = host->sim;
    if (!host->running)
        return;
    while (pump_once(host))
        ;
    while (ike_send(host->ike, &sim->datagram))
        datagram_send(host, &sim->datagram);
    host->deadline =
        nanos_min(nanos_min(ike_deadline(host->ike), path_manager_deadline(host->paths)),
                  sim_plane_deadline(host->plane));
    ike_check_invariants(host->ike);
    path_manager_check_invariants(host->paths);
    sim_check_host(host);
}

int sim_host_command(struct sim_host *host, struct ike_command command)
{
    command_log(host, &command);
    int err = ike_command(host->ike, &command, host->sim->now);
    sim_host_pump(host);
    return err;
}

void sim_host_tick(struct sim_host *host)
{
    nanos now = host->sim->now;
    core_enter(host);
    if (ike_deadline(host->ike) <= now)
        ike_tick(host->ike, now);
    core_leave(host);
    sim_host_pump(host);
    core_enter(host);
    if (path_manager_deadline(host->paths) <= now)
        path_manager_tick(host->paths, now);
    core_leave(host);
    sim_plane_tick(host->plane);
    sim_host_pump(host);
}

static bool is_ike(const struct ike_path *path, struct buffer *octets)
{
    static const uint8_t marker[4];
    if (path->local.port == IKE_PORT)
        return true;
    if (octets->len < sizeof(marker) || memcmp(octets->ptr, marker, sizeof(marker)) != 0)
        return false;
    *octets = (struct buffer){octets->ptr + sizeof(marker), octets->len - sizeof(marker)};
    return true;
}

void sim_host_recv(struct sim_host *host, const struct ike_path *path, bool raw,
                   struct buffer octets)
{
    if (!raw && is_ike(path, &octets)) {
        core_enter(host);
        const struct span datagram = span_of(octets.ptr, octets.len);
        ike_expect(host->ike, &datagram, 1);
        ike_recv(host->ike, path, datagram, host->sim->now);
        core_leave(host);
    } else {
        sim_plane_recv(host->plane, path, raw, octets);
    }
    sim_host_pump(host);
}
