/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ikat trace`: the messages between two peers as a diagram. It shows the messages that the daemon
 * still keeps, and with -f also new ones. A session has the messages of all its IKE SAs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/values.h"
#include "ctl/commands.h"
#include "ctl/json_out.h"
#include "ctl/trace_diagram.h"

#define FOLLOWED_MAX 4096

/* struct followed - the IKE SAs whose messages are shown. */
struct followed {
    const char *wanted; /* number of a session, connection or address; NULL: everything */
    size_t n;
    uint32_t sas[FOLLOWED_MAX];
};

struct shown {
    const struct ctl_options *options;
    struct followed followed;
    struct trace_diagram diagram;
    struct tree *kept; /* owned: entries that the daemon listed */
    unsigned n;
};

static uint32_t number_of(const struct tree *entry, const char *key)
{
    return (uint32_t)strtoul(tree_text_or(entry, key, "0"), NULL, 10);
}

/* address_is - whether "192.0.2.1:500" or "[2001:db8::1]:500" has that address. */
static bool address_is(const char *endpoint, const char *address)
{
    const char *begin = endpoint + (endpoint[0] == '[');
    size_t len = strlen(address);
    return strncmp(begin, address, len) == 0 && (begin[len] == ':' || begin[len] == ']') &&
           strcspn(begin, "]") >= len;
}

/* entry_names - whether the entry belongs to the wanted session, connection or address. */
static bool entry_names(const struct tree *entry, const char *wanted)
{
    uint64_t number;
    if (value_u64(wanted, &number))
        return number != 0 && number_of(entry, "session") == number;
    return strcmp(tree_text_or(entry, "conn", ""), wanted) == 0 ||
           address_is(tree_text_or(entry, "remote", ""), wanted);
}

static bool followed_has(const struct followed *followed, uint32_t sa)
{
    for (size_t i = 0; i < followed->n; i++)
        if (followed->sas[i] == sa)
            return true;
    return false;
}

/* followed_learn - follows the IKE SA of an entry that has the wanted name. Earlier entries of this
 * IKE SA may lack the name. */
static void followed_learn(struct followed *followed, const struct tree *entry)
{
    uint32_t sa = number_of(entry, "sa");
    if (followed->wanted != NULL && sa != 0 && followed->n < FOLLOWED_MAX &&
        entry_names(entry, followed->wanted) && !followed_has(followed, sa))
        followed->sas[followed->n++] = sa;
}

static bool followed_takes(const struct followed *followed, const struct tree *entry)
{
    uint32_t sa = number_of(entry, "sa");
    return followed->wanted == NULL || (sa != 0 && followed_has(followed, sa)) ||
           entry_names(entry, followed->wanted);
}

/* --- showing --- */

/* print_json - prints the entry as one object in a line: numbers as numbers, `again` and `error` as
 * true, other keys as text. */
static void print_json(const struct tree *entry)
{
    static const char *const numbers[] = {"number",  "time-ms",    "at-us",     "sa",
                                          "session", "message-id", "datagrams", "octets"};
    json_t *object = json_object();
    for (const struct tree *node = entry->first; node != NULL; node = node->next) {
        char key[32];
        bool number = false,
             flag = strcmp(node->name, "again") == 0 || strcmp(node->name, "error") == 0;
        size_t len = strlen(node->name);
        if (len >= sizeof(key))
            continue;
        for (size_t i = 0; i <= len; i++)
            key[i] = (char)(node->name[i] == '-' ? '_' : node->name[i]);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
            number |= strcmp(numbers[i], node->name) == 0;
        const char *text = tree_value_text(node);
        (void)json_object_set_new(object, key,
                                  number ? json_integer(strtoll(text, NULL, 10))
                                  : flag ? json_true()
                                         : json_string(text));
    }
    json_print(object, JSON_COMPACT);
}

static void entry_show(struct shown *shown, const struct tree *entry)
{
    if (!followed_takes(&shown->followed, entry))
        return;
    shown->n++;
    if (shown->options->json)
        print_json(entry);
    else
        trace_diagram_put(&shown->diagram, entry);
}

/* --- the daemon's events --- */

static void keep(void *context, const char *name, struct tree *message)
{
    struct shown *shown = context;
    if (strcmp(name, "list-trace") != 0)
        return; /* an event `trace`: the list, which ends with the newest entry, has it too */
    struct tree *entry = tree_new(TREE_SECTION, "");
    if (entry == NULL)
        return;
    entry->first = message->first;
    entry->last = message->last;
    message->first = message->last = NULL;
    tree_append(shown->kept, entry);
}

static void show_new(void *context, const char *name, struct tree *message)
{
    struct shown *shown = context;
    if (strcmp(name, "trace") != 0)
        return;
    followed_learn(&shown->followed, message);
    entry_show(shown, message);
}

static bool kept_fetch(struct client *client, struct shown *shown)
{
    struct vici_writer w;
    shown->kept = tree_new(TREE_LIST, "");
    if (shown->kept == NULL || !client_register(client, "list-trace") ||
        (shown->options->follow && !client_register(client, "trace")))
        return false;
    vici_begin(&w, VICI_CMD_REQUEST, "list-trace");
    struct tree *response = client_request(client, &w, keep, shown, CLIENT_ANSWER_MS);
    bool answered = response != NULL;
    tree_free(response);
    return answered;
}

static bool trace_run(struct client *client, struct shown *shown)
{
    if (!kept_fetch(client, shown))
        return false;
    for (const struct tree *entry = shown->kept->first; entry != NULL; entry = entry->next)
        followed_learn(&shown->followed, entry);
    for (const struct tree *entry = shown->kept->first; entry != NULL; entry = entry->next)
        entry_show(shown, entry);
    bool ok = true;
    while (ok && shown->options->follow)
        ok = client_event_wait(client, show_new, shown);
    return ok;
}

int command_trace(const struct ctl_options *options, char **arguments, int n)
{
    struct client *client = ctl_connect(options);
    struct shown *shown = calloc(1, sizeof(*shown));
    if (client == NULL || shown == NULL) {
        free(shown);
        client_close(client);
        return 1;
    }
    shown->options = options;
    shown->followed.wanted = n > 0 ? arguments[0] : NULL;
    shown->diagram.colour = options->colour;
    bool ok = trace_run(client, shown);
    unsigned n_shown = shown->n;
    client_close(client);
    tree_free(shown->kept);
    free(shown);
    if (!ok)
        return ctl_complain("the daemon does not answer any more; see its log");
    if (n_shown > 0)
        return 0;
    return ctl_complain(n > 0 ? "none of the messages that ikatd still keeps is of this session, "
                                "connection or address; see: ikat status --json"
                              : "ikatd has sent and received no messages yet");
}
