/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/transport.h"

#include "base/unit_test.h"
#include "esp/checksum.h"

#define DATA_LEN 21

static uint16_t checksum_of(const uint8_t *packet, size_t header, size_t len, uint8_t protocol)
{
    return checksum_fold(
        checksum_add(checksum_pseudo(packet, protocol, len), packet + header, len));
}

static struct esp_transport between(const char *src, const char *dst, uint8_t next, bool in_udp)
{
    struct esp_transport t = {.next = next, .tos = 0x2e, .in_udp = in_udp};
    assert_true(address_parse(src, &t.src));
    assert_true(address_parse(dst, &t.dst));
    return t;
}

/* A datagram arrives with the header that was removed before. */
static void test_there_and_back(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"192.0.2.1", "198.51.100.7"},
                                           {"2001:db8::1", "2001:db8::7"}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        uint8_t packet[128], payload[128];
        uint8_t l4[8 + DATA_LEN] = {0x12, 0x34, 0, 53, 0, 8 + DATA_LEN, 0, 0, 1, 2, 3};
        struct esp_transport t = between(pairs[i][0], pairs[i][1], ESP_PROTO_UDP, false);
        size_t len = esp_transport_restore(&t, span_of(l4, sizeof(l4)), packet);
        size_t header = len - sizeof(l4);
        struct esp_inner inner;
        assert_int_equal(header, i == 0 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN);
        assert_true(esp_inner_parse(span_of(packet, len), &inner));
        assert_true(esp_inner_ipv4_checksum_ok(packet));
        assert_true(esp_transport_fits(&inner));
        assert_int_equal(inner.total_len, len);
        assert_int_equal(inner.tos, 0x2e);
        assert_int_equal(inner.dst_port, 53);
        assert_true(address_equal(&inner.src, &t.src) && address_equal(&inner.dst, &t.dst));
        uint8_t next;
        memcpy(payload, packet, len);
        assert_int_equal(esp_transport_strip(payload, len, &next), sizeof(l4));
        assert_int_equal(next, ESP_PROTO_UDP);
        assert_memory_equal(payload, l4, sizeof(l4));
    }
}

/* RFC 3948 section 3.1.2: behind a NAT the checksum covers other addresses, so it is computed anew.
 * Without a NAT the sender's checksum stays, right or wrong. */
static void test_checksums(void **state)
{
    (void)state;
    static const struct {
        const char *src, *dst;
        uint8_t protocol, at;
    } rows[] = {
        {"192.0.2.1", "198.51.100.7", ESP_PROTO_TCP, 16},
        {"192.0.2.1", "198.51.100.7", ESP_PROTO_UDP, 6},
        {"2001:db8::1", "2001:db8::7", ESP_PROTO_TCP, 16},
        {"2001:db8::1", "2001:db8::7", ESP_PROTO_ICMPV6, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t l4[20 + DATA_LEN] = {1, 2, 3, 4, 0, 20 + DATA_LEN, 7, 7, 9, 9, 9, 9, 0x50, 2, 3};
        uint8_t packet[128];
        l4[rows[i].at] = 0xab; /* of other addresses */
        for (unsigned in_udp = 0; in_udp < 2; in_udp++) {
            struct esp_transport t =
                between(rows[i].src, rows[i].dst, rows[i].protocol, in_udp == 1);
            size_t len = esp_transport_restore(&t, span_of(l4, sizeof(l4)), packet);
            size_t header = len - sizeof(l4);
            bool right = checksum_of(packet, header, sizeof(l4), rows[i].protocol) == UINT16_MAX;
            assert_true(right == (in_udp == 1));
            assert_true((memcmp(packet + header, l4, sizeof(l4)) == 0) == (in_udp == 0));
        }
    }
    /* a datagram without a checksum has none afterwards; a packet too short for one is unchanged */
    uint8_t none[8] = {1, 2, 3, 4, 0, 8}, packet[64];
    struct esp_transport t = between("192.0.2.1", "192.0.2.2", ESP_PROTO_UDP, true);
    assert_int_equal(esp_transport_restore(&t, span_of(none, 8), packet), 28);
    assert_memory_equal(packet + 20, none, 8);
    t.next = ESP_PROTO_TCP;
    assert_int_equal(esp_transport_restore(&t, span_of(none, 8), packet), 28);
    assert_memory_equal(packet + 20, none, 8);
}

/* Fragments, IPv4 options and IPv6 extension headers cannot be carried, since the header is not
 * sent. */
static void test_what_does_not_fit(void **state)
{
    (void)state;
    struct esp_inner inner = {.version = 4, .l4_offset = IPV4_HEADER_LEN};
    assert_true(esp_transport_fits(&inner));
    inner.fragment = true;
    assert_false(esp_transport_fits(&inner));
    inner = (struct esp_inner){.version = 4, .l4_offset = IPV4_HEADER_LEN + 4};
    assert_false(esp_transport_fits(&inner));
    inner = (struct esp_inner){.version = 6, .l4_offset = IPV6_HEADER_LEN + 8};
    assert_false(esp_transport_fits(&inner));
}

static void test_too_long(void **state)
{
    (void)state;
    static uint8_t payload[UINT16_MAX], room[UINT16_MAX + ESP_TRANSPORT_ROOM];
    struct esp_transport t = between("192.0.2.1", "192.0.2.2", 47, true);
    assert_int_equal(esp_transport_restore(&t, span_of(payload, UINT16_MAX - 20), room),
                     UINT16_MAX);
    assert_int_equal(esp_transport_restore(&t, span_of(payload, UINT16_MAX - 19), room), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_checksums),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
