/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "control/values.h"
#include "daemon/conn_keys.h"
#include "ike/proposal.h"
#include "wire/iana.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* --- children --- */

struct child_work {
    struct ike_child_policy *policy;
    nanos rekey_ns, life_ns, rand_ns;
    uint64_t rekey_bytes, life_bytes, rand_bytes, rekey_packets, life_packets, rand_packets;
    uint32_t replay_window, reqid;
    bool copy_ecn;
    int copy_dscp, start, close, dpd, mode;
    bool local_ts, remote_ts;
};
#define CHILD(field) offsetof(struct child_work, field)

struct ts_target {
    struct ike_ts_policy *policy;
};

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

static const char *port_range(char *text, uint16_t *ret_start, uint16_t *ret_end)
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

static const char *protocol_of(const char *text, uint8_t *ret_protocol)
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
        const char *why = protocol_of(bracket + 1, &ts.protocol);
        if (why == NULL && slash != NULL)
            why = port_range(slash + 1, &ts.start_port, &ts.end_port);
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

static int add_ts(const struct tree *node, const char *text, void *target,
                  struct build_error *error)
{
    const char *why = ts_build(text, target);
    return why == NULL ? 0 : build_fail(error, node, "'%.60s': %s", text, why);
}

static int set_local_ts(const struct tree *node, void *target, struct build_error *error)
{
    struct child_work *work = target;
    work->local_ts = true;
    return key_for_items(node, &work->policy->local_ts, error, add_ts);
}

static int set_remote_ts(const struct tree *node, void *target, struct build_error *error)
{
    struct child_work *work = target;
    work->remote_ts = true;
    return key_for_items(node, &work->policy->remote_ts, error, add_ts);
}

static int set_esp_proposals(const struct tree *node, void *target, struct build_error *error)
{
    struct child_work *work = target;
    struct key_proposals proposals = {WIRE_PROTO_ESP, &work->policy->proposals};
    return key_for_items(node, &proposals, error, key_add_proposal);
}

static const char *const start_words[] = {"none", "trap", "start", NULL};
static const char *const dpd_words[] = {"clear", "trap", "restart", "none", "route", "start", NULL};
static const char *const dscp_words[] = {"out", "in", "yes", "no", NULL};
static const char *const mode_words[] = {"tunnel", NULL};
static const char *const only_yes[] = {"yes", "true", "1", "enabled", NULL};
static const char *const only_no[] = {"no", "false", "0", "disabled", NULL};
static const char *const only_zero[] = {"0", NULL};
static const struct key child_keys[] = {
    {.name = "esp_proposals", .kind = KEY_FUNCTION, .function = set_esp_proposals},
    {.name = "local_ts", .kind = KEY_FUNCTION, .function = set_local_ts},
    {.name = "remote_ts", .kind = KEY_FUNCTION, .function = set_remote_ts},
    {.name = "rekey_time", .kind = KEY_TIME, .offset = CHILD(rekey_ns)},
    {.name = "life_time", .kind = KEY_TIME, .offset = CHILD(life_ns)},
    {.name = "rand_time", .kind = KEY_TIME, .offset = CHILD(rand_ns)},
    {.name = "rekey_bytes", .kind = KEY_BYTES, .offset = CHILD(rekey_bytes)},
    {.name = "life_bytes", .kind = KEY_BYTES, .offset = CHILD(life_bytes)},
    {.name = "rand_bytes", .kind = KEY_BYTES, .offset = CHILD(rand_bytes)},
    {.name = "rekey_packets", .kind = KEY_U64, .offset = CHILD(rekey_packets)},
    {.name = "life_packets", .kind = KEY_U64, .offset = CHILD(life_packets)},
    {.name = "rand_packets", .kind = KEY_U64, .offset = CHILD(rand_packets)},
    {.name = "mode", .kind = KEY_WORD, .offset = CHILD(mode), .words = mode_words},
    {.name = "start_action", .kind = KEY_WORD, .offset = CHILD(start), .words = start_words},
    {.name = "close_action", .kind = KEY_WORD, .offset = CHILD(close), .words = start_words},
    {.name = "dpd_action", .kind = KEY_WORD, .offset = CHILD(dpd), .words = dpd_words},
    {.name = "replay_window", .kind = KEY_U32, .offset = CHILD(replay_window)},
    {.name = "reqid", .kind = KEY_U32, .offset = CHILD(reqid)},
    {.name = "copy_ecn", .kind = KEY_BOOL, .offset = CHILD(copy_ecn)},
    {.name = "copy_dscp", .kind = KEY_WORD, .offset = CHILD(copy_dscp), .words = dscp_words},
    {.name = "hostaccess", .kind = KEY_IGNORED},
    {.name = "copy_df",
     .kind = KEY_ONLY,
     .words = only_yes,
     .why = "the outer header always has DF, and its path MTU is found"},
    {.name = "policies",
     .kind = KEY_ONLY,
     .words = only_yes,
     .why = "the selectors of each Child SA are always enforced"},
    {.name = "policies_fwd_out",
     .kind = KEY_ONLY,
     .words = only_no,
     .why = "forwarded traffic is checked as all other"},
    {.name = "priority",
     .kind = KEY_ONLY,
     .words = only_zero,
     .why = "the narrower selectors come first"},
    {.name = "ah_proposals", .kind = KEY_UNSUPPORTED, .why = "AH is not"},
    {.name = "updown", .kind = KEY_UNSUPPORTED, .why = "scripts are not run"},
    {.name = "ipcomp", .kind = KEY_UNSUPPORTED, .why = "IPComp is not"},
    {.name = "inactivity", .kind = KEY_UNSUPPORTED, .why = "Child SAs stay until they are deleted"},
    {.name = "tfc_padding", .kind = KEY_UNSUPPORTED, .why = "TFC padding is not sent"},
    {.name = "interface", .kind = KEY_UNSUPPORTED, .why = KEY_KERNEL_ONLY},
    {.name = "mark_in", .kind = KEY_UNSUPPORTED, .why = KEY_KERNEL_ONLY},
    {.name = "mark_out", .kind = KEY_UNSUPPORTED, .why = KEY_KERNEL_ONLY},
    {.name = "set_mark_in", .kind = KEY_UNSUPPORTED, .why = KEY_KERNEL_ONLY},
    {.name = "set_mark_out", .kind = KEY_UNSUPPORTED, .why = KEY_KERNEL_ONLY},
    {.name = "if_id_in", .kind = KEY_UNSUPPORTED, .why = KEY_KERNEL_ONLY},
    {.name = "if_id_out", .kind = KEY_UNSUPPORTED, .why = KEY_KERNEL_ONLY},
    {.name = "label", .kind = KEY_UNSUPPORTED, .why = KEY_KERNEL_ONLY},
    {.name = "hw_offload", .kind = KEY_UNSUPPORTED, .why = KEY_KERNEL_ONLY},
    {.name = "per_cpu_sas", .kind = KEY_UNSUPPORTED, .why = KEY_KERNEL_ONLY},
    {.name = "sha256_96", .kind = KEY_UNSUPPORTED, .why = "it is a fault of old peers"},
};

/* with_tenth - a tenth more, and never less for it. */
static uint64_t with_tenth(uint64_t n)
{
    return n > UINT64_MAX / 11 * 10 ? UINT64_MAX : n + n / 10;
}

/* spread - the random part: as given, or all of the time between rekey and life. */
static uint64_t spread(uint64_t given, uint64_t rekey, uint64_t life)
{
    if (given != UINT64_MAX)
        return given;
    return life > rekey ? life - rekey : 0;
}

static void finish_child(struct child_work *work)
{
    struct ike_child_policy *policy = work->policy;
    struct ike_lifetime *lifetime = &policy->lifetime;
    if (work->rekey_ns == KEY_UNSET)
        work->rekey_ns = work->life_ns > 0 ? work->life_ns / 11 * 10 : KEY_HOUR_NS;
    if (work->life_ns == KEY_UNSET)
        work->life_ns = work->rekey_ns / 10 * 11;
    if (work->rand_ns == KEY_UNSET)
        work->rand_ns = work->life_ns > work->rekey_ns ? work->life_ns - work->rekey_ns : 0;
    lifetime->rekey_ns = work->rekey_ns;
    lifetime->life_ns = work->life_ns;
    lifetime->jitter_ns = work->rand_ns;
    lifetime->rekey_bytes = work->rekey_bytes;
    lifetime->life_bytes = work->life_bytes != 0 ? work->life_bytes : with_tenth(work->rekey_bytes);
    lifetime->rekey_packets = work->rekey_packets;
    lifetime->life_packets =
        work->life_packets != 0 ? work->life_packets : with_tenth(work->rekey_packets);
    lifetime->jitter_bytes = spread(work->rand_bytes, lifetime->rekey_bytes, lifetime->life_bytes);
    lifetime->jitter_packets =
        spread(work->rand_packets, lifetime->rekey_packets, lifetime->life_packets);
    policy->replay_window = work->replay_window;
    policy->reqid = work->reqid;
    policy->copy_ecn = work->copy_ecn;
    policy->copy_dscp_out = work->copy_dscp == 0 || work->copy_dscp == 2;
    policy->copy_dscp_in = work->copy_dscp == 1 || work->copy_dscp == 2;
    policy->start_action = (enum ike_child_start)work->start;
    policy->close_action = (enum ike_child_start)work->close;
    policy->dpd_action = (enum ike_dpd_action)(work->dpd == 3  ? 0
                                               : work->dpd > 3 ? work->dpd - 3
                                                               : work->dpd);
    if (policy->proposals.n == 0)
        proposal_default(WIRE_PROTO_ESP, &policy->proposals);
    if (!work->local_ts)
        (void)ts_build("dynamic", &policy->local_ts);
    if (!work->remote_ts)
        (void)ts_build("dynamic", &policy->remote_ts);
}

int child_build(const struct tree *section, struct ike_conn *conn, struct build_error *error)
{
    static const struct key_table table = {child_keys, LEN(child_keys), NULL};
    if (section->kind != TREE_SECTION)
        return build_fail(error, section, "a section per child is expected");
    if (conn->n_children == POLICY_CHILDREN)
        return build_fail(error, section, "more than %d children", POLICY_CHILDREN);
    struct child_work work = {
        .policy = &conn->children[conn->n_children++],
        .rekey_ns = KEY_UNSET,
        .life_ns = KEY_UNSET,
        .rand_ns = KEY_UNSET,
        .rand_bytes = UINT64_MAX,
        .rand_packets = UINT64_MAX,
        .replay_window = 1024,
        .copy_ecn = true,
    };
    int err = key_name_copy(section, work.policy->name, error);
    if (err == 0)
        err = keys_apply(&table, section, &work, error);
    if (err != 0)
        return err;
    if (work.replay_window > LIMIT_REPLAY_WINDOW)
        return build_fail(error, key_node(section, "replay_window"), "at most %d",
                          LIMIT_REPLAY_WINDOW);
    if (work.life_ns > 0 && work.rekey_ns > work.life_ns)
        return build_fail(error, key_node(section, "rekey_time"), "longer than life_time");
    if (work.life_bytes > 0 && work.rekey_bytes > work.life_bytes)
        return build_fail(error, key_node(section, "rekey_bytes"), "more than life_bytes");
    if (work.life_packets > 0 && work.rekey_packets > work.life_packets)
        return build_fail(error, key_node(section, "rekey_packets"), "more than life_packets");
    finish_child(&work);
    return 0;
}
