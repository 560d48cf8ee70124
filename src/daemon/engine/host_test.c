/* SPDX-License-Identifier: Apache-2.0 */

/* What the host is asked for, seen from the place of the supervisor. */

#include "daemon/engine/host.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/common/channel.h"
#include "daemon/common/log.h"

static struct host *host;
static int ends[2];
static pthread_t supervisor;
static char asked[1024]; /* one word per request: "+10.0.0.0/8" */
static int refuse;       /* what the supervisor says to routes; 0: it does them */

static void request_note(const struct priv_request *request)
{
    char address[ADDRESS_TEXT_MAX], source[ADDRESS_TEXT_MAX];
    size_t len = strlen(asked);
    bool add = request->kind == PRIV_ADDRESS_ADD || request->kind == PRIV_ROUTE_ADD;
    bool route = request->kind == PRIV_ROUTE_ADD || request->kind == PRIV_ROUTE_REMOVE;
    bool block = request->kind == PRIV_BLOCK_ADD || request->kind == PRIV_BLOCK_REMOVE;
    bool inside = request->kind == PRIV_INSIDE_ADD || request->kind == PRIV_INSIDE_REMOVE;
    add = add || request->kind == PRIV_BLOCK_ADD || request->kind == PRIV_INSIDE_ADD;
    snprintf(
        asked + len, sizeof(asked) - len, "%s%c%s%s/%u%s%s", len > 0 ? " " : "", add ? '+' : '-',
        block    ? "!"
        : inside ? "dns:"
                 : "",
        address_print(&request->address, address), (unsigned)request->prefix_len,
        request->peer == 1                                ? "=peer"
        : request->first == 1                             ? "@own:"
        : route && request->source.family != ADDRESS_NONE ? "@"
                                                          : "",
        route && request->source.family != ADDRESS_NONE ? address_print(&request->source, source)
                                                        : "");
}

static void *supervise(void *context)
{
    struct priv_request request;
    (void)context;
    while (channel_recv(ends[1], &request, sizeof(request), NULL, NULL) == 0) {
        bool route = request.kind == PRIV_ROUTE_ADD;
        struct priv_answer answer = {.error = route ? refuse : 0};
        request_note(&request);
        /* one that nobody asked for comes with each answer: it must be closed */
        if (channel_send(ends[1], &answer, sizeof(answer), &ends[1], 1) != 0)
            break;
    }
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    log_open("test", LOG_LEVEL_ERROR);
    asked[0] = '\0';
    refuse = 0;
    if (channel_pair(ends, 65536) != 0 || (host = host_new(ends[0])) == NULL)
        return 1;
    return pthread_create(&supervisor, NULL, supervise, NULL);
}

static int teardown(void **state)
{
    (void)state;
    host = host_free(host);
    close(ends[0]);
    pthread_join(supervisor, NULL); /* hangs if a descriptor of the other end was kept */
    close(ends[1]);
    return 0;
}

/* settle - until all that was asked is answered. */
static void settle(void)
{
    struct host_sockets sockets;
    while (host_answered(host) < host_asked(host)) {
        struct pollfd ready = {.fd = ends[0], .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 10000), 1);
        while (host_answer(host, &sockets))
            assert_int_equal(sockets.id, 0);
    }
}

static void assert_asked(const char *expected)
{
    settle();
    assert_string_equal(asked, expected);
    asked[0] = '\0';
}

static struct ike_config config_of(const char *address)
{
    struct ike_config config = {.n_addresses = 1};
    assert_true(address_parse(address, &config.addresses[0]));
    return config;
}

static int routes_of(ike_child_id id, const struct ike_ts_list *remote_ts,
                     const struct ike_config *config, const struct host_own *own)
{
    const struct host_child child = {.id = id, .session = 7, .config = config, .own = own};
    return host_routes(host, &child, remote_ts);
}

static void routes(ike_child_id child, const char *range, const struct ike_config *config)
{
    struct ike_ts_list list = {.n = 1};
    assert_true(range_parse(range, &list.ts[0].range));
    assert_int_equal(routes_of(child, &list, config, NULL), 0);
}

static void hold(const struct ike_ts_list *remote_ts, const struct ike_config *config)
{
    const struct host_hold wanted = {
        .conn = "home", .child = "net", .remote_ts = remote_ts, .config = config, .block = true};
    host_hold(host, &wanted);
}

/* A route or block to the peer that the connection names says so, and no other one does. */
static void test_peer_by_name(void **state)
{
    (void)state;
    static const char *const ranges[] = {"10.1.0.1", "10.1.0.2", "10.1.0.0/31", "2001:db8::1"};
    struct ike_remote remotes[3] = {0}; /* the first one is %any */
    struct ike_conn conn = {.n_remote_addrs = ARRAY_LEN(remotes), .remote_addrs = remotes};
    struct ike_config none = {0};
    assert_true(range_parse("10.1.0.1", &remotes[1].range));
    assert_true(range_parse("10.1.0.2-10.1.0.9", &remotes[2].range));
    struct ike_ts_list list = {.n = ARRAY_LEN(ranges)};
    for (size_t i = 0; i < list.n; i++)
        assert_true(range_parse(ranges[i], &list.ts[i].range));
    const struct host_child child = {.id = 1, .session = 7, .named = &conn};
    assert_int_equal(host_routes(host, &child, &list), 0);
    assert_asked("+10.1.0.1/32=peer +10.1.0.2/32 +10.1.0.0/31 +2001:db8::1/128");
    const struct host_hold wanted = {.conn = "home",
                                     .child = "net",
                                     .named = &conn,
                                     .remote_ts = &list,
                                     .config = &none,
                                     .block = true};
    host_hold(host, &wanted);
    assert_asked("+!10.1.0.1/32=peer +!10.1.0.2/32 +!10.1.0.0/31 +!2001:db8::1/128");
}

/* The name servers of a session stay inside for as long as the session or its hold is there. */
static void test_name_servers(void **state)
{
    (void)state;
    struct ike_config config = config_of("10.1.0.7");
    config.n_dns = 2;
    assert_true(address_parse("10.1.0.53", &config.dns[0]));
    assert_true(address_parse("127.0.0.53", &config.dns[1])); /* which nobody may have */
    host_addresses(host, 1, &config);
    assert_asked("+dns:10.1.0.53/32 +10.1.0.7/32");
    hold(&(struct ike_ts_list){0}, &config);
    host_session_gone(host, 1);
    assert_asked("");
    host_release(host, "home", "net");
    assert_asked("-10.1.0.7/32 -dns:10.1.0.53/32");
}

/* Clones and rekeyed Child SAs have the same selectors: the host sees the first and the last. */
static void test_shared(void **state)
{
    (void)state;
    struct ike_config config = config_of("10.3.0.1");
    host_addresses(host, 1, &config);
    host_addresses(host, 1, &config);
    assert_asked("+10.3.0.1/32");
    routes(1, "10.1.0.0/16", &config);
    routes(2, "10.1.0.0/16", &config);
    assert_asked("+10.1.0.0/16@10.3.0.1");
    host_child_gone(host, 1);
    host_child_gone(host, 1);
    assert_asked("");
    host_session_gone(host, 2); /* another session's, with the number of the child */
    assert_asked("");
    host_child_gone(host, 2);
    host_session_gone(host, 1);
    assert_asked("-10.1.0.0/16@10.3.0.1 -10.3.0.1/32");
}

/* After a new login with another address, the route goes on from that. */
static void test_other_source(void **state)
{
    (void)state;
    struct ike_config old = config_of("10.3.0.1"), new = config_of("10.3.0.2");
    routes(1, "10.1.0.0/16", &old);
    routes(2, "10.1.0.0/16", &new);
    host_child_gone(host, 1);
    assert_asked("+10.1.0.0/16@10.3.0.1 +10.1.0.0/16@10.3.0.2");
}

/* Without an inner address: from the host's own one that the selectors take, which may go, come
 * back, or be another one. The route that does not name it is there all the time. */
static void test_own_source(void **state)
{
    (void)state;
    struct ike_ts_list list = {.n = 1};
    struct host_own own = {0};
    const struct ike_config inner = config_of("10.9.0.1");
    assert_true(range_parse("10.1.0.0/16", &list.ts[0].range));
    assert_true(address_parse("192.0.2.1", &own.v4));
    assert_int_equal(routes_of(1, &list, NULL, &own), 0);
    hold(&list, &(struct ike_config){0});
    assert_asked("+10.1.0.0/16 +10.1.0.0/16@own:192.0.2.1 +!10.1.0.0/16");
    assert_int_equal(routes_of(1, &list, NULL, &own), 0);
    assert_asked("");
    assert_true(address_parse("192.0.2.2", &own.v4));
    assert_int_equal(routes_of(1, &list, NULL, &own), 0);
    assert_asked("+10.1.0.0/16@own:192.0.2.2");
    assert_int_equal(routes_of(1, &list, NULL, &(struct host_own){0}), 0);
    assert_asked("-10.1.0.0/16@own:192.0.2.2");
    assert_int_equal(routes_of(1, &list, &inner, &own),
                     0); /* an inner address is all that counts */
    assert_asked("+10.1.0.0/16@10.9.0.1");
    assert_int_equal(routes_of(1, &list, NULL, &own), 0);
    host_child_gone(host, 1);
    host_release(host, NULL, NULL);
    assert_asked("+10.1.0.0/16@own:192.0.2.2 +10.1.0.0/16 -10.1.0.0/16@own:192.0.2.2 -10.1.0.0/16 "
                 "-!10.1.0.0/16");
}

static void test_ranges(void **state)
{
    (void)state;
    struct ike_config six = config_of("2001:db8::1");
    routes(1, "10.0.0.1-10.0.0.6", &six); /* no prefix, and no source of its family */
    assert_asked("+10.0.0.1/32 +10.0.0.2/31 +10.0.0.4/31 +10.0.0.6/32");
    routes(2, "0.0.0.0/0", NULL);
    assert_asked("+0.0.0.0/0");
}

/* What a hostile gateway assigns, or a selector names, is not asked for: the Child SA fails. */
static void test_refused(void **state)
{
    (void)state;
    struct ike_ts_list list = {.n = 1};
    struct ike_config config = config_of("127.0.0.1");
    host_addresses(host, 1, &config);
    config = config_of("224.0.0.1");
    host_addresses(host, 2, &config);
    assert_true(range_parse("127.0.0.0/8", &list.ts[0].range));
    assert_int_equal(routes_of(1, &list, NULL, NULL), ERR_INVALID);
    assert_true(range_parse("fe80::/64", &list.ts[0].range));
    assert_int_equal(routes_of(2, &list, NULL, NULL), ERR_INVALID);
    assert_asked("");
}

/* T4: ranges that fall into very many prefixes: a Child SA has 64 of its own, a session 256, and
 * what is over that is refused, not left out; another session is not touched by it. */
static void test_bounded(void **state)
{
    (void)state;
    struct ike_ts_list list = {.n = 2};
    char text[64];
    assert_true(range_parse("1.0.0.1-126.255.255.254", &list.ts[0].range));
    assert_true(range_parse("128.0.0.1-191.255.255.254", &list.ts[1].range));
    assert_int_equal(routes_of(1, &list, NULL, NULL), ERR_FULL);
    host_child_gone(host, 1);
    settle();
    list.n = 1;
    unsigned done = 0;
    for (ike_child_id child = 1; child <= 34; child++) {
        snprintf(text, sizeof(text), "10.%u.0.1-10.%u.127.254", child, child);
        assert_true(range_parse(text, &list.ts[0].range));
        done += routes_of(child, &list, NULL, NULL) == 0;
        settle();
    }
    assert_in_range(done, 8, 12);
    assert_true(range_parse("10.200.0.0/16", &list.ts[0].range));
    const struct host_child other = {.id = 99, .session = 8};
    assert_int_equal(host_routes(host, &other, &list), 0);
    for (ike_child_id child = 1; child <= 34; child++)
        host_child_gone(host, child);
    assert_int_equal(routes_of(1, &list, NULL, NULL), 0);
    settle();
}

/* Nothing is up without its route: the Child SA is told, and the next one asks again. */
static void test_not_done(void **state)
{
    (void)state;
    refuse = ERR_FULL;
    routes(1, "10.1.0.0/16", NULL);
    settle();
    assert_int_equal(host_child_error(host, 1, 0), ERR_FULL);
    host_child_gone(host, 1);
    assert_asked("+10.1.0.0/16"); /* what is not there is not removed */
    refuse = 0;
    routes(2, "10.1.0.0/16", NULL);
    assert_asked("+10.1.0.0/16");
    assert_int_equal(host_child_error(host, 2, 0), 0);
}

/* Leases of a pool need no route of their own, from whatever address of ours they are served. */
static void test_pool(void **state)
{
    (void)state;
    const struct ike_config none = {0};
    struct ike_ts_list pool = {.n = 1}, lease = {.n = 1};
    struct host_own own = {0}, other = {0};
    assert_true(range_parse("10.3.0.0/16", &pool.ts[0].range));
    assert_true(range_parse("10.3.7.7", &lease.ts[0].range));
    assert_true(address_parse("192.0.2.1", &own.v4));
    assert_true(address_parse("192.0.2.2", &other.v4));
    host_hold(host, &(struct host_hold){.conn = "\1pool",
                                        .child = "inner",
                                        .remote_ts = &pool,
                                        .config = &none,
                                        .own = &own,
                                        .block = true,
                                        .standing = true});
    assert_asked("+!10.3.0.0/16 +10.3.0.0/16 +10.3.0.0/16@own:192.0.2.1");
    assert_int_equal(routes_of(1, &lease, NULL, &own), 0);
    assert_int_equal(routes_of(2, &lease, NULL, NULL), 0);
    assert_asked("");
    assert_int_equal(routes_of(3, &lease, NULL, &other), 0); /* else it came from the wrong one */
    assert_asked("+10.3.7.7/32 +10.3.7.7/32@own:192.0.2.2");
    host_child_gone(host, 3);
    assert_asked("-10.3.7.7/32@own:192.0.2.2 -10.3.7.7/32");
    host_release(host, NULL, NULL); /* nobody takes a pool down by hand */
    assert_asked("");
    host_unload(host, "\1pool", "inner");
    assert_asked("-10.3.0.0/16@own:192.0.2.1 -10.3.0.0/16 -!10.3.0.0/16");
}

/* A supervisor that does nothing for a while holds nothing up: more requests than the channel takes
 * are queued, and answered in their order. */
static void test_queue(void **state)
{
    (void)state;
    char range[32];
    for (ike_child_id child = 1; child <= 200; child++) {
        snprintf(range, sizeof(range), "10.1.%u.0/24", child);
        struct ike_ts_list list = {.n = 1};
        assert_true(range_parse(range, &list.ts[0].range));
        const struct host_child one = {.id = child, .session = child};
        assert_int_equal(host_routes(host, &one, &list), 0);
    }
    assert_int_equal(host_asked(host), 200);
    settle();
    assert_int_equal(host_answered(host), 200);
}

/* A child that is wanted: lost, it leaves its routes; come back with another address, it has them
 * from there; given up, it leaves nothing. */
static void test_held(void **state)
{
    (void)state;
    const struct ike_config first = config_of("10.9.0.1"), second = config_of("10.9.0.2");
    struct ike_ts_list list = {.n = 1};
    assert_true(range_parse("10.1.0.0/16", &list.ts[0].range));
    host_addresses(host, 1, &first);
    assert_int_equal(routes_of(5, &list, &first, NULL), 0);
    hold(&list, &first);
    assert_asked("+10.9.0.1/32 +10.1.0.0/16@10.9.0.1 +!10.1.0.0/16");
    host_child_gone(host, 5);
    host_session_gone(host, 1);
    assert_asked("");
    host_addresses(host, 2, &second);
    assert_int_equal(routes_of(6, &list, &second, NULL), 0);
    hold(&list, &second);
    assert_asked("+10.9.0.2/32 +10.1.0.0/16@10.9.0.2 -10.9.0.1/32");
    host_release(host, "other", NULL);
    host_release(host, "home", "other");
    host_child_gone(host, 6);
    host_session_gone(host, 2);
    assert_asked("");
    host_release(host, "home", NULL);
    assert_asked("-10.1.0.0/16@10.9.0.2 -10.9.0.2/32 -!10.1.0.0/16");
    host_release(host, NULL, NULL);
    assert_asked("");
}

/* L1: a block comes before the routes, stays without a session, and does not come where it is not
 * wanted. What an earlier engine left goes unless it is claimed. */
static void test_blocks(void **state)
{
    (void)state;
    const struct ike_config none = {0};
    struct ike_ts_list list = {.n = 1};
    assert_true(range_parse("0.0.0.0/0", &list.ts[0].range));
    hold(&list, &none);
    assert_asked("+!0.0.0.0/0 +0.0.0.0/0");
    host_unblock(host, &list, 0);
    assert_asked("");
    host_release(host, "home", NULL);
    assert_asked("-0.0.0.0/0 -!0.0.0.0/0");
    host_unblock(host, &list, 0);
    assert_asked("+!0.0.0.0/0 -!0.0.0.0/0");
    const struct host_hold bypass = {
        .conn = "home", .child = "net", .remote_ts = &list, .config = &none};
    host_hold(host, &bypass);
    assert_asked("+0.0.0.0/0");
}

/* Two connections with one network, on devices without a mark: they share the block, and the last one
 * of them removes it. A device with a mark has a block of its own. */
static void test_blocks_of_devices(void **state)
{
    (void)state;
    const struct ike_config none = {0};
    struct ike_ts_list list = {.n = 1};
    assert_true(range_parse("10.1.0.0/16", &list.ts[0].range));
    struct host_hold branch = {.conn = "branch",
                               .child = "net",
                               .remote_ts = &list,
                               .config = &none,
                               .device = 1,
                               .block = true};
    hold(&list, &none);
    host_hold(host, &branch);
    assert_asked("+!10.1.0.0/16 +10.1.0.0/16 +10.1.0.0/16");
    host_unload(host, "branch", NULL);
    assert_asked("-10.1.0.0/16");
    branch.conn = "home"; /* a reload gives it the device */
    host_hold(host, &branch);
    assert_asked("+10.1.0.0/16 -10.1.0.0/16");
    branch.device = branch.block_device = 2; /* and then a mark */
    host_hold(host, &branch);
    assert_asked("+!10.1.0.0/16 +10.1.0.0/16 -10.1.0.0/16 -!10.1.0.0/16");
}

/* More holds than once fitted: none is refused, which would let its packets out in the clear. */
static void test_many_holds(void **state)
{
    (void)state;
    const struct ike_config none = {0};
    struct ike_ts_list list = {.n = 1};
    char name[16];
    unsigned held = 0;
    const char *conn, *child;
    assert_true(range_parse("10.1.0.0/16", &list.ts[0].range));
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "conn%u", i);
        host_hold(
            host,
            &(struct host_hold){
                .conn = name, .child = "net", .remote_ts = &list, .config = &none, .block = true});
    }
    for (size_t i = 0; host_hold_at(host, i, &conn, &child); i++)
        held += conn[0] != '\0';
    assert_int_equal(held, 200);
    host_release(host, NULL, NULL);
    assert_asked("+!10.1.0.0/16 +10.1.0.0/16 -10.1.0.0/16 -!10.1.0.0/16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_name_servers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_held, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks_of_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
