/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates on tokens, in files. */
#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/config/config_load.h"

static void check(const char *text, const char *want)
{
    struct settings settings;
    struct build_error error = {.text = ""};
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    int err = config_check(settings.root, &error);
    settings_done(&settings);
    if (want == NULL && err != 0)
        fail_msg("'%s' was refused: %s", text, error.text);
    if (want != NULL && (err != ERR_INVALID || strstr(error.text, want) == NULL))
        fail_msg("'%s': '%s' was expected, not '%s'", text, want, error.text);
}

static void test_sections(void **state)
{
    static const struct {
        const char *text, *want; /* NULL: fine */
    } table[] = {
        {"connections {\n a {\n local {\n cert-x {\n handle = 0a\n slot = 1\n module = c\n "
         "}\n}\n}\n}"
         "\n",
         NULL},
        {"connections {\n a {\n local {\n cert-x {\n handle = xyz\n }\n}\n}\n}\n",
         "t.conf:5: handle: 'xyz' is not the id of a key"},
        {"secrets {\n token-x {\n handle = 0x01ab\n slot = 4\n pin = 1\n}\n}\n", NULL},
        {"secrets {\n token-x {\n pin = 1\n}\n}\n", "t.conf:2: token-x: 'handle' is missing"},
        {"secrets {\n token-x {\n handle = 1\n slot = -1\n}\n}\n", "the id of a key"},
        {"secrets {\n token-x {\n handle = 01\n slot = -1\n}\n}\n", "'-1' is not the number"},
        {"secrets {\n token-x {\n handle = 01\n secret = x\n}\n}\n", "secret: unknown key"},
        {"pkcs11 {\n c {\n path = /lib/c.so\n}\n}\n", NULL},
        {"pkcs11 {\n c {\n path = c.so\n}\n}\n", "t.conf:3: path: is not an absolute path"},
        {"pkcs11 {\n c {\n}\n}\n", "t.conf:2: c: 'path' is missing"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        check(table[i].text, table[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sections)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
