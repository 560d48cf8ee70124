/* SPDX-License-Identifier: Apache-2.0 */
/* Two endpoints of libikat, and a network of memory between them. */
#include "lib/ikat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "base/unit_test.h"

#define BEGIN    (1000 * NANOS_PER_SEC)
#define DATAGRAM 2048

static const char gateway_text[] = "connections {\n gate {\n"
                                   "  pools = inner\n"
                                   "  multipath = balance\n"
                                   "  local {\n auth = psk\n id = gw.example\n }\n"
                                   "  remote {\n auth = psk\n }\n"
                                   "  children {\n net {\n local_ts = 10.20.0.0/24\n }\n }\n"
                                   " }\n}\n"
                                   "pools {\n inner {\n addrs = 10.30.0.0/28\n }\n}\n"
                                   "secrets {\n ike-both {\n secret = a-secret-of-both\n }\n}\n";

static const char user_text[] = "connections {\n home {\n"
                                "  remote_addrs = 192.0.2.1\n"
                                "  vips = 0.0.0.0\n"
                                "  multipath = balance\n"
                                "  local {\n auth = psk\n id = user@example\n }\n"
                                "  remote {\n auth = psk\n id = gw.example\n }\n"
                                "  paths {\n wlan {\n interface = wlan0\n }\n"
                                "   lte {\n interface = lte0\n }\n  }\n"
                                "  children {\n net {\n remote_ts = 10.20.0.0/24\n }\n }\n"
                                " }\n}\n"
                                "secrets {\n ike-both {\n secret = %s\n }\n}\n";

struct world {
    struct ikat *user, *gateway;
    ikat_time now;
    uint32_t cut;        /* interface of the user that loses all packets; 0: none */
    uint32_t session[2]; /* up; by side: user, gateway */
    unsigned up, failed, down, packets[2];
    char reason[64];
    uint8_t last[DATAGRAM]; /* the last inner packet that arrived */
    size_t last_len;
};

static struct ikat_address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct ikat_address){.family = 4, .octets = {a, b, c, d}};
}

static void links_set(struct world *w, bool lte)
{
    const struct ikat_link user[] = {{.index = 1, .name = "wlan0", .v4 = v4(10, 1, 0, 2)},
                                     {.index = 2, .name = "lte0", .v4 = v4(10, 2, 0, 2)}};
    const struct ikat_link gateway[] = {{.index = 7, .name = "eth0", .v4 = v4(192, 0, 2, 1)}};
    assert_int_equal(ikat_links_set(w->user, user, lte ? 2 : 1, w->now), IKAT_OK);
    assert_int_equal(ikat_links_set(w->gateway, gateway, 1, w->now), IKAT_OK);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->now = BEGIN;
    w->user = ikat_new(NULL);
    w->gateway = ikat_new(NULL);
    assert_non_null(w->user);
    assert_non_null(w->gateway);
    links_set(w, true);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    ikat_free(w->user);
    ikat_free(w->gateway);
    free(w);
    return 0;
}

static void configure(struct world *w, const char *secret)
{
    char error[IKAT_TEXT_MAX], text[1024];
    (void)snprintf(text, sizeof(text), user_text, secret);
    if (ikat_configure(w->gateway, "gateway", gateway_text, error) != IKAT_OK ||
        ikat_configure(w->user, "user", text, error) != IKAT_OK)
        fail_msg("%s", error);
}

/* carry - over the network to the other endpoint. */
static void carry(struct world *w, bool from_user, const struct ikat_output *output)
{
    uint8_t octets[DATAGRAM];
    struct ikat_place place = {.local = output->place.remote, .remote = output->place.local};
    uint32_t link = output->place.interface;
    if (!from_user)
        link = output->place.remote.octets[1]; /* 10.1.0.2, 10.2.0.2 */
    place.interface = from_user ? 7 : link;
    assert_true(output->len <= sizeof(octets));
    memcpy(octets, output->octets, output->len);
    if (link != w->cut)
        ikat_receive(from_user ? w->gateway : w->user, &place, octets, output->len, w->now);
}

static void take(struct world *w, bool user, const struct ikat_output *output)
{
    switch (output->kind) {
    case IKAT_DATAGRAM: carry(w, user, output); break;
    case IKAT_PACKET:
        assert_int_equal(output->session, w->session[!user]);
        w->packets[!user]++;
        w->last_len = output->len;
        memcpy(w->last, output->octets, output->len);
        break;
    case IKAT_SESSION_UP: w->session[!user] = output->session; break;
    case IKAT_SESSION_DOWN: w->down++; break;
    case IKAT_UP: w->up++; break;
    case IKAT_FAILED:
        w->failed++;
        (void)snprintf(w->reason, sizeof(w->reason), "%s", output->reason);
        break;
    case IKAT_PATH: assert_string_equal(output->connection, "home"); break;
    }
}

/* turn - runs until neither endpoint has work before `until`. */
static void turn(struct world *w, ikat_time until)
{
    struct ikat_output output;
    for (;;) {
        bool busy = false;
        for (int user = 0; user < 2; user++)
            while (ikat_next(user ? w->user : w->gateway, &output)) {
                take(w, user, &output);
                busy = true;
            }
        if (busy)
            continue;
        ikat_time at = nanos_min(ikat_deadline(w->user), ikat_deadline(w->gateway));
        if (at > until)
            break;
        w->now = at > w->now ? at : w->now;
        ikat_tick(w->user, w->now);
        ikat_tick(w->gateway, w->now);
    }
    w->now = until > w->now ? until : w->now;
}

/* packet_make - a UDP datagram without octets. */
static void packet_make(uint8_t packet[28], const struct ikat_address *from,
                        const struct ikat_address *to, uint8_t port)
{
    static const uint8_t head[] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17};
    memset(packet, 0, 28);
    memcpy(packet, head, sizeof(head));
    memcpy(packet + 12, from->octets, 4);
    memcpy(packet + 16, to->octets, 4);
    uint32_t sum = 0;
    for (size_t i = 0; i < 20; i += 2)
        sum += (uint32_t)packet[i] << 8 | packet[i + 1];
    sum = ~((sum & 0xffff) + (sum >> 16));
    packet[10] = (uint8_t)(sum >> 8);
    packet[11] = (uint8_t)sum;
    packet[21] = port;
    packet[23] = 9;
    packet[25] = 8;
}

static struct ikat_address log_in(struct world *w)
{
    struct ikat_session session;
    configure(w, "a-secret-of-both");
    assert_int_equal(ikat_up(w->user, "home", NULL, w->now), IKAT_OK);
    turn(w, w->now + 5 * NANOS_PER_SEC);
    assert_int_equal(w->up, 1);
    assert_int_equal(w->failed, 0);
    assert_int_equal(ikat_session(w->user, w->session[0], &session), IKAT_OK);
    assert_string_equal(session.peer, "gw.example");
    assert_false(session.gateway);
    assert_int_equal(session.n_addresses, 1);
    return session.addresses[0];
}

/* exchange - sends one packet of each of `n` flows, and one back. Returns how many arrived. */
static unsigned exchange(struct world *w, const struct ikat_address *inner, uint8_t n)
{
    const struct ikat_address host = v4(10, 20, 0, 9);
    unsigned before = w->packets[0] + w->packets[1];
    for (uint8_t i = 1; i <= n; i++) {
        uint8_t packet[28];
        packet_make(packet, inner, &host, i);
        assert_int_equal(ikat_send(w->user, packet, sizeof(packet), w->now), IKAT_OK);
        turn(w, w->now);
        packet_make(packet, &host, inner, i);
        assert_int_equal(ikat_send(w->gateway, packet, sizeof(packet), w->now), IKAT_OK);
        turn(w, w->now);
    }
    return w->packets[0] + w->packets[1] - before;
}

/* One login, a clone, and packets over both paths. */
static void login_and_clone(void **state)
{
    struct world *w = *state;
    struct ikat_session session;
    struct ikat_path path;
    struct ikat_address inner = log_in(w);
    assert_int_equal(exchange(w, &inner, 32), 64);
    assert_int_equal(w->last_len, 28);
    for (int side = 0; side < 2; side++) {
        assert_int_equal(ikat_session(side ? w->gateway : w->user, w->session[side], &session),
                         IKAT_OK);
        assert_int_equal(session.logins, 1);
        assert_int_equal(session.ike_sas, 2);
        assert_int_equal(session.child_sas, 2);
    }
    assert_string_equal(session.peer, "user@example");
    assert_true(session.gateway);
    for (size_t i = 0; i < 2; i++) {
        assert_true(ikat_path(w->user, i, &path));
        assert_string_equal(path.state, "up");
        if (path.packets_out == 0 || path.packets_in == 0)
            fail_msg("path %s: %u packets out, %u in", path.name, (unsigned)path.packets_out,
                     (unsigned)path.packets_in);
    }
    assert_false(ikat_path(w->user, 2, &path));
    assert_int_equal(ikat_down(w->user, "home", w->now), IKAT_OK);
    turn(w, w->now + NANOS_PER_SEC);
    assert_int_equal(w->down, 2);
    assert_int_equal(ikat_session(w->gateway, w->session[1], &session), IKAT_NOT_FOUND);
    assert_int_equal(ikat_down(w->user, "home", w->now), IKAT_NOT_FOUND);
}

/* A path is cut: its flows take the other one. Then it comes back. */
static void path_lost(void **state)
{
    struct world *w = *state;
    struct ikat_address inner = log_in(w);
    w->cut = 1;
    for (int i = 0; i < 20; i++) { /* only traffic makes the silence noticeable */
        (void)exchange(w, &inner, 4);
        turn(w, w->now + 200 * NANOS_PER_MS);
    }
    assert_int_equal(exchange(w, &inner, 16), 32);
    w->cut = 0;
    turn(w, w->now + 20 * NANOS_PER_SEC);
    assert_int_equal(exchange(w, &inner, 16), 32);
    links_set(w, false); /* the system reports that the link is gone */
    turn(w, w->now + NANOS_PER_SEC);
    assert_int_equal(exchange(w, &inner, 16), 32);
    assert_int_equal(w->down, 0);
}

/* The rekeys of a day lose no packet. */
static void rekeys(void **state)
{
    struct world *w = *state;
    struct ikat_address inner = log_in(w);
    for (int hour = 0; hour < 24; hour++) {
        turn(w, w->now + 3600 * NANOS_PER_SEC);
        assert_int_equal(exchange(w, &inner, 4), 8);
    }
    assert_int_equal(w->down, 0);
}

static void wrong_secret(void **state)
{
    struct world *w = *state;
    struct ikat_session session;
    configure(w, "another-secret-than-theirs");
    assert_int_equal(ikat_up(w->user, "home", "net", w->now), IKAT_OK);
    turn(w, w->now + 5 * NANOS_PER_SEC);
    assert_int_equal(w->up, 0);
    assert_int_equal(ikat_session(w->gateway, 1, &session), IKAT_NOT_FOUND);
    (void)ikat_down(w->user, "home", w->now);
    turn(w, w->now + NANOS_PER_SEC);
}

/* The session survives all forged datagrams, and delivers none of them. */
static void hostile_datagrams(void **state)
{
    struct world *w = *state;
    struct ikat_address inner = log_in(w);
    struct ikat_place place = {.local = v4(192, 0, 2, 1), .remote = v4(10, 1, 0, 2)};
    uint8_t octets[512];
    uint32_t seed = 1;
    for (size_t len = 0; len < sizeof(octets); len++)
        for (unsigned port = 0; port < 2; port++) {
            for (size_t i = 0; i < len; i++)
                octets[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
            if (port == 1 && len >= 4 && len % 2 == 0)
                memset(octets, 0, 4); /* as IKE */
            place.local.port = port == 0 ? 500 : 4500;
            place.remote.port = place.local.port;
            ikat_receive(w->gateway, &place, octets, len, w->now);
        }
    unsigned before = w->packets[0] + w->packets[1];
    turn(w, w->now);
    assert_int_equal(w->packets[0] + w->packets[1], before);
    assert_int_equal(exchange(w, &inner, 4), 8);
    assert_int_equal(w->down, 0);
}

static void inner_packets(void **state)
{
    struct world *w = *state;
    const struct ikat_address host = v4(10, 20, 0, 9), stranger = v4(10, 99, 0, 1);
    static uint8_t large[1500];
    uint8_t packet[28];
    struct ikat_address inner = log_in(w);
    packet_make(packet, &inner, &host, 1);
    assert_int_equal(ikat_send(w->user, packet, 19, w->now), IKAT_INVALID);
    assert_int_equal(ikat_send(w->user, packet, 0, w->now), IKAT_INVALID);
    memcpy(large, packet, sizeof(packet));
    large[2] = sizeof(large) >> 8;
    large[3] = sizeof(large) & 255;
    assert_int_equal(ikat_send(w->user, large, sizeof(large), w->now), IKAT_TOO_BIG);
    packet_make(packet, &inner, &stranger, 1);
    assert_int_equal(ikat_send(w->user, packet, sizeof(packet), w->now), IKAT_NO_SA);
    packet_make(packet, &stranger, &host, 1);
    assert_int_equal(ikat_send(w->user, packet, sizeof(packet), w->now), IKAT_NO_SA);
    packet_make(packet, &inner, &host, 1);
    int error = IKAT_OK;
    for (unsigned n = 0; n < 5000 && error == IKAT_OK; n++) /* nobody pulls */
        error = ikat_send(w->user, packet, sizeof(packet), w->now);
    assert_int_equal(error, IKAT_FULL);
}

static void bad_configurations(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"connections { x { nonsense = 1 } }", "text:1: nonsense: unknown key"},
        {"connections {\n x {", "text:"},
        {"connections { x { local { auth = pubkey } remote { auth = psk } } }", "auth = psk"},
        {"connections { x { local { auth = psk } remote { auth = eap-md5 } } }", "text:1:"},
        {"connections { x { multipath = aggregate\n local { auth = psk } remote { auth = psk } } }",
         "multipath = failover or balance"},
        {"connections { x { local { auth = psk } remote { auth = psk }\n"
         " children { c { mode = transport } } } }",
         "tunnel mode only"},
        {"secrets { eap-x { secret = y\n id = z } }", "secrets of ike... and ppk... only"},
        {"radius { r { secret = s\n address = 192.0.2.9 } }",
         "connections, pools and secrets only"},
        {"pools { a { addrs = 10.0.0.0/24 } b { addrs = 10.0.0.128/25 } }", "overlap"},
        {"include /etc/passwd", "text:1"},
    };
    char error[IKAT_TEXT_MAX];
    struct ikat_address inner = log_in(w);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(ikat_configure(w->user, "text", rows[i].text, error), IKAT_INVALID);
        if (strstr(error, rows[i].says) == NULL)
            fail_msg("'%s' is refused with '%s'", rows[i].text, error);
        assert_int_equal(ikat_configure(w->user, "text", rows[i].text, NULL), IKAT_INVALID);
    }
    assert_int_equal(exchange(w, &inner, 4), 8); /* nothing has changed */
    assert_int_equal(ikat_up(w->user, "elsewhere", NULL, w->now), IKAT_NOT_FOUND);
    assert_int_equal(ikat_up(w->user, "home", "nothing", w->now), IKAT_NOT_FOUND);
    assert_int_equal(ikat_configure(w->gateway, "text", "connections { }", error), IKAT_OK);
    assert_int_equal(ikat_configure(w->user, "text", "", error), IKAT_OK);
    assert_int_equal(ikat_up(w->user, "home", NULL, w->now), IKAT_NOT_FOUND);
    assert_int_equal(exchange(w, &inner, 4), 8); /* sessions stay */
    struct ikat_link links[IKAT_LINKS + 1] = {{.index = 1}};
    assert_int_equal(ikat_links_set(w->user, links, IKAT_LINKS + 1, w->now), IKAT_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(login_and_clone, setup, teardown),
        cmocka_unit_test_setup_teardown(path_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(rekeys, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_datagrams, setup, teardown),
        cmocka_unit_test_setup_teardown(inner_packets, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_configurations, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
