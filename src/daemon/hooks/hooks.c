/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks/hooks.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/hooks/hook_env.h"
#include "daemon/hooks/hook_list.h"
#include "daemon/hooks/name_servers.h"
#include "daemon/hooks/program.h"

/* script_safe - a regular file of root that no other user may write. */
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

/* script_run - false: the script did not start. */
static bool script_run(const struct hook_request *request)
{
    static struct hook_env env;
    if (hook_env_fill(request, &env) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=updown-failed conn=%s reason=\"more than %d words\"",
                 request->conn, HOOK_ARGS_MAX);
        return false;
    }
    if (!script_safe(env.argv[0]))
        return false;
    log_line(LOG_LEVEL_INFO, "event=updown conn=%s child=%s script=%s %s", request->conn,
             request->child, env.argv[0], env.envp[2]);
    (void)program_run(env.argv, env.envp, (struct span){0}, HOOK_TIME_NS);
    return true;
}

/* scripts_end - runs `down` for an engine that has ended and cannot ask for it. */
static void scripts_end(struct hook_list *list)
{
    static struct hook_request request;
    while (hook_list_pop(list, &request)) {
        request.up = 0;
        (void)script_run(&request);
    }
}

static void take_back(struct hook_list *list, struct name_servers *servers)
{
    scripts_end(list);
    name_servers_end(servers);
}

/* permitted - the supervisor permits it. */
static bool permitted(int permit_fd, const struct hook_question *question)
{
    struct hook_permission answer;
    return channel_send(permit_fd, question, sizeof(*question), NULL, 0) == 0 &&
           channel_recv(permit_fd, &answer, sizeof(answer), NULL, NULL) == 0 && answer.error == 0;
}

static bool script_permitted(int permit_fd, const char script[HOOK_SCRIPT])
{
    struct hook_question question = {.kind = HOOK_QUESTION_SCRIPT};
    memcpy(question.script, script, sizeof(question.script));
    return permitted(permit_fd, &question);
}

static void up_ordered(int permit_fd, const struct hook_request *request, struct hook_list *list)
{
    if (!script_permitted(permit_fd, request->script))
        log_line(LOG_LEVEL_ERROR, "event=updown-refused");
    else if (!hook_list_add(list, request))
        log_line(LOG_LEVEL_ERROR, "event=updown-refused reason=\"%u are up\"", list->n);
    else if (!script_run(request))
        (void)hook_list_take(list, request);
}

/* down_ordered - runs `down` for a script that is up, even if a reload has removed the script from
 * the files. A script without `up` gets no `down`: it could undo the work of another program. */
static void down_ordered(const struct hook_request *request, struct hook_list *list)
{
    if (hook_list_take(list, request))
        (void)script_run(request);
    else
        log_line(LOG_LEVEL_ERROR, "event=updown-refused reason=\"it is not up\"");
}

/* script_ordered - checks an order of the engine: a compromised engine may order anything. */
static void script_ordered(int permit_fd, const struct hook_request *request,
                           struct hook_list *list)
{
    if (!hook_request_sound(request))
        log_line(LOG_LEVEL_ERROR, "event=updown-refused");
    else if (request->up)
        up_ordered(permit_fd, request, list);
    else
        down_ordered(request, list);
}

/* name_servers_permitted - removing servers needs no permission. `wanted` is well-formed. */
static bool name_servers_permitted(int permit_fd, const struct hook_name_servers *wanted)
{
    struct hook_question question = {.kind = HOOK_QUESTION_SERVERS, .servers.n = wanted->n};
    struct name_server_question *asked = &question.servers;
    const struct encrypted_dns *encrypted = &wanted->encrypted_dns;
    memcpy(asked->device, wanted->device, sizeof(asked->device));
    memcpy(asked->servers, wanted->servers, wanted->n * sizeof(asked->servers[0]));
    for (uint8_t i = 0; i < encrypted->n; i++)
        asked->servers[asked->n++] = encrypted->servers[i];
    return asked->n == 0 || permitted(permit_fd, &question);
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
    struct hook_list list = {0};
    int error;
    /* start->parent is not used: this process may outlive its parent to undo its changes */
    log_open("hooks", LOG_LEVEL_INFO);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    name_servers_begin();
    while ((error = channel_recv(start->fd, &message, sizeof(message), NULL, NULL)) == 0) {
        if (message.kind == HOOK_SCRIPT_RUN)
            script_ordered(start->permit_fd, &message.request, &list);
        else if (message.kind == HOOK_NAME_SERVERS)
            name_servers_ordered(start->permit_fd, &message.name_servers, &servers);
        else if (message.kind == HOOK_ENGINE_BEGINS)
            take_back(&list, &servers);
        else if (message.kind == HOOK_ENGINE_FOLLOWS)
            scripts_end(&list);
        else
            log_line(LOG_LEVEL_ERROR, "event=hook-refused");
    }
    take_back(&list, &servers);
    return error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
}
