/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/icmp.h"

#include "base/unit_test.h"

/* "time exceeded" of 172.31.0.1 to 10.3.0.1 about TCP from 10.3.0.1:1025 to 10.1.0.5:80 */
static const uint8_t error4[] = {
    0x45, 0, 0, 56, 0, 0, 0,    0, 64, 1, 0, 0, 172, 31, 0, 1, 10, 3, 0, 1, /* IP */
    11,   0, 0, 0,  0, 0, 0,    0,                                          /* ICMP */
    0x45, 0, 1, 0,  0, 0, 0x40, 0, 1,  6, 0, 0, 10,  3,  0, 1, 10, 1, 0, 5, /* quoted IP */
    4,    1, 0, 80, 0, 0, 0,    0};                                         /* quoted TCP */

static bool related(const uint8_t *packet, size_t len, struct esp_inner *ret)
{
    struct esp_inner inner;
    return esp_inner_parse(span_of(packet, len), &inner) &&
           esp_icmp_related(span_of(packet, len), &inner, ret);
}

static void test_answer_to_the_quoted(void **state)
{
    (void)state;
    struct esp_inner answer;
    struct address src, dst;
    assert_true(address_parse("10.1.0.5", &src) && address_parse("10.3.0.1", &dst));
    assert_true(related(error4, sizeof(error4), &answer));
    assert_true(address_equal(&answer.src, &src) && address_equal(&answer.dst, &dst));
    assert_int_equal(answer.protocol, ESP_PROTO_TCP);
    assert_true(answer.has_ports);
    assert_int_equal(answer.src_port, 80);
    assert_int_equal(answer.dst_port, 1025);
}

static void test_hostile(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t octet;
    } changes[] = {
        {20, 5},    /* a redirect */
        {20, 8},    /* an echo request */
        {20, 0},    /* an echo reply */
        {28, 0x65}, /* quotes another version */
        {28, 0x44}, /* quotes too short a header ... */
        {28, 0x4f}, /* ... or one longer than the packet */
        {19, 2},    /* to another than the sender of the quoted packet */
        {43, 2},    /* the same from the other side */
        {6, 0x20},  /* a fragment */
        {3, 40},    /* cut off within the quoted header */
    };
    struct esp_inner answer;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        uint8_t packet[sizeof(error4)];
        memcpy(packet, error4, sizeof(packet));
        packet[changes[i].at] = changes[i].octet;
        if (related(packet, sizeof(packet), &answer))
            fail_msg("change %zu", i);
    }
    for (size_t len = 0; len < sizeof(error4); len++) /* its length lies */
        assert_false(related(error4, len, &answer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_to_the_quoted),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
