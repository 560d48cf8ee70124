/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/cookie.h"

#include "base/unit_test.h"

static void count_up(void *context, void *octets, size_t len)
{
    uint8_t *next = context;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)octets)[i] = (*next)++;
}

static struct crypto_provider *crypto;
static uint8_t dice;
static const struct random dice_of = {count_up, &dice};
static const uint8_t nonce[2][16] = {"0123456789abcdef", "0123456789abcdeF"};

static struct cookie_input input_of(const char *address, uint16_t port)
{
    struct cookie_input input = {.ni = span_of(nonce[0], 16), .spi_i = 77};
    assert_true(address_parse(address, &input.source.address));
    input.source.port = port;
    return input;
}

/* RFC 7296 section 2.6: a cookie proves one address, port, SPI and nonce, and no octet may differ
 */
static void of_one_request(void **state)
{
    (void)state;
    struct cookie_jar jar = {0};
    struct cookie_input input = input_of("192.0.2.1", 500), other;
    uint8_t cookie[COOKIE_LEN + 1] = {0};
    nanos now = NANOS_PER_SEC;
    assert_true(cookie_make(&jar, crypto, &dice_of, &input, now, cookie));
    struct span good = span_of(cookie, COOKIE_LEN);
    assert_true(cookie_check(&jar, crypto, &input, good, now));

    other = input_of("192.0.2.2", 500);
    assert_false(cookie_check(&jar, crypto, &other, good, now));
    other = input_of("192.0.2.1", 501);
    assert_false(cookie_check(&jar, crypto, &other, good, now));
    other = input;
    other.spi_i++;
    assert_false(cookie_check(&jar, crypto, &other, good, now));
    other = input;
    other.ni = span_of(nonce[1], 16);
    assert_false(cookie_check(&jar, crypto, &other, good, now));

    for (size_t bit = 0; bit < 8 * (size_t)COOKIE_LEN; bit++) {
        cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(cookie_check(&jar, crypto, &input, good, now));
        cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_false(cookie_check(&jar, crypto, &input, span_of(cookie, COOKIE_LEN - 1), now));
    assert_false(cookie_check(&jar, crypto, &input, span_of(cookie, COOKIE_LEN + 1), now));
    assert_false(cookie_check(&jar, crypto, &input, (struct span){0}, now));
}

static void ages(void **state)
{
    (void)state;
    struct cookie_jar jar = {0}, never = {0};
    struct cookie_input input = input_of("2001:db8::1", 4500);
    uint8_t old[COOKIE_LEN], new[COOKIE_LEN];
    nanos now = NANOS_PER_SEC;
    assert_true(cookie_make(&jar, crypto, &dice_of, &input, now, old));
    assert_false(cookie_check(&never, crypto, &input, span_of(old, COOKIE_LEN), now));
    now += COOKIE_LIFETIME_NS;
    assert_true(cookie_make(&jar, crypto, &dice_of, &input, now, new));
    assert_memory_not_equal(old, new, COOKIE_LEN);
    assert_true(cookie_check(&jar, crypto, &input, span_of(old, COOKIE_LEN), now)); /* one change */
    now += COOKIE_LIFETIME_NS;
    assert_false(cookie_check(&jar, crypto, &input, span_of(old, COOKIE_LEN), now));
    assert_true(cookie_check(&jar, crypto, &input, span_of(new, COOKIE_LEN), now));
    now += COOKIE_LIFETIME_NS; /* the secret ends on time, without a request */
    assert_false(cookie_check(&jar, crypto, &input, span_of(new, COOKIE_LEN), now));
}

static int setup(void **state)
{
    (void)state;
    crypto = crypto_new();
    return crypto == NULL;
}

static int teardown(void **state)
{
    (void)state;
    crypto = crypto_free(crypto);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_request),
        cmocka_unit_test(ages),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
