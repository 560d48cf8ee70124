/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/advice.h"

#include <string.h>

#include "base/unit_test.h"

static void round_add(struct tree *conn, const char *name, const char *method)
{
    struct tree *round = tree_new(TREE_SECTION, name);
    tree_append(round, tree_value("class", span_text(method)));
    tree_append(conn, round);
}

/* The advice fits how each end logs in. */
static void test_methods(void **state)
{
    static const struct {
        const char *error, *local, *remote, *wanted;
    } rows[] = {
        {"auth-failed", "pre-shared key", "pre-shared key", "Compare the pre-shared key"},
        {"auth-failed", "public key", "pre-shared key", "certificate of this host"},
        {"auth-failed", "EAP", "public key", "Compare eap_id"},
        {"peer-auth-failed", "pre-shared key", "pre-shared key", "another pre-shared key"},
        {"peer-auth-failed", "pre-shared key", "public key", "belongs into x509ca/"},
        {"peer-auth-failed", "EAP", "public key", "If EAP failed"},
        {"no-secret: text", "pre-shared key", "public key", "section ike..."},
        {"no-secret", "public key", "pre-shared key", "private key into private/"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tree *conn = tree_new(TREE_SECTION, "home");
        round_add(conn, "local-1", rows[i].local);
        round_add(conn, "remote-1", rows[i].remote);
        assert_non_null(strstr(advice_for(rows[i].error, conn), rows[i].wanted));
        tree_free(conn);
    }
}

/* A connection that is gone, or of a daemon that says no class, gets advice without a method. */
static void test_unknown_method(void **state)
{
    struct tree *bare = tree_new(TREE_SECTION, "home");
    (void)state;
    assert_non_null(strstr(advice_for("auth-failed", NULL), "gateway's log says why"));
    assert_non_null(strstr(advice_for("no-secret", bare), "log of this host"));
    assert_null(advice_for("auth-failedness", bare));
    assert_null(advice_for("", NULL));
    tree_free(bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_unknown_method),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
