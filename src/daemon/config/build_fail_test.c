/* SPDX-License-Identifier: Apache-2.0 */
/* How an error says where it is. */
#include "base/unit_test.h"
#include "daemon/config/conn_build.h"

static void assert_said(const struct tree *node, const char *text)
{
    struct build_error error = {0};
    assert_int_equal(build_fail(&error, node, "%s", "is wrong"), ERR_INVALID);
    assert_string_equal(error.text, text);
}

static void places(void **state)
{
    (void)state;
    struct tree *root = tree_new(TREE_SECTION, ""), *key = tree_value("auth", span_text("x"));
    assert_said(root, "is wrong");
    assert_said(key, "auth: is wrong");
    key->file = "a.conf";
    key->line = 7;
    assert_said(key, "a.conf:7: auth: is wrong");
    tree_free(key);
    tree_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(places)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
