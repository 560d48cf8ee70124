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
#include "ctl/status.h"

#define SETTLE_MS 10000 /* how long `up` waits for further paths */

static void show_line(void *context, const char *name, struct tree *message)
{
    (void)context;
    if (strcmp(name, "control-log") == 0) {
        printf("  %s\n", tree_text_or(message, "msg", ""));
        (void)fflush(stdout);
    } else if (strcmp(name, "path") == 0) {
        printf("  path %s: %s%s%s\n", tree_text_or(message, "path", ""),
               tree_text_or(message, "to", ""), tree_text_or(message, "reason", "")[0] ? ", " : "",
               tree_text_or(message, "reason", ""));
        (void)fflush(stdout);
    }
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
static void print_next(struct client *client, const char *error, const char *name)
{
    struct tree *all = client_list(client, "list-conns", "list-conn");
    const struct tree *conn = tree_get(all, name);
    const char *next = advice_for(error, conn);
    if (next != NULL)
        (void)fprintf(stderr, "      %s\n", next);
    if (strncmp(error, "no-proposal", 11) == 0 || strncmp(error, "ke-refused", 10) == 0)
        print_offered(conn);
    if (strncmp(error, "no-path", 7) == 0)
        print_interfaces(conn);
    if (strncmp(error, "timeout", 7) == 0)
        print_ports(client, all, name);
    tree_free(all);
}

static int finish(struct client *client, struct tree *response, const char *what)
{
    if (response == NULL)
        return ctl_complain("the daemon did not answer; see its log");
    bool ok = strcmp(tree_text_or(response, "success", "no"), "yes") == 0;
    if (!ok) {
        const char *error = tree_text_or(response, "errmsg", "no reason given");
        (void)fprintf(stderr, "ikat: %s failed: %s\n", what, error);
        print_next(client, error, what);
    }
    tree_free(response);
    return ok ? 0 : 1;
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

int command_up(const struct ctl_options *options, char **arguments, int n)
{
    const char *name = arguments[0];
    (void)n;
    struct client *client = ctl_connect(options);
    struct vici_writer w;
    if (client == NULL)
        return 1;
    warn(client);
    if (!conn_known(client, name)) {
        client_close(client);
        return 1;
    }
    if (options->child == NULL && conn_is_up(client, name)) {
        printf("%s is up already\n", name);
        print_status(client, options);
        client_close(client);
        return 0;
    }
    (void)client_register(client, "control-log");
    vici_begin(&w, VICI_CMD_REQUEST, "initiate");
    vici_put(&w, "ike", "%s", name);
    if (options->child != NULL)
        vici_put(&w, "child", "%s", options->child);
    else
        vici_put(&w, "first-child", "yes"); /* without it VICI brings up the IKE SA alone */
    vici_put(&w, "timeout", "%d", options->timeout_s * 1000);
    printf("connecting %s\n", name);
    (void)fflush(stdout);
    int code =
        finish(client,
               client_request(client, &w, show_line, NULL, options->timeout_s * 1000 + 5000), name);
    if (code == 0) {
        settle(client, name);
        print_status(client, options);
    }
    client_close(client);
    return code;
}

static int terminate(struct client *client, const char *key, const char *value)
{
    struct vici_writer w;
    (void)client_register(client, "control-log");
    vici_begin(&w, VICI_CMD_REQUEST, "terminate");
    vici_put(&w, key, "%s", value);
    if (strcmp(key, "ike") == 0)
        /* the connection stays down until `ikat up`, even after a new load */
        vici_put(&w, "hold", "yes");
    return finish(client, client_request(client, &w, show_line, NULL, 60000), value);
}

/* down_session - ends sessions by number or by the identity of the peer; mainly for a Gateway. */
static int down_session(const struct ctl_options *options)
{
    struct client *client = ctl_connect(options);
    bool by_peer = options->peer != NULL;
    if (client == NULL)
        return 1;
    int code = terminate(client, by_peer ? "remote-id" : "session-id",
                         by_peer ? options->peer : options->session);
    if (code == 0)
        printf("%s %s is down\n", by_peer ? "peer" : "session",
               by_peer ? options->peer : options->session);
    client_close(client);
    return code;
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

static int down_conn(const struct ctl_options *options, const char *name)
{
    struct client *client = ctl_connect(options);
    if (client == NULL)
        return 1;
    /* A session outlives its connection, which a load may have renamed or removed. */
    if (!conn_is_active(client, name)) {
        bool known = conn_known(client, name);
        bool held = known && hold_down(client, name);
        client_close(client);
        if (held)
            printf("%s is down already\n", name);
        else if (known)
            (void)ctl_complain("the daemon did not answer; see its log");
        return held ? 0 : 1;
    }
    int code = terminate(client, "ike", name);
    if (code == 0)
        printf("%s is down\n", name);
    client_close(client);
    return code;
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
