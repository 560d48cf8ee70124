/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates on tokens, in files. */
#include <stdio.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/common/channel.h"
#include "daemon/config/config_load.h"
#include "daemon/config/token_certs.h"

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

/* resolve - the keyholder has `error` for the only certificate, and `der` behind its answer. */
static void resolve(struct settings *settings, int error, struct span der)
{
    int ends[2];
    const struct key_answer answer = {.n_octets = (uint32_t)der.len, .error = error};
    struct build_error said = {.text = ""};
    assert_int_equal(channel_pair(ends, 1 << 17), 0);
    assert_int_equal(channel_send_tail(ends[1], span_of(&answer, sizeof(answer)), der), 0);
    const struct secret_doors doors = {.key_fd = ends[0]};
    assert_int_equal(token_certs_resolve(&doors, settings->root, &said), 0);
    close(ends[0]), close(ends[1]);
}

/* A remote round that names a missing certificate would accept any peer of any CA: its connection
 * is left out, and no other one. A local round with a missing certificate fails by itself. */
static void test_missing(void **state)
{
    static const struct {
        const char *round, *section;
        int error;
        bool octets, stays;
    } table[] = {
        {"remote", "cert", ERR_NOT_FOUND, false, false},
        {"remote-x", "cacert-1", ERR_SYSTEM, false, false},
        {"remote", "cacert", 0, false, false},
        {"REMOTE", "cert", ERR_DENIED, false, false},
        {"remote", "cacert", 0, true, true},
        {"local", "cert", ERR_NOT_FOUND, false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[300];
        struct settings settings;
        (void)snprintf(
            text, sizeof(text),
            "connections {\n a {\n}\n b {\n %s {\n %s {\n handle = 01\n}\n}\n}\n c {\n}\n}\n",
            table[i].round, table[i].section);
        assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
        resolve(&settings, table[i].error, span_of("der", table[i].octets ? 3 : 0));
        const struct tree *conns = tree_get(settings.root, "connections");
        assert_true((tree_get(conns, "b") != NULL) == table[i].stays);
        assert_non_null(tree_get(conns, "a"));
        assert_ptr_equal(tree_get(conns, "c"), conns->last);
        settings_done(&settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sections),
                                       cmocka_unit_test(test_missing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
