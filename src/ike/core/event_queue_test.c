/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of events: order, room for what one call does, and events of the size of their kind. */
#include <stdlib.h>

#include "base/unit_test.h"
#include "ike/core/ike_state.h"

static struct ike ike;

static int begin(void **state)
{
    (void)state;
    ike = (struct ike){0};
    return event_pool_init(&ike) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    queues_done(&ike);
    return 0;
}

static void pull(uint64_t from, uint64_t to)
{
    for (uint64_t tag = from; tag < to; tag++) {
        const struct ike_event *event = ike_event(&ike);
        assert_non_null(event);
        assert_int_equal(event->tag, tag);
    }
    assert_null(ike_event(&ike));
}

/* The pool serves for ever, as long as each call's events are pulled before the next call. */
static void pulled_events_make_room(void **state)
{
    uint64_t tag = 0;
    (void)state;
    for (unsigned call = 0; call < 20; call++) {
        uint64_t first = tag;
        assert_true(events_room(&ike));
        while (tag < first + LIMIT_EVENTS_SESSION)
            event_add(&ike, IKE_EV_COMMAND_DONE)->tag = tag++;
        pull(first, tag);
        assert_int_equal(ike.n_pool_free, LIMIT_EVENTS);
    }
    assert_true(ike.n_pool_used <= LIMIT_EVENTS_SESSION);
}

/* Without room a call stops. Events beyond the pool keep their order. */
static void full_pool(void **state)
{
    uint64_t tag = 0;
    (void)state;
    while (events_room(&ike))
        event_add(&ike, IKE_EV_SA_MOVED)->tag = tag++;
    assert_int_equal(tag, LIMIT_EVENTS - LIMIT_EVENTS_SESSION + 1);
    while (tag < LIMIT_EVENTS + 100)
        event_add(&ike, IKE_EV_SA_MOVED)->tag = tag++;
    assert_int_equal(ike.n_pool_free, 0);
    pull(0, tag);
    assert_true(events_room(&ike));
    assert_int_equal(ike.n_pool_free, LIMIT_EVENTS);
}

/* An event that is not a job is small, whatever the jobs of other kinds need. */
static void sizes(void **state)
{
    (void)state;
    for (enum ike_event_kind kind = 0; kind <= IKE_EV_NOTICE; kind++) {
        bool job = kind <= IKE_EV_CHILD_INSTALL;
        assert_true(ike_event_size(kind) >= offsetof(struct ike_event, path_old));
        assert_true(ike_event_size(kind) <= sizeof(struct ike_event));
        if (!job)
            assert_true(ike_event_size(kind) <= 192);
    }
    assert_int_equal(ike_event_size(IKE_EV_CHILD_INSTALL),
                     offsetof(struct ike_event, path_old) + sizeof(struct ike_child_install));
}

static void notices(void **state)
{
    struct sa sa = {.ike = &ike, .id = 7};
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        event_notice(&sa, "notice %u", i);
    for (unsigned i = 0; i < 8; i++) { /* more would let a peer fill the log */
        const struct ike_event *event = ike_event(&ike);
        char text[16];
        (void)snprintf(text, sizeof(text), "notice %u", i);
        assert_non_null(event);
        assert_int_equal(event->sa, 7);
        assert_string_equal(event->notice, text);
        assert_string_equal(event->what, "");
    }
    assert_null(ike_event(&ike));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pulled_events_make_room, begin, end),
        cmocka_unit_test_setup_teardown(full_pool, begin, end),
        cmocka_unit_test(sizes),
        cmocka_unit_test_setup_teardown(notices, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
