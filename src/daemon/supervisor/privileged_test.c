/* SPDX-License-Identifier: Apache-2.0 */

/* The privileged part of the supervisor under a hostile engine, in a network namespace of its own. */

#include "daemon/supervisor/privileged_world.h"

#include "linux/host_facts.h"
#include "linux/netlink_monitor.h"

static struct priv_answer ask(uint32_t kind, const char *address, uint8_t prefix_len,
                              uint32_t interface)
{
    struct priv_request request = {
        .kind = kind, .prefix_len = prefix_len, .interface = interface, .port = NAT_PORT};
    struct priv_answer answer;
    int fds[LIMIT_WORKERS];
    if (address != NULL)
        assert_true(address_parse(address, &request.address));
    privileged_answer(privileged, &request, &answer, fds);
    for (unsigned i = 0; i < answer.n_fds; i++)
        close(fds[i]);
    return answer;
}

/* addresses of all interfaces but loopback */
static size_t addresses(uint32_t *ret_interface)
{
    struct netlink_monitor *monitor;
    struct path_link links[8];
    size_t n, sum = 0;
    assert_int_equal(netlink_monitor_open(&monitor), 0);
    assert_int_equal(netlink_monitor_snapshot(monitor, 0, links, 8, &n), 0);
    for (size_t i = 0; i < n; i++) {
        sum += links[i].n_addresses;
        if (links[i].n_addresses > 0)
            *ret_interface = links[i].index;
    }
    netlink_monitor_free(monitor);
    return sum;
}

static void permit(struct permits *permits, uint32_t kind, const char *range)
{
    struct permit permit = {.kind = kind};
    if (range != NULL)
        assert_true(range_parse(range, &permit.range));
    assert_int_equal(permits_add(permits, &permit), 0);
    permits_settle(permits);
}

static uint32_t mtu_of_device(void)
{
    struct netlink_monitor *monitor;
    struct path_link links[32];
    size_t n;
    uint32_t mtu = 0;
    assert_int_equal(netlink_monitor_open(&monitor), 0);
    assert_int_equal(netlink_monitor_snapshot(monitor, 0, links, 32, &n), 0);
    for (size_t i = 0; i < n; i++)
        mtu = links[i].index == start.tun_index ? links[i].mtu : mtu;
    netlink_monitor_free(monitor);
    return mtu;
}

static void test_mtu(void **state)
{
    (void)state;
    static const struct {
        bool fixed;
        uint16_t mtu;
        int error;
        uint32_t is;
    } rows[] = {{false, 1300, 0, 1300},
                {false, 1279, ERR_INVALID, 1300},
                {false, 1492, ERR_INVALID, 1300},
                {false, 1400, 0, 1400},
                {true, 1300, ERR_WRONG_STATE, 1400}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        start.tun_mtu_fixed = rows[i].fixed;
        privileged = privileged_free(privileged, false);
        assert_int_equal(privileged_new(&start, &privileged), 0);
        struct priv_request request = {.kind = PRIV_MTU, .mtu = rows[i].mtu};
        struct priv_answer answer;
        privileged_answer(privileged, &request, &answer, NULL);
        assert_int_equal(answer.error, rows[i].error);
        assert_int_equal(mtu_of_device(), rows[i].is);
    }
    start.tun_mtu_fixed = false;
}

/* The networks of this host bypass the tunnel only if the files want that. Only private networks of
 * a usual size do. */
static void test_networks_of_this_host(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        unsigned len;
        bool taken;
    } rows[] = {{"10.1.0.7", 24, true},
                {"10.1.0.7", 16, true},
                {"10.1.0.7", 15, false},
                {"10.1.0.7", 8, false},
                {"172.31.0.1", 16, true},
                {"172.32.0.1", 24, false},
                {"192.168.7.1", 24, true},
                {"192.168.7.1", 15, false},
                {"203.0.113.1", 24, false},
                {"100.64.0.1", 24, false},
                {"0.0.0.0", 0, false},
                {"169.254.3.1", 16, true},
                {"fd00::1", 64, true},
                {"fd00::1", 47, false},
                {"2001:db8::1", 64, false},
                {"fe80::1", 64, true},
                {"::", 0, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address address;
        assert_true(address_parse(rows[i].address, &address));
        if (lan_network(&address, rows[i].len) != rows[i].taken)
            fail_msg("%s/%u", rows[i].address, rows[i].len);
    }
    struct permits *now = &privileged_permission(privileged)->now;
    struct priv_request request = {.kind = PRIV_LAN_BYPASS};
    struct priv_answer answer;
    privileged_answer(privileged, &request, &answer, NULL);
    assert_int_equal(answer.error, 0);
    now->all = false;
    privileged_answer(privileged, &request, &answer, NULL);
    assert_int_equal(answer.error, ERR_DENIED);
    permit(now, PERMIT_LAN, NULL);
    privileged_answer(privileged, &request, &answer, NULL);
    assert_int_equal(answer.error, 0);
    request.kind = PRIV_LAN_BLOCK;
    now->lan = false;
    privileged_answer(privileged, &request, &answer, NULL);
    assert_int_equal(answer.error, 0);
    now->all = true;
}

/* Requests change our device only, whatever interface the engine names. */
static void test_own_device_only(void **state)
{
    (void)state;
    uint32_t interface = 0;
    assert_int_equal(addresses(&interface), 0);
    assert_int_equal(ask(PRIV_ADDRESS_ADD, "10.3.0.1", 0, 1).error, 0);
    assert_int_equal(addresses(&interface), 1);
    assert_int_equal(interface, start.tun_index);
    assert_int_equal(ask(PRIV_ROUTE_ADD, "10.0.0.0", 8, 1).error, 0);
    assert_int_equal(ask(PRIV_ROUTE_REMOVE, "10.0.0.0", 8, 1).error, 0);
    assert_int_equal(ask(PRIV_ADDRESS_REMOVE, "10.3.0.1", 0, 1).error, 0);
    assert_int_equal(ask(PRIV_ADDRESS_REMOVE, "10.3.0.1", 0, 1).error, ERR_NOT_FOUND);
    assert_int_equal(addresses(&interface), 0);
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(ask(PRIV_ADDRESS_ADD, "127.0.0.2", 0, 0).error, ERR_INVALID);
    assert_int_equal(ask(PRIV_ROUTE_ADD, "10.0.0.1", 8, 0).error, ERR_INVALID);
    assert_int_equal(ask(77, "10.0.0.0", 8, 0).error, ERR_INVALID);
    /* sockets: not on our device, not on a missing interface, not at an address of another host */
    assert_int_equal(ask(PRIV_PATH_SOCKETS, "10.3.0.1", 0, start.tun_index).error, ERR_INVALID);
    assert_int_equal(ask(PRIV_PATH_SOCKETS, "10.3.0.1", 0, 9999).error, ERR_INVALID);
    struct priv_answer answer = ask(PRIV_PATH_SOCKETS, "192.0.2.77", 0, 1);
    assert_int_equal(answer.error, ERR_SYSTEM);
    assert_int_equal(answer.n_fds, 0);
    answer = ask(PRIV_PATH_SOCKETS, "127.0.0.1", 0, 1);
    assert_int_equal(answer.error, 0);
    assert_int_equal(answer.n_fds, 2);
}

/* Linux takes the routes of an interface away with its last IPv4 address; those of others stay. */
static void test_routes_outlive_addresses(void **state)
{
    (void)state;
    assert_int_equal(ask(PRIV_ADDRESS_ADD, "10.3.0.1", 0, 0).error, 0);
    assert_int_equal(ask(PRIV_ROUTE_ADD, "10.0.0.0", 8, 0).error, 0);
    assert_int_equal(ask(PRIV_ADDRESS_REMOVE, "10.3.0.1", 0, 0).error, 0);
    assert_int_equal(system("ip route show table all proto 171 | grep -q 10.0.0.0/8"), 0);
    assert_int_equal(ask(PRIV_ROUTE_REMOVE, "10.0.0.0", 8, 0).error, 0);
    assert_int_not_equal(system("ip route show table all proto 171 | grep -q 10.0.0.0/8"), 0);
}

static bool kernel_says(const char *command, const char *text)
{
    char line[256];
    bool found = false;
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    while (fgets(line, sizeof(line), pipe) != NULL)
        found = found || strstr(line, text) != NULL;
    assert_int_equal(pclose(pipe), 0);
    return found;
}

#define ROUTES "ip route show table 1229651968; ip -6 route show table 1229651968"

/* L2: a network that contains an inner address or a name server of the Gateway stays in the tunnel. */
static void test_network_around_ours(void **state)
{
    (void)state;
    static const struct {
        uint32_t add, remove;
        const char *address;
    } rows[] = {{PRIV_ADDRESS_ADD, PRIV_ADDRESS_REMOVE, "10.1.0.7"},
                {PRIV_INSIDE_ADD, PRIV_INSIDE_REMOVE, "10.1.0.53"}};
    assert_int_equal(system("ip link add wifi0 type veth peer name wifi1 && ip link set wifi0 up &&"
                            " ip address add 10.1.0.5/16 dev wifi0"),
                     0);
    assert_int_equal(ask(PRIV_LAN_BYPASS, NULL, 0, 0).error, 0);
    assert_true(kernel_says(ROUTES, "throw 10.1.0.0/16"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(ask(rows[i].add, rows[i].address, 0, 0).error, 0);
        assert_true(kernel_says(ROUTES, "throw 10.1.0.0/16")); /* one update for a batch */
        privileged_settle(privileged);
        assert_false(kernel_says(ROUTES, "throw 10.1.0.0/16"));
        assert_int_equal(ask(rows[i].remove, rows[i].address, 0, 0).error, 0);
        privileged_settle(privileged);
        assert_true(kernel_says(ROUTES, "throw 10.1.0.0/16"));
    }
    assert_int_equal(ask(PRIV_INSIDE_REMOVE, "10.1.0.53", 0, 0).error, ERR_NOT_FOUND);
    assert_int_equal(system("ip link del wifi0"), 0);
    assert_int_equal(ask(PRIV_LAN_BLOCK, NULL, 0, 0).error, 0);
}

/* L1: blocks outlive the engine and the daemon. The next daemon takes them over. Only a wanted end
 * removes them, with the rules. */
static void test_blocks_stay(void **state)
{
    (void)state;
    assert_int_equal(ask(PRIV_BLOCK_ADD, "10.0.0.0", 8, 0).error, 0);
    assert_int_equal(ask(PRIV_BLOCK_ADD, "10.0.0.0", 8, 0).error, 0);
    assert_int_equal(ask(PRIV_BLOCK_ADD, "2001:db8::", 32, 0).error, 0);
    assert_int_equal(ask(PRIV_ROUTE_ADD, "10.0.0.0", 8, 0).error, 0);
    assert_int_equal(ask(PRIV_ADDRESS_ADD, "10.3.0.1", 0, 0).error, 0);
    privileged_reset(privileged);
    uint32_t interface;
    assert_int_equal(addresses(&interface), 0);
    assert_false(kernel_says(ROUTES, "dev test"));
    privileged = privileged_free(privileged, true);
    assert_true(kernel_says("ip rule", "220:"));
    assert_true(kernel_says(ROUTES, "unreachable 10.0.0.0/8"));
    assert_true(kernel_says(ROUTES, "unreachable 2001:db8::/32"));
    assert_int_equal(privileged_new(&start, &privileged), 0);
    assert_int_equal(ask(PRIV_BLOCK_REMOVE, "10.0.0.0", 8, 0).error, 0);
    assert_int_equal(ask(PRIV_BLOCK_REMOVE, "10.0.0.0", 8, 0).error, ERR_NOT_FOUND);
    privileged = privileged_free(privileged, false);
    assert_false(kernel_says(ROUTES, "unreachable"));
    assert_false(kernel_says("ip rule; ip -6 rule", "220:"));
    assert_false(kernel_says("ip rule; ip -6 rule", "219:"));
    assert_int_equal(privileged_new(&start, &privileged), 0);
    privileged = privileged_free(privileged, true); /* nothing is blocked: nothing stays */
    assert_false(kernel_says("ip rule; ip -6 rule", "220:"));
}

/* filter_settle - waits until the packet filter is as the last request wants it. */
static void filter_settle(void)
{
    while (privileged_deadline(privileged) != NANOS_NEVER)
        privileged_settle(privileged);
}

static uint32_t shunt_rank = 5;

static struct priv_answer ask_shunt(uint32_t kind, enum priv_action action, const char *remote,
                                    uint8_t len, const char *device)
{
    struct priv_request request = {.kind = kind, .prefix_len = len};
    struct priv_answer answer;
    assert_true(address_parse(remote, &request.address));
    request.policy = (struct priv_policy){.rank = shunt_rank,
                                          .local_end = UINT16_MAX,
                                          .remote_start = 22,
                                          .remote_end = 22,
                                          .protocol = 6,
                                          .action = (uint8_t)action};
    request.policy.local.family = request.address.family;
    (void)snprintf(request.policy.device, sizeof(request.policy.device), "%s", device);
    privileged_answer(privileged, &request, &answer, NULL);
    filter_settle();
    return answer;
}

/* Pass and drop policies are permitted only for the selectors that the files name for each. */
static void test_shunts_permitted(void **state)
{
    (void)state;
    struct permits *permits = &privileged_permission(privileged)->now;
    permits->all = false;
    permit(permits, PERMIT_ROUTE, "0.0.0.0/0");
    permit(permits, PERMIT_PASS, "192.0.2.0/24");
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.0", 24, "").error, 0);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.128", 25, "").error, 0);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.0", 23, "").error, ERR_DENIED);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.0.0", 16, "").error, ERR_DENIED);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "0.0.0.0", 0, "").error, ERR_DENIED);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_DROP, "192.0.2.0", 24, "").error, ERR_DENIED);
    permit(permits, PERMIT_DROP, "198.51.100.0/24");
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_DROP, "198.51.100.0", 24, "").error, 0);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_DROP, "198.51.100.0", 24, "eth0").error, 0);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_DROP, "198.51.0.0", 16, "").error, ERR_DENIED);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_DROP, "0.0.0.0", 0, "eth0").error, ERR_DENIED);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "198.51.100.0", 24, "").error,
                     ERR_DENIED);
}

#define RULES  "ip rule; ip -6 rule"
#define FILTER "nft list table inet ikat"

/* A pass policy is a routing rule and an exception in the packet filter; a drop policy is lines of
 * the packet filter. Policies of an ended engine stay until the next engine has named its own. */
static void test_shunts(void **state)
{
    (void)state;
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.0", 24, "").error, 0);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.0", 24, "").error, 0);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "2001:db8::", 32, "").error, 0);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_DROP, "198.51.100.0", 24, "eth7").error, 0);
    assert_true(kernel_says(RULES, "to 192.0.2.0/24 ipproto tcp dport 22 goto 221"));
    assert_true(kernel_says(RULES, "to 2001:db8::/32 ipproto tcp dport 22 goto 221"));
    assert_false(kernel_says(RULES, "198.51.100.0"));
    assert_true(kernel_says(FILTER, "oifname \"eth7\" ip daddr 198.51.100.0/24 tcp dport"));
    assert_true(kernel_says(FILTER, "iifname \"eth7\" ip saddr 198.51.100.0/24 tcp sport"));
    privileged_reset(privileged);
    assert_true(kernel_says(RULES, "to 192.0.2.0/24"));
    assert_true(kernel_says(FILTER, "198.51.100.0/24"));
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.0", 24, "").error, 0);
    assert_int_equal(ask(PRIV_SHUNTS_ALL, NULL, 0, 0).error, 0);
    filter_settle();
    assert_true(kernel_says(RULES, "to 192.0.2.0/24"));
    assert_false(kernel_says(RULES, "2001:db8::"));
    assert_false(kernel_says(FILTER, "198.51.100.0/24"));
    assert_int_equal(ask_shunt(PRIV_SHUNT_REMOVE, PRIV_PASS, "192.0.2.0", 24, "").error, 0);
    assert_int_equal(ask_shunt(PRIV_SHUNT_REMOVE, PRIV_PASS, "192.0.2.0", 24, "").error,
                     ERR_NOT_FOUND);
    assert_false(kernel_says(RULES, "192.0.2.0"));
}

/* Two pass policies that differ only in rank share one routing rule, which goes with the last of
 * them. So a reload that changes the rank leaves the rule in place. */
static void test_shunts_of_one_rule(void **state)
{
    (void)state;
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.0", 24, "").error, 0);
    shunt_rank = 6;
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.0", 24, "").error, 0);
    shunt_rank = 5;
    assert_int_equal(ask_shunt(PRIV_SHUNT_REMOVE, PRIV_PASS, "192.0.2.0", 24, "").error, 0);
    assert_true(kernel_says(RULES, "to 192.0.2.0/24"));
    shunt_rank = 6;
    assert_int_equal(ask_shunt(PRIV_SHUNT_REMOVE, PRIV_PASS, "192.0.2.0", 24, "").error, 0);
    assert_false(kernel_says(RULES, "192.0.2.0"));
    shunt_rank = 5;
}

/* heap_soil - fills freed memory, so that later allocations are not zero by chance. */
static void heap_soil(void)
{
    void *soiled[64][32];
    for (size_t size = 0; size < 32; size++)
        for (size_t i = 0; i < 64; i++) {
            soiled[i][size] = malloc(16 * size + 16);
            assert_non_null(soiled[i][size]);
            memset(soiled[i][size], 0xff, 16 * size + 16);
        }
    for (size_t size = 0; size < 32; size++)
        for (size_t i = 0; i < 64; i++)
            free(soiled[i][size]);
}

/* Blocks of a killed daemon do not count as policies of an earlier engine. */
static void test_blocks_are_no_shunts(void **state)
{
    (void)state;
    assert_int_equal(ask(PRIV_BLOCK_ADD, "10.0.0.0", 8, 0).error, 0);
    privileged = privileged_free(privileged, true);
    heap_soil();
    assert_int_equal(privileged_new(&start, &privileged), 0);
    assert_int_equal(ask(PRIV_SHUNTS_ALL, NULL, 0, 0).error, 0);
    assert_true(kernel_says(ROUTES, "unreachable 10.0.0.0/8"));
}

/* The next daemon removes the pass policies of a killed one: they must not outlive it. */
static void test_shunts_of_the_dead(void **state)
{
    (void)state;
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.0", 24, "").error, 0);
    privileged = privileged_free(privileged, true);
    assert_true(kernel_says(RULES, "to 192.0.2.0/24"));
    assert_int_equal(privileged_new(&start, &privileged), 0);
    assert_false(kernel_says(RULES, "192.0.2.0/24"));
    privileged = privileged_free(privileged, false);
    assert_false(kernel_says(RULES, "221:"));
    assert_int_equal(privileged_new(&start, &privileged), 0);
}

static void test_shunts_refused(void **state)
{
    (void)state;
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.1", 24, "").error, ERR_INVALID);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.0", 33, "").error, ERR_INVALID);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, 3, "192.0.2.0", 24, "").error, ERR_INVALID);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, 0, "192.0.2.0", 24, "").error, ERR_INVALID);
    /* the name of a device cannot add to the text of the packet filter */
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_DROP, "192.0.2.0", 24, "a\" accept").error,
                     ERR_INVALID);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_DROP, "192.0.2.0", 24, "a b").error,
                     ERR_INVALID);
    assert_int_equal(ask_shunt(PRIV_SHUNT_ADD, PRIV_PASS, "192.0.2.0", 24, "eth0").error,
                     ERR_INVALID);
}

/* An engine that adds without end cannot fill the kernel. */
static void test_bounded(void **state)
{
    (void)state;
    char text[ADDRESS_TEXT_MAX];
    unsigned done = 0;
    for (unsigned i = 0; i < 600; i++) {
        snprintf(text, sizeof(text), "10.3.%u.%u", i / 250, i % 250 + 1);
        done += ask(PRIV_ADDRESS_ADD, text, 0, 0).error == 0;
    }
    assert_int_equal(done, 256);
    assert_int_equal(ask(PRIV_ADDRESS_ADD, "10.4.0.1", 0, 0).error, ERR_FULL);
}

/* D22: each request that no file permits is refused. */
static void test_permits(void **state)
{
    (void)state;
    struct permission *permission = privileged_permission(privileged);
    struct permits next = {0};
    permission->now.all = false;
    assert_int_equal(ask(PRIV_ROUTE_ADD, "10.0.0.0", 8, 0).error, ERR_DENIED); /* nothing loaded */
    permit(&permission->now, PERMIT_ROUTE, "10.0.0.0/8");
    static const struct {
        uint32_t kind;
        const char *address;
        uint8_t len;
        int error;
        uint32_t reason;
    } rows[] = {
        {PRIV_ROUTE_ADD, "0.0.0.0", 0, ERR_DENIED, PRIV_REASON_FILES},
        {PRIV_ROUTE_ADD, "0.0.0.0", 1, ERR_DENIED, PRIV_REASON_FILES},
        {PRIV_ROUTE_ADD, "203.0.113.0", 24, ERR_DENIED, PRIV_REASON_FILES},
        {PRIV_BLOCK_ADD, "0.0.0.0", 0, ERR_DENIED, PRIV_REASON_FILES},
        {PRIV_ADDRESS_ADD, "10.3.0.1", 0, ERR_DENIED, PRIV_REASON_FILES},
        {PRIV_PATH_SOCKETS, "127.0.0.1", 0, ERR_DENIED, PRIV_REASON_FILES},
        {PRIV_ROUTE_ADD, "10.0.0.0", 8, 0, PRIV_REASON_NONE},
        {PRIV_ROUTE_ADD, "10.1.0.0", 16, 0, PRIV_REASON_NONE},
        {PRIV_BLOCK_ADD, "10.0.0.0", 8, 0, PRIV_REASON_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct priv_answer answer = ask(rows[i].kind, rows[i].address, rows[i].len, 1);
        if (answer.error != rows[i].error || answer.reason != rows[i].reason)
            fail_msg("row %zu: %d, %u", i, answer.error, answer.reason);
    }
    /* A load under way permits more routes. When the load fails, its routes may stay or be removed,
     * but not added. */
    permit(&next, PERMIT_ROUTE, "203.0.113.0/24");
    permission_load(permission, &next);
    assert_int_equal(ask(PRIV_ROUTE_ADD, "203.0.113.0", 24, 0).error, 0);
    permission_loaded(permission, false);
    assert_int_equal(ask(PRIV_ROUTE_ADD, "203.0.113.0", 24, 0).error, 0);
    assert_int_equal(ask(PRIV_ROUTE_REMOVE, "203.0.113.0", 24, 0).error, 0);
    assert_int_equal(ask(PRIV_ROUTE_ADD, "203.0.113.0", 24, 0).error, ERR_DENIED);
    /* a load that succeeds replaces all earlier permits */
    permit(&next, PERMIT_ROUTE, "203.0.113.0/24");
    permission_load(permission, &next);
    permission_loaded(permission, true);
    assert_int_equal(ask(PRIV_ROUTE_ADD, "203.0.113.0", 24, 0).error, 0);
    assert_int_equal(ask(PRIV_ROUTE_ADD, "10.2.0.0", 16, 0).error, ERR_DENIED);
    assert_int_equal(ask(PRIV_ROUTE_REMOVE, "10.1.0.0", 16, 0).error, 0);
}

/* CP5, L2, L3: addresses that the host needs stay, even if the files permit everything. */
static void test_host_facts(void **state)
{
    (void)state;
    static const struct {
        uint32_t kind;
        const char *address;
        uint8_t len;
        uint32_t reason;
    } rows[] = {
        {PRIV_ADDRESS_ADD, "10.77.0.2", 0, PRIV_REASON_OWN},
        {PRIV_ADDRESS_ADD, "10.77.0.1", 0, PRIV_REASON_ROUTER},
        {PRIV_ADDRESS_ADD, "10.77.0.7", 0, PRIV_REASON_ROUTER}, /* of several */
        {PRIV_ADDRESS_ADD, "fd77::1", 0, PRIV_REASON_ROUTER},
        {PRIV_ADDRESS_ADD, "10.77.0.9", 0, PRIV_REASON_NONE},
        {PRIV_ROUTE_ADD, "10.77.0.1", 32, PRIV_REASON_ROUTER},
        {PRIV_ROUTE_ADD, "10.77.0.0", 31, PRIV_REASON_ROUTER},
        {PRIV_ROUTE_ADD, "fd77::", 127, PRIV_REASON_ROUTER},
        {PRIV_ROUTE_ADD, "10.77.0.128", 25, PRIV_REASON_NONE},
        {PRIV_ROUTE_ADD, "10.77.0.0", 24, PRIV_REASON_NONE}, /* all of the network */
        {PRIV_ROUTE_ADD, "10.0.0.0", 8, PRIV_REASON_NONE},
        {PRIV_ROUTE_ADD, "0.0.0.0", 0, PRIV_REASON_NONE},
    };
    struct permits *permits = &privileged_permission(privileged)->now;
    permits->all = false;
    permit(permits, PERMIT_ROUTE, "0.0.0.0/0");
    permit(permits, PERMIT_ROUTE, "::/0");
    permit(permits, PERMIT_ADDRESS, "0.0.0.0/0");
    permit(permits, PERMIT_ADDRESS, "::/0");
    assert_int_equal(system("ip link add facts0 type veth peer name facts1 && ip link set facts0 up"
                            " && ip link set facts1 up && ip addr add 10.77.0.2/24 dev facts0"
                            " && ip -6 addr add fd77::2/64 dev facts0 nodad"
                            " && ip route add 198.51.100.0/24 via 10.77.0.1"
                            " && ip route add 203.0.113.0/24 nexthop via 10.77.0.7 nexthop via"
                            " 10.77.0.8 && ip -6 route add fd78::/64 via fd77::1"),
                     0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct priv_answer answer = ask(rows[i].kind, rows[i].address, rows[i].len, 0);
        if (answer.reason != rows[i].reason || (answer.error == 0) != (rows[i].reason == 0))
            fail_msg("row %zu: %d, %u", i, answer.error, answer.reason);
    }
    /* the administrator names exactly this address */
    permit(permits, PERMIT_ROUTE, "10.77.0.1/32");
    assert_int_equal(ask(PRIV_ROUTE_ADD, "10.77.0.1", 32, 0).error, 0);
    assert_int_equal(system("ip link del facts0"), 0);
}

/* --- further devices --- */

#define DEVICE_MARKS                                                                               \
    {                                                                                              \
        .name = "ikat-mb-a", 11, UINT32_MAX, 10, UINT32_MAX                                        \
    }

static struct priv_answer ask_device(uint16_t number, const struct inner_device *device)
{
    const struct priv_request request = {
        .kind = PRIV_DEVICE_OPEN, .device = number, .inner = *device};
    struct priv_answer answer;
    int fds[LIMIT_WORKERS];
    privileged_answer(privileged, &request, &answer, fds);
    for (unsigned i = 0; i < answer.n_fds; i++)
        close(fds[i]);
    return answer;
}

static int ask_at(uint32_t kind, uint16_t number, const char *network, uint8_t len)
{
    struct priv_request request = {.kind = kind, .device = number, .prefix_len = len};
    struct priv_answer answer;
    if (network != NULL)
        assert_true(address_parse(network, &request.address));
    privileged_answer(privileged, &request, &answer, NULL);
    filter_settle();
    return answer.error;
}

/* Routes to a device with a mark have a table of their own, and protect no address. They go with
 * the device. */
static void test_device_of_marks(void **state)
{
    (void)state;
    const struct inner_device device = DEVICE_MARKS;
    const struct priv_answer answer = ask_device(65, &device);
    assert_int_equal(answer.error, 0);
    assert_int_equal(answer.n_fds, 2);
    assert_int_equal(answer.interface, if_nametoindex("ikat-mb-a"));
    assert_true(kernel_says(RULES, "fwmark 0xb lookup 1229651969"));
    assert_true(kernel_says(RULES, "217:\tfrom all fwmark 0x696b6174 goto 221"));
    assert_true(kernel_says(FILTER, "iifname \"ikat-mb-a\" meta mark set 0x0000000a"));
    assert_int_equal(ask_at(PRIV_ROUTE_ADD, 65, "10.9.0.0", 16), 0);
    assert_int_equal(ask_at(PRIV_BLOCK_ADD, 65, "10.9.0.0", 16), 0);
    assert_true(kernel_says("ip route show table 1229651969", "10.9.0.0/16 dev ikat-mb-a"));
    assert_true(kernel_says("ip route show table 1229651969", "unreachable 10.9.0.0/16"));
    assert_false(kernel_says("ip route show table 1229651968", "10.9.0.0/16"));
    assert_false(kernel_says(FILTER, "10.9.0.0/16"));
    /* the same network on the first device is another route */
    assert_int_equal(ask_at(PRIV_ROUTE_ADD, 0, "10.9.0.0", 16), 0);
    assert_true(kernel_says(FILTER, "10.9.0.0/16"));
    assert_int_equal(ask_at(PRIV_DEVICE_CLOSE, 65, NULL, 0), 0);
    assert_false(kernel_says("ip link; ip rule; nft list ruleset", "ikat-mb-a"));
    assert_false(kernel_says(RULES, "fwmark 0xb"));
    assert_false(kernel_says("ip route show table 1229651969", "unreachable"));
    assert_true(kernel_says("ip route show table 1229651968", "10.9.0.0/16"));
    assert_int_equal(ask_at(PRIV_ROUTE_ADD, 65, "10.9.0.0", 16), ERR_NOT_FOUND);
    assert_int_equal(ask_at(PRIV_DEVICE_CLOSE, 65, NULL, 0), ERR_NOT_FOUND);
}

/* The mark of outer packets may have the bits of a child's mark. */
static void test_device_without_mark(void **state)
{
    (void)state;
    const struct inner_device plain = {.name = "branch0"},
                              masked = {.name = "ikat-m4.f", 4, 0xf, 4, 0xf};
    assert_int_equal(ask_device(1, &plain).error, 0);
    assert_int_equal(ask_device(2, &masked).error, 0);
    assert_true(kernel_says(RULES, "219:\tfrom all fwmark 0x4/0xf lookup 1229651970"));
    assert_true(kernel_says(FILTER, "meta mark set meta mark & 0xfffffff4 | 0x00000004"));
    assert_false(kernel_says(FILTER, "iifname \"branch0\" meta mark set"));
    assert_int_equal(ask_at(PRIV_ROUTE_ADD, 1, "10.9.0.0", 16), 0);
    assert_true(kernel_says("ip route show table 1229651968", "10.9.0.0/16 dev branch0"));
    assert_true(kernel_says(FILTER, "10.9.0.0/16"));
}

/* Several devices without a mark have the same network: none replaces or removes the route of
 * another one. A packet has a route as long as one of the devices has it. */
static void test_devices_of_one_network(void **state)
{
    (void)state;
    const struct inner_device one = {.name = "branch1"}, two = {.name = "branch2"};
    const char *first = "dev test", *table = "ip route show table 1229651968 10.9.0.0/16";
    assert_int_equal(ask_device(1, &one).error, 0);
    assert_int_equal(ask_device(2, &two).error, 0);
    assert_int_equal(ask_at(PRIV_ROUTE_ADD, 1, "10.9.0.0", 16), 0);
    assert_int_equal(ask_at(PRIV_ROUTE_ADD, 0, "10.9.0.0", 16), 0);
    assert_int_equal(ask_at(PRIV_ROUTE_ADD, 2, "10.9.0.0", 16), 0);
    assert_true(kernel_says(table, first));
    assert_true(kernel_says(table, "dev branch1"));
    assert_true(kernel_says(table, "dev branch2"));
    assert_true(kernel_says("ip route get 10.9.0.1", first));
    assert_int_equal(ask_at(PRIV_ROUTE_REMOVE, 1, "10.9.0.0", 16), 0);
    assert_int_equal(ask_at(PRIV_DEVICE_CLOSE, 2, NULL, 0), 0);
    assert_true(kernel_says(table, first));
    assert_false(kernel_says(table, "branch"));
}

/* A device of an earlier engine stays, with its addresses and blocks, unless the next engine does
 * not ask for it. */
static void test_devices_outlive_engines(void **state)
{
    (void)state;
    const struct inner_device device = DEVICE_MARKS, other = {.name = "branch0"};
    uint32_t index = ask_device(1, &device).interface;
    assert_int_equal(ask_device(2, &other).error, 0);
    assert_int_equal(ask_at(PRIV_BLOCK_ADD, 1, "10.9.0.0", 16), 0);
    privileged_reset(privileged);
    assert_int_equal(ask_at(PRIV_ROUTE_ADD, 1, "10.9.0.0", 16), ERR_NOT_FOUND);
    assert_true(kernel_says("ip route show table 1229651969", "unreachable 10.9.0.0/16"));
    assert_int_equal(ask_device(7, &device).interface, index);
    assert_int_equal(ask_at(PRIV_BLOCK_ADD, 7, "10.9.0.0", 16), 0);
    assert_int_equal(ask_at(PRIV_SHUNTS_ALL, 0, NULL, 0), 0);
    assert_int_equal(if_nametoindex("branch0"), 0);
    assert_int_equal(if_nametoindex("ikat-mb-a"), index);
    assert_int_equal(ask_at(PRIV_BLOCK_REMOVE, 7, "10.9.0.0", 16), 0);
    assert_false(kernel_says("ip route show table 1229651969", "unreachable"));
}

#define MARK_TABLE "ip route show table 1229651969"

/* The marks of a killed daemon lead to its blocks until the next engine has named its devices. They
 * lead to no other device. */
static void test_marks_of_the_dead(void **state)
{
    (void)state;
    const struct inner_device device = DEVICE_MARKS, other = {.name = "ikat-mc", 12, UINT32_MAX};
    assert_int_equal(ask_device(1, &device).error, 0);
    assert_int_equal(ask_at(PRIV_BLOCK_ADD, 1, "10.9.0.0", 16), 0);
    for (int asked = 1; asked >= 0; asked--) {
        privileged = privileged_free(privileged, true);
        assert_int_equal(privileged_new(&start, &privileged), 0);
        privileged_permission(privileged)->now.all = true;
        assert_true(kernel_says(RULES, "fwmark 0xb lookup 1229651969"));
        assert_true(kernel_says(MARK_TABLE, "unreachable 10.9.0.0/16"));
        assert_false(kernel_says(FILTER, "10.9.0.0/16")); /* it protects nothing by address */
        assert_int_equal(ask_device(8, &other).error, 0);
        assert_true(kernel_says(RULES, "fwmark 0xc lookup 1229651970"));
        assert_int_equal(asked ? ask_device(9, &device).error : 0, 0);
        assert_int_equal(ask_at(PRIV_SHUNTS_ALL, 0, NULL, 0), 0);
        assert_int_equal(kernel_says(RULES, "fwmark 0xb lookup 1229651969"), asked);
        assert_int_equal(kernel_says(MARK_TABLE, "unreachable 10.9.0.0/16"), asked);
    }
}

/* The device cannot be made, because its name is in use: packets with the mark are blocked, and no
 * packet of that interface gets the mark. Once the name is free, the device is made. */
static void test_mark_without_device(void **state)
{
    (void)state;
    const struct inner_device device = DEVICE_MARKS, other = {.name = "branch0"};
    assert_int_equal(system("ip tuntap add ikat-mb-a mode tun"), 0);
    assert_int_equal(ask_device(1, &device).error, ERR_WRONG_STATE);
    assert_int_equal(ask_at(PRIV_BLOCK_ADD, 1, "10.9.0.0", 16), 0);
    assert_int_equal(ask_at(PRIV_ROUTE_ADD, 1, "10.9.0.0", 16), ERR_NOT_FOUND);
    assert_true(kernel_says(RULES, "fwmark 0xb lookup 1229651969"));
    assert_true(kernel_says(MARK_TABLE, "unreachable 10.9.0.0/16"));
    assert_false(kernel_says(FILTER, "ikat-mb-a"));
    assert_int_equal(system("ip link del ikat-mb-a"), 0);
    assert_int_equal(ask_device(1, &device).error, 0);
    assert_true(kernel_says(FILTER, "iifname \"ikat-mb-a\" meta mark set 0x0000000a"));
    assert_int_equal(ask_at(PRIV_ROUTE_ADD, 1, "10.9.0.0", 16), 0);
    /* a closed device is gone at once, even if the engine still has descriptors of it */
    const struct priv_request open = {.kind = PRIV_DEVICE_OPEN, .device = 2, .inner = other};
    struct priv_answer answer;
    int fds[LIMIT_WORKERS];
    privileged_answer(privileged, &open, &answer, fds);
    assert_int_equal(ask_at(PRIV_DEVICE_CLOSE, 2, NULL, 0), 0);
    assert_int_equal(ask_device(3, &other).error, 0);
    close(fds[0]), close(fds[1]);
    assert_int_equal(ask_at(PRIV_DEVICE_CLOSE, 1, NULL, 0), 0);
    assert_false(kernel_says(RULES, "fwmark 0xb"));
    assert_false(kernel_says(MARK_TABLE, "unreachable"));
}

static void test_devices_refused(void **state)
{
    (void)state;
    struct permission *permission = privileged_permission(privileged);
    const struct inner_device marks = DEVICE_MARKS, more = {.name = "ikat-mb-a", 12, UINT32_MAX},
                              others = {.name = "lo"}, first = {.name = "test0"},
                              unique = {.name = "ikat-7"}, foreign = {.name = "tun0"};
    struct permit permit = {.kind = PERMIT_DEVICE, .device = marks};
    struct inner_device many = {.name = "many00"};
    /* an interface of another program is not taken over */
    assert_int_equal(ask_device(1, &others).error, ERR_WRONG_STATE);
    if (strcmp(start.tun_name, first.name) == 0)
        assert_int_equal(ask_device(1, &first).error, ERR_WRONG_STATE);
    permission->now.all = false;
    assert_int_equal(permits_add(&permission->now, &permit), 0);
    assert_int_equal(ask_device(1, &more).error, ERR_DENIED); /* other marks than the files say */
    assert_int_equal(ask_device(1, &more).reason, PRIV_REASON_DEVICE);
    assert_int_equal(ask_device(1, &unique).error, ERR_DENIED);
    assert_int_equal(ask_device(1, &marks).error, 0);
    assert_int_equal(ask_device(1, &marks).error, ERR_INVALID);     /* the number is in use */
    assert_int_equal(ask_device(2, &marks).error, ERR_WRONG_STATE); /* the name, too */
    permit.kind = PERMIT_DEVICES_ALL;
    assert_int_equal(permits_add(&permission->now, &permit), 0);
    assert_int_equal(ask_device(2, &unique).error, 0);
    assert_int_equal(ask_device(3, &foreign).error, ERR_DENIED); /* not named by marks or ids */
    permission->now.all = true;
    unsigned done = 2;
    for (uint16_t i = 3; i < 200; i++) {
        (void)snprintf(many.name, sizeof(many.name), "many%u", i);
        done += i % LIMIT_DEVICES != 0 && ask_device(i, &many).error == 0;
    }
    assert_int_equal(done, LIMIT_DEVICES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_networks_of_this_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_network_around_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_device_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_routes_outlive_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mtu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_permits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_facts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shunts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shunts_of_one_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks_are_no_shunts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shunts_of_the_dead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shunts_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shunts_permitted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device_of_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device_without_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices_of_one_network, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices_outlive_engines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mark_without_device, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_of_the_dead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices_refused, setup, teardown),
    };
    if (!namespace_enter())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
