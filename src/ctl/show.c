/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that print and change nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/commands.h"
#include "ctl/json_out.h"
#include "ctl/metrics.h"
#include "ctl/status.h"

static int show(const struct ctl_options *options, bool paths)
{
    struct client *client = ctl_connect(options);
    struct status status;
    if (client == NULL)
        return 1;
    bool ok = status_fetch(client, &status);
    client_close(client);
    if (!ok)
        return ctl_complain("the daemon did not answer; see its log");
    if (!options->json)
        status_warn(&status);
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

int command_status(const struct ctl_options *options, char **arguments, int n)
{
    (void)arguments, (void)n;
    return show(options, false);
}

int command_paths(const struct ctl_options *options, char **arguments, int n)
{
    (void)arguments, (void)n;
    return show(options, true);
}

/* command_conns - one name a line: for scripts and completion. */
int command_conns(const struct ctl_options *options, char **arguments, int n)
{
    (void)arguments, (void)n;
    struct client *client = ctl_connect(options);
    if (client == NULL)
        return 1;
    struct tree *names = ctl_conn_names(client);
    client_close(client);
    if (names == NULL)
        return ctl_complain("the daemon did not answer; see its log");
    json_t *document = options->json ? json_array() : NULL;
    for (const struct tree *name = names->first; name != NULL; name = name->next)
        if (document != NULL)
            (void)json_array_append_new(document, json_string(tree_value_text(name)));
        else
            printf("%s\n", tree_value_text(name));
    if (options->json)
        json_print(document, JSON_INDENT(2));
    tree_free(names);
    return 0;
}

int command_metrics(const struct ctl_options *options, char **arguments, int n)
{
    (void)arguments, (void)n;
    struct client *client = ctl_connect(options);
    if (client == NULL)
        return 1;
    char *text = metrics_fetch(client);
    client_close(client);
    if (text == NULL)
        return ctl_complain("the daemon did not answer; see its log");
    (void)fputs(text, stdout);
    free(text);
    return 0;
}

int command_version(const struct ctl_options *options, char **arguments, int n)
{
    (void)arguments, (void)n;
    char error[512];
    struct vici_writer w;
    struct client *client = client_open(options->socket, error);
    if (!options->json)
        printf("ikat %s\n", IKAT_VERSION);
    if (client == NULL && options->json)
        json_print(json_pack("{s:s, s:n}", "version", IKAT_VERSION, "daemon"), JSON_INDENT(2));
    else if (client == NULL)
        printf("daemon: not running at %s\n", options->socket);
    if (client == NULL)
        return 0;
    vici_begin(&w, VICI_CMD_REQUEST, "version");
    struct tree *response = client_request(client, &w, NULL, NULL, CLIENT_ANSWER_MS);
    client_close(client);
    if (response == NULL)
        return ctl_complain("the daemon did not answer; see its log");
    const char *version = tree_text_or(response, "version", "?");
    if (options->json)
        json_print(json_pack("{s:s, s:s}", "version", IKAT_VERSION, "daemon", version),
                   JSON_INDENT(2));
    else
        printf("daemon: %s %s\n", tree_text_or(response, "daemon", "?"), version);
    tree_free(response);
    return 0;
}
