/* SPDX-License-Identifier: Apache-2.0 */
/* ikat: the command of the person who runs a VPN. It speaks VICI to ikatd. */
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/values.h"
#include "ctl/advice.h"
#include "ctl/status.h"

#define SOCKET_DEFAULT "/run/ikat.vici"
#define UP_TIMEOUT_S   60
#define ANSWER_MS      10000 /* of commands that do not wait for a peer */
#define SETTLE_MS      10000 /* how long `up` waits for the further paths */

static const char usage_text[] =
    "usage: ikat [-s SOCKET] COMMAND\n"
    "\n"
    "  up NAME [--child CHILD] [--timeout SECONDS]   connect, and show how it goes\n"
    "  down NAME                                     disconnect\n"
    "  down --session ID | --peer IDENTITY           end a session, or all of a peer\n"
    "  status [--json]                               sessions, IKE SAs and VPNs\n"
    "  paths [--json]                                the paths and their health\n"
    "  check FILE|DIR                                validate a configuration\n"
    "  version                                       of this program and of the daemon\n";

struct options {
    const char *socket;
    bool json, colour;
    const char *child, *session, *peer;
    int timeout_s; /* 0: was not a number that is allowed */
};

static int complain(const char *what)
{
    (void)fprintf(stderr, "ikat: %s\n", what);
    return 1;
}

static struct client *connect_daemon(const struct options *options)
{
    char error[512] = "out of memory";
    struct client *client = client_open(options->socket, error);
    if (client == NULL)
        (void)complain(error);
    return client;
}

/* --- up, down --- */

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

/* print_offered - what this side has offered: the other side says only that it wants none of it. */
static void print_offered(struct client *client, const char *name)
{
    struct tree *all = client_list(client, "list-conns", "list-conn");
    const struct tree *conn = tree_get(all, name), *children = tree_get(conn, "children");
    if (conn != NULL)
        (void)fprintf(stderr, "      offered for IKE: %s\n", tree_text_or(conn, "proposals", "?"));
    for (const struct tree *child = children == NULL ? NULL : children->first; child != NULL;
         child = child->next)
        (void)fprintf(stderr, "      offered for %s: %s\n", child->name,
                      tree_text_or(child, "esp_proposals", "?"));
    tree_free(all);
}

static int finish(struct client *client, struct tree *response, const char *what)
{
    if (response == NULL)
        return complain("the daemon did not answer; see its log");
    bool ok = strcmp(tree_text_or(response, "success", "no"), "yes") == 0;
    if (!ok) {
        const char *error = tree_text_or(response, "errmsg", "no reason given");
        (void)fprintf(stderr, "ikat: %s failed: %s\n", what, error);
        const char *next = advice_for(error);
        if (next != NULL)
            (void)fprintf(stderr, "      %s\n", next);
        if (strncmp(error, "no-proposal", 11) == 0 || strncmp(error, "ke-refused", 10) == 0)
            print_offered(client, what);
    }
    tree_free(response);
    return ok ? 0 : 1;
}

/* settle - the session is up; its further paths follow within moments, and are waited for a while.
 */
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

/* conn_known - says what else is loaded if that connection is not. */
static bool conn_known(struct client *client, const char *name)
{
    const char *words[64];
    size_t n = 0;
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, "get-conns");
    struct tree *response = client_request(client, &w, NULL, NULL, ANSWER_MS);
    struct tree *names = tree_items(tree_get(response, "conns"));
    bool known = response == NULL || names == NULL; /* the command itself will tell */
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
    tree_free(response);
    return known;
}

/* conn_is_up - a session of it is established and has a VPN. */
static bool conn_is_up(struct client *client, const char *name, bool any_session)
{
    struct status status;
    bool is_up = false;
    if (!status_fetch(client, &status))
        return false;
    for (const struct tree *session = status.sessions->first; session != NULL;
         session = session->next)
        is_up |= strcmp(session->name, name) == 0 &&
                 /* without a live IKE SA it is on its way out: its Delete waits for an answer */
                 (any_session || (strcmp(tree_text_or(session, "child-sas", "0"), "0") != 0 &&
                                  strcmp(tree_text_or(session, "ike-sas", "0"), "0") != 0));
    for (const struct tree *path = any_session ? status.paths->first : NULL; path != NULL;
         path = path->next)
        is_up |= strcmp(tree_text_or(path, "conn", ""), name) == 0; /* it is being tried */
    status_done(&status);
    return is_up;
}

static void print_status(struct client *client, const struct options *options)
{
    struct status status;
    if (!status_fetch(client, &status))
        return;
    status_print(&status, options->colour);
    status_done(&status);
}

static int up(const struct options *options, const char *name)
{
    struct client *client = connect_daemon(options);
    struct vici_writer w;
    if (client == NULL)
        return 1;
    if (!conn_known(client, name)) {
        client_close(client);
        return 1;
    }
    if (options->child == NULL && conn_is_up(client, name, false)) {
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
    return finish(client, client_request(client, &w, show_line, NULL, 60000), value);
}

/* down_others - sessions by number or by who is at the other end; for a Gateway, mostly. */
static int down_others(const struct options *options)
{
    struct client *client = connect_daemon(options);
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

static int down(const struct options *options, const char *name)
{
    struct client *client = connect_daemon(options);
    if (client == NULL)
        return 1;
    bool known = conn_known(client, name);
    if (!known || !conn_is_up(client, name, true)) {
        if (known)
            printf("%s is down already\n", name);
        client_close(client);
        return known ? 0 : 1;
    }
    int code = terminate(client, "ike", name);
    if (code == 0)
        printf("%s is down\n", name);
    client_close(client);
    return code;
}

/* --- status, paths --- */

static int show(const struct options *options, bool paths)
{
    struct client *client = connect_daemon(options);
    struct status status;
    if (client == NULL)
        return 1;
    bool ok = status_fetch(client, &status);
    client_close(client);
    if (!ok)
        return complain("the daemon did not answer; see its log");
    if (options->json) {
        char *text = status_json(&status);
        (void)puts(text == NULL ? "{}" : text);
        free(text);
    } else if (paths) {
        status_print_paths(&status, options->colour);
    } else {
        status_print(&status, options->colour);
    }
    status_done(&status);
    return 0;
}

/* --- check: the daemon's own code decides --- */

static int check(const char *self, const char *path)
{
    char copy[PATH_MAX], beside[PATH_MAX + 32];
    ssize_t n = readlink("/proc/self/exe", copy, sizeof(copy) - 1);
    if (n > 0) {
        static const char *const places[] = {"%s/ikatd", "%s/../sbin/ikatd", "%s/../daemon/ikatd"};
        copy[n] = '\0';
        const char *directory = dirname(copy);
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            const char *rest = strchr(places[i], '/');
            (void)snprintf(beside, sizeof(beside), "%s%s", directory, rest);
            if (access(beside, X_OK) == 0)
                (void)execl(beside, "ikatd", "--check", "-c", path, (char *)NULL);
        }
    }
    (void)self;
    (void)execlp("ikatd", "ikatd", "--check", "-c", path, (char *)NULL);
    return complain("ikatd, which checks configurations, is not installed beside this program");
}

static int version(const struct options *options)
{
    char error[512];
    struct vici_writer w;
    printf("ikat %s\n", IKAT_VERSION);
    struct client *client = client_open(options->socket, error);
    if (client == NULL) {
        printf("daemon: not running at %s\n", options->socket);
        return 0;
    }
    vici_begin(&w, VICI_CMD_REQUEST, "version");
    struct tree *response = client_request(client, &w, NULL, NULL, 5000);
    printf("daemon: %s %s\n", tree_text_or(response, "daemon", "?"),
           tree_text_or(response, "version", "?"));
    tree_free(response);
    client_close(client);
    return 0;
}

static int usage(void)
{
    (void)fputs(usage_text, stderr);
    return 2;
}

static int run(const struct options *options, const char *self, int argc, char **argv)
{
    const char *command = argc > 0 ? argv[0] : "";
    const char *name = argc > 1 ? argv[1] : NULL;
    if (strcmp(command, "up") == 0 && argc == 2)
        return up(options, name);
    if (strcmp(command, "down") == 0 && argc == 2)
        return down(options, name);
    if (strcmp(command, "down") == 0 && argc == 1 &&
        (options->session == NULL) != (options->peer == NULL))
        return down_others(options);
    if (strcmp(command, "check") == 0 && argc == 2)
        return check(self, name);
    if (strcmp(command, "status") == 0 && argc == 1)
        return show(options, false);
    if (strcmp(command, "paths") == 0 && argc == 1)
        return show(options, true);
    if (strcmp(command, "version") == 0 && argc == 1)
        return version(options);
    return usage();
}

static int seconds_of(const char *text)
{
    uint64_t value;
    return value_u64(text, &value) && value <= 86400 ? (int)value : 0;
}

/* no-color.org: set, and not empty */
static bool colour_wanted(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) == 1 && (no == NULL || no[0] == '\0');
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"socket", required_argument, NULL, 's'},  {"json", no_argument, NULL, 'j'},
        {"child", required_argument, NULL, 'c'},   {"timeout", required_argument, NULL, 't'},
        {"session", required_argument, NULL, 'S'}, {"peer", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct options options = {
        .socket = SOCKET_DEFAULT,
        .colour = colour_wanted(),
        .timeout_s = UP_TIMEOUT_S,
    };
    int c;
    (void)signal(SIGPIPE, SIG_IGN);
    while ((c = getopt_long(argc, argv, "s:h", longs, NULL)) != -1) {
        switch (c) {
        case 's': options.socket = optarg; break;
        case 'j': options.json = true; break;
        case 'c': options.child = optarg; break;
        case 'S': options.session = optarg; break;
        case 'p': options.peer = optarg; break;
        case 't': options.timeout_s = seconds_of(optarg); break;
        case 'h': (void)fputs(usage_text, stdout); return 0;
        default: return usage();
        }
    }
    if (options.timeout_s == 0) {
        (void)complain("--timeout: 1 to 86400 seconds are expected");
        return 2;
    }
    return run(&options, argv[0], argc - optind, argv + optind);
}
