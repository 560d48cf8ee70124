/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/selectors.h"

#include <stdio.h>

#include "control/values.h"
#include "ike/terms/narrow.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Names of our own and not /etc/services: the engine, which builds what a client of the control
 * socket sends, may not open files. */
struct named {
    const char *name;
    uint16_t number;
};

static const struct named services[] = {
    {"ssh", 22},      {"smtp", 25},          {"domain", 53},  {"dns", 53},
    {"bootps", 67},   {"bootpc", 68},        {"tftp", 69},    {"http", 80},
    {"kerberos", 88}, {"pop3", 110},         {"ntp", 123},    {"imap2", 143},
    {"imap", 143},    {"snmp", 161},         {"bgp", 179},    {"ldap", 389},
    {"https", 443},   {"isakmp", 500},       {"syslog", 514}, {"submission", 587},
    {"ldaps", 636},   {"imaps", 993},        {"pop3s", 995},  {"l2f", 1701},
    {"l2tp", 1701},   {"radius", 1812},      {"nfs", 2049},   {"mysql", 3306},
    {"rdp", 3389},    {"ipsec-nat-t", 4500}, {"sip", 5060},   {"postgresql", 5432},
};
static const struct named protocols[] = {
    {"icmp", 1},  {"ipip", 4},   {"ipencap", 4}, {"tcp", 6},        {"udp", 17},      {"ipv6", 41},
    {"gre", 47},  {"esp", 50},   {"ah", 51},     {"ipv6-icmp", 58}, {"icmpv6", 58},   {"ospf", 89},
    {"pim", 103}, {"vrrp", 112}, {"l2tp", 115},  {"sctp", 132},     {"udplite", 136},
};

static bool number_of(const struct named *list, size_t n, const char *text, uint64_t *ret_number)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, text) == 0) {
            *ret_number = list[i].number;
            return true;
        }
    return value_u64(text, ret_number);
}

const char *ts_ports(char *text, uint16_t *ret_start, uint16_t *ret_end)
{
    uint64_t start, end;
    char *dash = strchr(text, '-');
    if (text[0] == '\0' || strcmp(text, "any") == 0)
        return NULL;
    if (strcmp(text, "opaque") == 0) {
        *ret_start = 65535;
        *ret_end = 0;
        return NULL;
    }
    if (dash != NULL)
        *dash = '\0';
    if (!number_of(services, LEN(services), text, &start))
        return "unknown port";
    end = start;
    if (dash != NULL && !number_of(services, LEN(services), dash + 1, &end))
        return "unknown end of the port range";
    if (start > end || end > 65535)
        return "ports are 0 to 65535, the lower one first";
    *ret_start = (uint16_t)start;
    *ret_end = (uint16_t)end;
    return NULL;
}

const char *ts_protocol(const char *text, uint8_t *ret_protocol)
{
    uint64_t number;
    if (text[0] == '\0' || strcmp(text, "any") == 0)
        return NULL;
    if (!number_of(protocols, LEN(protocols), text, &number) || number > 255)
        return "unknown protocol";
    *ret_protocol = (uint8_t)number;
    return NULL;
}

const char *ts_build(const char *text, struct ike_ts_policy *policy)
{
    char copy[128];
    struct ike_ts ts = {.end_port = 65535};
    if (strlen(text) >= sizeof(copy))
        return "too long";
    strcpy(copy, text);
    char *bracket = strchr(copy, '[');
    if (bracket != NULL) {
        char *end = strchr(bracket, ']');
        if (end == NULL || end[1] != '\0')
            return "the closing ']' is missing, or something follows it";
        *bracket = *end = '\0';
        char *slash = strchr(bracket + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        const char *why = ts_protocol(bracket + 1, &ts.protocol);
        if (why == NULL && slash != NULL)
            why = ts_ports(slash + 1, &ts.start_port, &ts.end_port);
        if (why != NULL)
            return why;
    }
    if (strcmp(copy, "dynamic") == 0) {
        if (policy->n_dynamic == LEN(policy->dynamic))
            return "too many dynamic selectors";
        policy->dynamic[policy->n_dynamic].protocol = ts.protocol;
        policy->dynamic[policy->n_dynamic].start_port = ts.start_port;
        policy->dynamic[policy->n_dynamic++].end_port = ts.end_port;
        return NULL;
    }
    if (!range_parse(copy, &ts.range))
        return "neither a subnet, an address range nor dynamic";
    if (policy->fixed.n == POLICY_TS)
        return "too many selectors";
    policy->fixed.ts[policy->fixed.n++] = ts;
    return NULL;
}

static const char *name_of(const struct named *list, size_t n, uint16_t number, char out[8])
{
    for (size_t i = 0; i < n; i++)
        if (list[i].number == number)
            return list[i].name;
    (void)snprintf(out, 8, "%u", number);
    return out;
}

/* icmp_print - RFC 4301 section 4.4.1.1: the type is the upper octet of the port, the code the
 * lower one; "8" or "3(4)". */
static const char *icmp_print(uint16_t port, char out[16])
{
    unsigned type = port >> 8, code = port & 0xffu;
    if (code == 0)
        (void)snprintf(out, 16, "%u", type);
    else
        (void)snprintf(out, 16, "%u(%u)", type, code);
    return out;
}

/* limit_print - prints "[tcp/443]", or nothing for all packets. */
static void limit_print(uint8_t protocol, uint16_t start, uint16_t end, char *out, size_t size)
{
    char number[2][8], icmp[2][16];
    bool is_icmp = protocol == 1 || protocol == 58;
    const char *name =
        protocol == 0 ? "0" : name_of(protocols, LEN(protocols), protocol, number[0]);
    out[0] = '\0';
    if (start == 0 && end == UINT16_MAX && protocol != 0)
        (void)snprintf(out, size, "[%s]", name);
    else if (start > end)
        (void)snprintf(out, size, "[%s/opaque]", name);
    else if (is_icmp && start == end)
        (void)snprintf(out, size, "[%s/%s]", name, icmp_print(start, icmp[0]));
    else if (is_icmp)
        (void)snprintf(out, size, "[%s/%s-%s]", name, icmp_print(start, icmp[0]),
                       icmp_print(end, icmp[1]));
    else if (start == end)
        (void)snprintf(out, size, "[%s/%s]", name,
                       name_of(services, LEN(services), start, number[1]));
    else if (start != 0 || end != UINT16_MAX)
        (void)snprintf(out, size, "[%s/%u-%u]", name, start, end);
}

const char *ts_print(const struct ike_ts *ts, char out[TS_TEXT_MAX])
{
    char range[RANGE_TEXT_MAX], limit[64];
    limit_print(ts->protocol, ts->start_port, ts->end_port, limit, sizeof(limit));
    (void)snprintf(out, TS_TEXT_MAX, "%s%s", range_print(&ts->range, range), limit);
    return out;
}

const char *ts_policy_print(const struct ike_ts_policy *policy, size_t index, char out[TS_TEXT_MAX])
{
    char limit[64];
    if (index < policy->fixed.n)
        return ts_print(&policy->fixed.ts[index], out);
    index -= policy->fixed.n;
    if (index >= policy->n_dynamic)
        return NULL;
    limit_print(policy->dynamic[index].protocol, policy->dynamic[index].start_port,
                policy->dynamic[index].end_port, limit, sizeof(limit));
    (void)snprintf(out, TS_TEXT_MAX, "dynamic%s", limit);
    return out;
}

/* --- selectors for everything --- */

static bool all_packets(const struct ike_ts *ts, uint8_t family)
{
    return ts->range.first.family == family && ts->protocol == 0 && ts->start_port == 0 &&
           ts->end_port == UINT16_MAX;
}

/* cover - the range that contains `at`, or NULL. */
static const struct ike_ts *cover(const struct ike_ts_list *list, const struct address *at)
{
    for (size_t i = 0; i < list->n; i++)
        if (all_packets(&list->ts[i], at->family) && range_contains(&list->ts[i].range, at))
            return &list->ts[i];
    return NULL;
}

bool selectors_whole(const struct ike_ts_list *list, uint8_t family)
{
    struct address at = {.family = family};
    const struct ike_ts *ts;
    while ((ts = cover(list, &at)) != NULL)
        if (!address_next(&ts->range.last, &at))
            return true;
    return false;
}

static bool any_of_family(const struct ike_conn *conn, uint8_t family)
{
    for (uint8_t c = 0; c < conn->n_children; c++)
        for (size_t i = 0; i < conn->children[c].remote_ts.fixed.n; i++)
            if (conn->children[c].remote_ts.fixed.ts[i].range.first.family == family)
                return true;
    return false;
}

static bool takes_all(const struct ike_conn *conn, uint8_t family)
{
    for (uint8_t c = 0; conn->n_remote_addrs > 0 && c < conn->n_children; c++) {
        struct ike_ts_list fixed;
        ts_fixed(&conn->children[c].remote_ts, &fixed);
        if (selectors_whole(&fixed, family))
            return true;
    }
    return false;
}

uint8_t selectors_open_family(const struct ike_conn *conn)
{
    if (conn->on_failure != IKE_ON_FAILURE_BLOCK)
        return ADDRESS_NONE;
    if (takes_all(conn, ADDRESS_V4) && !any_of_family(conn, ADDRESS_V6))
        return ADDRESS_V6;
    return takes_all(conn, ADDRESS_V6) && !any_of_family(conn, ADDRESS_V4) ? ADDRESS_V4
                                                                           : ADDRESS_NONE;
}

bool selectors_everything(const struct ike_conn *conn)
{
    return takes_all(conn, ADDRESS_V4) || takes_all(conn, ADDRESS_V6);
}

enum ike_lan selectors_lan(const struct ike_conn *conn)
{
    return selectors_everything(conn) ? conn->lan : IKE_LAN_BYPASS;
}

static const uint8_t families[] = {ADDRESS_V4, ADDRESS_V6};

/* has_network - remote_addrs names many possible peers: a network, a range, or %any. */
static bool has_network(const struct ike_conn *conn)
{
    bool found = false;
    for (uint8_t i = 0; i < conn->n_remote_addrs; i++)
        found |=
            ike_remote_any(&conn->remote_addrs[i]) ||
            !address_equal(&conn->remote_addrs[i].range.first, &conn->remote_addrs[i].range.last);
    return found;
}

bool selectors_remote_name(const struct ike_conn *conn)
{
    bool found = false;
    for (uint8_t i = 0; i < conn->n_remote_addrs; i++)
        found |= conn->remote_addrs[i].name[0] != '\0';
    return found;
}

bool selectors_any_peer(const struct ike_conn *conn, const struct ike_child_policy *child)
{
    if (child->mode != IKE_MODE_TRANSPORT || conn->n_vips > 0)
        return false;
    return conn->n_remote_addrs == 0 || (has_network(conn) && !selectors_remote_name(conn));
}

bool selectors_name_among_networks(const struct ike_conn *conn,
                                   const struct ike_child_policy *child)
{
    return child->mode == IKE_MODE_TRANSPORT && conn->n_vips == 0 && has_network(conn) &&
           selectors_remote_name(conn);
}

static int count_peer(void *context, const struct address_range *range)
{
    (void)range;
    ++*(size_t *)context;
    return 0;
}

size_t selectors_trapped(const struct ike_conn *conn, const struct ike_child_policy *child)
{
    size_t peers = 0;
    bool open = selectors_open_family(conn) != ADDRESS_NONE;
    (void)!selectors_peers(conn, count_peer, &peers);
    return child->remote_ts.fixed.n + child->remote_ts.n_dynamic * (conn->n_vips > 0 ? 1 : peers) +
           (open ? 1 : 0);
}

typedef int each_range(void *context, const struct address_range *range);

/* anywhere - calls `each` for all addresses of each family. */
static int anywhere(each_range *each, void *context)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < LEN(families); i++) {
        const struct address any = {.family = families[i]};
        struct address_range all;
        if (range_from_prefix(&any, 0, &all))
            error = each(context, &all);
    }
    return error;
}

int selectors_peers(const struct ike_conn *conn,
                    int (*each)(void *context, const struct address_range *range), void *context)
{
    int error = conn->n_remote_addrs == 0 ? anywhere(each, context) : 0;
    for (uint8_t i = 0; error == 0 && i < conn->n_remote_addrs; i++)
        error = ike_remote_any(&conn->remote_addrs[i])
                    ? anywhere(each, context)
                    : each(context, &conn->remote_addrs[i].range);
    return error;
}

const struct ike_ts *selectors_narrowest(const struct ike_ts_list *list,
                                         const struct address *address, uint16_t port,
                                         uint8_t protocol)
{
    const struct ike_ts *found = NULL;
    for (size_t i = 0; i < list->n; i++) {
        const struct ike_ts *ts = &list->ts[i];
        bool whole = ts->start_port == 0 && ts->end_port == UINT16_MAX;
        if (range_contains(&ts->range, address) &&
            (ts->protocol == 0 || ts->protocol == protocol) &&
            (whole || (port >= ts->start_port && port <= ts->end_port)) &&
            (found == NULL || range_within(&ts->range, &found->range)))
            found = ts;
    }
    return found;
}

bool selectors_take(const struct ike_ts_list *list, const struct address *address, uint16_t port,
                    uint8_t protocol)
{
    return selectors_narrowest(list, address, port, protocol) != NULL;
}
