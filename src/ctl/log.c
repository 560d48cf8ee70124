/* SPDX-License-Identifier: Apache-2.0 */
/* `ikat log` and `ikat why`: lines of the daemon's log that it still keeps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/advice.h"
#include "ctl/commands.h"
#include "ctl/json_out.h"
#include "ctl/log_line.h"

static void print_line(bool json, long long at, const char *text)
{
    if (json) {
        json_print(log_line_json(at, text), JSON_COMPACT);
        return;
    }
    char clock[32] = "";
    time_t when = (time_t)at;
    struct tm local;
    if (localtime_r(&when, &local) != NULL)
        (void)strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", &local);
    printf("%s  %s\n", clock, text);
    (void)fflush(stdout);
}

static long long time_of(const struct tree *message)
{
    return strtoll(tree_text_or(message, "time", "0"), NULL, 10);
}

static void show_past(void *context, const char *name, struct tree *message)
{
    const struct ctl_options *options = context;
    if (strcmp(name, "list-log") == 0)
        print_line(options->json, time_of(message), tree_text_or(message, "msg", ""));
}

static void show_new(void *context, const char *name, struct tree *message)
{
    const struct ctl_options *options = context;
    if (strcmp(name, "log") == 0)
        print_line(options->json, (long long)time(NULL), tree_text_or(message, "msg", ""));
}

/* ask_past - asks for the lines that the daemon keeps. false: the daemon does not answer. */
static bool ask_past(struct client *client, const char *match, client_event *handler, void *context)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, "list-log");
    if (match != NULL)
        vici_put(&w, "match", "%s", match);
    struct tree *response = client_request(client, &w, handler, context, CLIENT_ANSWER_MS);
    bool answered = response != NULL;
    tree_free(response);
    return answered;
}

int command_log(const struct ctl_options *options, char **arguments, int n)
{
    struct client *client = ctl_connect(options);
    (void)arguments, (void)n;
    if (client == NULL)
        return 1;
    /* We register before we ask for past lines, so that no line is missed in between. The list runs
     * up to the newest line, and show_past skips the events that arrive while it runs. */
    bool ok = client_register(client, "list-log") &&
              (!options->follow || client_register(client, "log")) &&
              ask_past(client, NULL, show_past, (void *)(uintptr_t)options);
    if (ok && options->follow) {
        while (ok && client_event_wait(client, show_new, (void *)(uintptr_t)options))
            ;
        ok = false;
    }
    client_close(client);
    return ok ? 0 : ctl_complain("the daemon does not answer any more; see its log");
}

/* --- why --- */

struct why {
    const char *peer;
    unsigned shown;
    json_t *lines; /* owned: with --json, what else is printed; else NULL */
    char last[64]; /* the last reason for which advice may exist */
    char conn[64]; /* the connection of that line; empty: none */
};

/* value_copy - copies the value of `key=` in a line, without quotes. false: the line has no such
 * key. */
static bool value_copy(const char *line, const char *key, char *out, size_t cap)
{
    const char *at = strstr(line, key);
    if (at == NULL)
        return false;
    at += strlen(key);
    const char *ends = *at == '"' ? "\"" : " ";
    at += *at == '"';
    (void)snprintf(out, cap, "%.*s", (int)strcspn(at, ends), at);
    return true;
}

/* tells_why - whether the line says why a session or login ended, failed or was refused. */
static bool tells_why(const char *line)
{
    static const char *const kinds[] = {
        "event=notice",     "event=session-down", "event=sa-down",
        "event=child-down", "event=lease-failed", "event=login-failed",
        "event=redirected", "event=path-",        "event=connect-"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strncmp(line, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

static void show_reason(void *context, const char *name, struct tree *message)
{
    struct why *why = context;
    const char *line = tree_text_or(message, "msg", "");
    char reason[64] = "";
    if (strcmp(name, "list-log") != 0 || !tells_why(line))
        return;
    bool path = strncmp(line, "event=path-", 11) == 0;
    (void)value_copy(line, "reason=", reason, sizeof(reason));
    if (path && reason[0] == '\0')
        return;
    if (reason[0] != '\0' && strcmp(reason, "ok") != 0) {
        (void)snprintf(why->last, sizeof(why->last), "%s", reason);
        why->conn[0] = '\0';
        (void)value_copy(line, "conn=", why->conn, sizeof(why->conn));
    }
    if (why->lines != NULL)
        (void)json_array_append_new(why->lines, log_line_json(time_of(message), line));
    else
        print_line(false, time_of(message), line);
    why->shown++;
}

/* is_gateway - the connection waits for peers. */
static bool is_gateway(const struct tree *conn)
{
    const struct tree *remotes = tree_get(conn, "remote_addrs");
    return remotes != NULL && remotes->first != NULL &&
           strcmp(tree_value_text(remotes->first), "%any") == 0;
}

/* advice_of - the advice of advice_for() is for who logs in. On a gateway the lines say why a login was
 * refused, unless the peer has refused us. */
static const char *advice_of(const struct why *why, const struct tree *conn)
{
    if (why->last[0] == '\0')
        return NULL;
    if (!is_gateway(conn))
        return advice_for(why->last, conn);
    return strcmp(why->last, "auth-failed") == 0
               ? "The peer does not accept the proof of this gateway. Compare local { id } with "
                 "remote { id } there, and the pre-shared keys; or the peer has no certificate of "
                 "the CA of this gateway. The peer's log says which it was."
               : NULL;
}

/* print_advice - about the last reason, if there is one. */
static void print_advice(struct client *client, const struct why *why)
{
    struct tree *conns = client_list(client, "list-conns", "list-conn");
    const char *advice = advice_of(why, tree_get(conns, why->conn));
    if (why->lines != NULL)
        json_print(json_pack("{s:s, s:O, s:s?, s:s?}", "peer", why->peer, "lines", why->lines,
                             "reason", why->last[0] == '\0' ? NULL : why->last, "advice", advice),
                   JSON_INDENT(2));
    else if (advice != NULL)
        printf("%s: %s\n", why->last, advice);
    tree_free(conns);
}

int command_why(const struct ctl_options *options, char **arguments, int n)
{
    struct client *client = ctl_connect(options);
    struct why why = {.peer = arguments[0]};
    (void)n;
    if (client == NULL)
        return 1;
    why.lines = options->json ? json_array() : NULL;
    bool ok = client_register(client, "list-log") && ask_past(client, why.peer, show_reason, &why);
    if (ok && (why.shown > 0 || options->json))
        print_advice(client, &why);
    json_decref(why.lines);
    client_close(client);
    if (!ok)
        return ctl_complain("the daemon does not answer any more; see its log");
    if (why.shown == 0 && !options->json)
        printf("nothing in the last lines of the log is about '%s'\n", why.peer);
    return why.shown == 0 ? 1 : 0;
}
