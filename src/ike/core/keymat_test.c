/* SPDX-License-Identifier: Apache-2.0 */
/* The expected octets were computed with Python's hmac and hashlib from the formulas of RFC 7296
 * sections 2.13, 2.14, 2.17 and 2.18, 2.23. */
#include "ike/core/keymat.h"

#include "base/unit_test.h"
#include "crypto/prf.h"
#include "ike/core/cookie.h"
#include "ike/core/ike_state.h"
#include "ike/core/nat_detection.h"

static uint8_t ni[32], nr[24];
static struct secret first, second;

static void fill_up(uint8_t *octets, size_t len, uint8_t from)
{
    for (size_t i = 0; i < len; i++)
        octets[i] = (uint8_t)(from + i);
}

static void assert_hex(const uint8_t *octets, const char *hex)
{
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        unsigned value;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        assert_int_equal(octets[i], value);
    }
}

static int setup(void **state)
{
    static struct ike ike;
    static uint8_t octets[32];
    ike.crypto = crypto_new();
    fill_up(ni, sizeof(ni), 0x10);
    fill_up(nr, sizeof(nr), 0x40);
    memset(octets, 0xab, sizeof(octets));
    secret_set(&first, span_of(octets, sizeof(octets)));
    memset(octets, 0xcd, sizeof(octets));
    secret_set(&second, span_of(octets, sizeof(octets)));
    *state = &ike;
    return ike.crypto == NULL;
}

static int teardown(void **state)
{
    struct ike *ike = *state;
    ike->crypto = crypto_free(ike->crypto);
    return 0;
}

static struct sa initial(struct ike *ike)
{
    struct sa sa = {.ike = ike,
                    .spi_i = 0x0102030405060708,
                    .spi_r = 0x1112131415161718,
                    .encr = ENCR_AES_GCM_16,
                    .encr_key_bits = 256,
                    .prf = PRF_HMAC_SHA2_256};
    assert_int_equal(keymat_initial(&sa, span_of(ni, sizeof(ni)), span_of(nr, sizeof(nr)), &first),
                     0);
    return sa;
}

static void seven_keys(void **state)
{
    struct sa sa = initial(*state);
    assert_hex(sa.keys.sk_d, "ce6bacfd533aacf262b2c3f5adb038b70ba713f37e0319f4deee901721c4751c");
    assert_hex(sa.keys.sk_ei,
               "56a62a06a72c2cb0a93e52e39bc54f3e35a955a109e8cb7759424245ea156c94de8a607b");
    assert_hex(sa.keys.sk_er,
               "1a1ab1d68410948151d9849e7044ffb95525c06880f8fbea34a7461b1427f69f1a7ff686");
    assert_hex(sa.keys.sk_pi, "7fd8d80b9df5ad70e4dc07a357909c0eb5e92098655e19a3fd3340a1554bd49e");
    assert_hex(sa.keys.sk_pr, "62b4fd75ee4390eb783429dd9c2d43d67b4ec53c4434f297128aea976b60ca6c");
}

/* For a rekey and a clone: SK_d of the old IKE SA, SPIs and algorithms of the new one. */
static void keys_of_a_derived_sa(void **state)
{
    struct sa old = initial(*state);
    struct sa sa = {.ike = *state,
                    .spi_i = 0x2122232425262728,
                    .spi_r = 0x3132333435363738,
                    .encr = ENCR_AES_CBC,
                    .encr_key_bits = 128,
                    .integ = AUTH_HMAC_SHA2_256_128,
                    .prf = PRF_HMAC_SHA2_256};
    assert_int_equal(
        keymat_derived(&sa, &old, span_of(ni, sizeof(ni)), span_of(nr, sizeof(nr)), &second), 0);
    assert_hex(sa.keys.sk_d, "e4b981febebb14cc3c9ffdbd9562d229fd34ed66b763613b0396b8d95fd4b1f5");
    assert_hex(sa.keys.sk_ai, "344109593bc81135c3f0973f89694b2cf96df576c923f1f099b27d445f35dade");
    assert_hex(sa.keys.sk_ar, "fdfa2789ba1444a4903219a7e4817085b75d1380f7df3c045fe188987693af7e");
    assert_hex(sa.keys.sk_ei, "04b8b5efe4f2688e4b8a7b8029232c57");
    assert_hex(sa.keys.sk_er, "1b4ed88ab2a1c33089aeedee2f736422");
    assert_hex(sa.keys.sk_pi, "48a2830050dbcaafe79083f6acccf991e790187fa70e95ee2bb7e233934250f6");
    assert_hex(sa.keys.sk_pr, "348988241a63ed6aebdcfca92f8f7c0401a816deba68204f4a532e297a4b6913");
}

/* Section 2.18: SKEYSEED comes from the old PRF, the keys from the new one. Section 2.14: SK_ei and
 * SK_ai are of the original initiator. */
static void another_prf(void **state)
{
    struct sa old = initial(*state);
    struct sa sa = {.ike = *state,
                    .spi_i = 1,
                    .spi_r = 2,
                    .encr = ENCR_AES_CBC,
                    .encr_key_bits = 128,
                    .integ = AUTH_HMAC_SHA2_256_128,
                    .prf = PRF_HMAC_SHA2_512};
    struct span parts[3] = {secret_span(&second), span_of(ni, sizeof(ni)), span_of(nr, sizeof(nr))};
    uint8_t skeyseed[CRYPTO_HASH_MAX], want[64], spis[16] = {[7] = 1, [15] = 2};
    struct span seed[3] = {parts[1], parts[2], span_of(spis, 16)};
    assert_int_equal(keymat_derived(&sa, &old, parts[1], parts[2], &second), 0);
    assert_int_equal(crypto_prf(sa.ike->crypto, PRF_HMAC_SHA2_256, span_of(old.keys.sk_d, 32),
                                parts, 3, skeyseed),
                     0);
    assert_int_equal(crypto_prf_plus(sa.ike->crypto, PRF_HMAC_SHA2_512, span_of(skeyseed, 32), seed,
                                     3, (struct buffer){want, sizeof(want)}),
                     0);
    assert_memory_equal(sa.keys.sk_d, want, sizeof(want));
    struct sk_keys of_initiator = sk_keys_of(&sa, true), of_responder = sk_keys_of(&sa, false);
    assert_memory_equal(of_initiator.encr_key, sa.keys.sk_ei, 16);
    assert_memory_equal(of_initiator.integ_key, sa.keys.sk_ai, 32);
    assert_memory_equal(of_responder.encr_key, sa.keys.sk_er, 16);
    assert_memory_equal(of_responder.integ_key, sa.keys.sk_ar, 32);
}

static void child_keys(void **state)
{
    struct sa sa = initial(*state);
    struct keymat_child input = {.encr = ENCR_AES_GCM_16,
                                 .encr_key_bits = 256,
                                 .ni = span_of(ni, sizeof(ni)),
                                 .nr = span_of(nr, sizeof(nr)),
                                 .exchange_initiator = true};
    struct ike_child_keys ours, theirs;
    assert_int_equal(keymat_child(&sa, &input, &ours), 0);
    assert_int_equal(ours.encr_out.len, 36);
    assert_int_equal(ours.integ_out.len, 0);
    assert_hex(ours.encr_out.octets,
               "f94608c15ea24998632b645e242d02c09ac84d491260d3f1e6a0a84333990d59c1032aed");
    assert_hex(ours.encr_in.octets,
               "46eff0c302a83913ac41da0901542b85e54228f77bad98613aa96ab75eeebad2e439068e");
    input.exchange_initiator = false;
    assert_int_equal(keymat_child(&sa, &input, &theirs), 0);
    assert_true(span_equal(secret_span(&ours.encr_out), secret_span(&theirs.encr_in)));
    assert_true(span_equal(secret_span(&ours.encr_in), secret_span(&theirs.encr_out)));
}

static void child_keys_with_pfs_and_integrity(void **state)
{
    struct sa sa = initial(*state);
    struct keymat_child input = {.encr = ENCR_AES_CBC,
                                 .encr_key_bits = 128,
                                 .integ = AUTH_HMAC_SHA2_256_128,
                                 .ni = span_of(ni, sizeof(ni)),
                                 .nr = span_of(nr, sizeof(nr)),
                                 .shared = &second,
                                 .exchange_initiator = true};
    struct ike_child_keys keys;
    assert_int_equal(keymat_child(&sa, &input, &keys), 0);
    /* section 2.17: encryption before integrity, initiator to responder before the other way */
    assert_hex(keys.encr_out.octets, "f568aa49deb7489f1c15c74617744a62");
    assert_hex(keys.integ_out.octets,
               "f45ba50cdb07e4e11e116d08cf3ee91ccb0cfdcb325e0bd9ea4f52d09cd2d81b");
    assert_hex(keys.encr_in.octets, "bd54a81f2db8520e00931481aa9cf84d");
    assert_hex(keys.integ_in.octets,
               "d55dde7e556e38d1ac94cc254508889aad291a8d6f6fd0b046daf8a4f3e50f44");
}

/* --- NAT detection --- */

static struct ike_path path_of(const char *local, const char *remote, uint16_t port)
{
    struct ike_path path = {.local.port = port, .remote.port = port};
    assert_true(address_parse(local, &path.local.address));
    assert_true(address_parse(remote, &path.remote.address));
    return path;
}

static void nat_detection(void **state)
{
    struct sa sa = {.ike = *state, .spi_i = 0x0102030405060708, .spi_r = 0x1112131415161718};
    struct ike_path out = path_of("192.0.2.1", "198.51.100.1", 500);
    struct ike_path in = path_of("198.51.100.1", "192.0.2.1", 500);
    struct ike_path behind = path_of("198.51.100.1", "203.0.113.9", 500);
    struct ike_path other_port = in;
    struct ike_path both = path_of("10.0.0.1", "203.0.113.9", 500);
    uint8_t octets[256], critical, inner;
    struct wire_builder b = wire_builder_of(octets, sizeof(octets));
    struct wire_message message;
    struct wire_notify notify;

    other_port.remote.port = 4500;
    nat_detection_add(&sa, &b, &out, false);
    assert_int_equal(wire_chain_read(writer_span(&b.w), b.first, &message, &critical, &inner),
                     WIRE_OK);
    message.header = (struct ike_header){.spi_i = sa.spi_i, .spi_r = sa.spi_r};
    assert_true(wire_notify_find(&message, N_NAT_DETECTION_SOURCE_IP, &notify));
    assert_hex(notify.data.ptr, "d798d986143f878f70765e0e869c80bbc375f701");

    struct nat_seen seen = nat_detection_check(&sa, &message, &in);
    assert_true(seen.present && !seen.local && !seen.remote);
    seen = nat_detection_check(&sa, &message, &behind);
    assert_true(seen.present && !seen.local && seen.remote);
    seen = nat_detection_check(&sa, &message, &other_port);
    assert_true(seen.present && !seen.local && seen.remote);
    seen = nat_detection_check(&sa, &message, &both);
    assert_true(seen.present && seen.local && seen.remote);
    message.n = 1; /* one of the two notifies alone has no meaning */
    seen = nat_detection_check(&sa, &message, &behind);
    assert_false(seen.present || seen.local || seen.remote);
}

/* --- cookies --- */

static void fill_counter(void *context, void *octets, size_t len)
{
    uint8_t *next = context;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)octets)[i] = (*next)++;
}

static bool accepted(struct ike *ike, const struct cookie_jar *jar, struct cookie_input input,
                     struct span cookie, nanos now)
{
    return cookie_check(jar, ike->crypto, &input, cookie, now);
}

static void cookies(void **state)
{
    struct ike *ike = *state;
    struct cookie_jar jar = {0};
    uint8_t counter = 0, cookie[COOKIE_LEN], bad[COOKIE_LEN + 1];
    const struct random random = {fill_counter, &counter};
    struct cookie_input input = {span_of(ni, sizeof(ni)),
                                 path_of("192.0.2.1", "192.0.2.7", 500).remote, 77};
    struct cookie_input other = input;
    nanos now = 5 * NANOS_PER_SEC;
    struct span good = span_of(cookie, sizeof(cookie));

    assert_false(accepted(ike, &jar, input, good, now)); /* none was given yet */
    assert_true(cookie_make(&jar, ike->crypto, &random, &input, now, cookie));
    assert_true(accepted(ike, &jar, input, good, now));
    other.spi_i++;
    assert_false(accepted(ike, &jar, other, good, now));
    other = input;
    other.source.port++;
    assert_false(accepted(ike, &jar, other, good, now));
    other = input;
    other.source.address.octets[3]++;
    assert_false(accepted(ike, &jar, other, good, now));
    other = input;
    other.ni.len--;
    assert_false(accepted(ike, &jar, other, good, now));
    for (size_t i = 0; i < COOKIE_LEN; i++) {
        memcpy(bad, cookie, COOKIE_LEN);
        bad[i] ^= 1;
        assert_false(accepted(ike, &jar, input, span_of(bad, COOKIE_LEN), now));
    }
    memcpy(bad, cookie, COOKIE_LEN);
    assert_false(accepted(ike, &jar, input, span_of(bad, COOKIE_LEN + 1), now));
    assert_false(accepted(ike, &jar, input, span_of(bad, COOKIE_LEN - 1), now));
    assert_false(accepted(ike, &jar, input, span_of(bad, 0), now));
}

static void cookies_age(void **state)
{
    struct ike *ike = *state;
    struct cookie_jar jar = {0};
    uint8_t counter = 0, old[COOKIE_LEN], fresh[COOKIE_LEN];
    const struct random random = {fill_counter, &counter};
    struct cookie_input input = {span_of(ni, sizeof(ni)),
                                 path_of("192.0.2.1", "192.0.2.7", 500).remote, 77};
    struct span first_one = span_of(old, sizeof(old));
    nanos now = 5 * NANOS_PER_SEC;

    assert_true(cookie_make(&jar, ike->crypto, &random, &input, now, old));
    /* the secret ends on time, without a request */
    assert_true(accepted(ike, &jar, input, first_one, now + COOKIE_LIFETIME_NS));
    assert_false(accepted(ike, &jar, input, first_one, now + 2 * COOKIE_LIFETIME_NS));
    now += COOKIE_LIFETIME_NS;
    assert_true(cookie_make(&jar, ike->crypto, &random, &input, now, fresh));
    assert_true(accepted(ike, &jar, input, first_one, now)); /* of the previous secret */
    assert_true(accepted(ike, &jar, input, span_of(fresh, sizeof(fresh)), now));
    now += COOKIE_LIFETIME_NS;
    assert_true(cookie_make(&jar, ike->crypto, &random, &input, now, fresh));
    assert_false(accepted(ike, &jar, input, first_one, now)); /* two secrets ago */
    for (int i = 0; i < 600; i++) {                           /* the version octet wraps */
        now += COOKIE_LIFETIME_NS;
        assert_true(cookie_make(&jar, ike->crypto, &random, &input, now, fresh));
        assert_true(accepted(ike, &jar, input, span_of(fresh, sizeof(fresh)), now));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(seven_keys),
        cmocka_unit_test(keys_of_a_derived_sa),
        cmocka_unit_test(another_prf),
        cmocka_unit_test(child_keys),
        cmocka_unit_test(child_keys_with_pfs_and_integrity),
        cmocka_unit_test(nat_detection),
        cmocka_unit_test(cookies),
        cmocka_unit_test(cookies_age),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
