/* SPDX-License-Identifier: Apache-2.0 */
/* An EAP method that cannot play the role of its side is refused when the file is read. */
#include <stdio.h>

#include "base/unit_test.h"
#include "crypto/signature.h"
#include "daemon/config/config_load.h"

static const char *const both[] = {"eap",     "eap-dynamic",   "eap-mschapv2", "eap-tls",
                                   "eap-aka", "eap-ttls",      "eap-peap",     "eap-md5",
                                   "eap-sim", "eap-aka-prime", "eap-gtc"};
static const char *const local_only[] = {"eap-ttls-pap", "eap-ttls-chap", "eap-ttls-mschapv2"};

/* refusal - the error for `auth` on that side; empty: accepted. */
static void refusal(const char *side, const char *auth, char ret_text[ENGINE_ERROR_MAX])
{
    char text[256];
    struct settings settings;
    struct build_error error = {.text = ""};
    (void)snprintf(text, sizeof(text), "connections {\n a {\n %s {\n auth = %s\n}\n}\n}\n", side,
                   auth);
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    int err = config_check(settings.root, &error);
    assert_true((err == 0) == (error.text[0] == '\0'));
    (void)snprintf(ret_text, ENGINE_ERROR_MAX, "%s", error.text);
    settings_done(&settings);
}

static void accepted(void **state)
{
    char text[ENGINE_ERROR_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        refusal("local", both[i], text);
        assert_string_equal(text, "");
        refusal("remote", both[i], text);
        assert_string_equal(text, "");
    }
    for (size_t i = 0; i < ARRAY_LEN(local_only); i++) {
        refusal("local-1", local_only[i], text);
        assert_string_equal(text, "");
    }
    refusal("remote-1", "eap-radius", text);
    assert_string_equal(text, "");
}

static void refused(void **state)
{
    char text[ENGINE_ERROR_MAX], wanted[128];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(local_only); i++) {
        refusal("remote-1", local_only[i], text);
        (void)snprintf(wanted, sizeof(wanted), "t.conf:4: auth: %s is for the local side",
                       local_only[i]);
        assert_memory_equal(text, wanted, strlen(wanted));
    }
    refusal("local", "eap-radius", text);
    assert_string_equal(text, "t.conf:4: auth: eap-radius is for the remote side");
}

/* warned - the warning for a connection with these sides; empty: none. */
static void warned(const char *local, const char *remote, char ret_text[ENGINE_ERROR_MAX])
{
    static struct build_errors found;
    char text[512];
    struct settings settings;
    struct build_error error = {.text = "", .warnings = &found};
    found.n = 0;
    (void)snprintf(text, sizeof(text),
                   "connections {\n a {\n local-1 {\n%s}\n remote-1 {\n%s}\n}\n}\n", local, remote);
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    assert_int_equal(config_check(settings.root, &error), 0);
    settings_done(&settings);
    assert_true(found.n < 2);
    (void)snprintf(ret_text, ENGINE_ERROR_MAX, "%s", found.n == 0 ? "" : found.text[0]);
}

/* If the End User uses EAP, RFC 7296 section 2.16 demands a signature of the Gateway. */
static void shared_key_beside_eap(void **state)
{
    static const char psk[] = "auth = psk\n", eap[] = "auth = eap-mschapv2\n",
                      *const good[] = {"auth = pubkey\n", "", "auth = eap-mschapv2\n"};
    char text[ENGINE_ERROR_MAX];
    (void)state;
    warned(psk, eap, text);
    assert_memory_equal(text, "t.conf:4: auth: RFC 7296 section 2.16", 37);
    warned(eap, psk, text);
    assert_memory_equal(text, "t.conf:7: auth: RFC 7296 section 2.16", 37);
    warned(psk, psk, text);
    assert_string_equal(text, "");
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        warned(good[i], eap, text);
        assert_string_equal(text, "");
        warned(eap, good[i], text);
        assert_string_equal(text, "");
    }
    /* of several rounds, one by a signature is enough */
    warned("auth = pubkey\n}\n local-2 {\nauth = psk\n", eap, text);
    assert_string_equal(text, "");
}

#define BIT(name) (1u << SIGNATURE_##name)

/* The signatures that we announce follow from the constraints of the remote side (RFC 9593). */
static void signatures_of_constraints(void **state)
{
    static const struct {
        const char *auth;
        unsigned kinds, hashes;
    } rows[] = {
        {"pubkey", 0, 0},
        {"pubkey-sha256-sha384", 0, BIT(SHA2_256) | BIT(SHA2_384)},
        {"rsa-3072-ecdsa-sha512", BIT(RSA_PKCS1) | BIT(RSA_PSS) | BIT(ECDSA), BIT(SHA2_512)},
        {"rsa/pss-ed25519", BIT(RSA_PSS) | BIT(ED25519), 0},
        {"eddsa", BIT(ED25519) | BIT(ED448), 0},
        {"ike:rsa/pss-sha384", BIT(RSA_PSS) | BIT(ECDSA) | BIT(ED25519) | BIT(ED448),
         BIT(SHA2_384)},
        {"eap-tls:rsa-3072-sha512", 0, 0}, /* not of IKE */
    };
    static struct conn_credentials credentials;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[256];
        struct settings settings;
        struct build_error error = {.text = ""};
        struct ike_conn *conn = NULL;
        (void)snprintf(text, sizeof(text),
                       "a {\n local {\n auth = psk\n}\n remote {\n auth = %s\n}\n}\n",
                       rows[i].auth);
        assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
        assert_int_equal(conn_build(settings.root->first, &conn, &credentials, &error), 0);
        assert_int_equal(conn->remote[0].signature_kinds, rows[i].kinds);
        assert_int_equal(conn->remote[0].hashes, rows[i].hashes);
        settings_done(&settings);
        ike_conn_unref(conn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(accepted), cmocka_unit_test(refused),
                                       cmocka_unit_test(shared_key_beside_eap),
                                       cmocka_unit_test(signatures_of_constraints)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
