/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/permits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "control/settings.h"
#include "daemon/common/channel.h"
#include "daemon/config/permit_build.h"

static struct address ip(const char *text)
{
    struct address address;
    assert_true(address_parse(text, &address));
    return address;
}

static struct permit permit_of(uint32_t kind, const char *range)
{
    struct permit permit = {.kind = kind};
    if (range != NULL)
        assert_true(range_parse(range, &permit.range));
    return permit;
}

static void add(struct permits *permits, uint32_t kind, const char *range)
{
    const struct permit permit = permit_of(kind, range);
    assert_int_equal(permits_add(permits, &permit), 0);
}

/* Nested and overlapping ranges, in any order: each answer equals that of a walk over all
 * ranges. */
static void test_routes(void **state)
{
    (void)state;
    static const char *const ranges[] = {"10.2.0.0/16",           "10.0.0.0/8",
                                         "192.0.2.10-192.0.2.20", "192.0.2.15-192.0.2.30",
                                         "2001:db8::/32",         "10.2.0.0/16"};
    static const struct {
        const char *address;
        unsigned len;
        bool allowed, narrowed;
    } rows[] = {
        {"10.0.0.0", 8, true, false},     {"10.2.0.0", 16, true, false},
        {"10.2.0.0", 17, true, true},     {"10.0.0.0", 7, false, true},
        {"10.9.9.9", 32, true, true},     {"11.0.0.0", 32, false, true},
        {"0.0.0.0", 0, false, false},     {"192.0.2.16", 29, true, false},
        {"192.0.2.16", 28, false, true},  {"192.0.2.9", 32, false, true},
        {"192.0.2.24", 30, true, false},  {"2001:db8::", 32, true, false},
        {"2001:db8:1::", 48, true, true}, {"2001:db9::", 48, false, true},
        {"::", 0, false, false},
    };
    struct permits permits = {0};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        add(&permits, PERMIT_ROUTE, ranges[i]);
    permits_settle(&permits);
    assert_int_equal(permits.routes.n, ARRAY_LEN(ranges) - 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct address address = ip(rows[i].address);
        if (permits_route(&permits, &address, rows[i].len) != rows[i].allowed)
            fail_msg("route %s/%u", rows[i].address, rows[i].len);
        if (rows[i].len > 0 &&
            permits_narrowed(&permits, &address, rows[i].len) != rows[i].narrowed)
            fail_msg("narrowed %s/%u", rows[i].address, rows[i].len);
    }
    const struct address other = ip("203.0.113.7");
    assert_false(permits_route(&permits, &other, 32));
    add(&permits, PERMIT_HOSTS, NULL);
    assert_true(permits_route(&permits, &other, 32));
    assert_false(permits_route(&permits, &other, 31));
    permits_done(&permits);
    assert_false(permits_route(&permits, &other, 32));
    add(&permits, PERMIT_ALL, NULL);
    assert_true(permits_route(&permits, &other, 0) && permits_address(&permits, &other) &&
                permits_link(&permits, "eth0"));
    permits_done(&permits);
}

static void test_wrong(void **state)
{
    (void)state;
    struct permits permits = {0};
    struct permit permit = permit_of(PERMIT_ROUTE, "10.0.0.0/8");
    struct permit wrong = permit;
    wrong.range.last = ip("9.0.0.0");
    assert_int_equal(permits_add(&permits, &wrong), ERR_INVALID);
    wrong.range.last = ip("2001:db8::");
    assert_int_equal(permits_add(&permits, &wrong), ERR_INVALID);
    wrong = permit;
    wrong.range.first.octets[9] = 1; /* an octet behind an IPv4 address */
    assert_int_equal(permits_add(&permits, &wrong), ERR_INVALID);
    wrong = permit;
    wrong.range.first.family = wrong.range.last.family = 5;
    assert_int_equal(permits_add(&permits, &wrong), ERR_INVALID);
    permit = permit_of(PERMIT_LINK, NULL);
    assert_int_equal(permits_add(&permits, &permit), ERR_INVALID);
    memset(permit.link, 'x', sizeof(permit.link));
    assert_int_equal(permits_add(&permits, &permit), ERR_INVALID);
    permit.kind = PERMIT_END;
    assert_int_equal(permits_add(&permits, &permit), ERR_INVALID);
    permit.kind = 99;
    assert_int_equal(permits_add(&permits, &permit), ERR_INVALID);
    permit = permit_of(PERMIT_LINK, NULL);
    for (unsigned i = 0; i < PERMIT_LINKS; i++) {
        permit.link[0] = (char)('A' + i % 26);
        permit.link[1] = (char)('A' + i / 26);
        assert_int_equal(permits_add(&permits, &permit), 0);
        assert_int_equal(permits_add(&permits, &permit), 0);
    }
    permit.link[2] = 'x';
    assert_int_equal(permits_add(&permits, &permit), ERR_FULL);
    assert_true(permits_link(&permits, "AA") && !permits_link(&permits, "A"));
    permits_done(&permits);
}

/* --- from a configuration --- */

#define CONN(children)                                                                             \
    "connections { a { remote_addrs = 192.0.2.1\n local { auth = psk }\n remote { auth = psk }\n"  \
    " children {" children "} } }\n"

static int build(const char *text, struct permits *permits)
{
    struct settings settings;
    struct build_error error = {.text = ""};
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    int err = config_check(settings.root, &error);
    if (err == 0)
        err = permits_build(settings.root, permits, &error);
    settings_done(&settings);
    return err;
}

static void test_of_configuration(void **state)
{
    (void)state;
    static const char pool[] = "pools { p { addrs = 10.3.0.0/24 } }\n";
    static const struct {
        const char *text, *address;
        unsigned len;
        bool route, inner;
    } rows[] = {
        {"secrets { }\n", "203.0.113.0", 24, true, true},
        {"permits { }\n", "203.0.113.0", 24, false, false},
        {CONN("n { remote_ts = 10.0.0.0/8 }"), "10.1.0.0", 16, true, false},
        {CONN("n { remote_ts = 10.0.0.0/8 }"), "0.0.0.0", 0, false, false},
        {CONN("n { remote_ts = 10.0.0.0/8 }"), "192.0.2.1", 32, false, false},
        {CONN("n { remote_ts = dynamic }"), "192.0.2.1", 32, true, false},
        {CONN("n { remote_ts = dynamic }"), "192.0.2.0", 24, false, false},
        {CONN("n { remote_ts = 0.0.0.0/0 }"), "0.0.0.0", 0, true, false},
        {CONN("n { remote_ts = 10.0.0.0/8 }") "permits { remote_ts = 10.9.0.0/16, 203.0.113.0/24\n"
                                              " vips = 0.0.0.0\n }\n",
         "203.0.113.0", 24, true, true},
        {CONN("n { remote_ts = 10.0.0.0/8 }") "permits { vips = 203.0.113.7\n peers = yes }\n",
         "203.0.113.7", 32, true, true},
        {CONN("n { remote_ts = 10.0.0.0/8 }") "permits { peers = no }\n", "203.0.113.7", 32, false,
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct permits permits = {0};
        const struct address address = ip(rows[i].address);
        assert_int_equal(build(rows[i].text, &permits), 0);
        if (permits_route(&permits, &address, rows[i].len) != rows[i].route ||
            permits_address(&permits, &address) != rows[i].inner)
            fail_msg("row %zu", i);
        permits_done(&permits);
    }
    struct permits permits = {0};
    assert_int_equal(build(pool, &permits), 0); /* no connection in the files: all come from VICI
                                                 * clients */
    assert_true(permits.all);
    permits_done(&permits);
    char text[512];
    (void)snprintf(text, sizeof(text), "%s%s", CONN("n { remote_ts = 10.0.0.0/8 }"), pool);
    assert_int_equal(build(text, &permits), 0);
    const struct address network = ip("10.3.0.0"), wider = ip("10.2.0.0");
    assert_true(permits_route(&permits, &network, 24)); /* the whole network, not only the addresses
                                                         * that the pool gives out */
    assert_true(permits_route(&permits, &wider, 15));   /* of remote_ts */
    permits_done(&permits);
    assert_int_equal(build("permits { remote_ts = 10.0.0.0/33 }\n", &permits), ERR_INVALID);
    assert_int_equal(build("permits { remote = 10.0.0.0/8 }\n", &permits), ERR_INVALID);
    assert_int_equal(build("permits { peers = x }\n", &permits), ERR_INVALID);
    permits_done(&permits);
}

static void test_links(void **state)
{
    (void)state;
    struct permits permits = {0};
    assert_int_equal(build("connections { a { remote_addrs = 192.0.2.1\n local { auth = psk }\n"
                           " remote { auth = psk }\n children { n { remote_ts = 10.0.0.0/8 } }\n"
                           " paths { w { interface = wlan0 } } } }\n",
                           &permits),
                     0);
    assert_true(permits_link(&permits, "wlan0"));
    assert_false(permits_link(&permits, "eth0"));
    permits_done(&permits);
    assert_int_equal(build(CONN("n { remote_ts = 10.0.0.0/8 }"), &permits), 0);
    assert_true(permits_link(&permits, "eth0")); /* without path sections any interface */
    permits_done(&permits);
}

/* Permitted are the name servers that a child of an End User reaches, if its connection uses name
 * servers. */
static void test_dns(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *server;
        bool allowed;
    } rows[] = {
        {"vips = 0.0.0.0", "10.0.0.53", true},
        {"vips = 0.0.0.0", "192.0.2.53", false},
        {"vips = 0.0.0.0\n install_dns = no", "10.0.0.53", false},
        {"install_dns = yes", "10.0.0.53", false},
        {"} } permits { dns = 192.0.2.0/24\n", "192.0.2.53", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[512];
        struct permits permits = {0};
        const struct address server = ip(rows[i].server);
        (void)snprintf(text, sizeof(text),
                       "connections { a { remote_addrs = 192.0.2.1\n local { auth = psk }\n"
                       " remote { auth = psk }\n children { n { remote_ts = 10.0.0.0/8 } }\n"
                       " %s%s",
                       rows[i].keys, strchr(rows[i].keys, '{') != NULL ? "}\n" : "\n} }\n");
        assert_int_equal(build(text, &permits), 0);
        assert_int_equal(permits_dns(&permits, &server), rows[i].allowed);
        permits_done(&permits);
    }
}

/* --- the way to the supervisor --- */

struct sending {
    int fd, error;
    const struct permits *permits;
};

static void *sender(void *argument)
{
    struct sending *s = argument;
    s->error = permits_send(s->fd, s->permits);
    return NULL;
}

static void test_sent(void **state)
{
    (void)state;
    struct permits permits = {0}, got = {0};
    struct permit permit = {.kind = PERMIT_LINK, .link = "wlan0"};
    int ends[2];
    add(&permits, PERMIT_ROUTE, "10.0.0.0/8");
    add(&permits, PERMIT_ADDRESS, "0.0.0.0/0");
    add(&permits, PERMIT_DNS, "10.0.0.0/8");
    add(&permits, PERMIT_HOSTS, NULL);
    assert_int_equal(permits_add(&permits, &permit), 0);
    permit = (struct permit){.kind = PERMIT_DEVICE, .device = {"ikat-m8", 8, 0xff, 8, 0xff}};
    assert_int_equal(permits_add(&permits, &permit), 0);
    permit.device.mark_out = 0x100; /* a bit outside of the mask */
    assert_int_equal(permits_add(&permits, &permit), ERR_INVALID);
    permits_settle(&permits);
    assert_int_equal(channel_pair(ends, 1 << 16), 0);
    struct sending sending = {.fd = ends[0], .permits = &permits};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sender, &sending), 0);
    for (;;) {
        assert_int_equal(channel_recv(ends[1], &permit, sizeof(permit), NULL, NULL), 0);
        if (permit.kind == PERMIT_END)
            break;
        assert_int_equal(permits_add(&got, &permit), 0);
    }
    const struct permit_answer answer = {ERR_FULL};
    assert_int_equal(channel_send(ends[1], &answer, sizeof(answer), NULL, 0), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sending.error, ERR_FULL); /* a refusal ends the load */
    permits_settle(&got);
    const struct address inner = ip("10.1.0.0");
    assert_true(permits_route(&got, &inner, 16) && permits_address(&got, &inner));
    assert_true(permits_dns(&got, &inner));
    assert_true(got.hosts && !got.all && !got.links_all && permits_link(&got, "wlan0"));
    struct inner_device device = {"ikat-m8", 8, 0xff, 8, 0xff};
    assert_true(permits_device(&got, &device) && !got.devices_all);
    device.mask_in = UINT32_MAX;
    assert_false(permits_device(&got, &device));
    close(ends[0]), close(ends[1]);
    permits_done(&permits);
    permits_done(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_of_configuration),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_dns),
        cmocka_unit_test(test_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
