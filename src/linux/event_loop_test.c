/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/event_loop.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "linux/clock.h"

struct seen {
    struct event_loop *loop;
    int calls, victim;
    unsigned events;
};

static void on_ready(void *context, int fd, unsigned events)
{
    struct seen *seen = context;
    char octet;
    seen->calls++;
    seen->events |= events;
    if (events & EVENT_READ)
        assert_true(read(fd, &octet, 1) >= 0);
    if (seen->victim >= 0) {
        event_loop_remove(seen->loop, seen->victim);
        seen->victim = -1;
    }
}

static void test_ready_and_deadline(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    struct seen seen = {.loop = event_loop_new(), .victim = -1};
    assert_int_equal(event_loop_add(seen.loop, ends[0], EVENT_READ, on_ready, &seen), 0);
    assert_int_equal(event_loop_add(seen.loop, ends[0], EVENT_READ, on_ready, &seen), ERR_INVALID);
    nanos begin = clock_now(), now;
    assert_int_equal(event_loop_wait(seen.loop, begin + 3 * NANOS_PER_MS, &now), 0);
    assert_true(clock_now() >= begin + 3 * NANOS_PER_MS); /* never early */
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(event_loop_wait(seen.loop, NANOS_NEVER, &now), 1);
    assert_int_equal(seen.events, EVENT_READ);
    close(ends[1]);
    assert_int_equal(event_loop_wait(seen.loop, NANOS_NEVER, &now), 1);
    assert_true(seen.events & EVENT_GONE);
    event_loop_remove(seen.loop, ends[0]);
    assert_int_equal(event_loop_wait(seen.loop, 0, &now), 0);
    close(ends[0]);
    event_loop_free(seen.loop);
}

/* Both ready in one batch; the first handler removes the other, whose event must not be delivered.
 */
static void test_removed_in_batch(void **state)
{
    (void)state;
    int a[2], b[2];
    nanos now;
    assert_int_equal(pipe2(a, O_NONBLOCK) | pipe2(b, O_NONBLOCK), 0);
    struct event_loop *loop = event_loop_new();
    struct seen first = {.loop = loop, .victim = b[0]}, second = {.loop = loop, .victim = a[0]};
    assert_int_equal(event_loop_add(loop, a[0], EVENT_READ, on_ready, &first), 0);
    assert_int_equal(event_loop_add(loop, b[0], EVENT_READ, on_ready, &second), 0);
    assert_int_equal(write(a[1], "x", 1) + write(b[1], "x", 1), 2);
    assert_int_equal(event_loop_wait(loop, 0, &now), 1);
    assert_int_equal(first.calls + second.calls, 1);
    event_loop_free(loop);
    close(a[0]), close(a[1]), close(b[0]), close(b[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_and_deadline),
        cmocka_unit_test(test_removed_in_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
