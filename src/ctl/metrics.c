/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/metrics.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/status.h"

struct facts {
    struct status status;
    struct tree *stats, *pools, *version;
};

/* --- text --- */

static void family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

/* label - OpenMetrics escapes a backslash, a quotation mark and a line feed. */
static void label(FILE *out, const char *separator, const char *name, const char *value)
{
    fprintf(out, "%s%s=\"", separator, name);
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            (void)fputs("\\n", out);
        else if (*value == '"' || *value == '\\')
            fprintf(out, "\\%c", *value);
        else
            (void)fputc(*value, out);
    }
    (void)fputc('"', out);
}

static const char *text(const struct tree *section, const char *key)
{
    return tree_text_or(section, key, "");
}

/* number - the digits that the daemon wrote; 0 for anything else. */
static const char *number(const struct tree *section, const char *key)
{
    const char *digits = tree_text_or(section, key, "0");
    return digits[0] != '\0' && digits[strspn(digits, "0123456789")] == '\0' ? digits : "0";
}

/* --- counters of the whole daemon --- */

static void put_totals(FILE *out, const struct facts *facts)
{
    static const struct {
        const char *name, *key, *help;
    } counters[] = {
        {"ikat_logins", "logins", "IKE SAs that were authenticated."},
        {"ikat_clones", "clones", "IKE SAs that were cloned without a login."},
        {"ikat_moves", "moves", "IKE SAs that MOBIKE moved."},
        {"ikat_ike_rekeys", "rekeys-ike", "Rekeyed IKE SAs."},
        {"ikat_child_rekeys", "rekeys-child", "Rekeyed Child SAs."},
        {"ikat_ike_received", "received", "IKE datagrams received."},
        {"ikat_ike_sent", "sent", "IKE datagrams sent."},
        {"ikat_ike_retransmitted", "retransmitted", "IKE datagrams sent once more."},
        {"ikat_ike_malformed", "malformed", "IKE datagrams that could not be read."},
        {"ikat_ike_unauthenticated", "unauthenticated", "IKE datagrams with a wrong checksum."},
        {"ikat_config_loads", "loads",
         "Loads of the configuration that ended, the refused ones too."},
        {"ikat_config_loads_refused", "loads-refused",
         "Loads of the configuration that were refused."},
        {"ikat_cookies_sent", "cookies-sent", "Requests that were answered with a cookie."},
    };
    const struct tree *own = tree_get(facts->stats, "ikat");
    const struct tree *ike = tree_get(facts->stats, "ikesas");
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        family(out, counters[i].name, "counter", counters[i].help);
        fprintf(out, "%s_total %s\n", counters[i].name, number(own, counters[i].key));
    }
    family(out, "ikat_ike_sas_half_open", "gauge", "IKE SAs whose login has not ended.");
    fprintf(out, "ikat_ike_sas_half_open %s\n", number(ike, "half-open"));
    family(out, "ikat_config_refused", "gauge",
           "1: the last load was refused, and the configuration before it is in force.");
    fprintf(out, "ikat_config_refused %d\n",
            strcmp(tree_text_or(own, "load-refused", "no"), "yes") == 0);
    family(out, "ikat_build", "info", "The daemon's version.");
    label(out, "ikat_build_info{", "version", text(facts->version, "version"));
    (void)fputs("} 1\n", out);
}

/* own_section - a section of `stats` that charon does not have; an empty section if it is
 * missing. */
static const struct tree *own_section(const struct facts *facts, const char *name)
{
    static const struct tree none;
    const struct tree *own = tree_get(facts->stats, "ikat");
    const struct tree *section = own == NULL ? NULL : tree_get(own, name);
    return section == NULL ? &none : section;
}

/* put_reasons - writes one counter for each reason, which is a key in a section of `stats`. The
 * daemon bounds the number of reasons. */
static void put_reasons(FILE *out, const struct facts *facts)
{
    static const struct {
        const char *name, *section, *help;
    } counters[] = {
        {"ikat_dropped_packets", "drops", "Packets that the data plane dropped."},
        {"ikat_logins_failed", "logins-failed", "Logins that failed, of either role."},
    };
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        const struct tree *reasons = own_section(facts, counters[i].section);
        family(out, counters[i].name, "counter", counters[i].help);
        for (const struct tree *reason = reasons->first; reason != NULL; reason = reason->next) {
            fprintf(out, "%s_total", counters[i].name);
            label(out, "{", "reason", reason->name);
            fprintf(out, "} %s\n", number(reasons, reason->name));
        }
    }
}

static void put_failovers(FILE *out, const struct facts *facts)
{
    static const struct {
        const char *name, *type, *suffix, *key, *help;
        double unit;
    } figures[] = {
        {"ikat_failovers", "counter", "_total", "number",
         "Times that a path failed and another one took over its traffic.", 1},
        {"ikat_failover_gap_seconds", "counter", "_total", "gaps-us",
         "All gaps of these failovers together.", 1e-6},
        {"ikat_failover_gap_longest_seconds", "gauge", "", "longest-us",
         "The longest gap of a failover.", 1e-6},
    };
    const struct tree *failovers = own_section(facts, "failovers");
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        family(out, figures[i].name, figures[i].type, figures[i].help);
        fprintf(out, "%s%s %.15g\n", figures[i].name, figures[i].suffix,
                strtod(number(failovers, figures[i].key), NULL) * figures[i].unit);
    }
}

static void put_limits(FILE *out, const struct facts *facts)
{
    static const char *const names[][3] = {
        {"ikat_limit_used", "used", "How much of a limit is in use."},
        {"ikat_limit_most", "most", "The limit."},
    };
    const struct tree *limits = own_section(facts, "limits");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        family(out, names[i][0], "gauge", names[i][2]);
        for (const struct tree *limit = limits->first; limit != NULL; limit = limit->next) {
            (void)fputs(names[i][0], out);
            label(out, "{", "limit", limit->name);
            fprintf(out, "} %s\n", number(limit, names[i][1]));
        }
    }
}

/* --- sessions, by connection --- */

struct conn_sum {
    const char *name; /* borrowed from the facts */
    uint64_t sessions, established, ike_sas, child_sas, paths, paths_up;
};

struct conn_sums {
    size_t n;
    struct conn_sum *items; /* owned; has room for an entry for each session and each path */
};

static struct conn_sum *sum_of(struct conn_sums *sums, const char *name)
{
    for (size_t i = 0; i < sums->n; i++)
        if (strcmp(sums->items[i].name, name) == 0)
            return &sums->items[i];
    sums->items[sums->n] = (struct conn_sum){.name = name};
    return &sums->items[sums->n++];
}

static size_t count(const struct tree *section)
{
    size_t n = 0;
    for (const struct tree *item = section->first; item != NULL; item = item->next)
        n++;
    return n;
}

static bool sums_make(const struct facts *facts, struct conn_sums *ret_sums)
{
    size_t most = count(facts->status.sessions) + count(facts->status.paths) + 1;
    *ret_sums = (struct conn_sums){.items = calloc(most, sizeof(struct conn_sum))};
    if (ret_sums->items == NULL)
        return false;
    for (const struct tree *s = facts->status.sessions->first; s != NULL; s = s->next) {
        struct conn_sum *sum = sum_of(ret_sums, s->name);
        sum->sessions++;
        sum->established += strcmp(text(s, "state"), "established") == 0;
        sum->ike_sas += strtoull(number(s, "ike-sas"), NULL, 10);
        sum->child_sas += strtoull(number(s, "child-sas"), NULL, 10);
    }
    for (const struct tree *p = facts->status.paths->first; p != NULL; p = p->next) {
        struct conn_sum *sum = sum_of(ret_sums, text(p, "conn"));
        sum->paths++;
        sum->paths_up += strcmp(text(p, "state"), "up") == 0;
    }
    return true;
}

static void put_conns(FILE *out, const struct conn_sums *sums)
{
    static const struct {
        const char *name, *help;
        size_t at; /* of a uint64_t in struct conn_sum */
    } gauges[] = {
        {"ikat_sessions", "Sessions, the unfinished ones too.",
         offsetof(struct conn_sum, sessions)},
        {"ikat_sessions_established", "Sessions whose login has ended.",
         offsetof(struct conn_sum, established)},
        {"ikat_ike_sas", "IKE SAs.", offsetof(struct conn_sum, ike_sas)},
        {"ikat_child_sas", "Child SAs.", offsetof(struct conn_sum, child_sas)},
        {"ikat_paths", "Paths that are wanted.", offsetof(struct conn_sum, paths)},
        {"ikat_paths_up", "Paths that carry a VPN.", offsetof(struct conn_sum, paths_up)},
    };
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
        family(out, gauges[i].name, "gauge", gauges[i].help);
        for (size_t j = 0; j < sums->n; j++) {
            uint64_t value;
            memcpy(&value, (const char *)&sums->items[j] + gauges[i].at, sizeof(value));
            (void)fputs(gauges[i].name, out);
            label(out, "{", "connection", sums->items[j].name);
            fprintf(out, "} %llu\n", (unsigned long long)value);
        }
    }
}

/* --- paths --- */

static void path_labels(FILE *out, const char *name, const struct tree *path)
{
    (void)fputs(name, out);
    label(out, "{", "connection", text(path, "conn"));
    label(out, ",", "session", text(path, "session"));
    label(out, ",", "path", path->name);
    label(out, ",", "interface", text(path, "interface"));
}

static void put_path_up(FILE *out, const struct tree *path)
{
    path_labels(out, "ikat_path_up", path);
    fprintf(out, "} %d\n", strcmp(text(path, "state"), "up") == 0);
}

static void put_path_rtt(FILE *out, const struct tree *path)
{
    path_labels(out, "ikat_path_rtt_seconds", path);
    fprintf(out, "} %.6f\n", strtod(number(path, "rtt-us"), NULL) / 1e6);
}

static void put_path_jitter(FILE *out, const struct tree *path)
{
    path_labels(out, "ikat_path_jitter_seconds", path);
    fprintf(out, "} %.6f\n", strtod(number(path, "jitter-us"), NULL) / 1e6);
}

/* put_path_probe_loss - writes nothing while the loss is unknown. */
static void put_path_probe_loss(FILE *out, const struct tree *path)
{
    if (tree_get(path, "probe-loss-ppm") == NULL)
        return;
    path_labels(out, "ikat_path_probe_loss_ratio", path);
    fprintf(out, "} %.6f\n", strtod(number(path, "probe-loss-ppm"), NULL) / 1e6);
}

static void put_path_losses(FILE *out, const struct tree *path)
{
    path_labels(out, "ikat_path_losses_total", path);
    fprintf(out, "} %s\n", number(path, "losses"));
}

static void put_directions(FILE *out, const char *name, const struct tree *path, const char *in,
                           const char *out_key)
{
    const char *const keys[] = {in, out_key}, *const directions[] = {"in", "out"};
    for (size_t i = 0; i < 2; i++) {
        path_labels(out, name, path);
        label(out, ",", "direction", directions[i]);
        fprintf(out, "} %s\n", number(path, keys[i]));
    }
}

static void put_path_octets(FILE *out, const struct tree *path)
{
    put_directions(out, "ikat_path_bytes_total", path, "bytes-in", "bytes-out");
}

static void put_path_packets(FILE *out, const struct tree *path)
{
    put_directions(out, "ikat_path_packets_total", path, "packets-in", "packets-out");
}

/* put_lane - writes a figure, multiplied by `unit`, of a path that shares flows with other paths.
 * Paths that are not measured yet are left out. */
static void put_lane(FILE *out, const char *name, const struct tree *path, const char *key,
                     double unit)
{
    const struct tree *lane = tree_get(path, "aggregate");
    if (lane == NULL || strcmp(text(lane, "state"), "unmeasured") == 0)
        return;
    path_labels(out, name, path);
    fprintf(out, "} %.6f\n", strtod(number(lane, key), NULL) * unit);
}

static void put_path_loss(FILE *out, const struct tree *path)
{
    put_lane(out, "ikat_path_loss_ratio", path, "loss-ppm", 1e-6);
}

static void put_path_rate(FILE *out, const struct tree *path)
{
    put_lane(out, "ikat_path_rate_bytes", path, "rate-kbps", 125);
}

static void put_path_queue(FILE *out, const struct tree *path)
{
    put_lane(out, "ikat_path_queue_seconds", path, "queue-us", 1e-6);
}

static void put_paths(FILE *out, const struct facts *facts)
{
    static const struct {
        const char *name, *type, *help;
        void (*put)(FILE *, const struct tree *);
    } families[] = {
        {"ikat_path_up", "gauge", "1: the path carries a VPN.", put_path_up},
        {"ikat_path_rtt_seconds", "gauge", "Round-trip time; 0: not measured yet.", put_path_rtt},
        {"ikat_path_jitter_seconds", "gauge", "Mean deviation of the round-trip time.",
         put_path_jitter},
        {"ikat_path_probe_loss_ratio", "gauge",
         "Part of the probes whose request or response was lost.", put_path_probe_loss},
        {"ikat_path_losses", "counter", "Times that the path died.", put_path_losses},
        {"ikat_path_bytes", "counter", "Inner octets since the login.", put_path_octets},
        {"ikat_path_packets", "counter", "Inner packets since the login.", put_path_packets},
        {"ikat_path_loss_ratio", "gauge",
         "Part of the packets that is lost, of a path that shares flows with others.",
         put_path_loss},
        {"ikat_path_rate_bytes", "gauge", "Octets a second that such a path delivers.",
         put_path_rate},
        {"ikat_path_queue_seconds", "gauge", "Delay in the queues of such a path.", put_path_queue},
    };
    size_t n = count(facts->status.paths);
    family(out, "ikat_paths_without_series", "gauge", "Paths beyond the limit of series.");
    fprintf(out, "ikat_paths_without_series %zu\n",
            n > METRICS_PATHS_MAX ? n - METRICS_PATHS_MAX : 0);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        size_t left = METRICS_PATHS_MAX;
        family(out, families[i].name, families[i].type, families[i].help);
        for (const struct tree *path = facts->status.paths->first; path != NULL && left > 0;
             path = path->next, left--)
            families[i].put(out, path);
    }
}

/* --- pools --- */

static void put_pools(FILE *out, const struct tree *pools)
{
    static const struct {
        const char *name, *key, *help;
    } gauges[] = {
        {"ikat_pool_size", "size", "Inner addresses of the pool."},
        {"ikat_pool_online", "online", "Inner addresses in use."},
    };
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
        family(out, gauges[i].name, "gauge", gauges[i].help);
        for (const struct tree *pool = pools->first; pool != NULL; pool = pool->next) {
            if (pool->kind != TREE_SECTION)
                continue;
            (void)fputs(gauges[i].name, out);
            label(out, "{", "pool", pool->name);
            fprintf(out, "} %s\n", number(pool, gauges[i].key));
        }
    }
}

/* --- all of it --- */

static struct tree *ask(struct client *client, const char *command)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, command);
    return client_request(client, &w, NULL, NULL, CLIENT_ANSWER_MS);
}

static char *metrics_write(const struct facts *facts)
{
    char *result = NULL;
    size_t size;
    struct conn_sums sums;
    FILE *out = sums_make(facts, &sums) ? open_memstream(&result, &size) : NULL;
    if (out == NULL) {
        free(sums.items);
        return NULL;
    }
    put_totals(out, facts);
    put_reasons(out, facts);
    put_failovers(out, facts);
    put_limits(out, facts);
    put_conns(out, &sums);
    put_paths(out, facts);
    put_pools(out, facts->pools);
    (void)fputs("# EOF\n", out);
    free(sums.items);
    bool whole = ferror(out) == 0;
    if (fclose(out) == 0 && whole)
        return result;
    free(result);
    return NULL;
}

char *metrics_fetch(struct client *client)
{
    struct facts facts = {0};
    char *result = NULL;
    if (!status_fetch(client, &facts.status))
        return NULL;
    facts.stats = ask(client, "stats");
    facts.pools = ask(client, "get-pools");
    facts.version = ask(client, "version");
    if (facts.stats != NULL && facts.pools != NULL && facts.version != NULL)
        result = metrics_write(&facts);
    status_done(&facts.status);
    tree_free(facts.stats);
    tree_free(facts.pools);
    tree_free(facts.version);
    return result;
}
