/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/hooks.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "daemon/common/channel.h"
#include "daemon/common/hook_script.h"
#include "daemon/common/log.h"
#include "daemon/process/hook_env.h"
#include "daemon/process/name_servers.h"
#include "daemon/process/program.h"

/* the state that a script was told with `up` */
struct hooked {
    struct hooked *older;
    struct hook_request request;
};

/* script_safe - a regular file that root owns and nobody else may write. */
static bool script_safe(const char *path)
{
    struct stat status;
    bool found = stat(path, &status) == 0;
    if (found && S_ISREG(status.st_mode) && status.st_uid == 0 &&
        (status.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return true;
    log_line(LOG_LEVEL_ERROR, "event=updown-failed script=%s reason=\"%s\"", path,
             found ? "not a file of root's that nobody else may write" : strerror(errno));
    return false;
}

static void script_run(const struct hook_request *request)
{
    static struct hook_env env;
    if (hook_env_fill(request, &env) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=updown-failed conn=%s reason=\"more than %d words\"",
                 request->conn, HOOK_ARGS_MAX);
        return;
    }
    if (!script_safe(env.argv[0]))
        return;
    log_line(LOG_LEVEL_INFO, "event=updown conn=%s child=%s script=%s %s", request->conn,
             request->child, env.argv[0], env.envp[2]);
    (void)program_run(env.argv, env.envp, (struct span){0}, HOOK_TIME_NS);
}

static bool ts_same(const struct ike_ts *a, const struct ike_ts *b)
{
    return a->protocol == b->protocol && a->start_port == b->start_port &&
           a->end_port == b->end_port && address_equal(&a->range.first, &b->range.first) &&
           address_equal(&a->range.last, &b->range.last);
}

static bool hook_same(const struct hook_request *a, const struct hook_request *b)
{
    return a->uniqueid == b->uniqueid && strcmp(a->conn, b->conn) == 0 &&
           strcmp(a->child, b->child) == 0 && ts_same(&a->local_ts, &b->local_ts) &&
           ts_same(&a->remote_ts, &b->remote_ts);
}

/* remember - keeps the state, to take it back when the engine has ended. Without memory it is not
 * kept. */
static void remember(struct hooked **newest, const struct hook_request *request)
{
    struct hooked *hooked = request->up ? malloc(sizeof(*hooked)) : NULL;
    if (hooked != NULL) {
        *hooked = (struct hooked){*newest, *request};
        *newest = hooked;
        return;
    }
    for (struct hooked **link = newest; *link != NULL; link = &(*link)->older)
        if (hook_same(&(*link)->request, request)) {
            struct hooked *gone = *link;
            *link = gone->older;
            free(gone);
            return;
        }
}

/* take_back - runs `down` for an engine that has ended and cannot ask for it. */
static void take_back(struct hooked **newest, struct name_servers *servers)
{
    while (*newest != NULL) {
        struct hooked *hooked = *newest;
        *newest = hooked->older;
        hooked->request.up = 0;
        script_run(&hooked->request);
        free(hooked);
    }
    name_servers_end(servers);
}

static void script_ordered(const struct hook_request *request, struct hooked **newest)
{
    if (!hook_request_sound(request) || !hook_script_allowed(request->script)) {
        log_line(LOG_LEVEL_ERROR, "event=updown-refused");
        return;
    }
    script_run(request);
    remember(newest, request);
}

/* name_servers_permitted - the supervisor says so. To take servers back needs no permission. `wanted` is sound. */
static bool name_servers_permitted(int permit_fd, const struct hook_name_servers *wanted)
{
    struct name_server_question question = {.n = wanted->n};
    struct name_server_answer answer;
    const struct encrypted_dns *encrypted = &wanted->encrypted_dns;
    memcpy(question.device, wanted->device, sizeof(question.device));
    memcpy(question.servers, wanted->servers, wanted->n * sizeof(question.servers[0]));
    for (uint8_t i = 0; i < encrypted->n; i++)
        question.servers[question.n++] = encrypted->servers[i];
    if (question.n == 0)
        return true;
    return channel_send(permit_fd, &question, sizeof(question), NULL, 0) == 0 &&
           channel_recv(permit_fd, &answer, sizeof(answer), NULL, NULL) == 0 && answer.error == 0;
}

static void name_servers_ordered(int permit_fd, const struct hook_name_servers *wanted,
                                 struct name_servers *servers)
{
    if (!name_servers_sound(wanted) || !name_servers_permitted(permit_fd, wanted))
        log_line(LOG_LEVEL_ERROR, "event=dns-refused");
    else
        name_servers_set(servers, wanted);
}

int hooks_run(const struct spawn_start *start)
{
    static struct hook_message message;
    static struct name_servers servers;
    struct hooked *newest = NULL;
    int error;
    /* start->parent: the process outlives it while it has something to take back */
    log_open("hooks", LOG_LEVEL_INFO);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    name_servers_begin();
    while ((error = channel_recv(start->fd, &message, sizeof(message), NULL, NULL)) == 0) {
        if (message.kind == HOOK_SCRIPT_RUN)
            script_ordered(&message.request, &newest);
        else if (message.kind == HOOK_NAME_SERVERS)
            name_servers_ordered(start->permit_fd, &message.name_servers, &servers);
        else if (message.kind == HOOK_ENGINE_BEGINS)
            take_back(&newest, &servers);
        else
            log_line(LOG_LEVEL_ERROR, "event=hook-refused");
    }
    take_back(&newest, &servers);
    return error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
}
