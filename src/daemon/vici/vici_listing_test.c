/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of any length: complete, in order, as fast as the client reads. */
#include "daemon/vici/test_client.h"

#define CONNS  3000
#define LEASES 12000

static void conns_load(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct ike_conn *conn = ike_conn_new();
        assert_non_null(conn);
        (void)snprintf(conn->name, sizeof(conn->name), "conn%u", i);
        assert_int_equal(ike_conn_add(w->engine.ike, conn), 0);
        ike_conn_unref(conn);
    }
}

static void command_send(int fd, const char *command, const char *elements)
{
    struct vici_writer writer;
    begin(&writer, command, elements);
    send_frame(fd, &writer);
}

/* events_read - the events of a listing until its response; the engine gets a turn in between. */
static unsigned events_read(struct world *w, int fd, const char *event)
{
    unsigned n = 0;
    for (unsigned idle = 0; idle < 3;) {
        struct answer a = answer(fd);
        bool nothing = a.frame.type == 0xff;
        bool over = a.frame.type == VICI_CMD_RESPONSE;
        if (a.frame.type == VICI_EVENT) {
            assert_string_equal(a.frame.name, event);
            n++;
        }
        if (over)
            assert_null(a.message->first);
        tree_free(a.message);
        if (over)
            return n;
        idle = nothing ? idle + 1 : 0;
        if (nothing)
            turn(w);
    }
    fail_msg("the listing does not end; %u events came", n);
    return 0;
}

static void of_any_length(void **state)
{
    struct world *w = *state;
    conns_load(w, CONNS);
    register_event(w, w->fd, "list-conn", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    command_send(w->fd, "list-conns", "");
    command_send(w->fd, "list-conns", "ike=conn7"); /* waits for the first one */
    turn(w);
    assert_int_equal(events_read(w, w->fd, "list-conn"), CONNS);
    assert_int_equal(events_read(w, w->fd, "list-conn"), 1);
}

/* A client that reads slowly costs little, and delays no other client. Neither does one that
 * disconnects. */
static void read_slowly(void **state)
{
    struct world *w = *state;
    int fds[40];
    conns_load(w, CONNS);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = client(w);
        turn(w);
        register_event(w, fds[i], "list-conn", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
        command_send(fds[i], "list-conns", "");
        turn(w);
    }
    expect(w, "reload-settings", "", NULL);
    for (size_t i = 1; i < ARRAY_LEN(fds); i++)
        (void)close(fds[i]);
    turn(w);
    expect(w, "reload-settings", "", NULL);
    assert_int_equal(events_read(w, fds[0], "list-conn"), CONNS); /* it reads after all */
    (void)close(fds[0]);
}

static void changed_meanwhile(void **state)
{
    struct world *w = *state;
    conns_load(w, CONNS);
    register_event(w, w->fd, "list-conn", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    command_send(w->fd, "list-conns", "");
    turn(w);
    for (unsigned i = 0; i < CONNS; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "conn%u", i);
        assert_int_equal(ike_conn_remove(w->engine.ike, name), 0);
    }
    assert_true(events_read(w, w->fd, "list-conn") < CONNS);
}

static void leases(void **state)
{
    struct world *w = *state;
    static const struct pool_config config = {.name = "large"};
    static char name_of_pool[1][LIMIT_NAME] = {"large"};
    static struct ike_conn conn = {.n_pools = 1, .pools = name_of_pool};
    struct pool_config pool = config;
    assert_true(range_parse("10.0.0.0/15", &pool.range));
    assert_int_equal(pools_load(w->engine.pools, &pool, NULL), 0);
    for (unsigned i = 0; i < LEASES; i++) {
        char name[32];
        struct ike_config given;
        struct ike_lease_job job = {.conn = &conn, .n_requested = 1};
        (void)snprintf(name, sizeof(name), "user%u@example.org", i);
        assert_int_equal(identity_parse(name, &job.identity), 0);
        assert_true(address_parse("0.0.0.0", &job.requested[0]));
        assert_int_equal(pools_lease(w->engine.pools, &job, NULL, i + 1, &given), 0);
    }
    /* one response has the room of a frame, and says how many leases are missing */
    struct answer a = ask(w, "get-pools", "leases=yes");
    const struct tree *large = tree_get(a.message, "large");
    unsigned shown = 0;
    for (const struct tree *lease = tree_get(large, "leases")->first; lease != NULL;
         lease = lease->next)
        shown++;
    assert_string_equal(tree_text(large, "online"), "12000");
    assert_true(shown > 4000 && shown < LEASES);
    assert_int_equal(strtoul(tree_text(large, "leases-left-off"), NULL, 10), LEASES - shown);
    tree_free(a.message);
    a = ask(w, "get-pools", "");
    assert_null(tree_get(tree_get(a.message, "large"), "leases"));
    tree_free(a.message);
    /* a listing has no end */
    register_event(w, w->fd, "list-lease", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    command_send(w->fd, "list-leases", "");
    turn(w);
    assert_int_equal(events_read(w, w->fd, "list-lease"), LEASES);
    command_send(w->fd, "list-leases", "name=none");
    turn(w);
    assert_int_equal(events_read(w, w->fd, "list-lease"), 0);
}

/* The latest lines are kept, and a text finds some of them. */
static void log_lines(void **state)
{
    struct world *w = *state;
    char text[64];
    for (unsigned i = 0; i < 1500; i++) {
        (void)snprintf(text, sizeof(text), "event=test number=%u peer=p%u", i, i % 7);
        vici_server_log(w->server, &(struct engine_line){.group = "IKE", .text = text});
    }
    register_event(w, w->fd, "list-log", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    command_send(w->fd, "list-log", "");
    turn(w);
    assert_int_equal(events_read(w, w->fd, "list-log"), 1024);
    command_send(w->fd, "list-log", "match=number=1499 ");
    turn(w);
    assert_int_equal(events_read(w, w->fd, "list-log"), 1);
    command_send(w->fd, "list-log", "match=number=475 "); /* the oldest but one is gone */
    turn(w);
    assert_int_equal(events_read(w, w->fd, "list-log"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_any_length, setup, teardown),
        cmocka_unit_test_setup_teardown(read_slowly, setup, teardown),
        cmocka_unit_test_setup_teardown(changed_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(leases, setup, teardown),
        cmocka_unit_test_setup_teardown(log_lines, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
