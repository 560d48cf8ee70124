/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/accounts.h"

#include "base/unit_test.h"

static uint64_t counted[8]; /* packets in, by Child SA; octets are a hundred times that */

static bool read_counters(void *context, ike_child_id child, struct engine_child_traffic *ret)
{
    (void)context;
    if (child >= ARRAY_LEN(counted) || counted[child] == UINT64_MAX)
        return false;
    *ret = (struct engine_child_traffic){.packets_in = counted[child],
                                         .octets_in = counted[child] * 100,
                                         .packets_out = counted[child] * 2,
                                         .octets_out = counted[child] * 300,
                                         .last_in_ns = (nanos)counted[child]};
    return true;
}

static struct ike_path path(unsigned i, uint16_t port)
{
    struct ike_path path = {.interface = i, .local.port = port, .remote.port = 4500};
    assert_true(address_parse("192.0.2.1", &path.local.address));
    assert_true(address_parse("198.51.100.1", &path.remote.address));
    path.local.address.octets[3] = (uint8_t)i;
    return path;
}

static void assert_packets(struct accounts *accounts, ike_session_id session, unsigned i,
                           uint64_t packets)
{
    struct ike_path where = path(i, 0);
    struct engine_child_traffic traffic = accounts_path(accounts, session, &where);
    assert_int_equal(traffic.packets_in, packets);
    assert_int_equal(traffic.octets_in, 100 * packets);
    assert_int_equal(traffic.packets_out, 2 * packets);
    assert_int_equal(traffic.octets_out, 300 * packets);
}

/* each packet is charged once, to the path of its Child SA when it arrived */
static void charged(void **state)
{
    (void)state;
    struct accounts *accounts = accounts_new(read_counters, NULL);
    struct ike_path p1 = path(1, 500), p1_floated = path(1, 4500), p2 = path(2, 4500);
    memset(counted, 0, sizeof(counted));
    accounts_child(accounts, 7, 1, &p1);
    accounts_child(accounts, 7, 2, &p2);
    accounts_child(accounts, 8, 3, &p1);
    counted[1] = 10;
    counted[2] = 3;
    counted[3] = 50;
    assert_packets(accounts, 7, 1, 10);
    assert_packets(accounts, 7, 1, 10); /* looking changes nothing */
    assert_packets(accounts, 7, 2, 3);
    accounts_moved(accounts, 1, &p2);
    counted[1] = 14;
    assert_packets(accounts, 7, 1, 10);
    assert_packets(accounts, 7, 2, 7);
    accounts_moved(accounts, 1, &p1_floated); /* a port is no path */
    counted[1] = 15;
    assert_packets(accounts, 7, 1, 11);
    /* rekeyed: the new one counts from zero */
    accounts_child(accounts, 7, 4, &p1);
    counted[4] = 2;
    counted[1] = 16;
    accounts_child_gone(accounts, 1);
    accounts_child_gone(accounts, 1);
    counted[1] = 99;
    assert_packets(accounts, 7, 1, 14);
    struct account account;
    assert_true(accounts_at(accounts, 7, 1, &account));
    assert_true(address_equal(&account.path.local.address, &p2.local.address));
    assert_int_equal(account.path.local.port, 0);
    assert_false(accounts_at(accounts, 7, 2, &account));
    assert_packets(accounts, 8, 1, 50);
    accounts_end(accounts, 7);
    assert_false(accounts_at(accounts, 7, 0, &account));
    assert_packets(accounts, 8, 1, 50);
    accounts_free(accounts);
}

static void words(void **state)
{
    (void)state;
    struct accounts *accounts = accounts_new(read_counters, NULL);
    nanos began;
    const struct account_who office = {IKE_GATEWAY, true, "office", "gw", "anna"};
    const struct account_who other = {IKE_END_USER, false, "other", "gw", "bert"};
    struct account_who who;
    assert_false(accounts_who(accounts, 5, &who, &began));
    accounts_begin(accounts, 5, &office, 17);
    accounts_begin(accounts, 5, &other, 18); /* a session begins once */
    assert_true(accounts_who(accounts, 5, &who, &began));
    assert_int_equal(who.role, IKE_GATEWAY);
    assert_true(who.resumed);
    assert_string_equal(who.conn, "office");
    assert_string_equal(who.local_id, "gw");
    assert_string_equal(who.remote_id, "anna");
    assert_int_equal(began, 17);
    accounts_end(accounts, 5);
    assert_false(accounts_who(accounts, 5, &who, &began));
    accounts_end(accounts, 5);
    accounts_free(accounts);
}

/* an unknown or unreadable Child SA costs nothing; too many paths are charged to the last one */
static void odd(void **state)
{
    (void)state;
    struct accounts *accounts = accounts_new(read_counters, NULL);
    struct ike_path p1 = path(1, 500);
    struct account account;
    size_t n = 0;
    memset(counted, 0, sizeof(counted));
    accounts_moved(accounts, 1, &p1);
    accounts_child(accounts, 7, 1, &p1);
    accounts_child(accounts, 7, 1, &p1);
    counted[1] = UINT64_MAX;
    assert_packets(accounts, 7, 1, 0);
    counted[1] = 0;
    for (unsigned i = 2; i < 200; i++) {
        struct ike_path next = path(i, 500);
        accounts_moved(accounts, 1, &next);
        counted[1]++;
    }
    uint64_t sum = 0;
    while (accounts_at(accounts, 7, n, &account)) {
        sum += account.traffic.packets_in;
        n++;
    }
    assert_int_equal(n, 64);
    assert_int_equal(sum, 198);
    accounts_free(accounts_free(NULL));
    accounts_free(accounts);
}

#define ARRIVED 9

static int carried(struct accounts *from, struct accounts *to, size_t cut, size_t *ret_len)
{
    uint8_t octets[4096];
    struct writer w = writer_of(octets, sizeof(octets));
    struct carrier out = carrier_writes(&w, 1, 100);
    accounts_carry(from, 7, &out);
    assert_int_equal(carrier_done(&out), 0);
    *ret_len = w.len;
    struct carrier in = carrier_reads(span_of(octets, w.len - cut), 1, 5100);
    accounts_carry(to, ARRIVED, &in);
    return carrier_done(&in);
}

/* In another engine the counters of the Child SA go on, and none of its packets is charged twice. */
static void handed_over(void **state)
{
    (void)state;
    struct accounts *from = accounts_new(read_counters, NULL);
    struct ike_path p1 = path(1, 4500), p2 = path(2, 4500);
    size_t len;
    memset(counted, 0, sizeof(counted));
    accounts_child(from, 7, 1, &p1);
    counted[1] = 4;
    accounts_moved(from, 1, &p2);
    counted[1] = 10;
    struct accounts *to = accounts_new(read_counters, NULL);
    assert_int_equal(carried(from, to, 0, &len), 0);
    accounts_child(to, ARRIVED, 1, &p2);
    accounts_child_counted(to, 1);
    assert_packets(to, ARRIVED, 1, 4);
    assert_packets(to, ARRIVED, 2, 6);
    counted[1] = 15;
    assert_packets(to, ARRIVED, 1, 4);
    assert_packets(to, ARRIVED, 2, 11);
    struct engine_child_traffic traffic = accounts_path(to, ARRIVED, &p1);
    assert_int_equal(traffic.last_in_ns, 5004); /* the distance from now stays */
    accounts_free(to);
    for (size_t cut = 1; cut <= len; cut++) {
        to = accounts_new(read_counters, NULL);
        assert_int_equal(carried(from, to, cut, &len), ERR_INVALID);
        accounts_free(to);
    }
    accounts_free(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charged),
        cmocka_unit_test(words),
        cmocka_unit_test(odd),
        cmocka_unit_test(handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
