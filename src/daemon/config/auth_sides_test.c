/* SPDX-License-Identifier: Apache-2.0 */
/* An EAP method that cannot play the role of its side is refused when the file is read. */
#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/config/config_load.h"

static const char *const both[] = {"eap",     "eap-dynamic",   "eap-mschapv2", "eap-tls",
                                   "eap-aka", "eap-ttls",      "eap-peap",     "eap-md5",
                                   "eap-sim", "eap-aka-prime", "eap-gtc"};
static const char *const local_only[] = {"eap-ttls-pap", "eap-ttls-chap", "eap-ttls-mschapv2"};

/* refusal - of `auth` on that side; empty: it is accepted. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(accepted), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
