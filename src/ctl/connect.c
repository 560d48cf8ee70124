/* SPDX-License-Identifier: Apache-2.0 */
/* `ikat up` and `ikat down`. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/values.h"
#include "ctl/advice.h"
#include "ctl/commands.h"
#include "ctl/gateways.h"
#include "ctl/host_view.h"
#include "ctl/json_out.h"
#include "ctl/status.h"

#define SETTLE_MS 10000 /* how long `up` waits for further paths */

/* struct change - what `up` and `down` do, for --json. */
struct change {
    const char *subject;
    bool done, already;
    char error[512], advice[1024]; /* empty: none */
    json_t *lines;                 /* owned: with --json, how it goes; else NULL */
};

static struct change change_of(const struct ctl_options *options, const char *subject)
{
    return (struct change){.subject = subject, .lines = options->json ? json_array() : NULL};
}

/* change_end - returns the exit status. */
static int change_end(struct change *change)
{
    if (change->lines != NULL)
        json_print(json_pack("{s:s, s:b, s:b, s:O, s:s?, s:s?}", "subject", change->subject, "done",
                             change->done, "already", change->already, "lines", change->lines,
                             "error", change->error[0] == '\0' ? NULL : change->error, "advice",
                             change->advice[0] == '\0' ? NULL : change->advice),
                   JSON_INDENT(2));
    json_decref(change->lines);
    return change->done ? 0 : 1;
}

static void change_fail(struct change *change, const char *error)
{
    (void)snprintf(change->error, sizeof(change->error), "%s", error);
}

static void show_line(void *context, const char *name, struct tree *message)
{
    const struct change *change = context;
    char text[1200];
    if (strcmp(name, "control-log") == 0)
        (void)snprintf(text, sizeof(text), "%s", tree_text_or(message, "msg", ""));
    else if (strcmp(name, "path") == 0)
        (void)snprintf(text, sizeof(text), "path %s: %s%s%s", tree_text_or(message, "path", ""),
                       tree_text_or(message, "to", ""),
                       tree_text_or(message, "reason", "")[0] ? ", " : "",
                       tree_text_or(message, "reason", ""));
    else
        return;
    if (change->lines != NULL) {
        (void)json_array_append_new(change->lines, json_string(text));
        return;
    }
    printf("  %s\n", text);
    (void)fflush(stdout);
}

/* print_offered - prints the proposals of this side: the peer says only that it accepts none of
 * them. */
static void print_offered(const struct tree *conn)
{
    const struct tree *children = tree_get(conn, "children");
    if (conn != NULL)
        (void)fprintf(stderr, "      offered for IKE: %s\n", tree_text_or(conn, "proposals", "?"));
    for (const struct tree *child = children == NULL ? NULL : children->first; child != NULL;
         child = child->next)
        (void)fprintf(stderr, "      offered for %s: %s\n", child->name,
                      tree_text_or(child, "esp_proposals", "?"));
}

/* print_list - prints the values of a list. */
static void print_list(const char *name, const struct tree *list)
{
    (void)fprintf(stderr, " %s =", name);
    for (const struct tree *item = list == NULL ? NULL : list->first; item != NULL;
         item = item->next)
        (void)fprintf(stderr, " %s", tree_value_text(item));
}

/* print_selectors - prints what this side asked for: the peer says only that it accepts none. */
static void print_selectors(const struct tree *conn)
{
    const struct tree *children = tree_get(conn, "children");
    for (const struct tree *child = children == NULL ? NULL : children->first; child != NULL;
         child = child->next) {
        (void)fprintf(stderr, "      asked for %s:", child->name);
        print_list("local_ts", tree_get(child, "local-ts"));
        print_list("remote_ts", tree_get(child, "remote-ts"));
        (void)fputc('\n', stderr);
    }
}

/* print_interfaces - prints what is wrong with the interfaces of the connection's paths. */
static void print_interfaces(const struct tree *conn)
{
    struct ifaddrs *all = NULL;
    struct tree *names = conn == NULL ? NULL : tree_items(tree_get(conn, "interfaces"));
    bool known = getifaddrs(&all) == 0;
    for (const struct tree *name = names == NULL || !known ? NULL : names->first; name != NULL;
         name = name->next) {
        const char *text = tree_value_text(name);
        const char *why = strcmp(text, "auto") == 0 ? NULL : host_interface_trouble(all, text);
        if (why != NULL)
            (void)fprintf(stderr, "      %s: %s\n", text, why);
    }
    if (known)
        freeifaddrs(all);
    tree_free(names);
}

static void gateway_told(void *context, bool trouble, const char *text)
{
    (void)context, (void)trouble;
    (void)fprintf(stderr, "      %s\n", text);
}

/* print_ports - the gateway was silent: prints which of its ports answer now. */
static void print_ports(struct client *client, const struct tree *conns, const char *name)
{
    struct tree *paths = client_list(client, "list-paths", "list-path");
    const struct gateways_question question = {.conns = conns, .paths = paths, .only = name};
    if (conns != NULL && paths != NULL)
        gateways_ask(&question, gateway_told, NULL);
    tree_free(paths);
}

/* print_next - prints what the person can do about the error. */
static void print_next(struct client *client, struct change *change)
{
    const char *error = change->error, *name = change->subject;
    struct tree *all = client_list(client, "list-conns", "list-conn");
    const struct tree *conn = tree_get(all, name);
    const char *next = advice_for(error, conn);
    if (next != NULL) {
        (void)snprintf(change->advice, sizeof(change->advice), "%s", next);
        (void)fprintf(stderr, "      %s\n", next);
    }
    if (strncmp(error, "no-proposal", 11) == 0 || strncmp(error, "ke-refused", 10) == 0)
        print_offered(conn);
    if (strncmp(error, "ts-refused", 10) == 0 && conn != NULL)
        print_selectors(conn);
    if (strncmp(error, "no-path", 7) == 0)
        print_interfaces(conn);
    if (strncmp(error, "timeout", 7) == 0)
        print_ports(client, all, name);
    tree_free(all);
}

static const char silent[] = "the daemon did not answer; see its log";

static void finish(struct client *client, struct tree *response, struct change *change)
{
    if (response == NULL) {
        change_fail(change, silent);
        (void)ctl_complain(silent);
        return;
    }
    change->done = strcmp(tree_text_or(response, "success", "no"), "yes") == 0;
    if (!change->done) {
        change_fail(change, tree_text_or(response, "errmsg", "no reason given"));
        (void)fprintf(stderr, "ikat: %s failed: %s\n", change->subject, change->error);
        print_next(client, change);
    }
    tree_free(response);
}

/* settle - waits a while for the further paths of a new session, which usually follow within
 * moments. */
static void settle(struct client *client, const char *conn)
{
    struct status status;
    for (int waited = 0; waited < SETTLE_MS && status_fetch(client, &status); waited += 100) {
        bool settled = status_paths_settled(&status, conn);
        status_done(&status);
        if (settled)
            return;
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
}

/* conn_known - prints the loaded connections if `name` is none of them. */
static bool conn_known(struct client *client, const char *name)
{
    const char *words[64];
    size_t n = 0;
    struct tree *names = ctl_conn_names(client);
    bool known = names == NULL; /* the caller's next request fails as well, and prints the error */
    for (const struct tree *item = names == NULL ? NULL : names->first; item != NULL;
         item = item->next) {
        known |= strcmp((const char *)item->value, name) == 0;
        if (n < sizeof(words) / sizeof(words[0]))
            words[n++] = (const char *)item->value;
    }
    if (!known) {
        const char *near = value_nearest(name, words, n);
        (void)fprintf(stderr, "ikat: there is no connection '%s'", name);
        if (near != NULL)
            (void)fprintf(stderr, ", did you mean '%s'?\n", near);
        else if (n == 0)
            (void)fprintf(stderr, "; none is loaded, see the log of ikatd\n");
        for (size_t i = 0; near == NULL && i < n; i++)
            (void)fprintf(stderr, "%s%s%s", i == 0 ? "; loaded are: " : ", ", words[i],
                          i + 1 == n ? "\n" : "");
    }
    tree_free(names);
    return known;
}

static bool has_any(const struct tree *session, const char *count)
{
    return strcmp(tree_text_or(session, count, "0"), "0") != 0;
}

/* conn_is_up - a session of the connection can carry traffic. A session without a live IKE SA is
 * ending: its Delete waits for a response. */
static bool conn_is_up(struct client *client, const char *name)
{
    struct status status;
    bool is_up = false;
    if (!status_fetch(client, &status))
        return false;
    for (const struct tree *session = status.sessions->first; session != NULL;
         session = session->next)
        is_up |= strcmp(session->name, name) == 0 && has_any(session, "child-sas") &&
                 has_any(session, "ike-sas");
    status_done(&status);
    return is_up;
}

/* conn_is_active - the connection has a session in any state, or a path that is being tried. */
static bool conn_is_active(struct client *client, const char *name)
{
    struct status status;
    bool active = false;
    if (!status_fetch(client, &status))
        return false;
    for (const struct tree *session = status.sessions->first; session != NULL;
         session = session->next)
        active |= strcmp(session->name, name) == 0;
    for (const struct tree *path = status.paths->first; path != NULL; path = path->next)
        active |= strcmp(tree_text_or(path, "conn", ""), name) == 0;
    status_done(&status);
    return active;
}

static void print_status(struct client *client, const struct ctl_options *options)
{
    struct status status;
    if (!status_fetch(client, &status))
        return;
    status_print(&status, options->colour);
    status_done(&status);
}

/* warn - a refused load may be why the connection is not there, or is not as its file says. */
static void warn(struct client *client)
{
    struct status status;
    if (!status_fetch(client, &status))
        return;
    status_warn(&status);
    status_done(&status);
}

/* up - asks for the session, and waits for it. */
static void up(struct client *client, const struct ctl_options *options, struct change *change)
{
    struct vici_writer w;
    (void)client_register(client, "control-log");
    vici_begin(&w, VICI_CMD_REQUEST, "initiate");
    vici_put(&w, "ike", "%s", change->subject);
    if (options->child != NULL)
        vici_put(&w, "child", "%s", options->child);
    else
        vici_put(&w, "first-child", "yes"); /* without it VICI brings up the IKE SA alone */
    vici_put(&w, "timeout", "%d", options->timeout_s * 1000);
    if (!options->json)
        printf("connecting %s\n", change->subject);
    (void)fflush(stdout);
    int patience_ms = options->timeout_s * 1000 + 5000;
    finish(client, client_request(client, &w, show_line, change, patience_ms), change);
    if (change->done)
        settle(client, change->subject);
}

int command_up(const struct ctl_options *options, char **arguments, int n)
{
    const char *name = arguments[0];
    (void)n;
    struct client *client = ctl_connect(options);
    if (client == NULL)
        return 1;
    struct change change = change_of(options, name);
    warn(client);
    if (!conn_known(client, name)) {
        change_fail(&change, "there is no such connection");
    } else if (options->child == NULL && conn_is_up(client, name)) {
        change.done = change.already = true;
        if (!options->json)
            printf("%s is up already\n", name);
    } else {
        up(client, options, &change);
    }
    if (change.done && !options->json)
        print_status(client, options);
    client_close(client);
    return change_end(&change);
}

static void terminate(struct client *client, const char *key, struct change *change)
{
    struct vici_writer w;
    (void)client_register(client, "control-log");
    vici_begin(&w, VICI_CMD_REQUEST, "terminate");
    vici_put(&w, key, "%s", change->subject);
    if (strcmp(key, "ike") == 0)
        /* the connection stays down until `ikat up`, even after a new load */
        vici_put(&w, "hold", "yes");
    finish(client, client_request(client, &w, show_line, change, 60000), change);
}

/* down_session - ends sessions by number or by the identity of the peer; mainly for a Gateway. */
static int down_session(const struct ctl_options *options)
{
    struct client *client = ctl_connect(options);
    bool by_peer = options->peer != NULL;
    if (client == NULL)
        return 1;
    struct change change = change_of(options, by_peer ? options->peer : options->session);
    terminate(client, by_peer ? "remote-id" : "session-id", &change);
    if (change.done && !options->json)
        printf("%s %s is down\n", by_peer ? "peer" : "session", change.subject);
    client_close(client);
    return change_end(&change);
}

/* hold_down - keeps a connection down that is not up: no packet and no load brings it up. false: the
 * daemon did not answer. */
static bool hold_down(struct client *client, const char *name)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, "terminate");
    vici_put(&w, "ike", "%s", name);
    vici_put(&w, "hold", "yes");
    struct tree *response = client_request(client, &w, NULL, NULL, 60000);
    bool answered = response != NULL; /* that nothing was up is no error */
    tree_free(response);
    return answered;
}

/* down_already - the connection has no session. */
static void down_already(struct client *client, struct change *change)
{
    bool known = conn_known(client, change->subject);
    change->done = change->already = known && hold_down(client, change->subject);
    if (!known) {
        change_fail(change, "there is no such connection");
    } else if (!change->done) {
        change_fail(change, silent);
        (void)ctl_complain(silent);
    }
}

static int down_conn(const struct ctl_options *options, const char *name)
{
    struct client *client = ctl_connect(options);
    if (client == NULL)
        return 1;
    struct change change = change_of(options, name);
    /* A session outlives its connection, which a load may have renamed or removed. */
    if (conn_is_active(client, name))
        terminate(client, "ike", &change);
    else
        down_already(client, &change);
    if (change.done && !options->json)
        printf("%s is down%s\n", name, change.already ? " already" : "");
    client_close(client);
    return change_end(&change);
}

int command_down(const struct ctl_options *options, char **arguments, int n)
{
    bool other = options->session != NULL || options->peer != NULL;
    uint64_t number;
    if (n == 1 && !other)
        return down_conn(options, arguments[0]);
    if (options->session != NULL && !value_u64(options->session, &number)) {
        (void)ctl_complain("--session: a number is expected, see: ikat status");
        return 2;
    }
    if (n == 0 && (options->session == NULL) != (options->peer == NULL))
        return down_session(options);
    (void)ctl_complain("down: expects the name of a connection, --session ID or --peer IDENTITY");
    return 2;
}
