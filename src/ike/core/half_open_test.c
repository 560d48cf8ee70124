/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/half_open.h"

#include "base/limits.h"
#include "base/unit_test.h"

static uint64_t dice = 1;

static void fill(void *context, void *octets, size_t len)
{
    uint8_t *out = octets;
    (void)context;
    for (size_t i = 0; i < len; i++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(dice >> 56);
    }
}

static const struct random random_source = {fill, NULL};
static const struct half_open_limits limits = {
    .total = 1000, .reserved = 125, .cookie_total = 30, .cookie_source = 3, .source = 16};
static struct half_open entries[2000];
static struct half_open_table table;

static struct address v6(unsigned host48, unsigned host56, unsigned host64)
{
    return (struct address){.family = ADDRESS_V6,
                            .octets = {0x20, 0x01, 0x0d, 0xb8, (uint8_t)(host48 >> 8),
                                       (uint8_t)host48, (uint8_t)host56, (uint8_t)host64, 1}};
}

static struct address v4(unsigned net, unsigned host)
{
    return (struct address){.family = ADDRESS_V4,
                            .octets = {10, (uint8_t)(net >> 8), (uint8_t)net, (uint8_t)host}};
}

static int begin(void **state)
{
    (void)state;
    memset(entries, 0, sizeof(entries));
    half_open_init(&table, &limits, &random_source);
    return 0;
}

static int end(void **state)
{
    (void)state;
    while (table.first != NULL)
        half_open_remove(&table, table.first);
    half_open_done(&table);
    assert_int_equal(table.buckets.n, 0);
    return 0;
}

/* fill_from - adds logins of a source until the table refuses one, `most` at most; all have a
 * cookie. */
static unsigned fill_from(struct address (*source)(unsigned), unsigned most)
{
    unsigned n = 0;
    for (unsigned i = 0; i < most; i++) {
        struct address address = source(i);
        if (half_open_judge(&table, &address, true, 0) == HALF_OPEN_WELCOME &&
            half_open_add(&table, &entries[table.n], &address, 0))
            n++;
    }
    return n;
}

static struct address one_64(unsigned i)
{
    struct address address = v6(1, 1, 1);
    address.octets[15] = (uint8_t)i;
    return address;
}

static struct address one_56(unsigned i)
{
    return v6(2, 1, i % 256);
}

static struct address one_48(unsigned i)
{
    return v6(3, i % 256, i / 256);
}

static struct address one_v4(unsigned i)
{
    (void)i;
    return v4(1, 1);
}

static struct address one_24(unsigned i)
{
    return v4(2, i % 256);
}

/* F2: a /64, a /56, a /48, an IPv4 address and a /24 get no more than their shares. */
static void nested(void **state)
{
    (void)state;
    assert_int_equal(fill_from(one_64, 2000), 16);
    assert_int_equal(fill_from(one_56, 2000), 64);
    assert_int_equal(fill_from(one_48, 2000), 256);
    assert_int_equal(fill_from(one_v4, 2000), 16);
    assert_int_equal(fill_from(one_24, 2000), 64);
    struct address other = v6(4, 0, 0);
    assert_int_equal(half_open_judge(&table, &other, true, 0), HALF_OPEN_WELCOME);
}

/* Cookies: from three logins of a source, twelve of a /56, 48 of a /48, or 30 of all. */
static void cookies(void **state)
{
    (void)state;
    struct address source = v6(1, 1, 1), beside = v6(1, 1, 2), other = v4(9, 9);
    for (unsigned i = 0; i < 3; i++)
        assert_true(half_open_add(&table, &entries[i], &source, 0));
    assert_int_equal(half_open_judge(&table, &source, false, 0), HALF_OPEN_COOKIE);
    assert_int_equal(half_open_judge(&table, &beside, false, 0), HALF_OPEN_WELCOME);
    for (unsigned i = 3; i < 12; i++) {
        struct address next = v6(1, 1, 10 + i);
        assert_true(half_open_add(&table, &entries[i], &next, 0));
    }
    assert_int_equal(half_open_judge(&table, &beside, false, 0), HALF_OPEN_COOKIE);
    assert_int_equal(half_open_judge(&table, &other, false, 0), HALF_OPEN_WELCOME);
    for (unsigned i = 12; i < 30; i++) {
        struct address next = v4(i, 1);
        assert_true(half_open_add(&table, &entries[i], &next, 0));
    }
    assert_int_equal(half_open_judge(&table, &other, false, 0), HALF_OPEN_COOKIE);
    assert_int_equal(half_open_judge(&table, &other, true, 0), HALF_OPEN_WELCOME);
}

/* A failed key exchange demands cookies for 30 s. It blocks its source only if the source was
 * proven. */
static void failures(void **state)
{
    (void)state;
    struct address source = v4(1, 1), other = v4(2, 2);
    for (unsigned i = 0; i < 20; i++)
        half_open_failed(&table, &source, false, 0);
    assert_int_equal(half_open_judge(&table, &source, false, 1), HALF_OPEN_COOKIE);
    assert_int_equal(half_open_judge(&table, &source, true, 1), HALF_OPEN_WELCOME);
    assert_int_equal(half_open_judge(&table, &other, false, 1), HALF_OPEN_WELCOME);
    for (unsigned i = 0; i < 16; i++)
        half_open_failed(&table, &source, true, 2);
    assert_int_equal(half_open_judge(&table, &source, true, 3), HALF_OPEN_REFUSED);
    assert_int_equal(half_open_judge(&table, &other, false, 3), HALF_OPEN_COOKIE); /* 36 in all */
    assert_int_equal(half_open_judge(&table, &other, true, 3), HALF_OPEN_WELCOME);
    nanos over = LIMIT_KE_FAILURE_NS + 2;
    assert_int_equal(half_open_judge(&table, &source, false, over), HALF_OPEN_WELCOME);
    for (unsigned i = 0; i < 5 * LIMIT_KE_FAILURES; i++) { /* bounded */
        struct address next = v4(i, i);
        half_open_failed(&table, &next, false, over);
    }
    assert_int_equal(table.n_failures, LIMIT_KE_FAILURES);
}

/* F1: in a full table a newcomer displaces a login of one of the largest sources. Known sources
 * have reserved room. */
static void full(void **state)
{
    (void)state;
    struct address lan = v4(1, 1), friend = v4(2000, 1);
    half_open_know(&table, &friend, 0);
    for (unsigned i = 0; i < 8; i++) {
        lan.octets[3] = (uint8_t)i;
        assert_true(half_open_add(&table, &entries[i], &lan, 0));
    }
    for (unsigned i = 8; i < 875; i++) {
        struct address next = v4(i, 1);
        assert_true(half_open_add(&table, &entries[i], &next, 0));
    }
    struct address stranger = v4(3000, 1);
    assert_int_equal(half_open_judge(&table, &stranger, true, 0), HALF_OPEN_FULL);
    assert_int_equal(half_open_judge(&table, &friend, true, 0), HALF_OPEN_WELCOME);
    bool seen[8] = {false};
    for (unsigned i = 0; i < 200; i++) {
        struct half_open *victim = half_open_victim(&table);
        assert_true(victim >= entries && victim < entries + 8);
        seen[victim - entries] = true;
    }
    for (unsigned i = 0; i < 8; i++)
        assert_true(seen[i]);
    entries[3].busy = true;
    for (unsigned i = 0; i < 200; i++)
        assert_ptr_not_equal(half_open_victim(&table), &entries[3]);
}

/* A fuller table gives a login less time. The end of a login never changes. */
static void patience(void **state)
{
    (void)state;
    assert_int_equal(half_open_patience(&table), LIMIT_HALF_OPEN_NS);
    nanos before = LIMIT_HALF_OPEN_NS;
    for (unsigned i = 0; i < 1000; i++) {
        struct address next = v4(i, 1);
        assert_true(half_open_add(&table, &entries[i], &next, 0));
        nanos now = half_open_patience(&table);
        assert_true(now <= before && (table.n > 500) == (now < LIMIT_HALF_OPEN_NS));
        before = now;
    }
    assert_int_equal(before, LIMIT_HALF_OPEN_FULL_NS);
}

/* Known sources are bounded: the oldest is forgotten. */
static void known(void **state)
{
    (void)state;
    struct address source = v6(1, 1, 1), neighbour = v6(1, 1, 2), same = source;
    same.octets[15] = 77;
    assert_false(half_open_knows(&table, &source));
    half_open_know(&table, &source, 1);
    assert_true(half_open_knows(&table, &source) && half_open_knows(&table, &same));
    assert_false(half_open_knows(&table, &neighbour));
    for (unsigned i = 0; i < 20 * LIMIT_KNOWN_SOURCES; i++) {
        struct address next = v6(i / 65536 + 9, i / 256 % 256, i % 256);
        half_open_know(&table, &next, 2 + (nanos)i);
        assert_true(half_open_knows(&table, &next));
    }
    assert_false(half_open_knows(&table, &source));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nested, begin, end),
        cmocka_unit_test_setup_teardown(cookies, begin, end),
        cmocka_unit_test_setup_teardown(failures, begin, end),
        cmocka_unit_test_setup_teardown(full, begin, end),
        cmocka_unit_test_setup_teardown(patience, begin, end),
        cmocka_unit_test_setup_teardown(known, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
