/* SPDX-License-Identifier: Apache-2.0 */
/* The Acct-Terminate-Cause for each reason for which a session ends (RFC 2866 section 5.10). */
#include "base/unit_test.h"
#include "daemon/engine/engine_aaa.h"

static void causes(void **state)
{
    (void)state;
    static const struct {
        enum ike_outcome outcome;
        enum aaa_cause cause;
    } rows[] = {
        {IKE_TIMEOUT, AAA_CAUSE_LOST_CARRIER}, /* a silent peer is given up, by core or manager */
        {IKE_NO_PATH, AAA_CAUSE_LOST_CARRIER},      {IKE_REDIRECTED, AAA_CAUSE_LOST_CARRIER},
        {IKE_PEER_DELETED, AAA_CAUSE_USER_REQUEST}, {IKE_REPLACED, AAA_CAUSE_USER_REQUEST},
        {IKE_EXPIRED, AAA_CAUSE_SESSION_TIMEOUT},   {IKE_CANCELLED, AAA_CAUSE_ADMIN_RESET},
        {IKE_PROTOCOL_ERROR, AAA_CAUSE_NAS_ERROR},
    };
    static struct engine engine;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(engine_accounting_cause(&engine, rows[i].outcome), rows[i].cause);
    engine.stopping = true;
    assert_int_equal(engine_accounting_cause(&engine, IKE_CANCELLED), AAA_CAUSE_ADMIN_REBOOT);
    assert_int_equal(engine_accounting_cause(&engine, IKE_TIMEOUT), AAA_CAUSE_LOST_CARRIER);
    engine.stopping = false;
    engine.done = true;
    assert_int_equal(engine_accounting_cause(&engine, IKE_CANCELLED), AAA_CAUSE_NAS_REBOOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(causes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
