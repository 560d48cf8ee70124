/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "control/values.h"
#include "daemon/common/hook_script.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/mark_build.h"
#include "daemon/config/selectors.h"
#include "ike/terms/proposal.h"
#include "wire/iana.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* --- children --- */

struct child_work {
    struct ike_child_policy *policy;
    nanos rekey_ns, life_ns, rand_ns, inactivity_ns;
    uint64_t rekey_bytes, life_bytes, rand_bytes, rekey_packets, life_packets, rand_packets;
    uint32_t replay_window, reqid;
    bool copy_ecn, hostaccess, icmp;
    int copy_dscp, start, close, dpd, mode;
    int per_cpu;    /* without effect: each processor handles packets of each Child SA */
    int label_mode; /* without effect: there are no labels */
    bool fwd_out;   /* no effect: forwarded packets are always checked */
    uint32_t priority;
    bool local_ts, remote_ts;
};
#define CHILD(field) offsetof(struct child_work, field)

struct ts_target {
    struct ike_ts_policy *policy;
};

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

static int set_updown(const struct tree *node, void *target, struct build_error *error)
{
    static const char *const folders[] = {HOOK_FOLDERS};
    struct child_work *work = target;
    const char *text = tree_value_text(node);
    char list[256] = "";
    size_t at = 0;
    if (text[0] == '\0')
        return 0;
    for (size_t i = 0; i < LEN(folders) && at < sizeof(list); i++)
        at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", i == 0 ? "" : " ", folders[i]);
    if (strlen(text) >= POLICY_SCRIPT || !hook_script_allowed(text))
        return build_fail(error, node,
                          "'%.60s' is not a script of at most %d characters without any that a "
                          "shell knows, in %s or as /etc/NAMEupdown",
                          text, POLICY_SCRIPT - 1, list);
    strcpy(work->policy->updown, text);
    return 0;
}

static int set_interface(const struct tree *node, void *target, struct build_error *error)
{
    struct child_work *work = target;
    const char *text = tree_value_text(node);
    if (strlen(text) >= sizeof(work->policy->interface) || strpbrk(text, " \t/\"\\*") != NULL)
        return build_fail(error, node, "'%.60s' is not the name of an interface", text);
    strcpy(work->policy->interface, text);
    return 0;
}

static int set_mark_in(const struct tree *node, void *target, struct build_error *error)
{
    return mark_build(node, &((struct child_work *)target)->policy->mark_in, error);
}

static int set_mark_out(const struct tree *node, void *target, struct build_error *error)
{
    return mark_build(node, &((struct child_work *)target)->policy->mark_out, error);
}

static int set_set_mark_in(const struct tree *node, void *target, struct build_error *error)
{
    return mark_set_build(node, &((struct child_work *)target)->policy->set_mark_in, error);
}

static int set_if_id_in(const struct tree *node, void *target, struct build_error *error)
{
    return if_id_build(node, &((struct child_work *)target)->policy->if_id_in, error);
}

static int set_if_id_out(const struct tree *node, void *target, struct build_error *error)
{
    return if_id_build(node, &((struct child_work *)target)->policy->if_id_out, error);
}

static int set_device(const struct tree *node, void *target, struct build_error *error)
{
    return device_name_build(node, ((struct child_work *)target)->policy->device, error);
}

static int set_routes(const struct tree *node, void *target, struct build_error *error)
{
    return routes_build(node, &((struct child_work *)target)->policy->routes, error);
}

static const char *const start_words[] = {"none", "trap", "start", NULL};
/* the last: `start` is a trap, too */
static const char *const start_action_words[] = {"none", "trap", "start", "trap|start", NULL};
static const char *const dpd_words[] = {"clear", "trap", "restart", "none", "route", "start", NULL};
static const char *const dscp_words[] = {"out", "in", "yes", "no", NULL};
static const char *const mode_words[] = {"tunnel", "transport", "pass", "drop", NULL};
static const char *const per_cpu_words[] = {"no", "yes", "encap", NULL};
static const char *const only_yes[] = {"yes", "true", "1", "enabled", NULL};
static const char *const only_no[] = {"no", "false", "0", "disabled", NULL};
static const char *const only_zero[] = {"0", NULL};
static const char *const label_mode_words[] = {"system", "simple", "selinux", NULL};
static const struct key child_keys[] = {
    {.name = "esp_proposals", .kind = KEY_FUNCTION, .function = set_esp_proposals},
    {.name = "local_ts", .kind = KEY_FUNCTION, .function = set_local_ts},
    {.name = "remote_ts", .kind = KEY_FUNCTION, .function = set_remote_ts},
    {.name = "rekey_time", .kind = KEY_TIME, .offset = CHILD(rekey_ns)},
    {.name = "life_time", .kind = KEY_TIME, .offset = CHILD(life_ns)},
    {.name = "rand_time", .kind = KEY_TIME, .offset = CHILD(rand_ns)},
    {.name = "inactivity", .kind = KEY_TIME, .offset = CHILD(inactivity_ns)},
    {.name = "rekey_bytes", .kind = KEY_BYTES, .offset = CHILD(rekey_bytes)},
    {.name = "life_bytes", .kind = KEY_BYTES, .offset = CHILD(life_bytes)},
    {.name = "rand_bytes", .kind = KEY_BYTES, .offset = CHILD(rand_bytes)},
    {.name = "rekey_packets", .kind = KEY_U64, .offset = CHILD(rekey_packets)},
    {.name = "life_packets", .kind = KEY_U64, .offset = CHILD(life_packets)},
    {.name = "rand_packets", .kind = KEY_U64, .offset = CHILD(rand_packets)},
    {.name = "mode", .kind = KEY_WORD, .offset = CHILD(mode), .words = mode_words},
    {.name = "start_action", .kind = KEY_WORD, .offset = CHILD(start), .words = start_action_words},
    {.name = "close_action", .kind = KEY_WORD, .offset = CHILD(close), .words = start_words},
    {.name = "dpd_action", .kind = KEY_WORD, .offset = CHILD(dpd), .words = dpd_words},
    {.name = "replay_window", .kind = KEY_U32, .offset = CHILD(replay_window)},
    {.name = "reqid", .kind = KEY_U32, .offset = CHILD(reqid)},
    {.name = "copy_ecn", .kind = KEY_BOOL, .offset = CHILD(copy_ecn)},
    {.name = "copy_dscp", .kind = KEY_WORD, .offset = CHILD(copy_dscp), .words = dscp_words},
    {.name = "hostaccess", .kind = KEY_BOOL, .offset = CHILD(hostaccess)},
    {.name = "updown", .kind = KEY_FUNCTION, .function = set_updown},
    {.name = "copy_df",
     .kind = KEY_ONLY,
     .words = only_yes,
     .why = "the outer header always has DF, and its path MTU is found"},
    {.name = "policies",
     .kind = KEY_ONLY,
     .words = only_yes,
     .why = "the selectors of each Child SA are always enforced"},
    {.name = "policies_fwd_out", .kind = KEY_BOOL, .offset = CHILD(fwd_out)},
    {.name = "priority", .kind = KEY_U32, .offset = CHILD(priority)},
    {.name = "ah_proposals", .kind = KEY_UNSUPPORTED, .why = "AH is not"},
    {.name = "ipcomp", .kind = KEY_ONLY, .words = only_no, .why = "IPComp is not there"},
    {.name = "tfc_padding", .kind = KEY_ONLY, .words = only_zero, .why = "TFC padding is not sent"},
    {.name = "interface", .kind = KEY_FUNCTION, .function = set_interface},
    {.name = "mark_in", .kind = KEY_FUNCTION, .function = set_mark_in},
    {.name = "mark_out", .kind = KEY_FUNCTION, .function = set_mark_out},
    {.name = "set_mark_in", .kind = KEY_FUNCTION, .function = set_set_mark_in},
    {.name = "set_mark_out",
     .kind = KEY_ONLY,
     .words = only_zero,
     .why = "outer packets have a mark of ikatd, which tells them from what they carry"},
    {.name = "if_id_in", .kind = KEY_FUNCTION, .function = set_if_id_in},
    {.name = "if_id_out", .kind = KEY_FUNCTION, .function = set_if_id_out},
    {.name = "device", .kind = KEY_FUNCTION, .function = set_device},
    {.name = "install_routes", .kind = KEY_FUNCTION, .function = set_routes},
    {.name = "mark_in_sa",
     .kind = KEY_ONLY,
     .words = only_no,
     .why = "received ESP is told apart by its SPI alone"},
    {.name = "label_mode",
     .kind = KEY_WORD,
     .offset = CHILD(label_mode),
     .words = label_mode_words},
    {.name = "label",
     .kind = KEY_UNSUPPORTED,
     .why = "security labels of packets (RFC 9478) are not negotiated"},
    {.name = "hw_offload", .kind = KEY_ONLY, .words = only_no, .why = KEY_KERNEL_ONLY},
    {.name = "per_cpu_sas", .kind = KEY_WORD, .offset = CHILD(per_cpu), .words = per_cpu_words},
    {.name = "icmp", .kind = KEY_BOOL, .offset = CHILD(icmp)},
    {.name = "sha256_96", .kind = KEY_ONLY, .words = only_no, .why = "it is a fault of old peers"},
};

/* with_tenth - a tenth more, and no overflow. */
static uint64_t with_tenth(uint64_t n)
{
    return n > UINT64_MAX / 11 * 10 ? UINT64_MAX : n + n / 10;
}

/* spread - the random part: the given one, or all of the time between rekey and life. */
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
    policy->inactivity_ns = work->inactivity_ns;
    policy->replay_window = work->replay_window;
    policy->reqid = work->reqid;
    policy->mode = (enum ike_child_mode)work->mode;
    policy->priority = work->priority;
    policy->copy_ecn = work->copy_ecn;
    policy->hostaccess = work->hostaccess;
    policy->icmp = work->icmp;
    policy->copy_dscp_out = work->copy_dscp == 0 || work->copy_dscp == 2;
    policy->copy_dscp_in = work->copy_dscp == 1 || work->copy_dscp == 2;
    policy->start_action = (enum ike_child_start)(work->start == 3 ? IKE_START_START : work->start);
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

/* --- shunts --- */

static bool child_is_shunt(const struct ike_child_policy *policy)
{
    return policy->mode == IKE_MODE_PASS || policy->mode == IKE_MODE_DROP;
}

/* limit_check - the reason why packet filter and routing rules cannot express the selector; NULL:
 * they can. */
static const char *limit_check(uint8_t protocol, uint16_t start, uint16_t end)
{
    static const uint8_t with_ports[] = {6, 17, 33, 132, 136}; /* TCP, UDP, DCCP, SCTP, UDP-Lite */
    bool ports = false;
    if (start == 0 && end == UINT16_MAX)
        return NULL;
    for (size_t i = 0; i < LEN(with_ports); i++)
        ports |= protocol == with_ports[i];
    return ports && start <= end ? NULL : "ports are of tcp, udp, dccp, sctp and udplite only";
}

static const char *limits_check(const struct ike_ts_policy *policy)
{
    const char *why = NULL;
    for (size_t i = 0; why == NULL && i < policy->fixed.n; i++) {
        const struct ike_ts *ts = &policy->fixed.ts[i];
        why = limit_check(ts->protocol, ts->start_port, ts->end_port);
    }
    for (size_t i = 0; why == NULL && i < policy->n_dynamic; i++)
        why = limit_check(policy->dynamic[i].protocol, policy->dynamic[i].start_port,
                          policy->dynamic[i].end_port);
    return why;
}

static int mode_check(const struct tree *section, const struct ike_child_policy *policy,
                      struct build_error *error)
{
    if (policy->interface[0] != '\0' && policy->mode != IKE_MODE_DROP)
        return build_fail(error, key_node(section, "interface"),
                          "is honoured with mode = drop only: else the routes of the host choose");
    if (!child_is_shunt(policy))
        return 0;
    const char *local = limits_check(&policy->local_ts), *remote = limits_check(&policy->remote_ts);
    if (local != NULL || remote != NULL)
        return build_fail(error, key_node(section, local != NULL ? "local_ts" : "remote_ts"),
                          "with mode = pass or drop, %s", local != NULL ? local : remote);
    return 0;
}

int child_build(const struct tree *section, struct ike_conn *conn, struct build_error *error)
{
    static const struct key_table table = {child_keys, LEN(child_keys), NULL, NULL};
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
    return mode_check(section, work.policy, error);
}

void child_shunts_last(struct ike_conn *conn)
{
    const uint8_t n = conn->n_children;
    struct ike_child_policy shunt;
    for (uint8_t i = 0, at = 0; i < n; i++) {
        if (!child_is_shunt(&conn->children[at])) {
            at++;
            continue;
        }
        shunt = conn->children[at];
        memmove(&conn->children[at], &conn->children[at + 1],
                (size_t)(n - 1 - at) * sizeof(conn->children[0]));
        conn->children[n - 1] = shunt;
        conn->n_children--;
        conn->n_shunts++;
    }
}
