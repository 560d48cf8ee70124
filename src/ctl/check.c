/* SPDX-License-Identifier: Apache-2.0 */
/* `ikat check`: whether a configuration is valid, what it means, and what is probably not meant. */
#include <stdio.h>
#include <string.h>

#include "control/settings.h"
#include "ctl/commands.h"
#include "ctl/config_view.h"
#include "ctl/daemon_check.h"
#include "ctl/explain.h"
#include "ctl/findings.h"
#include "ctl/json_out.h"

/* kind_of - the word for programs, of a warning of ikatd. */
static const char *kind_of(const char *why)
{
    static const struct {
        const char *words, *kind;
    } kinds[] = {
        {"others can read it", "secret-readable"},  {"private key", "no-key"},
        {"has no certificate of a CA", "no-ca"},    {" expired on ", "expired"},
        {" is not valid before ", "not-yet-valid"},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strstr(why, kinds[i].words) != NULL)
            return kinds[i].kind;
    return "config";
}

/* warnings_take - adds the warnings of ikatd. */
static void warnings_take(struct findings *findings, const struct tree *warnings)
{
    for (const struct tree *line = warnings->first; line != NULL; line = line->next) {
        const char *text = tree_value_text(line), *why = daemon_check_why(text);
        char where[FINDING_WHERE];
        (void)snprintf(where, sizeof(where), "%.*s", why == text ? 0 : (int)(why - text - 2), text);
        findings_add(findings, kind_of(why), where, "%s", why);
    }
}

/* --- text --- */

static void print_explanations(const struct tree *root, bool colour)
{
    const struct tree *conns = config_key(root, "connections");
    for (const struct tree *conn = conns == NULL ? NULL : conns->first; conn != NULL;
         conn = conn->next) {
        struct tree *sentences = explain_conn(root, conn);
        printf("%s%s%s (%s)\n", colour ? "\033[1m" : "", conn->name, colour ? "\033[0m" : "",
               config_role_name(config_role(conn)));
        for (const struct tree *one = sentences == NULL ? NULL : sentences->first; one != NULL;
             one = one->next)
            printf("  %s\n", tree_value_text(one));
        tree_free(sentences);
    }
    if (conns == NULL || conns->first == NULL)
        printf("no connections\n");
    (void)fflush(stdout);
}

static void print_findings(const struct findings *findings)
{
    for (size_t i = 0; i < findings->n; i++)
        (void)fprintf(stderr, "%s%s%s (a warning)\n", findings->items[i].where,
                      findings->items[i].where[0] == '\0' ? "" : ": ", findings->items[i].text);
}

/* --- JSON --- */

/* list_json - an array of the values of a list. Octets that are no UTF-8 become "?". */
static json_t *list_json(const struct tree *list)
{
    json_t *array = json_array();
    for (const struct tree *one = list == NULL ? NULL : list->first; one != NULL; one = one->next) {
        json_t *text = json_string(tree_value_text(one));
        (void)json_array_append_new(array, text != NULL ? text : json_string("?"));
    }
    return array;
}

static json_t *conns_json(const struct tree *root)
{
    json_t *array = json_array();
    const struct tree *conns = config_key(root, "connections");
    for (const struct tree *conn = conns == NULL ? NULL : conns->first; conn != NULL;
         conn = conn->next) {
        struct tree *sentences = explain_conn(root, conn);
        (void)json_array_append_new(array, json_pack("{s:s, s:s, s:o}", "name", conn->name, "role",
                                                     config_role_name(config_role(conn)), "text",
                                                     list_json(sentences)));
        tree_free(sentences);
    }
    return array;
}

static void print_json(const struct daemon_check *check, const struct findings *findings,
                       const struct tree *root)
{
    json_t *document =
        json_pack("{s:b, s:o, s:o, s:o}", "valid", check->valid, "errors", list_json(check->errors),
                  "warnings", findings_json(findings), "connections", conns_json(root));
    json_print(document, JSON_INDENT(2));
}

/* --- the command --- */

static void host_findings(struct findings *findings, const struct tree *root)
{
    struct host_view host;
    host_view_read(&host);
    findings_config(findings, root, &host);
    host_view_done(&host);
}

static int check_show(const struct ctl_options *options, const char *path,
                      const struct daemon_check *check)
{
    struct settings settings = {0};
    struct findings findings = {0};
    bool readable = check->valid && settings_load(path, &settings) == 0;
    warnings_take(&findings, check->warnings);
    if (readable)
        host_findings(&findings, settings.root);
    if (options->json)
        print_json(check, &findings, readable ? settings.root : NULL);
    else if (readable)
        print_explanations(settings.root, options->colour);
    for (const struct tree *line = options->json ? NULL : check->errors->first; line != NULL;
         line = line->next)
        (void)fprintf(stderr, "%s\n", tree_value_text(line));
    if (!options->json)
        print_findings(&findings);
    findings_done(&findings);
    settings_done(&settings);
    return check->valid ? 0 : 1;
}

int command_check(const struct ctl_options *options, char **arguments, int n)
{
    struct daemon_check check;
    (void)n;
    int status = daemon_check_run(arguments[0], &check)
                     ? check_show(options, arguments[0], &check)
                     : ctl_complain("ikatd, which checks configurations, is not installed beside "
                                    "this program");
    daemon_check_done(&check);
    return status;
}
