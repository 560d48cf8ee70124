/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/loader/credential_check.h"

#include "base/unit_test.h"
#include "daemon/config/credential_files.h"

/* one_file - a configuration without connections, with one file in its folders. */
static struct tree *one_file(const char *command, const char *type, const char *data)
{
    struct tree *root = tree_new(TREE_SECTION, ""),
                *files = tree_new(TREE_SECTION, CREDENTIAL_FILES);
    struct tree *file = tree_new(TREE_SECTION, "/etc/ikat/it");
    tree_append(file, tree_value("command", span_text(command)));
    tree_append(file, tree_value("type", span_text(type)));
    tree_append(file, tree_value("data", span_text(data)));
    tree_append(files, file);
    tree_append(root, files);
    return root;
}

/* A file that no process could read is an error of the check, with the name of the file. */
static void test_garbage(void **state)
{
    static const struct {
        const char *command, *type, *wanted;
    } rows[] = {
        {"load-key", "private", "is no private key"},
        {"load-container", "pkcs12", "/etc/ikat/it: "},
        {"load-cert", "x509", "is no certificate"},
        {"load-cert", "x509ca", "is no certificate"},
        {"load-cert", "x509crl", "is no certificate"},
        {"load-cert", "pubkey", "is no certificate"},
        {"load-cert", "x509aa", "are not supported"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct build_error error = {.text = ""};
        struct tree *root = one_file(rows[i].command, rows[i].type, "garbage");
        assert_int_equal(credential_check(root, &error), ERR_INVALID);
        assert_non_null(strstr(error.text, rows[i].wanted));
        tree_free(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
