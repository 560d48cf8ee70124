/* SPDX-License-Identifier: Apache-2.0 */
/* Accounting records while no server answers, and records that an earlier process left in the
 * file. */
#include "daemon/aaa/account_queue.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unit_test.h"

static int file;
static struct account_queue *queue;

static int setup(void **state)
{
    (void)state;
    file = memfd_create("accounting", MFD_CLOEXEC);
    assert_true(file >= 0);
    queue = account_queue_new(file, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    queue = account_queue_free(queue);
    close(file);
    return 0;
}

/* restart - makes a new queue from the file, as the next process does. */
static void restart(void)
{
    account_queue_free(queue);
    queue = account_queue_new(file, false);
    assert_non_null(queue);
}

static struct aaa_account account(const char *session, enum aaa_account_kind kind, uint64_t octets)
{
    struct aaa_account a = {.kind = kind, .traffic.octets_in = octets};
    (void)snprintf(a.session_id, sizeof(a.session_id), "%s", session);
    return a;
}

static void add(const char *session, enum aaa_account_kind kind, uint64_t octets)
{
    const struct aaa_account a = account(session, kind, octets);
    assert_int_equal(account_queue_add(queue, &a), 0);
}

/* expect - the next record to send must be this one; returns its tag. */
static uint64_t expect(const char *session, enum aaa_account_kind kind, uint64_t octets, nanos now)
{
    uint64_t tag;
    const struct aaa_account *a = account_queue_next(queue, now, &tag);
    assert_non_null(a);
    assert_string_equal(a->session_id, session);
    assert_int_equal(a->kind, kind);
    assert_int_equal(a->traffic.octets_in, octets);
    return tag;
}

static void expect_none(nanos now)
{
    uint64_t tag;
    assert_null(account_queue_next(queue, now, &tag));
}

static void in_order(void **state)
{
    (void)state;
    add("x", AAA_ACCOUNT_STOP, 0);
    assert_true(account_queue_sent(queue, expect("x", AAA_ACCOUNT_STOP, 0, 0), 0));
    add("a", AAA_ACCOUNT_START, 0);
    add("a", AAA_ACCOUNT_STOP, 9);
    uint64_t start = expect("a", AAA_ACCOUNT_START, 0, 0);
    expect_none(0); /* no Stop leaves before the Start is acknowledged */
    assert_int_equal(account_queue_deadline(queue), NANOS_NEVER);
    assert_true(account_queue_sent(queue, start, 0));
    assert_false(account_queue_sent(queue, start, 0));
    uint64_t stop = expect("a", AAA_ACCOUNT_STOP, 9, 0);
    assert_true(account_queue_sent(queue, stop, 0));
    assert_int_equal(account_queue_waiting(queue), 0);
    restart();
    expect_none(0); /* nothing is sent twice */
}

static void server_away(void **state)
{
    (void)state;
    add("a", AAA_ACCOUNT_START, 0);
    add("b", AAA_ACCOUNT_START, 0);
    uint64_t start = expect("a", AAA_ACCOUNT_START, 0, 0);
    expect_none(0); /* one at first */
    assert_true(account_queue_failed(queue, start, 5));
    expect_none(5);
    assert_int_equal(account_queue_deadline(queue), 5 + ACCOUNT_WAIT_NS);
    for (uint64_t octets = 1; octets < 9; octets++) /* the newest record has all that the earlier
                                                     * ones had */
        add("a", AAA_ACCOUNT_INTERIM, octets);
    add("b", AAA_ACCOUNT_INTERIM, 1);
    add("b", AAA_ACCOUNT_STOP, 2);
    assert_int_equal(account_queue_waiting(queue), 4);
    restart();
    assert_true(account_queue_sent(queue, expect("a", AAA_ACCOUNT_START, 0, 6), 6));
    assert_true(account_queue_sent(queue, expect("b", AAA_ACCOUNT_START, 0, 6), 6));
    assert_true(account_queue_sent(queue, expect("a", AAA_ACCOUNT_INTERIM, 8, 6), 6));
    assert_true(account_queue_sent(queue, expect("b", AAA_ACCOUNT_STOP, 2, 6), 6));
}

/* Our processes end abruptly. The next ones send the Stop of each session that was up. */
static void abrupt_end(void **state)
{
    uint64_t tag;
    (void)state;
    add("a", AAA_ACCOUNT_START, 0);
    assert_true(account_queue_sent(queue, expect("a", AAA_ACCOUNT_START, 0, 0), 0));
    add("a", AAA_ACCOUNT_INTERIM, 7);
    assert_true(account_queue_sent(queue, expect("a", AAA_ACCOUNT_INTERIM, 7, 0), 0));
    expect_none(0);
    restart();
    const struct aaa_account *stop = account_queue_next(queue, 0, &tag);
    assert_non_null(stop);
    assert_int_equal(stop->kind, AAA_ACCOUNT_STOP);
    assert_int_equal(stop->cause, AAA_CAUSE_NAS_REBOOT);
    assert_int_equal(stop->traffic.octets_in, 7);
    assert_true(account_queue_sent(queue, tag, 0));
    restart();
    expect_none(0);
}

static void bounded(void **state)
{
    char id[AAA_SESSION_ID];
    (void)state;
    for (unsigned i = 0; i < ACCOUNT_RECORDS / 2; i++) {
        (void)snprintf(id, sizeof(id), "%u", i);
        add(id, i == 3 ? AAA_ACCOUNT_INTERIM : AAA_ACCOUNT_START, 0); /* and what lives */
    }
    assert_int_equal(account_queue_lost(queue), 0);
    add("late", AAA_ACCOUNT_START, 0); /* in the place of the interim record */
    assert_int_equal(account_queue_lost(queue), 1);
    const struct aaa_account more = account("more", AAA_ACCOUNT_START, 0);
    assert_int_equal(account_queue_add(queue, &more), ERR_FULL);
    assert_int_equal(account_queue_lost(queue), 2);
    add("5", AAA_ACCOUNT_STOP, 0); /* the Stop takes the slot of the live session */
}

static void hostile_file(void **state)
{
    uint8_t octets[1 << 15];
    (void)state;
    add("a", AAA_ACCOUNT_STOP, 1);
    add("b", AAA_ACCOUNT_STOP, 2);
    ssize_t len = pread(file, octets, sizeof(octets), 0);
    assert_true(len > 0);
    for (size_t at = 0; at < (size_t)len; at += 7) { /* one octet is changed */
        uint8_t other = octets[at] ^ 0x40;
        assert_int_equal(pwrite(file, &other, 1, (off_t)at), 1);
        struct account_queue *read = account_queue_new(file, false);
        assert_int_equal(account_queue_waiting(read), 1);
        account_queue_free(read);
        assert_int_equal(pwrite(file, octets, (size_t)len, 0), len);
    }
    assert_int_equal(ftruncate(file, len / 2 + 5), 0); /* the second one was written in part */
    restart();
    assert_int_equal(account_queue_waiting(queue), 1);
    memset(octets, 0xff, sizeof(octets));
    assert_int_equal(pwrite(file, octets, sizeof(octets), 0), sizeof(octets));
    restart();
    assert_int_equal(account_queue_waiting(queue), 0);
}

static void hostile_engine(void **state)
{
    struct aaa_account a = account("", AAA_ACCOUNT_START, 0);
    (void)state;
    assert_int_equal(account_queue_add(queue, &a), ERR_INVALID);
    a = account("a", (enum aaa_account_kind)4, 0);
    assert_int_equal(account_queue_add(queue, &a), ERR_INVALID);
    a = account("a", AAA_ACCOUNT_START, 0);
    a.n_classes = AAA_CLASSES + 1;
    assert_int_equal(account_queue_add(queue, &a), ERR_INVALID);
    a.n_classes = 0;
    a.n_paths = AAA_PATHS + 1;
    assert_int_equal(account_queue_add(queue, &a), ERR_INVALID);
    a.n_paths = 0;
    a.by_server = 2;
    assert_int_equal(account_queue_add(queue, &a), ERR_INVALID);
    memset(&a, 0xff, sizeof(a));
    a.kind = AAA_ACCOUNT_STOP;
    assert_int_equal(account_queue_add(queue, &a), ERR_INVALID);
    assert_int_equal(account_queue_waiting(queue), 0);
}

/* The process ends at any point of writing the file: the next one finds exactly one Stop. */
static void stop_takes_the_place_of_the_state(void **state)
{
    uint8_t before[1 << 16], after[1 << 16];
    (void)state;
    add("a", AAA_ACCOUNT_START, 0);
    assert_true(account_queue_sent(queue, expect("a", AAA_ACCOUNT_START, 0, 0), 0));
    add("a", AAA_ACCOUNT_INTERIM, 1);
    ssize_t len = pread(file, before, sizeof(before), 0);
    add("a", AAA_ACCOUNT_STOP, 2);
    assert_int_equal(pread(file, after, sizeof(after), 0), len);
    uint32_t first, second; /* the slots of the interim record and of the state */
    memcpy(&first, after, sizeof(first));
    memcpy(&second, after + len / 2, sizeof(second));
    assert_int_equal(first, 0);
    assert_int_not_equal(second, 0);
    restart();
    assert_true(account_queue_sent(queue, expect("a", AAA_ACCOUNT_STOP, 2, 0), 0));
    assert_int_equal(account_queue_waiting(queue), 0);
    restart();
    assert_int_equal(account_queue_waiting(queue), 0);
}

/* Accounting-On and Accounting-Off belong to no session, so they never become a Stop.
 * Accounting-Off is sent last. */
static void on_and_off(void **state)
{
    uint64_t on, stop, off;
    (void)state;
    add("x-on", AAA_ACCOUNT_ON, 0);
    on = expect("x-on", AAA_ACCOUNT_ON, 0, 0);
    assert_true(account_queue_sent(queue, on, 0));
    add("a", AAA_ACCOUNT_STOP, 1);
    add("x-off", AAA_ACCOUNT_OFF, 0);
    stop = expect("a", AAA_ACCOUNT_STOP, 1, 0);
    assert_null(account_queue_next(queue, 0, &off));
    restart();
    stop = expect("a", AAA_ACCOUNT_STOP, 1, 0);
    assert_null(account_queue_next(queue, 0, &off));
    assert_true(account_queue_sent(queue, stop, 0));
    off = expect("x-off", AAA_ACCOUNT_OFF, 0, 0);
    assert_true(account_queue_sent(queue, off, 0));
    assert_int_equal(account_queue_waiting(queue), 0);
}

/* no_server_takes_it - FreeRADIUS does not acknowledge a record that one of its modules cannot store.
 * The records of other sessions are sent nevertheless. */
static void no_server_takes_it(void **state)
{
    (void)state;
    add("a", AAA_ACCOUNT_STOP, 0);
    add("b", AAA_ACCOUNT_STOP, 0);
    add("c", AAA_ACCOUNT_STOP, 0);
    nanos now = ACCOUNT_WAIT_NS;
    assert_true(account_queue_failed(queue, expect("a", AAA_ACCOUNT_STOP, 0, 0), 0));
    expect_none(now - 1); /* the servers may be away */
    assert_true(account_queue_sent(queue, expect("b", AAA_ACCOUNT_STOP, 0, now), now));
    uint64_t c = expect("c", AAA_ACCOUNT_STOP, 0, now), a = expect("a", AAA_ACCOUNT_STOP, 0, now);
    assert_true(account_queue_sent(queue, c, now + 1));
    assert_true(account_queue_failed(queue, a, now + 2));
    assert_int_equal(account_queue_deadline(queue), now + 2 + ACCOUNT_WAIT_NS);
    add("d", AAA_ACCOUNT_STOP, 0); /* a server is there: only the refused record waits */
    assert_int_equal(account_queue_deadline(queue), 0);
    assert_true(account_queue_sent(queue, expect("d", AAA_ACCOUNT_STOP, 0, now + 2), now + 2));
    expect_none(now + 2);
    account_queue_hurry(queue); /* another server */
    assert_true(account_queue_sent(queue, expect("a", AAA_ACCOUNT_STOP, 0, now + 3), now + 3));
    assert_int_equal(account_queue_lost(queue), 0);
}

/* FreeRADIUS's radutmp fails an Accounting-On until the Start of a session has made its file. */
static void on_is_not_taken(void **state)
{
    (void)state;
    add("x-on", AAA_ACCOUNT_ON, 0);
    uint64_t on = expect("x-on", AAA_ACCOUNT_ON, 0, 0);
    add("a", AAA_ACCOUNT_START, 0);
    uint64_t start = expect("a", AAA_ACCOUNT_START, 0, 1);
    assert_true(account_queue_busy(queue, 1));
    assert_true(account_queue_failed(queue, on, 2)); /* servers away: it is tried again */
    assert_true(account_queue_failed(queue, start, 2));
    nanos now = 2 + ACCOUNT_WAIT_NS;
    on = expect("x-on", AAA_ACCOUNT_ON, 0, now);
    assert_true(account_queue_sent(queue, expect("a", AAA_ACCOUNT_START, 0, now), now));
    assert_true(account_queue_busy(queue, now));
    assert_true(account_queue_failed(queue, on, now + 1));
    assert_int_equal(account_queue_waiting(queue), 0); /* now it would end session a */
    assert_int_equal(account_queue_lost(queue), 1);
    assert_false(account_queue_busy(queue, now + 1));
}

/* The next process of an upgrade sends a Stop for each session that has ended, and none for others. */
static void handed_over(void **state)
{
    (void)state;
    struct aaa_account kept = account("kept", AAA_ACCOUNT_START, 7), bad = kept;
    for (int i = 0; i < 2; i++) { /* again, if the first engine of the new program crashes */
        add("kept", AAA_ACCOUNT_START, 1);
        add("lost", AAA_ACCOUNT_START, 2);
        for (nanos now = 0; now < 2; now++) {
            uint64_t tag;
            assert_non_null(account_queue_next(queue, now, &tag));
            assert_true(account_queue_sent(queue, tag, now));
        }
        account_queue_free(queue);
        queue = account_queue_new(file, true);
        expect_none(5);
        memset(bad.session_id, 'x', sizeof(bad.session_id));
        assert_int_equal(account_queue_keep(queue, &bad), ERR_INVALID);
        assert_int_equal(account_queue_keep(queue, &kept), 0);
        account_queue_settle(queue);
        account_queue_settle(queue);
        assert_true(account_queue_sent(queue, expect("lost", AAA_ACCOUNT_STOP, 2, 6), 6));
        expect_none(7);
        restart(); /* a crash: the session has ended, and its Stop has the last known state */
        assert_true(account_queue_sent(queue, expect("kept", AAA_ACCOUNT_STOP, 7, 8), 8));
        expect_none(9);
    }
}

/* The first engine of the new program crashes before it has sent anything. */
static void handed_to_a_crash(void **state)
{
    (void)state;
    add("a", AAA_ACCOUNT_START, 1);
    assert_true(account_queue_sent(queue, expect("a", AAA_ACCOUNT_START, 1, 0), 0));
    account_queue_free(queue);
    queue = account_queue_new(file, true);
    expect_none(1);
    restart();
    assert_true(account_queue_sent(queue, expect("a", AAA_ACCOUNT_STOP, 1, 2), 2));
    expect_none(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(server_away, setup, teardown),
        cmocka_unit_test_setup_teardown(abrupt_end, setup, teardown),
        cmocka_unit_test_setup_teardown(bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_file, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_engine, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_takes_the_place_of_the_state, setup, teardown),
        cmocka_unit_test_setup_teardown(on_and_off, setup, teardown),
        cmocka_unit_test_setup_teardown(no_server_takes_it, setup, teardown),
        cmocka_unit_test_setup_teardown(on_is_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(handed_to_a_crash, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
