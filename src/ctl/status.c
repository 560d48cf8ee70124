/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/status.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/text_table.h"

#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define BOLD   "\033[1m"
#define PLAIN  "\033[0m"

bool status_fetch(struct client *client, struct status *ret_status)
{
    struct status status = {
        .sessions = client_list(client, "list-sessions", "list-session"),
        .sas = client_list(client, "list-sas", "list-sa"),
        .paths = client_list(client, "list-paths", "list-path"),
    };
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, "stats");
    status.stats = client_request(client, &w, NULL, NULL, CLIENT_ANSWER_MS);
    if (status.sessions == NULL || status.sas == NULL || status.paths == NULL ||
        status.stats == NULL) {
        status_done(&status);
        return false;
    }
    *ret_status = status;
    return true;
}

void status_warn(const struct status *status)
{
    const struct tree *ours = tree_get(status->stats, "ikat");
    if (strcmp(tree_text_or(ours, "load-refused", "no"), "yes") == 0)
        (void)fprintf(stderr,
                      "warning: the configuration was refused at its last load, and the one "
                      "before it is in force; see: ikat check\n");
}

void status_done(struct status *status)
{
    tree_free(status->sessions);
    tree_free(status->sas);
    tree_free(status->paths);
    tree_free(status->stats);
    *status = (struct status){0};
}

static const char *text(const struct tree *section, const char *key)
{
    return tree_text_or(section, key, "");
}

static uint64_t number(const struct tree *section, const char *key)
{
    return strtoull(tree_text_or(section, key, "0"), NULL, 10);
}

static bool same(const struct tree *a, const char *a_key, const struct tree *b, const char *b_key)
{
    return strcmp(text(a, a_key), text(b, b_key)) == 0;
}

/* path_of - the path that the IKE SA uses; NULL: none. */
static const struct tree *path_of(const struct status *status, const struct tree *sa)
{
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next)
        if (same(path, "ike-sa", sa, "uniqueid"))
            return path;
    return NULL;
}

/* --- JSON --- */

static json_t *list_of(const struct tree *list)
{
    json_t *array = json_array();
    for (const struct tree *item = list == NULL ? NULL : list->first; item != NULL;
         item = item->next)
        (void)json_array_append_new(array, json_string((const char *)item->value));
    return array;
}

static json_t *integer(const struct tree *section, const char *key)
{
    return json_integer((json_int_t)number(section, key));
}

/* string - octets that are not UTF-8 (interfaces may have any) become question marks. */
static json_t *string(const struct tree *section, const char *key)
{
    char copy[256];
    json_t *value = json_string(text(section, key));
    if (value != NULL)
        return value;
    (void)snprintf(copy, sizeof(copy), "%s", text(section, key));
    for (char *c = copy; *c != '\0'; c++)
        if ((*c & 0x80) != 0)
            *c = '?';
    return json_string(copy);
}

static json_t *child_json(const struct tree *child)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                     integer(child, "uniqueid"), "name", string(child, "name"), "state",
                     string(child, "state"), "spi_in", string(child, "spi-in"), "spi_out",
                     string(child, "spi-out"), "bytes_in", integer(child, "bytes-in"), "bytes_out",
                     integer(child, "bytes-out"), "packets_in", integer(child, "packets-in"),
                     "packets_out", integer(child, "packets-out"), "encap",
                     json_boolean(strcmp(text(child, "encap"), "yes") == 0), "age_s",
                     integer(child, "install-time"));
}

static json_t *sa_json(const struct status *status, const struct tree *sa)
{
    const struct tree *path = path_of(status, sa);
    json_t *children = json_array();
    const struct tree *list = tree_get(sa, "child-sas");
    for (const struct tree *child = list == NULL ? NULL : list->first; child != NULL;
         child = child->next)
        (void)json_array_append_new(children, child_json(child));
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                     integer(sa, "uniqueid"), "parent", integer(sa, "clone-of"), "origin",
                     string(sa, "origin"), "state", string(sa, "state"), "path",
                     path == NULL ? "" : path->name, "interface", string(sa, "interface"), "local",
                     string(sa, "local-host"), "remote", string(sa, "remote-host"), "spi_i",
                     string(sa, "initiator-spi"), "spi_r", string(sa, "responder-spi"), "age_s",
                     integer(sa, "established"), "children", children);
}

static const struct tree *limits_of(const struct status *status)
{
    return tree_get(tree_get(status->stats, "ikat"), "limits");
}

static json_t *limits_json(const struct status *status)
{
    const struct tree *limits = limits_of(status);
    json_t *array = json_array();
    for (const struct tree *l = limits == NULL ? NULL : limits->first; l != NULL; l = l->next)
        (void)json_array_append_new(array,
                                    json_pack("{s:s, s:o, s:o}", "name", l->name, "used",
                                              integer(l, "used"), "most", integer(l, "most")));
    return array;
}

/* print_limits - prints limits of which four fifths are in use. */
static void print_limits(const struct status *status, bool colour)
{
    const struct tree *limits = limits_of(status);
    for (const struct tree *l = limits == NULL ? NULL : limits->first; l != NULL; l = l->next) {
        uint64_t used = number(l, "used"), most = number(l, "most");
        if (used >= most - most / 5 && most > 0)
            printf("%snear a limit%s: %s, %" PRIu64 " of %" PRIu64 "\n", colour ? YELLOW : "",
                   colour ? PLAIN : "", l->name, used, most);
    }
}

/* trouble - why a path of a session has no VPN, in words; NULL: it has a VPN. */
static const char *trouble(const struct tree *session, const struct tree *path)
{
    if (session != NULL && strcmp(text(session, "dialect"), "none") == 0 &&
        number(path, "vpn") == 0 && strcmp(text(path, "state"), "down") != 0)
        return "the peer cannot clone IKE SAs: one VPN only, which moves here if it has to";
    return NULL;
}

/* known_json - a number that the daemon leaves out while it is unknown. */
static json_t *known_json(const struct tree *path, const char *key)
{
    return tree_get(path, key) == NULL ? json_null() : integer(path, key);
}

/* lane_json - the figures of a path that shares flows with other paths; JSON null for another
 * path. */
static json_t *lane_json(const struct tree *path)
{
    const struct tree *lane = tree_get(path, "aggregate");
    if (lane == NULL)
        return json_null();
    return json_pack(
        "{s:o, s:o, s:o, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:o, s:o, s:o}",
        "state", string(lane, "state"), "spreads", string(lane, "spreads"), "rate_kbps",
        integer(lane, "rate-kbps"), "rtt_ms", (double)number(lane, "rtt-us") / 1000.0, "queue_ms",
        (double)number(lane, "queue-us") / 1000.0, "loss_ppm", integer(lane, "loss-ppm"),
        "repaired", integer(lane, "repaired"), "abandoned", integer(lane, "abandoned"),
        "reinjected", integer(lane, "reinjected"), "tails", integer(lane, "tails"), "twins",
        integer(lane, "twins"), "copies", integer(lane, "copies"), "waiting",
        integer(lane, "waiting"), "marked", integer(lane, "marked"), "dropped",
        integer(lane, "dropped"), "held", integer(lane, "held"), "late", integer(lane, "late"),
        "skipped", integer(lane, "skipped"), "duplicates", integer(lane, "duplicates"), "restored",
        integer(lane, "restored"));
}

/* classes_json - the classes of traffic that may take the path. */
static json_t *classes_json(const struct tree *path)
{
    json_t *names = json_array();
    const struct tree *list = tree_get(path, "classes");
    for (const struct tree *name = list == NULL ? NULL : list->first; name != NULL;
         name = name->next)
        json_array_append_new(names, json_string((const char *)name->value));
    return names;
}

static json_t *path_json(const struct tree *session, const struct tree *path)
{
    uint64_t vpn = number(path, "vpn");
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:s?, s:o, s:o, s:o}",
        "name", path->name, "interface", string(path, "interface"), "local", string(path, "local"),
        "remote", string(path, "remote"), "state", string(path, "state"), "usable",
        json_boolean(strcmp(text(path, "usable"), "yes") == 0), "priority",
        integer(path, "priority"), "weight", integer(path, "weight"), "vpn",
        vpn == 0 ? json_null() : json_integer((json_int_t)vpn), "rtt_ms",
        (double)number(path, "rtt-us") / 1000.0, "jitter_ms",
        (double)number(path, "jitter-us") / 1000.0, "probe_loss_ppm",
        known_json(path, "probe-loss-ppm"), "heard_s", known_json(path, "heard"), "losses",
        integer(path, "losses"), "bytes_in", integer(path, "bytes-in"), "bytes_out",
        integer(path, "bytes-out"), "packets_in", integer(path, "packets-in"), "packets_out",
        integer(path, "packets-out"), "last_error", trouble(session, path), "aggregate",
        lane_json(path), "classes", classes_json(path), "metered",
        json_boolean(strcmp(text(path, "metered"), "yes") == 0));
}

static json_t *session_json(const struct status *status, const struct tree *session)
{
    json_t *sas = json_array(), *paths = json_array();
    for (const struct tree *sa = status->sas->first; sa != NULL; sa = sa->next)
        if (same(sa, "session", session, "id"))
            (void)json_array_append_new(sas, sa_json(status, sa));
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next)
        if (same(path, "session", session, "id"))
            (void)json_array_append_new(paths, path_json(session, path));
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o, s:o}, s:o, s:o}",
        "name", session->name, "id", integer(session, "id"), "role", string(session, "role"),
        "local_id", string(session, "local-id"), "remote_id", string(session, "remote-id"), "state",
        string(session, "state"), "logins", integer(session, "logins"), "age_s",
        integer(session, "age"), "dialect", string(session, "dialect"), "multipath",
        string(session, "multipath"), "config", "addresses",
        list_of(tree_get(session, "addresses")), "dns", list_of(tree_get(session, "dns")),
        "encrypted_dns", list_of(tree_get(session, "encrypted-dns")), "dns_domains",
        list_of(tree_get(session, "dns-domains")), "ike_sas", sas, "paths", paths);
}

char *status_json(const struct status *status)
{
    json_t *sessions = json_array(), *idle = json_array();
    for (const struct tree *session = status->sessions->first; session != NULL;
         session = session->next)
        (void)json_array_append_new(sessions, session_json(status, session));
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next)
        if (number(path, "session") == 0)
            (void)json_array_append_new(idle, path_json(NULL, path));
    json_t *all = json_pack("{s:o, s:o, s:o}", "sessions", sessions, "idle_paths", idle, "limits",
                            limits_json(status));
    char *result = json_dumps(all, JSON_INDENT(2));
    json_decref(all);
    return result;
}

/* --- tables --- */

static const char *age(uint64_t s, char out[32])
{
    if (s < 120)
        (void)snprintf(out, 32, "%" PRIu64 "s", s);
    else if (s < 7200)
        (void)snprintf(out, 32, "%" PRIu64 "m", s / 60);
    else if (s < 172800)
        (void)snprintf(out, 32, "%" PRIu64 "h", s / 3600);
    else
        (void)snprintf(out, 32, "%" PRIu64 "d", s / 86400);
    return out;
}

static const char *size(uint64_t octets, char out[32])
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    double value = (double)octets;
    size_t unit = 0;
    while (value >= 1000 && unit < 4) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

static const char *state_colour(const char *state)
{
    if (strcmp(state, "up") == 0)
        return GREEN;
    return strcmp(state, "down") == 0 || strcmp(state, "dead") == 0 ? RED : YELLOW;
}

static const struct tree *child_of(const struct status *status, const struct tree *path)
{
    for (const struct tree *sa = status->sas->first; sa != NULL; sa = sa->next) {
        if (!same(sa, "uniqueid", path, "ike-sa"))
            continue;
        const struct tree *list = tree_get(sa, "child-sas");
        for (const struct tree *child = list == NULL ? NULL : list->first; child != NULL;
             child = child->next)
            if (same(child, "uniqueid", path, "vpn"))
                return child;
    }
    return NULL;
}

static const struct tree *sa_of(const struct status *status, const struct tree *path)
{
    for (const struct tree *sa = status->sas->first; sa != NULL; sa = sa->next)
        if (same(sa, "uniqueid", path, "ike-sa"))
            return sa;
    return NULL;
}

static void put_rtt(struct table *table, const struct tree *path)
{
    double ms = (double)number(path, "rtt-us") / 1000;
    if (ms > 0)
        table_put(table, NULL, "%.1f ms", ms);
    else
        table_put(table, NULL, "-");
}

/* put_jitter - unknown as long as the round-trip time is. */
static void put_jitter(struct table *table, const struct tree *path)
{
    if (number(path, "rtt-us") > 0)
        table_put(table, NULL, "%.1f ms", (double)number(path, "jitter-us") / 1000);
    else
        table_put(table, NULL, "-");
}

static void put_probe_loss(struct table *table, const struct tree *path)
{
    if (tree_get(path, "probe-loss-ppm") != NULL)
        table_put(table, NULL, "%.1f %%", (double)number(path, "probe-loss-ppm") / 10000);
    else
        table_put(table, NULL, "-");
}

/* put_heard - the time from the last packet until the daemon reported its state. */
static void put_heard(struct table *table, const struct tree *path)
{
    char text[32];
    table_put(table, NULL, "%s",
              tree_get(path, "heard") == NULL ? "-" : age(number(path, "heard"), text));
}

static void put_path(struct table *table, const struct status *status, const struct tree *path)
{
    const struct tree *sa = sa_of(status, path), *child = child_of(status, path);
    char in[32], out[32], old[32];
    const char *state = text(path, "state");
    table_put(table, NULL, "%s", path->name);
    table_put(table, NULL, "%s", text(path, "interface"));
    table_put(table, state_colour(state), "%s", state);
    table_put(table, NULL, "%s", text(path, "local"));
    table_put(table, NULL, "%s", sa == NULL ? "-" : text(sa, "origin"));
    put_rtt(table, path);
    put_heard(table, path);
    table_put(table, NULL, "%s", size(number(path, "bytes-in"), in));
    table_put(table, NULL, "%s", size(number(path, "bytes-out"), out));
    table_put(table, NULL, "%s", child == NULL ? "-" : age(number(child, "install-time"), old));
}

static void print_session_paths(const struct status *status, const struct tree *session,
                                bool colour)
{
    struct table table;
    const char *said = NULL;
    table_begin(&table, "PATH|INTERFACE|STATE|ADDRESS|IKE SA|>RTT|>HEARD|>IN|>OUT|>AGE");
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next) {
        if (!same(path, "session", session, "id"))
            continue;
        put_path(&table, status, path);
        if (trouble(session, path) != NULL)
            said = trouble(session, path);
    }
    table_end(&table, "  ", colour);
    if (said != NULL)
        printf("  %s\n", said);
}

static void print_idle(const struct status *status, bool colour)
{
    struct table table;
    bool any = false;
    table_begin(&table, "CONNECTION|PATH|INTERFACE|STATE|ADDRESS");
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next) {
        if (number(path, "session") != 0)
            continue;
        any = true;
        table_put(&table, NULL, "%s", text(path, "conn"));
        table_put(&table, NULL, "%s", path->name);
        table_put(&table, NULL, "%s", text(path, "interface"));
        table_put(&table, state_colour(text(path, "state")), "%s", text(path, "state"));
        table_put(&table, NULL, "%s", text(path, "local"));
    }
    if (any)
        printf("not connected:\n");
    else
        table.n_cells = 0;
    table_end(&table, "  ", colour);
}

static const char *plural(const struct tree *section, const char *key)
{
    return number(section, key) == 1 ? "" : "s";
}

void status_print(const struct status *status, bool colour)
{
    char old[32];
    if (status->sessions->first == NULL)
        printf("no sessions\n");
    for (const struct tree *session = status->sessions->first; session != NULL;
         session = session->next) {
        const struct tree *addresses = tree_get(session, "addresses");
        printf("%s%s%s: %s, %s <-> %s, up %s, %s login%s, %s IKE SA%s, %s VPN%s, %s\n",
               colour ? BOLD : "", session->name, colour ? PLAIN : "", text(session, "state"),
               text(session, "local-id"), text(session, "remote-id"),
               age(number(session, "age"), old), text(session, "logins"), plural(session, "logins"),
               text(session, "ike-sas"), plural(session, "ike-sas"), text(session, "child-sas"),
               plural(session, "child-sas"), text(session, "multipath"));
        if (addresses != NULL && addresses->first != NULL) {
            printf("  inner address");
            for (const struct tree *a = addresses->first; a != NULL; a = a->next)
                printf(" %s", (const char *)a->value);
            printf("\n");
        }
        print_session_paths(status, session, colour);
    }
    print_idle(status, colour);
    print_limits(status, colour);
    const struct tree *ikat = tree_get(status->stats, "ikat");
    if (strcmp(tree_text_or(ikat, "packet-filter", "yes"), "no") == 0)
        printf("%swithout packet filter%s: packets in the clear are not kept from protected "
               "networks (no nftables)\n",
               colour ? RED : "", colour ? PLAIN : "");
}

/* print_lanes - prints the paths that share flows with others. */
static void print_lanes(const struct status *status, bool colour)
{
    static const char *const columns[] = {"repaired", "reinjected", "tails", "twins",
                                          "dropped",  "held",       "late",  "skipped"};
    struct table table;
    bool any = false;
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next)
        any |= tree_get(path, "aggregate") != NULL;
    if (!any)
        return;
    printf("\n");
    table_begin(
        &table,
        "CONNECTION|PATH|AGGREGATE|SPREADS|>MBIT/S|>RTT|>QUEUE|>LOSS|>SENT AGAIN|>REINJECTED|"
        ">TAILS|>TWINS|>DROPPED|>HELD|>LATE|>MISSED");
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next) {
        const struct tree *lane = tree_get(path, "aggregate");
        if (lane == NULL)
            continue;
        table_put(&table, NULL, "%s", text(path, "conn"));
        table_put(&table, NULL, "%s", path->name);
        table_put(&table, NULL, "%s", text(lane, "state"));
        table_put(&table, NULL, "%s", text(lane, "spreads"));
        table_put(&table, NULL, "%.1f", (double)number(lane, "rate-kbps") / 1000);
        table_put(&table, NULL, "%.1f ms", (double)number(lane, "rtt-us") / 1000);
        table_put(&table, NULL, "%.1f ms", (double)number(lane, "queue-us") / 1000);
        table_put(&table, NULL, "%.2f %%", (double)number(lane, "loss-ppm") / 10000);
        for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
            table_put(&table, NULL, "%s", text(lane, columns[i]));
    }
    table_end(&table, "", colour);
}

/* print_classes - prints which classes of traffic may take which path. */
static void print_classes(const struct status *status, bool colour)
{
    struct table table;
    bool any = false;
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next)
        any |= tree_get(path, "classes") != NULL;
    if (!any)
        return;
    printf("\n");
    table_begin(&table, "CONNECTION|PATH|CLASSES");
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next) {
        const struct tree *list = tree_get(path, "classes");
        char names[256] = "-";
        size_t at = 0;
        for (const struct tree *name = list == NULL ? NULL : list->first;
             name != NULL && at < sizeof(names); name = name->next)
            at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at > 0 ? " " : "",
                                   (const char *)name->value);
        table_put(&table, NULL, "%s", text(path, "conn"));
        table_put(&table, NULL, "%s", path->name);
        table_put(&table, NULL, "%s", names);
    }
    table_end(&table, "", colour);
}

void status_print_paths(const struct status *status, bool colour)
{
    struct table table;
    char old[32];
    if (status->paths->first == NULL) {
        printf("no paths: no connection is up or wanted; see: ikat up NAME\n");
        return;
    }
    table_begin(
        &table,
        "CONNECTION|PATH|INTERFACE|STATE|LOCAL|REMOTE|>PRIO|>WEIGHT|>RTT|>JITTER|>LOSS|>HEARD|"
        ">LOST|>SINCE");
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next) {
        const char *state = text(path, "state");
        table_put(&table, NULL, "%s", text(path, "conn"));
        table_put(&table, NULL, "%s", path->name);
        table_put(&table, NULL, "%s", text(path, "interface"));
        table_put(&table, state_colour(state), "%s", state);
        table_put(&table, NULL, "%s", text(path, "local"));
        table_put(&table, NULL, "%s", text(path, "remote"));
        table_put(&table, NULL, "%s", text(path, "priority"));
        table_put(&table, NULL, "%s", text(path, "weight"));
        put_rtt(&table, path);
        put_jitter(&table, path);
        put_probe_loss(&table, path);
        put_heard(&table, path);
        table_put(&table, NULL, "%s", text(path, "losses"));
        table_put(&table, NULL, "%s", age(number(path, "since"), old));
    }
    table_end(&table, "", colour);
    print_lanes(status, colour);
    print_classes(status, colour);
}

bool status_paths_settled(const struct status *status, const char *conn)
{
    bool any = false;
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next) {
        const char *state = text(path, "state");
        if (strcmp(text(path, "conn"), conn) != 0)
            continue;
        bool up = strcmp(state, "up") == 0;
        any |= up;
        if (!up && strcmp(state, "down") != 0 && strcmp(state, "dead") != 0 &&
            strcmp(state, "backoff") != 0 && strcmp(state, "idle") != 0)
            return false;
    }
    return any;
}
