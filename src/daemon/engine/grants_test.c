/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/grants.h"

#include "base/unit_test.h"

static void claimed_once(void **state)
{
    struct grants *grants = grants_new();
    const struct aaa_grant what = {.idle_timeout_s = 7};
    uint64_t number = grants_add(grants, &what, 0);
    (void)state;
    assert_int_not_equal(number, 0);
    struct grant *grant = grants_claim(grants, number, 5);
    assert_non_null(grant);
    assert_int_equal(grant->what.idle_timeout_s, 7);
    assert_null(grants_claim(grants, number, 6)); /* another session's */
    assert_null(grants_claim(grants, number + 1, 6));
    assert_ptr_equal(grants_of(grants, 5), grant);
    grants_drop(grants, grant);
    assert_null(grants_of(grants, 5));
    assert_null(grants_find(grants, number));
    grants_free(grants);
}

/* Grants of failed logins leave no memory behind, and never displace the grant of a session. */
static void unclaimed_go(void **state)
{
    struct grants *grants = grants_new();
    const struct aaa_grant what = {0};
    uint64_t first = grants_add(grants, &what, 0), kept = grants_add(grants, &what, 0);
    (void)state;
    assert_non_null(grants_claim(grants, kept, 1));
    for (int i = 0; i < GRANTS_UNCLAIMED; i++)
        (void)grants_add(grants, &what, 1);
    assert_null(grants_find(grants, first));
    assert_non_null(grants_find(grants, kept));
    uint64_t late = grants_add(grants, &what, 2 + GRANTS_UNCLAIMED_NS);
    assert_null(grants_find(grants, late - 1));
    assert_non_null(grants_find(grants, late));
    grants_free(grants);
}

/* Two rounds of one login (RFC 4739), each by a RADIUS server: no part of the first grant is lost. */
static void joined(void **state)
{
    struct grants *grants = grants_new();
    const uint8_t class[] = {25, 4, 'a', 'b'}, other[] = {25, 3, 'c'};
    struct aaa_grant first = {.session_timeout_s = 100, .idle_timeout_s = 7, .n_classes = 4};
    struct aaa_grant later = {.session_timeout_s = 50, .interim_s = 60, .n_classes = 3};
    (void)state;
    first.groups = (struct aaa_groups){1, {"staff"}};
    later.groups = (struct aaa_groups){1, {"vpn"}};
    memcpy(first.classes, class, sizeof(class));
    memcpy(later.classes, other, sizeof(other));
    strcpy(first.pool4, "guests");
    assert_true(address_parse("10.0.0.9", &later.framed4));
    struct grant *grant = grants_find(grants, grants_add(grants, &first, 0));
    grants_join(grant, &later);
    const struct aaa_grant *what = &grant->what;
    assert_int_equal(what->session_timeout_s, 50);
    assert_int_equal(what->idle_timeout_s, 7);
    assert_int_equal(what->interim_s, 60);
    assert_string_equal(what->pool4, "guests");
    assert_true(address_equal(&what->framed4, &later.framed4));
    assert_int_equal(what->groups.n, 2);
    assert_string_equal(what->groups.names[1], "vpn");
    assert_int_equal(what->n_classes, 7);
    assert_memory_equal(what->classes + 4, other, sizeof(other));
    for (int i = 0; i < 300; i++) /* as many as fit, each as a whole */
        grants_join(grant, &later);
    assert_int_equal(what->groups.n, AAA_GROUPS);
    assert_true(what->n_classes <= AAA_CLASSES && what->n_classes > AAA_CLASSES - 3);
    grants_free(grants);
}

static void deadlines(void **state)
{
    struct grants *grants = grants_new();
    struct grant *one = grants_claim(grants, 0, 1), *two = grants_claim(grants, 0, 2);
    (void)state;
    assert_int_equal(grants_deadline(grants), NANOS_NEVER);
    grants_wake(grants, one, 20);
    grants_wake(grants, two, 10);
    assert_int_equal(grants_deadline(grants), 10);
    assert_null(grants_due(grants, 9));
    assert_ptr_equal(grants_due(grants, 10), two);
    grants_drop(grants, two);
    assert_ptr_equal(grants_due(grants, 20), one);
    grants_wake(grants, one, NANOS_NEVER);
    assert_null(grants_due(grants, 100));
    grants_free(grants);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claimed_once),
        cmocka_unit_test(unclaimed_go),
        cmocka_unit_test(joined),
        cmocka_unit_test(deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
