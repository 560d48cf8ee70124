/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/ke_workers.h"

#include <poll.h>

#include "base/unit_test.h"
#include "crypto/test_ke.h"

static struct ike_ke_job job_of(enum ike_ke_class class, struct span peer)
{
    struct ike_ke_job job = {.class = class};
    assert_true(ke_answer(&job.step, 31, peer));
    return job;
}

static ike_job_id wait_next(struct ke_workers *w, struct ke_job *ret_step)
{
    struct pollfd fd = {.fd = ke_workers_fd(w), .events = POLLIN};
    ike_job_id job = 0;
    assert_int_equal(poll(&fd, 1, 60000), 1);
    assert_true(ke_workers_next(w, &job, ret_step));
    return job;
}

/* Both ends agree on the secret; established IKE SAs go first; a full queue says so. */
static void classes(void **state)
{
    struct ke_workers *w = ke_workers_new();
    struct ke_job peer = test_ke_pair(31);
    struct ke_job answer;
    struct secret secret = {0};
    ike_job_id job;
    unsigned strangers = 0;
    (void)state;
    assert_non_null(w);
    struct ike_ke_job stranger = job_of(IKE_KE_STRANGER, ke_public(&peer));
    struct ike_ke_job proven = job_of(IKE_KE_PROVEN, ke_public(&peer));
    struct ike_ke_job established = job_of(IKE_KE_ESTABLISHED, ke_public(&peer));
    while (ke_workers_add(w, 1000 + strangers, &stranger) == 0)
        strangers++;
    assert_int_equal(strangers, 64);
    assert_int_equal(ke_workers_add(w, 2, &proven), 0);
    assert_int_equal(ke_workers_add(w, 1, &established), 0);
    assert_false(ke_workers_next(w, &job, &answer));
    assert_int_equal(ke_workers_start(w, 1), 0);
    for (unsigned i = 0; i < strangers + 2; i++) {
        job = wait_next(w, &answer);
        assert_int_equal(job, i < 2 ? i + 1 : 1000 + i - 2);
        assert_int_equal(answer.error, 0);
        assert_int_equal(test_ke_secret(&peer, ke_public(&answer), &secret), 0);
        assert_true(span_equal(secret_span(&secret), secret_span(&answer.shared)));
    }
    assert_false(ke_workers_next(w, &job, &answer));
    assert_int_equal(ke_workers_add(w, 9, &stranger), 0);
    assert_int_equal(wait_next(w, &answer), 9);
    assert_null(ke_workers_free(w));
}

/* ke_workers_free with waiting jobs. */
static void ends(void **state)
{
    struct ke_workers *w = ke_workers_new();
    uint8_t peer[32] = {9};
    (void)state;
    struct ike_ke_job job = job_of(IKE_KE_PROVEN, span_of(peer, sizeof(peer)));
    assert_int_equal(ke_workers_start(w, 2), 0);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(ke_workers_add(w, i + 1, &job), 0);
    assert_null(ke_workers_free(w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes), cmocka_unit_test(ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
