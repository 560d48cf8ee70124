/* SPDX-License-Identifier: Apache-2.0 */
#include "base/carrier.h"

#include <stdlib.h>

#include "base/unit_test.h"

#define SOURCE_NOW   (1000 * NANOS_PER_SEC)
#define IMPORTER_NOW (5 * NANOS_PER_SEC) /* a clock that began later */

/* struct thing - with all that a carrier can take. */
struct thing {
    uint8_t small;
    uint16_t port;
    uint32_t number;
    uint64_t big;
    bool flag;
    uint32_t count;
    nanos past, future, never, none, stamp;
    char name[8];
    struct endpoint endpoint;
    struct address_range range;
};

static void carry_thing(struct carrier *c, struct thing *thing)
{
    struct carrier_section section = carry_begin(c, 7);
    thing->small = carry_u8(c, thing->small);
    thing->port = carry_u16(c, thing->port);
    thing->number = carry_u32(c, thing->number);
    thing->big = carry_u64(c, thing->big);
    thing->flag = carry_bool(c, thing->flag);
    thing->count = carry_within(c, thing->count, 1, 3);
    thing->past = carry_moment(c, thing->past);
    thing->future = carry_moment(c, thing->future);
    thing->never = carry_moment(c, thing->never);
    thing->none = carry_stamp(c, thing->none);
    thing->stamp = carry_stamp(c, thing->stamp);
    carry_text(c, thing->name, sizeof(thing->name));
    carry_endpoint(c, &thing->endpoint);
    carry_range(c, &thing->range);
    carry_end(c, &section);
}

static struct thing a_thing(void)
{
    struct thing thing = {
        .small = 1,
        .port = 500,
        .number = 70000,
        .big = 1ull << 40,
        .flag = true,
        .count = 3,
        .past = SOURCE_NOW - 2 * NANOS_PER_SEC,
        .future = SOURCE_NOW + 60 * NANOS_PER_SEC,
        .never = NANOS_NEVER,
        .stamp = SOURCE_NOW - 100 * NANOS_PER_SEC,
        .name = "office",
        .endpoint.port = 4500,
    };
    assert_true(address_parse("2001:db8::1", &thing.endpoint.address));
    assert_true(range_parse("10.0.0.0/8", &thing.range));
    return thing;
}

static size_t write_thing(uint8_t *out, size_t cap)
{
    struct thing thing = a_thing();
    struct writer w = writer_of(out, cap);
    struct carrier c = carrier_writes(&w, 1, SOURCE_NOW);
    carry_thing(&c, &thing);
    assert_int_equal(carrier_done(&c), 0);
    return w.len;
}

static int read_thing(struct span octets, struct thing *thing)
{
    struct carrier c = carrier_reads(octets, 1, IMPORTER_NOW);
    carry_thing(&c, thing);
    return carrier_done(&c);
}

static void both_directions(void **state)
{
    (void)state;
    uint8_t octets[256];
    struct thing was = a_thing(), is = {0};
    size_t len = write_thing(octets, sizeof(octets));
    assert_int_equal(read_thing(span_of(octets, len), &is), 0);
    assert_int_equal(is.small, was.small);
    assert_int_equal(is.port, was.port);
    assert_int_equal(is.number, was.number);
    assert_true(is.big == was.big);
    assert_true(is.flag);
    assert_int_equal(is.count, was.count);
    assert_true(is.past == 3 * NANOS_PER_SEC);
    assert_true(is.future == 65 * NANOS_PER_SEC);
    assert_true(is.never == NANOS_NEVER);
    assert_true(is.none == 0);
    assert_true(is.stamp == 1); /* a time before that clock began stays a time */
    assert_string_equal(is.name, was.name);
    assert_true(endpoint_equal(&is.endpoint, &was.endpoint));
    assert_memory_equal(&is.range, &was.range, sizeof(is.range));
}

/* Hostile twin: octets that are cut, or that are too many, are refused. No octet beside them is
 * read. */
static void cut(void **state)
{
    (void)state;
    uint8_t octets[256];
    size_t len = write_thing(octets, sizeof(octets));
    for (size_t n = 0; n < len; n++) {
        struct thing thing = {0};
        uint8_t *exact = malloc(n + 1);
        assert_non_null(exact);
        memcpy(exact, octets, n);
        assert_int_equal(read_thing(span_of(exact, n), &thing), ERR_INVALID);
        free(exact);
    }
    struct thing thing = {0};
    octets[len] = 0;
    assert_int_equal(read_thing(span_of(octets, len + 1), &thing), ERR_INVALID);
}

/* Hostile twin: values out of their bounds. */
static void out_of_bounds(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } cases[] = {
        {0, 8},              /* another section */
        {4, 0xff},           /* longer than all */
        {5 + 15, 2},         /* neither true nor false */
        {5 + 16, 0},         /* less than the least */
        {5 + 16, 4},         /* more than the most */
        {5 + 17, 0x7f},      /* after a thousand years, and not never */
        {5 + 17 + 40, 8},    /* a text without room for its NUL */
        {5 + 17 + 42, 0},    /* a NUL inside */
        {5 + 17 + 47, 5},    /* neither IPv4 nor IPv6 */
        {5 + 17 + 67, 0xff}, /* the first address is behind the last one */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t octets[256];
        struct thing thing = {0};
        size_t len = write_thing(octets, sizeof(octets));
        assert_int_equal(read_thing(span_of(octets, len), &thing), 0);
        octets[cases[i].at] = cases[i].value;
        if (read_thing(span_of(octets, len), &thing) != ERR_INVALID)
            fail_msg("case %zu was taken", i);
    }
}

static void no_room(void **state)
{
    (void)state;
    uint8_t octets[256];
    size_t len = write_thing(octets, sizeof(octets));
    for (size_t cap = 0; cap < len; cap++) {
        struct thing thing = a_thing();
        struct writer w = writer_of(octets, cap);
        struct carrier c = carrier_writes(&w, 1, SOURCE_NOW);
        carry_thing(&c, &thing);
        assert_int_equal(carrier_done(&c), ERR_TRUNCATED);
    }
}

/* A failed export leaves the object unchanged. */
static void failed_writer_changes_nothing(void **state)
{
    (void)state;
    uint8_t octets[256];
    struct thing thing = a_thing(), same = a_thing();
    struct writer w = writer_of(octets, sizeof(octets));
    struct carrier c = carrier_writes(&w, 1, SOURCE_NOW);
    carrier_fail(&c, ERR_NOT_FOUND);
    carry_thing(&c, &thing);
    assert_int_equal(carrier_done(&c), ERR_NOT_FOUND);
    assert_memory_equal(&thing, &same, sizeof(thing));
}

static void first_error_stays(void **state)
{
    (void)state;
    struct carrier c = carrier_reads((struct span){0}, 1, 0);
    carrier_fail(&c, ERR_NOT_FOUND);
    carrier_check(&c, false);
    assert_int_equal(carrier_done(&c), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions),   cmocka_unit_test(cut),
        cmocka_unit_test(out_of_bounds),     cmocka_unit_test(no_room),
        cmocka_unit_test(first_error_stays), cmocka_unit_test(failed_writer_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
