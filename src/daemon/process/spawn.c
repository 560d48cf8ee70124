/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/spawn.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon_messages.h"

static const char *const names[N_PROCESSES] = {
    "keyholder", "token",  "verifier", "eap",      "aaa",   "fetcher", "resolver",
    "engine",    "loader", "hooks",    "unpacker", "audit", "probe"};

/* between the distribution's user numbers and those of dynamic users */
static const struct sandbox_user users[] = {
    [PROCESS_KEYHOLDER] = {"ikat-keyholder", 61170},
    [PROCESS_RESOLVER] = {"ikat-resolver", 61171},
    [PROCESS_ENGINE] = {"ikat-engine", 61172},
    [PROCESS_VERIFIER] = {"ikat-verifier", 61173},
    [PROCESS_EAP] = {"ikat-eap", 61174},
    [PROCESS_AAA] = {"ikat-aaa", 61175},
    [PROCESS_FETCHER] = {"ikat-fetcher", 61176},
    [PROCESS_TOKEN] = {"ikat-token", 61178},
    [PROCESS_UNPACKER] = {"ikat-unpacker", 61177},
    [PROCESS_AUDIT] = {"ikat-audit", 61179},
};

const struct sandbox_user *process_user(enum process process)
{
    return &users[process];
}

const char *process_name(enum process process)
{
    return names[process];
}

/* start_file - a memory file that contains `start`. */
static int start_file(const struct spawn_start *start)
{
    struct spawn_start whole = *start;
    int fd = memfd_create("ikatd-start", MFD_CLOEXEC);
    whole.version = SPAWN_VERSION;
    if (fd >= 0 && pwrite(fd, &whole, sizeof(whole), 0) != (ssize_t)sizeof(whole)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void fd_keep(int fd)
{
    if (fd >= 0)
        (void)fcntl(fd, F_SETFD, 0);
}

static void engine_fds_keep(const struct engine_start *e)
{
    for (unsigned i = 0; i < e->n_workers; i++) {
        fd_keep(e->tun_fds[i]);
        fd_keep(e->udp4_fds[i]);
        fd_keep(e->udp6_fds[i]);
    }
    const int others[] = {e->ike4_fd,     e->ike6_fd,     e->raw4_fd,  e->raw6_fd,
                          e->vici_fd,     e->keylog_fd,   e->priv_fd,  e->order_fd,
                          e->key_fd,      e->verifier_fd, e->eap_fd,   e->aaa_fd,
                          e->resolver_fd, e->hooks_fd,    e->audit_fd, e->sessions_fd};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        fd_keep(others[i]);
}

/* the supervisor opens them at its start, so they have low numbers */
#define DESCRIPTORS_LOOKED_AT 1024

/* The socket on the command line distinguishes the processes of several daemons. */
static void program_run(int exe_fd, int file, const struct spawn_start *start)
{
    char kind[32], handed[32], socket[SPAWN_PATH_MAX];
    (void)snprintf(kind, sizeof(kind), "ikatd-%s", names[start->process]);
    (void)snprintf(handed, sizeof(handed), "--handed=%d", file);
    memcpy(socket, start->socket, sizeof(socket));
    char option[] = "-s";
    char *const argv[] = {kind, handed, option, socket, NULL};
    /* Libraries open descriptors without close-on-exec; they must not be inherited. We close them
     * one by one, because CLOSE_RANGE_CLOEXEC needs Linux 5.11. */
    for (int fd = STDERR_FILENO + 1; fd < DESCRIPTORS_LOOKED_AT; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    fd_keep(file);
    fd_keep(start->gate.gate_fd), fd_keep(start->gate.warm_fd);
    if (start->process == PROCESS_ENGINE)
        engine_fds_keep(&start->engine);
    else
        fd_keep(start->fd), fd_keep(start->permit_fd), fd_keep(start->load_fd),
            fd_keep(start->unpack_fd);
    if (start->process == PROCESS_AAA || start->process == PROCESS_EAP ||
        start->process == PROCESS_KEYHOLDER || start->process == PROCESS_AUDIT)
        fd_keep(start->state_fd);
    for (int i = 0; i < SPAWN_AUDITS; i++)
        fd_keep(start->audit_fds[i]);
    for (int i = 0; i < 2; i++)
        fd_keep(start->eap_fds[i]), fd_keep(start->aaa_fds[i]);
    for (int i = 0; i < SPAWN_DOORS; i++)
        fd_keep(start->door_fds[i]);
    if (start->process == PROCESS_VERIFIER)
        fd_keep(start->fetch_fd);
    if (start->process == PROCESS_KEYHOLDER)
        fd_keep(start->token_fd);
    (void)syscall(SYS_execveat, exe_fd, "", argv, environ, AT_EMPTY_PATH);
    _exit(EXIT_FAILURE);
}

pid_t spawn(int exe_fd, const struct spawn_start *start)
{
    int file = start_file(start);
    pid_t pid = file < 0 ? -1 : fork();
    if (pid == 0)
        program_run(exe_fd, file, start);
    if (file >= 0)
        close(file);
    return pid < 0 ? ERR_SYSTEM : pid;
}

int spawn_start_read(const char *text, struct spawn_start *ret_start)
{
    char *end;
    long fd = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || fd < 3 || fd > INT32_MAX)
        return ERR_INVALID;
    bool whole = pread((int)fd, ret_start, sizeof(*ret_start), 0) == (ssize_t)sizeof(*ret_start);
    close((int)fd);
    return whole && ret_start->version == SPAWN_VERSION && ret_start->process < N_PROCESSES
               ? 0
               : ERR_INVALID;
}
