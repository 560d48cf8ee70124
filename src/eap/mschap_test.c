/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 2759 section 9.2, and RFC 3079 section 3.5 for the keys. */
#include "base/unit_test.h"
#include "eap/mschap.h"

static const uint8_t password_hash[MSCHAP_HASH] = {0x44, 0xeb, 0xba, 0x8d, 0x53, 0x12, 0xb8, 0xd6,
                                                   0x11, 0x47, 0x44, 0x11, 0xf5, 0x69, 0x89, 0xae};
static const struct mschap_exchange example = {
    .authenticator_challenge = {0x5b, 0x5d, 0x7c, 0x7d, 0x7b, 0x3f, 0x2f, 0x3e, 0x3c, 0x2c, 0x60,
                                0x21, 0x32, 0x26, 0x26, 0x28},
    .peer_challenge = {0x21, 0x40, 0x23, 0x24, 0x25, 0x5e, 0x26, 0x2a, 0x28, 0x29, 0x5f, 0x2b, 0x3a,
                       0x33, 0x7c, 0x7e},
    .nt_response = {0x82, 0x30, 0x9e, 0xcd, 0x8d, 0x70, 0x8b, 0x5e, 0xa0, 0x8f, 0xaa, 0x39,
                    0x81, 0xcd, 0x83, 0x54, 0x42, 0x33, 0x11, 0x4a, 0x3d, 0x85, 0xd6, 0xdf},
};

static int setup(void **state)
{
    *state = eap_crypto_new();
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    *state = eap_crypto_free(*state);
    return 0;
}

static void hashes_the_password(void **state)
{
    uint8_t hash[MSCHAP_HASH];
    assert_int_equal(mschap_password_hash(*state, span_text("clientPass"), hash), 0);
    assert_memory_equal(hash, password_hash, MSCHAP_HASH);
}

static void hashes_utf16(void **state)
{
    /* U+20AC is one unit, U+1F511 a pair of surrogates; both are two or more octets of UTF-8 */
    static const uint8_t units[] = {0xac, 0x20, 0x3d, 0xd8, 0x11, 0xdd};
    struct eap_crypto *crypto = *state;
    const struct span part = span_of(units, sizeof(units));
    uint8_t hash[MSCHAP_HASH], wanted[MSCHAP_HASH];
    assert_int_equal(eap_digest(crypto, crypto->md4, &part, 1, wanted), 0);
    assert_int_equal(mschap_password_hash(crypto, span_text("\xe2\x82\xac\xf0\x9f\x94\x91"), hash),
                     0);
    assert_memory_equal(hash, wanted, MSCHAP_HASH);
}

static void refuses_what_is_not_utf8(void **state)
{
    static const char *const texts[] = {"\x80",         "\xc0\xaf",         "\xc3",
                                        "\xe2\x82",     "\xed\xa0\x80",     "\xf4\x90\x80\x80",
                                        "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xff"};
    uint8_t hash[MSCHAP_HASH];
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(mschap_password_hash(*state, span_text(texts[i]), hash), ERR_INVALID);
}

static void responds(void **state)
{
    static const char *const names[] = {"User", "BIGCO\\User"};
    uint8_t response[MSCHAP_NT_RESPONSE];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(
            mschap_nt_response(*state, &example, span_text(names[i]), password_hash, response), 0);
        assert_memory_equal(response, example.nt_response, MSCHAP_NT_RESPONSE);
    }
}

static void authenticates_the_authenticator(void **state)
{
    uint8_t response[MSCHAP_AUTH];
    assert_int_equal(
        mschap_authenticator_response(*state, &example, span_text("User"), password_hash, response),
        0);
    assert_memory_equal(response, "S=407A5589115FD0D6209F510FE9C04566932CDA56", MSCHAP_AUTH);
}

static void derives_the_msk(void **state)
{
    /* RFC 3079 section 3.5.3: SendStartKey128 of the server */
    static const uint8_t send[16] = {0x8b, 0x7c, 0xdc, 0x14, 0x9b, 0x99, 0x3a, 0x1b,
                                     0xa1, 0x18, 0xcb, 0x15, 0x3f, 0x56, 0xdc, 0xcb};
    static const uint8_t zeros[32] = {0};
    uint8_t msk[EAP_MSK];
    assert_int_equal(mschap_msk(*state, example.nt_response, password_hash, msk), 0);
    assert_memory_equal(msk + 16, send, sizeof(send));
    assert_memory_equal(msk + 32, zeros, sizeof(zeros));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_the_password),
        cmocka_unit_test(hashes_utf16),
        cmocka_unit_test(refuses_what_is_not_utf8),
        cmocka_unit_test(responds),
        cmocka_unit_test(authenticates_the_authenticator),
        cmocka_unit_test(derives_the_msk),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
