/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "control/tree.h"
#include "daemon/common/audit_channel.h"
#include "daemon/common/channel.h"
#include "daemon/engine/accounts.h"
#include "daemon/engine/engine_state.h"

#define SECONDS 10 /* longer than any test here takes; then a blocked engine is killed */

/* The channel is made as the supervisor makes it: it blocks until the engine says otherwise. */
static struct engine_start start;
static struct engine *e;
static int reader;

static int begin(void **state)
{
    int ends[2];
    (void)state;
    if (channel_pair(ends, 1 << 14) != 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0)
        return -1;
    e = calloc(1, sizeof(*e));
    reader = ends[1];
    start.audit_fd = ends[0];
    e->start = &start;
    e->loop = event_loop_new();
    alarm(SECONDS);
    return e->loop == NULL ? -1 : engine_audit_add(e);
}

static int end(void **state)
{
    (void)state;
    alarm(0);
    e->to_audit = outbox_free(e->to_audit);
    e->loop = event_loop_free(e->loop);
    free(e);
    close(start.audit_fd);
    close(reader);
    return 0;
}

static void command(uint32_t uid)
{
    const struct tree nothing = {.kind = TREE_SECTION};
    engine_audit_command(
        e, &(struct engine_asked){.command = "terminate", .uid = uid, .message = &nothing});
}

static bool next(struct audit_record *ret)
{
    if (channel_recv(reader, ret, sizeof(*ret), NULL, NULL) == 0)
        return true;
    int error = outbox_flush(e->to_audit);
    assert_true(error == 0 || error == ERR_AGAIN);
    return channel_recv(reader, ret, sizeof(*ret), NULL, NULL) == 0;
}

/* The audit process is stopped and its channel is full: the engine goes on. */
static void nobody_reads(void **state)
{
    struct audit_record record;
    (void)state;
    for (uint32_t i = 0; i < 2000; i++)
        command(i);
    assert_true(outbox_waiting(e->to_audit) > 1000);
    for (uint32_t i = 0; i < 2000; i++) {
        assert_true(next(&record));
        assert_int_equal(record.user, i);
    }
    assert_false(next(&record));
}

/* Records without room are lost. The next record of the kind counts them. */
static void lost_records_count(void **state)
{
    struct audit_record record;
    uint32_t sent = 0;
    (void)state;
    for (uint32_t i = 0; i < OUTBOX_MESSAGES; i++)
        command(i);
    while (next(&record)) {
        assert_int_equal(record.left_out, 0);
        sent++;
    }
    assert_in_range(sent, 1, OUTBOX_MESSAGES - 1);
    command(0);
    assert_true(next(&record));
    assert_int_equal(record.left_out, OUTBOX_MESSAGES - sent);
    command(1);
    assert_true(next(&record));
    assert_int_equal(record.left_out, 0);
}

static struct ike_event refused_login(void)
{
    return (struct ike_event){.outcome = IKE_PEER_AUTH_FAILED, .what = "eve", .notice = "secret"};
}

/* Any number of wrong logins does not hide that an authenticated session moved. */
static void refusals_hide_no_move(void **state)
{
    const struct account_who who = {
        .role = IKE_GATEWAY, .conn = "office", .local_id = "gw", .remote_id = "anna"};
    const struct ike_event refused = refused_login(), moved = {.session = 7, .sa = 1};
    struct audit_record record;
    (void)state;
    e->now = NANOS_PER_SEC;
    e->accounts = accounts_new(NULL, NULL);
    accounts_begin(e->accounts, 7, &who, e->now);
    for (int i = 0; i < 150; i++)
        engine_audit_refused(e, &refused);
    engine_audit_moved(e, &moved);
    for (int i = 0; i < 100; i++) {
        assert_true(next(&record));
        assert_int_equal(record.kind, AUDIT_REFUSED);
    }
    assert_true(next(&record));
    assert_int_equal(record.kind, AUDIT_MOVED);
    assert_int_equal(record.left_out, 0);
    e->now += NANOS_PER_SEC;
    engine_audit_refused(e, &refused);
    assert_true(next(&record));
    assert_int_equal(record.left_out, 50);
    accounts_end(e->accounts, 7);
    e->accounts = accounts_free(e->accounts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_reads, begin, end),
        cmocka_unit_test_setup_teardown(lost_records_count, begin, end),
        cmocka_unit_test_setup_teardown(refusals_hide_no_move, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
