/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Gateway's side: it clones and moves nothing, but it finds silent paths. Two IKE SAs with a
 * Child SA each; probes are answered while the path lives.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/unit_test.h"
#include "multipath/path_manager.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define STEP       (5 * NANOS_PER_MS)

struct side {
    struct path_manager *pm;
    struct ike_conn *conn;
    struct random random;
    nanos now;
    struct {
        bool exists, alive;
        nanos in, out, heard;
        bool usable;
        uint32_t priority;
        struct path_terms terms;
        uint16_t carries;
        uint64_t probe;
        nanos answer_at, give_up_at;
    } sa[2];
    unsigned probes, others, timeouts; /* timeouts: IKE SAs that it gives up */
    unsigned ticks;                    /* how often the manager asked to be woken */
    bool follow;
    struct traffic_classes classes; /* that the End User told */
    uint32_t classes_changes;
    unsigned classes_told, n_classes; /* orders to the data plane: how many, and the last ones */
};

static void fill(void *context, void *octets, size_t len)
{
    (void)context;
    memset(octets, 7, len);
}

static bool view_session(const void *context, ike_session_id id, struct ike_session_info *ret_info)
{
    const struct side *side = context;
    *ret_info = (struct ike_session_info){.id = id,
                                          .conn = side->conn,
                                          .role = IKE_GATEWAY,
                                          .established = true,
                                          .mobike = true,
                                          .classes = side->classes,
                                          .classes_changes = side->classes_changes,
                                          .dialect = IKE_DIALECT_RFC7791};
    return id == 1;
}

static bool view_sa(const void *context, ike_sa_id id, struct ike_sa_info *ret_info)
{
    const struct side *side = context;
    if (id < 1 || id > 2 || !side->sa[id - 1].exists)
        return false;
    *ret_info = (struct ike_sa_info){.id = id,
                                     .line = id,
                                     .session = 1,
                                     .parent = id - 1,
                                     .life = IKE_ESTABLISHED,
                                     .terms = side->sa[id - 1].terms,
                                     .last_heard_ns = side->sa[id - 1].heard};
    return true;
}

/* view_line - no IKE SA is rekeyed here. */
static bool view_line(const void *context, ike_session_id session, ike_sa_id line,
                      struct ike_sa_info *ret_info)
{
    return view_sa(context, line, ret_info) && ret_info->session == session &&
           ret_info->life == IKE_ESTABLISHED;
}

static bool view_child(const void *context, ike_child_id id, struct ike_child_info *ret_info)
{
    const struct side *side = context;
    *ret_info = (struct ike_child_info){
        .id = id, .sa = id - 10, .line = id - 10, .session = 1, .policy = &side->conn->children[0]};
    return true;
}

static bool view_sa_next(const void *context, ike_sa_id after, struct ike_sa_info *ret_info)
{
    return view_sa(context, after + 1, ret_info) || view_sa(context, after + 2, ret_info);
}

static bool view_child_next(const void *context, ike_child_id after,
                            struct ike_child_info *ret_info)
{
    ike_child_id next = after < 11 ? 11 : after + 1;
    return next <= 12 && view_child(context, next, ret_info);
}

static bool child_traffic(const void *context, ike_child_id id, nanos *ret_in_ns, nanos *ret_out_ns)
{
    const struct side *side = context;
    *ret_in_ns = side->sa[id - 11].in;
    *ret_out_ns = side->sa[id - 11].out;
    return true;
}

static void event(struct side *side, const struct ike_event *event)
{
    path_manager_event(side->pm, event, side->now);
    path_manager_check_invariants(side->pm);
}

static void pull(struct side *side)
{
    struct ike_command command;
    struct path_order order;
    while (path_manager_command(side->pm, &command)) {
        if (command.kind != IKE_CMD_PROBE) {
            side->others++;
            side->timeouts += command.kind == IKE_CMD_DELETE_IKE && command.force &&
                              command.reason == IKE_TIMEOUT;
            continue;
        }
        side->probes++;
        assert_in_range(command.sa, 1, 2);
        side->sa[command.sa - 1].probe = command.tag;
        side->sa[command.sa - 1].give_up_at = side->now + command.give_up_ns;
        side->sa[command.sa - 1].answer_at = side->now + 20 * NANOS_PER_MS;
    }
    while (path_manager_order(side->pm, &order)) {
        if (order.kind == PATH_ORDER_MODE)
            side->follow = order.follow;
        if (order.kind == PATH_ORDER_CLASSES) {
            assert_true(order.classes.mirrored);
            side->n_classes = order.classes.n;
            side->classes_told++;
            side->sa[0].carries = side->sa[1].carries = 0; /* esp/policy.h */
        }
        if (order.kind != PATH_ORDER_CHILD)
            continue;
        side->sa[order.child - 11].usable = order.usable;
        side->sa[order.child - 11].priority = order.priority;
        side->sa[order.child - 11].carries = order.carries;
    }
}

static void probes_step(struct side *side)
{
    for (unsigned i = 0; i < 2; i++) {
        if (side->sa[i].probe == 0)
            continue;
        bool answered = side->sa[i].alive && side->now >= side->sa[i].answer_at;
        if (!answered && side->now < side->sa[i].give_up_at)
            continue;
        struct ike_event done = {.kind = IKE_EV_COMMAND_DONE,
                                 .tag = side->sa[i].probe,
                                 .session = 1,
                                 .sa = i + 1,
                                 .rtt_ns = 20 * NANOS_PER_MS,
                                 .outcome = answered ? IKE_OK : IKE_TIMEOUT};
        side->sa[i].probe = 0;
        if (answered)
            side->sa[i].heard = side->now;
        event(side, &done);
    }
}

/* run - `down`: index of the IKE SA that sends downstream packets, -1: none; `up`: packets arrive. */
static void run(struct side *side, nanos duration, int down, int up)
{
    for (nanos end = side->now + duration; side->now < end; side->now += STEP) {
        if (down >= 0)
            side->sa[down].out = side->now;
        if (up >= 0 && side->sa[up].alive)
            side->sa[up].in = side->now;
        probes_step(side);
        if (path_manager_deadline(side->pm) <= side->now) {
            path_manager_tick(side->pm, side->now);
            side->ticks++;
        }
        pull(side);
    }
}

static struct side *side_new(enum ike_multipath mode)
{
    struct side *side = calloc(1, sizeof(*side));
    assert_non_null(side);
    side->random = (struct random){.fill = fill};
    side->conn = ike_conn_new();
    assert_non_null(side->conn);
    side->conn->multipath = mode;
    side->conn->n_children = 1;
    (void)snprintf(side->conn->children[0].name, LIMIT_NAME, "net");
    side->conn->stable_for_ns = SECONDS(5);
    side->now = SECONDS(50);
    struct path_options options = {.random = &side->random,
                                   .view = {.context = side,
                                            .session = view_session,
                                            .sa = view_sa,
                                            .line = view_line,
                                            .child = view_child,
                                            .sa_next = view_sa_next,
                                            .child_next = view_child_next},
                                   .traffic = {.context = side, .child = child_traffic}};
    side->pm = path_manager_new(&options);
    assert_non_null(side->pm);
    for (unsigned i = 0; i < 2; i++) {
        side->sa[i].exists = side->sa[i].alive = true;
        side->sa[i].heard = side->now;
        struct ike_event sa_up = {.kind = IKE_EV_SA_UP, .session = 1, .sa = i + 1, .sa_old = i};
        event(side, &sa_up);
        struct ike_event child_up = {
            .kind = IKE_EV_CHILD_NEW, .session = 1, .sa = i + 1, .child = i + 11};
        event(side, &child_up);
        child_up.kind = IKE_EV_CHILD_UP;
        event(side, &child_up);
    }
    pull(side);
    return side;
}

static void side_free(struct side *side)
{
    path_manager_free(side->pm);
    assert_int_equal(side->conn->refs, 1);
    ike_conn_unref(side->conn);
    free(side);
}

static void test_downstream_only(void **state)
{
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_BALANCE);
    assert_true(side->follow);
    assert_true(side->sa[0].usable && side->sa[1].usable);
    run(side, SECONDS(10), 0, -1);
    assert_in_range(side->probes, 5, 15); /* no packet arrives, so the Gateway probes */
    assert_true(side->sa[0].usable);
    side->sa[0].alive = false;
    run(side, SECONDS(2), 0, -1);
    assert_false(side->sa[0].usable);
    assert_true(side->sa[1].usable);
    /* the path returns, and is not used before it is stable */
    side->sa[0].alive = true;
    run(side, SECONDS(4), 1, -1);
    assert_false(side->sa[0].usable);
    run(side, SECONDS(5), 1, -1);
    assert_true(side->sa[0].usable);
    assert_int_equal(side->others, 0);
    side_free(side);
}

static void test_idle_gateway_is_silent(void **state)
{
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_FAILOVER);
    run(side, SECONDS(60), -1, -1);
    assert_int_equal(side->probes, 0);
    run(side, SECONDS(60), 0, 0);
    assert_true(side->probes <= 10); /* traffic in both directions: few probes */
    side_free(side);
}

/* A session that carries nothing wakes the Gateway once a second. A path that died meanwhile is left
 * within the 2 s of the budget. */
static void test_idle_session_costs_little(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < 20; offset++) {
        struct side *side = side_new(IKE_MULTIPATH_BALANCE);
        run(side, SECONDS(5), 0, 0);
        run(side, SECONDS(62), -1, -1);
        side->ticks = 0;
        run(side, SECONDS(60), -1, -1);
        assert_in_range(side->ticks, 50, 65);
        side->sa[0].alive = false;
        run(side, 51 * NANOS_PER_MS * offset, -1, -1);
        run(side, SECONDS(2), 0, -1);
        assert_false(side->sa[0].usable);
        assert_true(side->sa[1].usable);
        side_free(side);
    }
}

static void test_favourite_is_where_the_end_user_sends(void **state)
{
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_FAILOVER);
    run(side, SECONDS(5), 1, 1);
    assert_true(side->sa[1].priority < side->sa[0].priority);
    run(side, SECONDS(5), 0, 0);
    assert_true(side->sa[0].priority < side->sa[1].priority);
    side_free(side);
}

static void say(struct side *side, unsigned i, struct path_terms terms)
{
    side->sa[i].terms = terms;
    event(side, &(struct ike_event){.kind = IKE_EV_PATH_TERMS, .session = 1, .sa = i + 1});
}

/* The End User sends on the worse path: the Gateway still prefers the better one while it lives. A
 * path without terms comes after the others. Of equal paths a metered one comes last, and then the
 * End User's traffic decides. */
static void test_the_end_users_terms(void **state)
{
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_FAILOVER);
    run(side, SECONDS(5), 1, 1);
    say(side, 0, (struct path_terms){.rank = 2, .weight = 1});
    run(side, SECONDS(1), 1, 1);
    assert_true(side->sa[0].priority < side->sa[1].priority);
    say(side, 1, (struct path_terms){.rank = 1, .weight = 1, .metered = true});
    run(side, SECONDS(5), 0, 0);
    assert_true(side->sa[1].priority < side->sa[0].priority);
    say(side, 0, (struct path_terms){.rank = 1, .weight = 1});
    run(side, SECONDS(5), 1, 1);
    assert_true(side->sa[0].priority < side->sa[1].priority);
    side->sa[0].alive = false;
    run(side, SECONDS(5), 0, 1);
    assert_false(side->sa[0].usable);
    assert_true(side->sa[1].usable);
    side_free(side);
}

/* The data plane gets the End User's classes in place of the former ones, and the classes of each
 * path. */
static void test_classes_of_the_end_user(void **state)
{
    static const struct traffic_class classes[2];
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_FAILOVER);
    run(side, SECONDS(1), 0, 0);
    assert_int_equal(side->classes_told, 0);
    side->classes = (struct traffic_classes){.n = 2, .mirrored = true, .classes = classes};
    side->classes_changes = 1;
    say(side, 0, (struct path_terms){.rank = 1, .weight = 1, .classes = 1});
    run(side, SECONDS(1), 0, 0);
    say(side, 1, (struct path_terms){.rank = 1, .weight = 1, .classes = 2});
    run(side, SECONDS(1), 0, 0);
    assert_true(side->classes_told == 1 && side->n_classes == 2);
    assert_true(side->sa[0].carries == 1 && side->sa[1].carries == 2);
    /* a new list: the IKE core has dropped the classes of the other path */
    side->classes_changes = 2;
    side->classes.n = 1;
    side->sa[0].terms.classes = 0;
    say(side, 1, (struct path_terms){.rank = 1, .weight = 1, .classes = 1});
    run(side, SECONDS(1), 0, 0);
    assert_true(side->classes_told == 2 && side->n_classes == 1);
    assert_true(side->sa[0].carries == 0 && side->sa[1].carries == 1);
    side->classes_changes = 3;
    side->classes.n = 0;
    say(side, 1, (struct path_terms){.rank = 1, .weight = 1});
    run(side, SECONDS(1), 0, 0);
    assert_true(side->classes_told == 3 && side->n_classes == 0);
    side_free(side);
}

/* The last path stays usable, even if the verdict about it is wrong. */
static void test_the_last_path_stays(void **state)
{
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_FAILOVER);
    side->sa[0].alive = side->sa[1].alive = false;
    run(side, SECONDS(3), 0, -1);
    run(side, SECONDS(3), 1, -1);
    assert_true(side->sa[0].usable && side->sa[1].usable);
    /* an IKE SA without answers ends some time */
    run(side, SECONDS(200), 1, -1);
    assert_true(side->others > 0);
    side_free(side);
}

/* A peer that falls silent within a conversation has vanished: its IKE SAs end. */
static void test_peer_that_vanished(void **state)
{
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_FAILOVER);
    run(side, SECONDS(5), 0, 0);
    side->sa[0].alive = side->sa[1].alive = false;
    run(side, SECONDS(150), 0, -1);
    assert_int_equal(side->others, 0);
    run(side, SECONDS(30), 0, -1);
    assert_true(side->others > 0);
    side_free(side);
}

/* dpd_timeout limits how long such a peer may stay. */
static void test_peer_that_vanished_in_short(void **state)
{
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_FAILOVER);
    side->conn->dpd_timeout_ns = SECONDS(4);
    run(side, SECONDS(5), 0, 0);
    side->sa[0].alive = side->sa[1].alive = false;
    run(side, SECONDS(4), 0, -1);
    assert_int_equal(side->others, 0);
    run(side, SECONDS(3), 0, -1);
    assert_true(side->others > 0);
    assert_int_equal(side->timeouts, side->others);
    side_free(side);
}

/* A peer that was silent before packets for it came sleeps: its session stays, with few probes. */
static void test_peer_that_sleeps(void **state)
{
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_FAILOVER);
    side->conn->dead_peer_ns = SECONDS(3600);
    run(side, SECONDS(5), 0, 0);
    run(side, SECONDS(70), -1, -1);
    side->sa[0].alive = side->sa[1].alive = false;
    unsigned probes = side->probes;
    run(side, SECONDS(3), 0, -1);
    run(side, SECONDS(1200), 1, -1);
    assert_int_equal(side->others, 0);
    assert_in_range(side->probes, probes + 10, probes + 60);
    /* it wakes up */
    side->sa[0].alive = side->sa[1].alive = true;
    run(side, SECONDS(10), 0, 0);
    assert_true(side->sa[0].usable);
    assert_int_equal(side->others, 0);
    side_free(side);
}

/* Events of unknown or ended objects change nothing. */
/* An idle and dead path stays "up", since it is not probed. The status has the time of the last
 * packet as of now, even before the next look at the IKE SA. */
static void test_idle_path_says_when_it_was_heard(void **state)
{
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_FAILOVER);
    struct path_status status;
    run(side, SECONDS(5), -1, 0);
    side->sa[0].in = side->now;
    assert_true(path_manager_status(side->pm, 0, &status));
    assert_int_equal(status.last_heard_ns, side->now);
    side->sa[0].heard = side->now += SECONDS(1);
    assert_true(path_manager_status(side->pm, 0, &status));
    assert_int_equal(status.last_heard_ns, side->now);
    side->sa[0].alive = false;
    unsigned probes = side->probes;
    nanos heard = side->now;
    run(side, SECONDS(300), -1, -1);
    assert_int_equal(side->probes, probes);
    assert_true(path_manager_status(side->pm, 0, &status));
    assert_int_equal(status.state, PATH_UP);
    assert_int_equal(status.last_heard_ns, heard);
    side_free(side);
}

static void test_stray_events(void **state)
{
    (void)state;
    struct side *side = side_new(IKE_MULTIPATH_FAILOVER);
    for (int kind = IKE_EV_AUTH_SIGN; kind <= IKE_EV_NOTICE; kind++) {
        if (kind == IKE_EV_SESSION_DOWN)
            continue;
        struct ike_event stray = {.kind = (enum ike_event_kind)kind,
                                  .session = 1,
                                  .sa = 99,
                                  .child = 99,
                                  .tag = PATH_TAG | 4711};
        event(side, &stray);
        stray.session = 77;
        event(side, &stray);
    }
    path_manager_refused(side->pm, PATH_TAG | 815, ERR_NOT_FOUND, side->now);
    pull(side);
    assert_true(side->sa[0].usable && side->sa[1].usable);
    struct ike_event down = {.kind = IKE_EV_SESSION_DOWN, .session = 1};
    event(side, &down);
    event(side, &down);
    struct path_status status;
    assert_false(path_manager_status(side->pm, 0, &status));
    side_free(side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_downstream_only),
        cmocka_unit_test(test_idle_gateway_is_silent),
        cmocka_unit_test(test_idle_session_costs_little),
        cmocka_unit_test(test_favourite_is_where_the_end_user_sends),
        cmocka_unit_test(test_the_end_users_terms),
        cmocka_unit_test(test_classes_of_the_end_user),
        cmocka_unit_test(test_the_last_path_stays),
        cmocka_unit_test(test_peer_that_vanished),
        cmocka_unit_test(test_peer_that_vanished_in_short),
        cmocka_unit_test(test_peer_that_sleeps),
        cmocka_unit_test(test_idle_path_says_when_it_was_heard),
        cmocka_unit_test(test_stray_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
