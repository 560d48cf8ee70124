/* SPDX-License-Identifier: Apache-2.0 */
/* Two data planes on one thread, which exchange packets. */
#include "esp/small_plane.h"

#include "base/unit_test.h"
#include "esp/child_test_util.h"
#include "esp/packet_test_util.h"

#define NOW  (1000 * NANOS_PER_SEC)
#define ROOM 2048

/* struct end - one of the two. `sent`: the last packet that left. */
struct end {
    struct small_plane *small;
    struct data_plane *plane;
    uint8_t sent[ROOM];
    size_t len;
    unsigned n;
    struct esp_path path; /* that the packet took */
    bool udp;
};

static struct end user, gateway;

static void fill(void *context, void *octets, size_t len)
{
    (void)context;
    memset(octets, 7, len);
}

static const struct random seven = {.fill = fill};

static int keep(void *context, const struct small_packet *packet)
{
    struct end *end = context;
    assert_true(packet->octets.len <= ROOM);
    memcpy(end->sent, packet->octets.ptr, packet->octets.len);
    end->len = packet->octets.len;
    end->path = packet->child->path;
    end->udp = packet->child->udp_encap;
    end->n++;
    return 0;
}

static void end_new(struct end *end)
{
    *end = (struct end){0};
    end->small = small_plane_new(
        &(struct small_plane_options){.random = &seven, .raw = true, .send = keep, .context = end});
    assert_non_null(end->small);
    end->plane = small_plane_verbs(end->small);
}

static int setup(void **state)
{
    (void)state;
    end_new(&user);
    end_new(&gateway);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    small_plane_free(user.small);
    small_plane_free(gateway.small);
    return 0;
}

static struct endpoint endpoint_of(const char *address, uint16_t port)
{
    struct endpoint endpoint = {.port = port};
    assert_true(address_parse(address, &endpoint.address));
    return endpoint;
}

/* config_of - of the End User; the packets of packet_test_util.h fit its selectors. */
static struct esp_child_config config_of(esp_child_id id)
{
    return (struct esp_child_config){
        .child = id,
        .session = 1,
        .spi_in = 1000 + id,
        .spi_out = 2000 + id,
        .encr = 20,
        .encr_key_bits = 128,
        .encr_in = span_of(key_octets, 20),
        .encr_out = span_of(key_octets, 20),
        .udp_encap = true,
        .outbound_now = true,
        .replay_window = 32,
        .path = {endpoint_of("192.0.2.1", 4500), endpoint_of("198.51.100.1", 4500), 0},
        .local_ts = any_of("10.8.0.1"),
        .remote_ts = any_of("10.8.0.2"),
        .priority = 1,
        .weight = 1,
        .usable = true,
    };
}

/* both_install - the same Child SA at both ends. */
static void both_install(const struct esp_child_config *config)
{
    struct esp_child_config other = *config;
    other.spi_in = config->spi_out;
    other.spi_out = config->spi_in;
    other.path.local = config->path.remote;
    other.path.remote = config->path.local;
    other.local_ts = config->remote_ts;
    other.remote_ts = config->local_ts;
    assert_int_equal(data_plane_install(user.plane, config, NOW), 0);
    assert_int_equal(data_plane_install(gateway.plane, &other, NOW), 0);
}

static size_t packet_write(uint8_t *out, size_t payload)
{
    return test_packet_write(
        out,
        &(struct test_packet){.protocol = 17, .src_port = 5, .dst_port = 6, .payload = payload});
}

static int user_send(size_t payload, nanos now)
{
    uint8_t packet[ROOM];
    size_t len = packet_write(packet, payload);
    return small_plane_send(user.small, span_of(packet, len), now);
}

/* arrives - the user's last packet arrives at the Gateway, from this source. */
static enum esp_verdict arrives(const struct endpoint *from, nanos now)
{
    struct esp_opened opened;
    uint8_t octets[ROOM];
    memcpy(octets, user.sent, user.len);
    assert_non_null(
        small_plane_recv(gateway.small, from, (struct buffer){octets, user.len}, now, &opened));
    return opened.verdict;
}

static void event_is(const struct end *end, enum esp_event_kind kind, esp_child_id child)
{
    struct esp_event event;
    assert_true(data_plane_event(end->plane, NOW, &event));
    assert_int_equal(event.kind, kind);
    assert_int_equal(event.child, child);
}

static void no_event(const struct end *end)
{
    struct esp_event event;
    assert_false(data_plane_event(end->plane, NOW, &event));
}

static void packets_pass(void **state)
{
    (void)state;
    const struct esp_child_config config = config_of(1);
    struct esp_opened opened;
    uint8_t packet[ROOM];
    struct esp_counters counters;
    both_install(&config);
    size_t len = packet_write(packet, 100);
    assert_int_equal(small_plane_send(user.small, span_of(packet, len), NOW), 0);
    assert_true(endpoint_equal(&user.path.remote, &config.path.remote) && user.udp);
    assert_int_equal(arrives(&config.path.local, NOW), ESP_PASS);
    assert_int_equal(arrives(&config.path.local, NOW), ESP_REPLAYED);
    event_is(&gateway, ESP_EVENT_TRAFFIC, 1);
    no_event(&gateway); /* once a second, and only for another source */
    assert_int_equal(user_send(100, NOW), 0);
    assert_int_equal(arrives(&config.path.local, NOW + NANOS_PER_SEC), ESP_PASS);
    event_is(&gateway, ESP_EVENT_TRAFFIC, 1);
    assert_int_equal(small_plane_send(user.small, span_of(packet, len), NOW), 0);
    assert_non_null(small_plane_recv(gateway.small, &config.path.local,
                                     (struct buffer){user.sent, user.len}, NOW, &opened));
    assert_int_equal(opened.len, len);
    assert_memory_equal(opened.packet, packet, len);
    assert_int_equal(data_plane_counters(gateway.plane, 1, &counters), 0);
    assert_int_equal(counters.packets_in, 3);
    assert_int_equal(counters.replayed, 1);
    assert_int_equal(counters.last_in_ns, NOW);
    assert_int_equal(data_plane_counters(gateway.plane, 2, &counters), ERR_NOT_FOUND);
}

static void what_is_no_packet(void **state)
{
    (void)state;
    const struct esp_child_config config = config_of(1);
    uint8_t noise[64] = {0};
    struct esp_opened opened;
    struct esp_event event;
    both_install(&config);
    assert_int_equal(small_plane_send(user.small, span_of(noise, sizeof(noise)), NOW), ERR_INVALID);
    assert_int_equal(user_send(1500, NOW), ERR_TRUNCATED);
    assert_null(small_plane_recv(gateway.small, &config.path.local, (struct buffer){noise, 1}, NOW,
                                 &opened));
    no_event(&gateway);
    noise[0] = 9;
    for (unsigned i = 0; i < 20; i++) /* anybody can send them */
        assert_null(small_plane_recv(gateway.small, &config.path.local,
                                     (struct buffer){noise, sizeof(noise)}, NOW, &opened));
    unsigned n = 0;
    while (data_plane_event(gateway.plane, NOW, &event)) {
        assert_int_equal(event.kind, ESP_EVENT_STRAY);
        assert_int_equal(event.spi, 9u << 24);
        n++;
    }
    assert_int_equal(n, 8);
    assert_int_equal(user_send(10, NOW), 0);
    user.sent[user.len - 1] ^= 1;
    assert_int_equal(arrives(&config.path.local, NOW), ESP_AUTH_FAILED);
    no_event(&gateway);
}

static void peer_has_moved(void **state)
{
    (void)state;
    struct esp_child_config config = config_of(1);
    const struct endpoint elsewhere = endpoint_of("203.0.113.9", 1024);
    struct esp_event event;
    both_install(&config);
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(arrives(&elsewhere, NOW), ESP_PASS);
    event_is(&gateway, ESP_EVENT_TRAFFIC, 1);
    assert_true(data_plane_event(gateway.plane, NOW, &event));
    assert_int_equal(event.kind, ESP_EVENT_REBOUND);
    assert_true(endpoint_equal(&event.endpoint, &elsewhere));
    no_event(&gateway);
    /* and without UDP towards the peer */
    const struct esp_path back = {config.path.remote, config.path.local, 0};
    assert_int_equal(data_plane_move(gateway.plane, 1, &back, false, 0), 0);
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(arrives(&config.path.local, NOW + 2 * NANOS_PER_SEC), ESP_PASS);
    event_is(&gateway, ESP_EVENT_TRAFFIC, 1);
    event_is(&gateway, ESP_EVENT_ENCAP, 1);
}

/* The clock of a program may begin at 0. Then the first news come in its first second. */
static void clock_begins(void **state)
{
    (void)state;
    struct esp_child_config config = config_of(1);
    const struct endpoint elsewhere = endpoint_of("203.0.113.9", 1024);
    both_install(&config);
    assert_int_equal(user_send(10, 1), 0);
    assert_int_equal(arrives(&elsewhere, 1), ESP_PASS);
    event_is(&gateway, ESP_EVENT_TRAFFIC, 1);
    event_is(&gateway, ESP_EVENT_REBOUND, 1);
    assert_int_equal(user_send(10, 2), 0);
    assert_int_equal(arrives(&elsewhere, 2), ESP_PASS);
    no_event(&gateway);
}

static void limits_tell(void **state)
{
    (void)state;
    struct esp_child_config config = config_of(1);
    config.soft_octets = 150;
    config.hard_octets = 300;
    both_install(&config);
    assert_int_equal(user_send(100, NOW), 0);
    no_event(&user);
    assert_int_equal(user_send(100, NOW), 0);
    event_is(&user, ESP_EVENT_SOFT, 1);
    assert_int_equal(user_send(100, NOW), 0);
    event_is(&user, ESP_EVENT_HARD, 1);
    assert_int_equal(user_send(100, NOW), ERR_NOT_FOUND);
    assert_int_equal(user.n, 3);
    no_event(&user);
}

/* A rekeyed child sends from its switch on, with the state of the old one, which lingers. */
static void rekeyed(void **state)
{
    (void)state;
    struct esp_child_config config = config_of(1);
    both_install(&config);
    assert_int_equal(data_plane_state(user.plane, 1, 7, 3, true), 0);
    config = config_of(2);
    config.replaces = 1;
    config.outbound_now = false;
    both_install(&config);
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(user.sent[3], (2000 + 1) & 255);
    assert_int_equal(data_plane_switch(user.plane, 2), 0);
    assert_int_equal(small_plane_find(user.small, 2)->esp->priority, 7);
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(user.sent[3], (2000 + 2) & 255);
    assert_int_equal(data_plane_remove(user.plane, 1, NANOS_PER_SEC, NOW), 0);
    assert_int_equal(data_plane_switch(user.plane, 1), ERR_NOT_FOUND);
    assert_int_equal(data_plane_deadline(user.plane), NOW + NANOS_PER_SEC);
    data_plane_tick(user.plane, NOW + NANOS_PER_SEC);
    assert_null(small_plane_find(user.small, 1));
    assert_ptr_equal(small_plane_first(user.small), small_plane_find(user.small, 2));
    assert_int_equal(data_plane_deadline(user.plane), NANOS_NEVER);
}

/* A removed child leaves no news behind. */
static void news_of_the_dead(void **state)
{
    (void)state;
    struct esp_child_config config = config_of(1);
    both_install(&config);
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(arrives(&config.path.local, NOW), ESP_PASS);
    assert_int_equal(data_plane_remove(gateway.plane, 1, 0, NOW), 0);
    no_event(&gateway);
    assert_int_equal(data_plane_remove(gateway.plane, 1, 0, NOW), ERR_NOT_FOUND);
}

static void keepalives(void **state)
{
    (void)state;
    struct esp_child_config config = config_of(1);
    config.keepalive_ns = 5 * NANOS_PER_SEC;
    config.keepalive = true;
    both_install(&config);
    assert_int_equal(user_send(10, NOW + NANOS_PER_SEC), 0);
    data_plane_tick(user.plane, NOW + 5 * NANOS_PER_SEC);
    assert_int_equal(user.n, 1); /* the packet has postponed it */
    assert_int_equal(data_plane_deadline(user.plane), NOW + 6 * NANOS_PER_SEC);
    data_plane_tick(user.plane, NOW + 6 * NANOS_PER_SEC);
    assert_int_equal(user.n, 2);
    assert_int_equal(user.len, 1);
    assert_int_equal(user.sent[0], 0xff);
    assert_int_equal(data_plane_keepalive(user.plane, 1, false), 0);
    assert_int_equal(data_plane_deadline(user.plane), NANOS_NEVER);
}

/* The flow is answered on the child on which it came, while that one is usable. */
static void flow_is_followed(void **state)
{
    (void)state;
    struct esp_child_config first = config_of(1), second = config_of(2);
    uint8_t packet[ROOM];
    both_install(&first);
    both_install(&second);
    assert_int_equal(data_plane_mode(gateway.plane, 1, ESP_MODE_FAILOVER, true), 0);
    assert_int_equal(data_plane_state(user.plane, 1, 9, 1, true), 0);
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(arrives(&first.path.local, NOW), ESP_PASS);
    size_t len = packet_write(packet, 10);
    uint8_t src[4];
    memcpy(src, packet + 12, 4); /* an answer: addresses and ports change places */
    memmove(packet + 12, packet + 16, 4);
    memcpy(packet + 16, src, 4);
    packet[21] = 6;
    packet[23] = 5;
    assert_int_equal(small_plane_send(gateway.small, span_of(packet, len), NOW), 0);
    assert_int_equal(gateway.sent[3], (1000 + 2) & 255);
    assert_int_equal(data_plane_state(gateway.plane, 2, 1, 1, false), 0);
    assert_int_equal(small_plane_send(gateway.small, span_of(packet, len), NOW), 0);
    assert_int_equal(gateway.sent[3], (1000 + 1) & 255);
    data_plane_session_end(gateway.plane, 1);
}

/* Verbs that it does not support are refused. */
static void refused(void **state)
{
    (void)state;
    const struct esp_path nowhere = {.remote = {.port = 4500}};
    struct esp_child_config config = config_of(1);
    const struct esp_ts_list none = {.n = 0};
    assert_int_equal(data_plane_install(user.plane, &config, NOW), 0);
    assert_int_equal(data_plane_install(user.plane, &config, NOW), ERR_INVALID);
    config.child = 2;
    assert_int_equal(data_plane_install(user.plane, &config, NOW), ERR_INVALID); /* its SPI */
    config = config_of(3);
    config.order = true;
    assert_int_equal(data_plane_install(user.plane, &config, NOW), ERR_INVALID);
    config.order = false;
    config.transport = true;
    assert_int_equal(data_plane_install(user.plane, &config, NOW), ERR_INVALID);
    config.transport = false;
    config.encr_key_bits = 1;
    assert_int_equal(data_plane_install(user.plane, &config, NOW), ERR_INVALID);
    assert_int_equal(data_plane_move(user.plane, 1, &nowhere, true, 0), ERR_INVALID);
    assert_int_equal(data_plane_move(user.plane, 9, &nowhere, true, 0), ERR_NOT_FOUND);
    assert_int_equal(data_plane_select(user.plane, 1, &none, &none), ERR_INVALID);
    assert_int_equal(data_plane_mtu(user.plane, 9, 0), ERR_NOT_FOUND);
    assert_int_equal(data_plane_state(user.plane, 9, 1, 1, true), ERR_NOT_FOUND);
    assert_false(data_plane_can(user.plane, DATA_PLANE_ORDER));
    assert_true(data_plane_can(user.plane, DATA_PLANE_RAW));
    assert_int_equal(data_plane_mtu(user.plane, 1, 600), 0);
    assert_int_equal(user_send(600, NOW), ERR_TRUNCATED);
    assert_int_equal(user_send(400, NOW), 0);
}

/* leaves - exports the Child SA; returns the octets of its section. */
static size_t leaves(const struct end *end, esp_child_id child, uint8_t *octets)
{
    struct writer w = writer_of(octets, DATA_PLANE_EXPORT);
    assert_int_equal(data_plane_export(end->plane, child, &w, NOW), 0);
    return w.len;
}

/* goes_over - moves the Child SAs of the end to a new data plane, in this order. */
static void goes_over(struct end *end, const esp_child_id *children, size_t n)
{
    struct small_plane *old = end->small;
    struct data_plane *from = end->plane;
    uint8_t octets[DATA_PLANE_EXPORT];
    end_new(end);
    for (size_t i = 0; i < n; i++) {
        const struct end source = {.plane = from};
        struct esp_counters counters;
        size_t len = leaves(&source, children[i], octets);
        assert_int_equal(data_plane_counters(from, children[i], &counters), ERR_NOT_FOUND);
        assert_int_equal(data_plane_import(end->plane, span_of(octets, len), NOW), 0);
    }
    small_plane_free(old);
}

/* A Child SA goes on in another data plane: numbers, window, path, state. */
static void leaves_and_goes_on(void **state)
{
    (void)state;
    const esp_child_id one[] = {1};
    struct esp_child_config config = config_of(1);
    struct esp_counters counters;
    struct end late;
    config.keepalive_ns = 5 * NANOS_PER_SEC;
    config.keepalive = true;
    config.mtu = 1280;
    both_install(&config);
    assert_int_equal(user_send(10, NOW), 0);
    late = user;
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(arrives(&config.path.local, NOW), ESP_PASS);
    goes_over(&gateway, one, 1);
    assert_int_equal(arrives(&config.path.local, NOW), ESP_REPLAYED);
    memcpy(user.sent, late.sent, late.len);
    assert_int_equal(arrives(&config.path.local, NOW), ESP_PASS);
    event_is(&gateway, ESP_EVENT_TRAFFIC, 1);
    no_event(&gateway);
    goes_over(&user, one, 1);
    const struct small_child *child = small_plane_find(user.small, 1);
    uint16_t inner_max = atomic_load(&child->esp->inner_max);
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(user.sent[7], 3); /* the next number */
    assert_true(endpoint_equal(&user.path.remote, &config.path.remote) && user.udp);
    assert_int_equal(arrives(&config.path.local, NOW), ESP_PASS);
    assert_int_equal(data_plane_counters(user.plane, 1, &counters), 0);
    assert_int_equal(counters.packets_out, 3);
    assert_int_equal(data_plane_deadline(user.plane), NOW + 5 * NANOS_PER_SEC);
    assert_int_equal(user_send(inner_max - 28, NOW), 0);
    assert_int_equal(user_send(inner_max - 27, NOW), ERR_TRUNCATED);
    assert_true(inner_max < 1280);
}

/* A Child SA that only receives, and one that is not usable, stay so. */
static void state_goes_over(void **state)
{
    (void)state;
    const esp_child_id all[] = {1, 2};
    struct esp_child_config old = config_of(1), new = config_of(2);
    new.replaces = 1;
    new.outbound_now = false;
    both_install(&old);
    both_install(&new);
    goes_over(&user, all, 2);
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(user.sent[3], (2000 + 1) & 255);
    assert_int_equal(data_plane_switch(user.plane, 2), 0);
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(user.sent[3], (2000 + 2) & 255);
    assert_int_equal(data_plane_state(user.plane, 2, 1, 1, false), 0);
    goes_over(&user, all, 2);
    assert_int_equal(user_send(10, NOW), ERR_NOT_FOUND);
    assert_int_equal(data_plane_state(user.plane, 2, 1, 1, true), 0);
    assert_int_equal(user_send(10, NOW), 0);
    assert_int_equal(user.sent[3], (2000 + 2) & 255);
}

/* Hostile twin: the octets are cut or changed, there is no room, or the Child SA is there already. */
static void hostile_octets(void **state)
{
    (void)state;
    const struct esp_child_config config = config_of(1);
    uint8_t octets[DATA_PLANE_EXPORT + 1] = {0};
    struct writer small = writer_of(octets, 64);
    both_install(&config);
    assert_int_equal(data_plane_export(user.plane, 9, &small, NOW), ERR_NOT_FOUND);
    assert_int_equal(data_plane_export(user.plane, 1, &small, NOW), ERR_TRUNCATED);
    assert_int_equal(user_send(10, NOW), 0);
    size_t len = leaves(&user, 1, octets);
    for (size_t n = 0; n < len; n++)
        assert_int_equal(data_plane_import(user.plane, span_of(octets, n), NOW), ERR_INVALID);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        octets[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int error = data_plane_import(user.plane, span_of(octets, len), NOW);
        assert_true(error == 0 || error == ERR_INVALID);
        while (small_plane_first(user.small) != NULL)
            assert_int_equal(
                data_plane_remove(user.plane, small_plane_first(user.small)->esp->id, 0, NOW), 0);
        octets[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(data_plane_import(user.plane, span_of(octets, len), NOW), 0);
    assert_int_equal(data_plane_import(user.plane, span_of(octets, len), NOW), ERR_INVALID);
    assert_int_equal(data_plane_remove(user.plane, 1, NANOS_PER_SEC, NOW), 0);
    struct writer w = writer_of(octets, DATA_PLANE_EXPORT);
    assert_int_equal(data_plane_export(user.plane, 1, &w, NOW), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(packets_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_packet, setup, teardown),
        cmocka_unit_test_setup_teardown(peer_has_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(clock_begins, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_tell, setup, teardown),
        cmocka_unit_test_setup_teardown(rekeyed, setup, teardown),
        cmocka_unit_test_setup_teardown(news_of_the_dead, setup, teardown),
        cmocka_unit_test_setup_teardown(keepalives, setup, teardown),
        cmocka_unit_test_setup_teardown(flow_is_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(refused, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(state_goes_over, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_octets, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
