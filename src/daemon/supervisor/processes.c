/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/common/channel.h"
#include "daemon/common/log.h"

/* octets in flight */
#define KEY_CHANNEL      (1 << 20)
#define SMALL_CHANNEL    (1 << 16)
#define VERIFIER_CHANNEL (8 << 20) /* one CRL of the largest size, and requests behind it */
#define HOOK_CHANNEL     (8 << 20) /* scripts take their time: a thousand logins at once */

void processes_init(struct processes *processes, const struct supervisor_options *options)
{
    *processes = (struct processes){.options = options,
                                    .exe_fd = -1,
                                    .door_fds = {-1, -1, -1},
                                    .fetch_door_fd = -1,
                                    .gate = {-1, -1},
                                    .audit_fds = {-1, -1}};
    for (int i = 0; i < N_PROCESSES; i++)
        processes->state_fds[i] = -1;
}

void processes_follow(const struct processes *processes, int exe_fd, struct processes *ret_next)
{
    *ret_next = *processes;
    ret_next->exe_fd = exe_fd;
    ret_next->fetch_door_fd = -1;
    for (int i = 0; i < SPAWN_DOORS; i++)
        ret_next->door_fds[i] = -1;
    memset(ret_next->pids, 0, sizeof(ret_next->pids));
}

static struct spawn_start start_of(const struct processes *processes, enum process process)
{
    const struct supervisor_options *options = processes->options;
    struct spawn_start start = {.process = process,
                                .parent = getpid(),
                                .fd = -1,
                                .permit_fd = -1,
                                .state_fd = processes->state_fds[process],
                                .audit_fds = {-1, -1},
                                .load_fd = -1,
                                .door_fds = {-1, -1, -1},
                                .unpack_fd = -1,
                                .eap_fds = {-1, -1},
                                .aaa_fds = {-1, -1},
                                .token_fd = -1,
                                .fetch_fd = -1,
                                .gate = processes->gate,
                                .debug = options->debug};
    if (options->config != NULL)
        (void)snprintf(start.config, sizeof(start.config), "%s", options->config);
    (void)snprintf(start.socket, sizeof(start.socket), "%s", options->socket);
    return start;
}

static int process_start(struct processes *processes, const struct spawn_start *start)
{
    pid_t pid = spawn(processes->exe_fd, start);
    processes->pids[start->process] = pid > 0 ? pid : 0;
    return pid > 0 ? 0 : ERR_SYSTEM;
}

static void fds_close(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* --- helpers --- */

/* helper_begin - starts a helper at one end of a new channel; *ret_fd is the other end, which keeps
 * the helper alive. `start`: the helper's other descriptors. */
static int helper_begin(struct processes *processes, struct spawn_start *start, int room,
                        int *ret_fd)
{
    int ends[2];
    if (channel_pair(ends, room) != 0)
        return ERR_SYSTEM;
    start->fd = ends[1];
    int error = process_start(processes, start);
    close(ends[1]);
    *ret_fd = ends[0];
    return error;
}

static int helper_start(struct processes *processes, enum process process, int room, int *ret_fd)
{
    struct spawn_start start = start_of(processes, process);
    *ret_fd = -1;
    return helper_begin(processes, &start, room, ret_fd);
}

int processes_audit_start(struct processes *processes)
{
    struct spawn_start start = start_of(processes, PROCESS_AUDIT);
    for (int i = 0; i < SPAWN_AUDITS; i++)
        start.audit_fds[i] = processes->audit_fds[i];
    return process_start(processes, &start);
}

int processes_resolver_start(struct processes *processes, int *ret_fd)
{
    return helper_start(processes, PROCESS_RESOLVER, SMALL_CHANNEL, ret_fd);
}

int processes_fetcher_start(struct processes *processes)
{
    const struct load_order order = {.load = ++processes->fetchers};
    int fd, error = helper_start(processes, PROCESS_FETCHER, VERIFIER_CHANNEL, &fd);
    if (error == 0)
        error = channel_send(processes->fetch_door_fd, &order, sizeof(order), &fd, 1);
    fds_close(&fd, 1);
    return error;
}

/* --- helpers that are handed channels while they run --- */

/* door_open - a channel over which the supervisor hands over other channels; it keeps *ret_fd. The
 * channel does not block, so a process that reads nothing cannot stop the supervisor. */
static int door_open(struct spawn_start *start, int *ret_fd)
{
    int ends[2];
    if (channel_pair(ends, SMALL_CHANNEL) != 0)
        return ERR_SYSTEM;
    *ret_fd = ends[0];
    start->load_fd = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? ERR_SYSTEM : 0;
}

static int keeper_begin(struct processes *processes, int door, struct spawn_start *start,
                        int *ret_fd)
{
    int error = door_open(start, &processes->door_fds[door]);
    if (error == 0)
        error = helper_begin(processes, start, KEY_CHANNEL, ret_fd);
    fds_close(&start->load_fd, 1);
    return error;
}

/* verifier_begin - starts the fetcher first, since the verifier uses it. */
static int verifier_begin(struct processes *processes, struct spawn_start *start, int *ret_fd)
{
    int error = helper_start(processes, PROCESS_FETCHER, VERIFIER_CHANNEL, &start->fetch_fd);
    if (error == 0)
        error = door_open(start, &processes->fetch_door_fd);
    if (error == 0)
        error = helper_begin(processes, start, VERIFIER_CHANNEL, ret_fd);
    fds_close(&start->load_fd, 1);
    fds_close(&start->fetch_fd, 1);
    return error;
}

/* keyholder_begin - starts the token process first, since the keyholder uses it. */
static int keyholder_begin(struct processes *processes, struct spawn_start *start, int *ret_fd)
{
    int error = helper_start(processes, PROCESS_TOKEN, KEY_CHANNEL, &start->token_fd);
    if (error == 0)
        error = keeper_begin(processes, SPAWN_DOOR_KEY, start, ret_fd);
    fds_close(&start->token_fd, 1);
    return error;
}

/* --- processes with TLS --- */

/* struct tls_pairs - the channels by which a process with TLS (eap, aaa) asks the keyholder for
 * signatures and the verifier for checks of certificates. */
struct tls_pairs {
    int keys[2], checks[2]; /* the end of keyholder or verifier, then the end of eap or aaa */
};

static int tls_pairs_open(struct tls_pairs *pairs)
{
    *pairs = (struct tls_pairs){{-1, -1}, {-1, -1}};
    int error = channel_pair(pairs->keys, KEY_CHANNEL);
    return error != 0 ? error : channel_pair(pairs->checks, KEY_CHANNEL);
}

static void tls_pairs_close(struct tls_pairs *pairs)
{
    fds_close(pairs->keys, 2);
    fds_close(pairs->checks, 2);
}

/* keepers_begin - keyholder, verifier, eap and aaa, with the channels of TLS between them. */
static int keepers_begin(struct processes *processes, const struct tls_pairs *eap_pairs,
                         const struct tls_pairs *aaa_pairs, struct engine_start *engine)
{
    struct spawn_start key = start_of(processes, PROCESS_KEYHOLDER);
    struct spawn_start verifier = start_of(processes, PROCESS_VERIFIER);
    struct spawn_start eap = start_of(processes, PROCESS_EAP);
    struct spawn_start aaa = start_of(processes, PROCESS_AAA);
    aaa.handed = engine->sessions_fd >= 0;
    key.eap_fds[SPAWN_TLS_KEY] = eap_pairs->keys[0];
    key.aaa_fds[SPAWN_TLS_KEY] = aaa_pairs->keys[0];
    verifier.eap_fds[SPAWN_TLS_VERIFIER] = eap_pairs->checks[0];
    verifier.aaa_fds[SPAWN_TLS_VERIFIER] = aaa_pairs->checks[0];
    eap.eap_fds[SPAWN_TLS_KEY] = eap_pairs->keys[1];
    eap.eap_fds[SPAWN_TLS_VERIFIER] = eap_pairs->checks[1];
    aaa.aaa_fds[SPAWN_TLS_KEY] = aaa_pairs->keys[1];
    aaa.aaa_fds[SPAWN_TLS_VERIFIER] = aaa_pairs->checks[1];
    int error = keyholder_begin(processes, &key, &engine->key_fd);
    if (error == 0)
        error = verifier_begin(processes, &verifier, &engine->verifier_fd);
    if (error == 0)
        error = keeper_begin(processes, SPAWN_DOOR_EAP, &eap, &engine->eap_fd);
    return error != 0 ? error : keeper_begin(processes, SPAWN_DOOR_AAA, &aaa, &engine->aaa_fd);
}

static int helpers_start(struct processes *processes, struct engine_start *engine)
{
    struct tls_pairs eap, aaa;
    int error = tls_pairs_open(&eap), error_aaa = tls_pairs_open(&aaa);
    if (error == 0)
        error = error_aaa;
    if (error == 0)
        error = keepers_begin(processes, &eap, &aaa, engine);
    tls_pairs_close(&eap);
    tls_pairs_close(&aaa);
    return error != 0 ? error : processes_resolver_start(processes, &engine->resolver_fd);
}

/* --- the engine --- */

static int engine_start(struct processes *processes, const struct engine_start *engine,
                        struct engine_ends *ret_ends)
{
    int requests[2] = {-1, -1}, orders[2] = {-1, -1};
    struct spawn_start start = start_of(processes, PROCESS_ENGINE);
    int error = channel_pair(requests, SMALL_CHANNEL);
    if (error == 0)
        error = channel_pair(orders, SMALL_CHANNEL);
    start.engine = *engine;
    start.engine.priv_fd = requests[1];
    start.engine.order_fd = orders[1];
    start.engine.gate = processes->gate;
    if (error == 0)
        error = process_start(processes, &start);
    if (error == 0 && fcntl(requests[0], F_SETFL, O_NONBLOCK) < 0)
        error = ERR_SYSTEM;
    fds_close(&requests[1], 1);
    fds_close(&orders[1], 1);
    *ret_ends = (struct engine_ends){requests[0], orders[0]};
    return error;
}

int processes_servers_start(struct processes *processes, const struct engine_start *devices,
                            struct engine_ends *ret_ends)
{
    struct engine_start engine = *devices;
    int *const channels[] = {&engine.key_fd, &engine.verifier_fd, &engine.eap_fd, &engine.aaa_fd,
                             &engine.resolver_fd};
    *ret_ends = (struct engine_ends){-1, -1};
    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
        *channels[i] = -1;
    int error = helpers_start(processes, &engine);
    if (error == 0)
        error = engine_start(processes, &engine, ret_ends);
    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
        fds_close(channels[i], 1);
    return error;
}

/* --- processes that exchange permissions with the supervisor --- */

static int permits_open(struct spawn_start *start, int *ret_fd)
{
    int ends[2];
    if (channel_pair(ends, SMALL_CHANNEL) != 0)
        return ERR_SYSTEM;
    *ret_fd = ends[0];
    start->permit_fd = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? ERR_SYSTEM : 0;
}

int processes_hooks_start(struct processes *processes, int *ret_fd, int *ret_permit_fd)
{
    struct spawn_start start = start_of(processes, PROCESS_HOOKS);
    *ret_fd = *ret_permit_fd = -1;
    int error = permits_open(&start, ret_permit_fd);
    if (error == 0)
        error = helper_begin(processes, &start, HOOK_CHANNEL, ret_fd);
    fds_close(&start.permit_fd, 1);
    return error;
}

/* doors_hand - channels between the loader and the processes that keep secrets. */
static int doors_hand(const struct processes *processes, struct spawn_start *start)
{
    const struct load_order order = {.load = processes->loads};
    int error = 0;
    for (int i = 0; error == 0 && i < SPAWN_DOORS; i++) {
        int ends[2] = {-1, -1};
        error = channel_pair(ends, KEY_CHANNEL);
        if (error == 0)
            error = channel_send(processes->door_fds[i], &order, sizeof(order), &ends[0], 1);
        fds_close(&ends[0], 1);
        start->door_fds[i] = ends[1];
    }
    return error;
}

static int loader_begin(struct processes *processes, struct spawn_start *start,
                        struct loader_ends *ends)
{
    int vici[2];
    if (permits_open(start, &ends->permit_fd) != 0 || doors_hand(processes, start) != 0 ||
        helper_start(processes, PROCESS_UNPACKER, KEY_CHANNEL, &start->unpack_fd) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, vici) != 0)
        return ERR_SYSTEM;
    ends->engine_fd = vici[0];
    start->fd = vici[1];
    return process_start(processes, start);
}

int processes_loader_start(struct processes *processes, struct loader_ends *ret_ends)
{
    struct spawn_start start = start_of(processes, PROCESS_LOADER);
    *ret_ends = (struct loader_ends){-1, -1};
    processes->loads++;
    int error = loader_begin(processes, &start, ret_ends);
    fds_close(&start.fd, 1);
    fds_close(&start.permit_fd, 1);
    fds_close(&start.unpack_fd, 1);
    fds_close(start.door_fds, SPAWN_DOORS);
    return error;
}

int processes_probe_start(struct processes *processes, int exe_fd)
{
    struct spawn_start start = start_of(processes, PROCESS_PROBE);
    pid_t pid = spawn(exe_fd, &start);
    processes->pids[PROCESS_PROBE] = pid > 0 ? pid : 0;
    return pid > 0 ? 0 : ERR_SYSTEM;
}

/* --- ending --- */

void processes_kill(const struct processes *processes)
{
    for (int i = 0; i < PROCESS_LOADER; i++) {
        enum process process = (enum process)i;
        if (processes->pids[i] != 0 &&
            sandbox_user_kill(process_user(process), processes->pids[i]) != 0)
            log_line(LOG_LEVEL_ERROR, "event=kill-failed name=%s reason=\"%s\"",
                     process_name(process), strerror(errno));
    }
}

bool processes_gone(const struct processes *processes)
{
    bool gone = true;
    for (int i = 0; i < PROCESS_LOADER; i++)
        gone = gone && processes->pids[i] == 0;
    return gone;
}

void processes_close(struct processes *processes)
{
    fds_close(processes->door_fds, SPAWN_DOORS);
    fds_close(&processes->fetch_door_fd, 1);
}
