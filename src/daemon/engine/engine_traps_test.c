/* SPDX-License-Identifier: Apache-2.0 */
/* Which selectors a trap holds, and for which host a packet asks. The linker replaces the functions
 * of the host, the data plane and the sessions by those below. */
#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/config/config_load.h"
#include "daemon/config/conn_build.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_state.h"
#include "ike/terms/narrow.h"

#define CHILD   "children { n { mode = transport\n start_action = trap\n "
#define HOLDS   4
#define WISHES  64
#define NETWORK "10.0.0.0/8"

static struct engine engine;
static struct ike *ike;
static struct held {
    char conn[LIMIT_NAME], child[LIMIT_NAME];
    struct ike_ts_list list;
    bool standing;
} holds[HOLDS];
static size_t n_holds;
static unsigned n_released;
static struct address wishes[WISHES];
static char wished[WISHES][LIMIT_NAME];
static unsigned n_wishes;
static struct ike_conn *session_conn; /* the connection of the only session; NULL: none */
static bool ended;

void __wrap_host_hold(struct host *host, const struct host_hold *wanted);
void __wrap_host_release(struct host *host, const char *conn, const char *child);
bool __wrap_host_hold_at(const struct host *host, size_t index, const char **ret_conn,
                         const char **ret_child);
void __wrap_host_unblock(struct host *host, const struct ike_ts_list *remote_ts,
                         uint16_t block_device);
int __wrap_engine_connect(struct engine *e, const struct path_connect *wish);
bool __wrap_path_manager_status(const struct path_manager *pm, size_t index,
                                struct path_status *ret_status);
bool __wrap_ike_session_next(const struct ike *of, ike_session_id after,
                             struct ike_session_info *ret_info);
int __wrap_ike_command(struct ike *of, const struct ike_command *command, nanos now);
void __wrap_path_manager_session_release(struct path_manager *pm, ike_session_id session);
void __wrap_path_manager_disconnect(struct path_manager *pm, const char *conn, nanos now);
void __wrap_path_manager_conn_loaded(struct path_manager *pm, struct ike_conn *conn, nanos now);

void __wrap_host_hold(struct host *host, const struct host_hold *wanted)
{
    (void)host;
    size_t i = 0;
    while (i < n_holds &&
           (strcmp(holds[i].conn, wanted->conn) != 0 || strcmp(holds[i].child, wanted->child) != 0))
        i++;
    assert_true(i < HOLDS);
    n_holds += i == n_holds;
    holds[i].list = *wanted->remote_ts;
    holds[i].standing = wanted->standing;
    (void)snprintf(holds[i].conn, sizeof(holds[i].conn), "%s", wanted->conn);
    (void)snprintf(holds[i].child, sizeof(holds[i].child), "%s", wanted->child);
}

void __wrap_host_release(struct host *host, const char *conn, const char *child)
{
    (void)host, (void)conn, (void)child;
    n_released++;
}

bool __wrap_host_hold_at(const struct host *host, size_t index, const char **ret_conn,
                         const char **ret_child)
{
    (void)host;
    if (index >= n_holds)
        return false;
    *ret_conn = holds[index].conn;
    *ret_child = holds[index].child;
    return true;
}

void __wrap_host_unblock(struct host *host, const struct ike_ts_list *remote_ts,
                         uint16_t block_device)
{
    (void)host, (void)remote_ts, (void)block_device;
}

static void acquire(struct data_plane *plane, bool wanted)
{
    (void)plane, (void)wanted;
}

int __wrap_engine_connect(struct engine *e, const struct path_connect *wish)
{
    (void)e;
    assert_true(n_wishes < WISHES);
    (void)snprintf(wished[n_wishes], LIMIT_NAME, "%s", wish->conn->name);
    wishes[n_wishes++] = wish->remotes[0];
    return 0;
}

bool __wrap_path_manager_status(const struct path_manager *pm, size_t index,
                                struct path_status *ret_status)
{
    (void)pm;
    if (session_conn == NULL || index != 0)
        return false;
    *ret_status = (struct path_status){.session = 1, .role = IKE_END_USER};
    (void)snprintf(ret_status->conn, sizeof(ret_status->conn), "%s", session_conn->name);
    return true;
}

bool __wrap_ike_session_next(const struct ike *of, ike_session_id after,
                             struct ike_session_info *ret_info)
{
    (void)of;
    if (session_conn == NULL || after != 0)
        return false;
    *ret_info = (struct ike_session_info){
        .id = 1, .conn = session_conn, .role = IKE_END_USER, .n_ike_sas = 1};
    return true;
}

int __wrap_ike_command(struct ike *of, const struct ike_command *command, nanos now)
{
    (void)of, (void)now;
    ended |= command->kind == IKE_CMD_DELETE_SESSION;
    return 0;
}

void __wrap_path_manager_session_release(struct path_manager *pm, ike_session_id session)
{
    (void)pm, (void)session;
}

void __wrap_path_manager_disconnect(struct path_manager *pm, const char *conn, nanos now)
{
    (void)pm, (void)conn, (void)now;
}

void __wrap_path_manager_conn_loaded(struct path_manager *pm, struct ike_conn *conn, nanos now)
{
    (void)pm, (void)conn, (void)now;
}

static void fill(void *context, void *octets, size_t len)
{
    (void)context;
    memset(octets, 7, len);
}

static int setup(void **state)
{
    (void)state;
    static const struct random random = {.fill = fill};
    static const struct data_plane_ops ops = {.acquire = acquire};
    static struct data_plane plane = {&ops, DATA_PLANE_ACQUIRE};
    engine = (struct engine){.now = 1000 * NANOS_PER_SEC, .crypto = crypto_new(), .plane = &plane};
    ike = ike_new(&(struct ike_options){.crypto = engine.crypto, .random = &random});
    engine.ike = ike;
    engine.devices = engine_devices_new();
    engine.links[0].up = true;
    engine.links[0].n_addresses = 1;
    assert_true(address_parse("192.0.2.1", &engine.links[0].addresses[0]));
    engine_ops_init(&engine);
    n_holds = n_wishes = n_released = 0;
    session_conn = NULL;
    ended = false;
    return ike == NULL || engine.devices == NULL;
}

static int teardown(void **state)
{
    (void)state;
    free(engine.choices);
    ike_free(ike);
    crypto_free(engine.crypto);
    engine.devices = engine_devices_free(engine.devices);
    return 0;
}

static int build(const char *name, const char *keys, struct ike_conn **ret_conn,
                 struct build_error *error)
{
    char text[1024];
    struct settings settings;
    struct conn_credentials credentials;
    (void)snprintf(text, sizeof(text),
                   "%s {\n local { auth = psk }\n remote { auth = psk }\n%s }\n", name, keys);
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    int err = conn_build(settings.root->first, ret_conn, &credentials, error);
    if (err == 0)
        conn_credentials_done(&credentials);
    settings_done(&settings);
    return err;
}

/* conn_of - loads a connection with these keys. */
static struct ike_conn *conn_of(const char *name, const char *keys)
{
    struct ike_conn *conn = NULL;
    struct build_error error = {.text = ""};
    if (build(name, keys, &conn, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(ike_conn_add(ike, conn), 0);
    ike_conn_unref(conn);
    return ike_conn_find(ike, name);
}

static bool holds_address(const char *text)
{
    struct address address;
    bool found = false;
    assert_true(address_parse(text, &address));
    for (size_t i = 0; i < n_holds; i++)
        for (size_t j = 0; j < holds[i].list.n; j++)
            found |= range_contains(&holds[i].list.ts[j].range, &address);
    return found;
}

/* A Gateway's hold for the networks behind its peers does not replace the hold of a trap. */
static void networks_beside_a_trap(void **state)
{
    (void)state;
    const struct ike_conn *conn = conn_of("a", "remote_addrs = %any\n on_failure = block\n" CHILD
                                               "remote_ts = dynamic, " NETWORK " } }\n");
    assert_true(engine_trap_set(&engine, conn, &conn->children[0]));
    engine_conn_networks_hold(&engine, conn);
    assert_int_equal(n_holds, 1);
    assert_false(holds[0].standing);
    assert_true(holds_address("192.0.2.9"));
}

/* The end of a session with one host leaves no gap for the others. */
static void end_without_gap(void **state)
{
    (void)state;
    static const struct engine_filter filters[] = {{.ike = "a"}, {.session_id = 1}};
    struct ike_conn *conn = conn_of("a", "remote_addrs = %any\n" CHILD "} }\n");
    session_conn = conn;
    assert_true(engine_trap_set(&engine, conn, &conn->children[0]));
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        ended = false;
        holds[0].list.n = 0;
        engine.ops.terminate(&engine, &filters[i], false, NULL);
        assert_true(ended);
        assert_int_equal(n_released, 0);
        assert_true(holds_address("192.0.2.9"));
    }
    assert_true(engine_trap_uninstall(&engine, conn, &conn->children[0]));
    assert_int_equal(n_released, 1);
}

/* The session with the first host does not shrink the trap for other networks. */
static void many_networks(void **state)
{
    (void)state;
    const struct ike_conn *conn =
        conn_of("a", "remote_addrs = %any\n" CHILD
                     "remote_ts = 10.0.0.0/16, 10.2.0.0/16, 10.4.0.0/16, 10.6.0.0/16, 10.8.0.0/16, "
                     "10.10.0.0/16, 10.12.0.0/16, 10.14.0.0/16, 10.16.0.0/16, 10.18.0.0/16, "
                     "10.20.0.0/16, 10.22.0.0/16, 10.24.0.0/16, 10.26.0.0/16, 10.28.0.0/16, "
                     "10.30.0.0/16 } }\n");
    struct ike_ts_list host = {.n = 1, .ts = {{.end_port = UINT16_MAX}}};
    struct ike_config none = {0};
    assert_true(range_parse("10.2.0.1", &host.ts[0].range));
    assert_true(engine_trap_set(&engine, conn, &conn->children[0]));
    engine_hold(&engine, conn, &conn->children[0], &(struct engine_held){&host, &none});
    assert_true(holds_address("10.2.0.1"));
    assert_true(holds_address("10.30.0.1"));
}

/* What a trap cannot hold is refused when the connection is loaded. */
static void refused_at_load(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *why;
    } rows[] = {
        {"remote_addrs = 10.1.0.0/24, 10.2.0.0/24, 10.3.0.0/24, 10.4.0.0/24, 10.5.0.0/24\n" CHILD
         "remote_ts = dynamic[tcp], dynamic[udp], dynamic[icmp], dynamic[sctp] } }\n",
         "t.conf:4: remote_addrs: the trap of child n has 20 selectors, dynamic for each address: "
         "at most 16"},
        {"remote_addrs = 10.1.0.0/24, gw.example\n" CHILD "} }\n",
         "t.conf:4: remote_addrs: child n is a trap between hosts: no name beside networks"},
        {"remote_addrs = %any, gw.example\n" CHILD "} }\n",
         "t.conf:4: remote_addrs: child n is a trap between hosts: no name beside networks"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ike_conn *conn = NULL;
        struct build_error error = {.text = ""};
        assert_int_equal(build("a", rows[i].keys, &conn, &error), ERR_INVALID);
        assert_string_equal(error.text, rows[i].why);
    }
}

/* A list of networks and single addresses is trapped whole. */
static void addresses_among_networks(void **state)
{
    (void)state;
    const struct ike_conn *conn =
        conn_of("a", "remote_addrs = 10.1.0.0/24, 10.3.0.1\n" CHILD "} }\n");
    assert_true(engine_trap_set(&engine, conn, &conn->children[0]));
    assert_true(holds_address("10.1.0.7"));
    assert_true(holds_address("10.3.0.1"));
    assert_false(holds_address("10.3.0.2"));
}

/* %any in a list is any host, whatever else the list has. */
static void any_among_addresses(void **state)
{
    (void)state;
    const struct ike_conn *conn = conn_of("a", "remote_addrs = 10.3.0.1, %any\n" CHILD "} }\n");
    assert_true(engine_trap_set(&engine, conn, &conn->children[0]));
    assert_true(holds_address("10.3.0.1"));
    assert_true(holds_address("192.0.2.9"));
    assert_true(holds_address("2001:db8::9"));
}

static void packet(const char *src, const char *dst)
{
    struct esp_acquire wanted = {.protocol = 17};
    assert_true(address_parse(src, &wanted.src) && address_parse(dst, &wanted.dst));
    engine_trap_acquire(&engine, &wanted);
}

/* A trap for any peer that cannot take a packet leaves it to other traps. A narrower trap comes
 * first. */
static void traps_beside_any_peer(void **state)
{
    (void)state;
    static const char any[] = "remote_addrs = %any\n" CHILD "} }\n",
                      gate[] = "remote_addrs = 203.0.113.1\n children { n { start_action = trap\n "
                               "local_ts = 0.0.0.0/0\n remote_ts = " NETWORK " } }\n";
    for (unsigned swap = 0; swap < 2; swap++) {
        (void)conn_of("a", swap == 0 ? any : gate);
        (void)conn_of("b", swap == 0 ? gate : any);
        const char *const to_gate = swap == 0 ? "b" : "a", *const to_host = swap == 0 ? "a" : "b";
        n_wishes = 0;
        packet("172.16.0.1", "10.0.0.1"); /* of another host: forwarded */
        assert_int_equal(n_wishes, 1);
        assert_string_equal(wished[0], to_gate);
        engine.now += 10 * NANOS_PER_SEC;
        packet("192.0.2.1", "10.0.0.1");
        packet("192.0.2.1", "192.0.2.9");
        packet("172.16.0.1", "192.0.2.9");
        assert_int_equal(n_wishes, 3);
        assert_string_equal(wished[1], to_gate);
        assert_string_equal(wished[2], to_host);
        engine.now += 10 * NANOS_PER_SEC;
    }
}

/* The supervisor permits routes to all peers only if the files have start_action = trap. */
static void install_by_hand(void **state)
{
    (void)state;
    const struct ike_conn *conn =
        conn_of("a", "remote_addrs = %any\n children { n { mode = transport } }\n");
    assert_false(engine_trap_install(&engine, conn, &conn->children[0]));
    assert_int_equal(n_holds, 0);
    conn = conn_of("b", "remote_addrs = 203.0.113.1\n children { n { mode = transport } }\n");
    assert_true(engine_trap_install(&engine, conn, &conn->children[0]));
}

#define TRAP_OF(remote_ts, action)                                                                 \
    "remote_addrs = 203.0.113.1\n children { n { local_ts = 0.0.0.0/0\n remote_ts = " remote_ts    \
    "\n start_action = " action " } }\n"

/* A reload changes the trap of a connection that has a session. The session and its later Child SAs
 * keep the old connection. */
static void changed_while_up(void **state)
{
    (void)state;
    static const char *const befores[] = {TRAP_OF("10.1.0.0/16", "trap"),
                                          TRAP_OF("10.1.0.0/16", "none")};
    for (size_t i = 0; i < ARRAY_LEN(befores); i++) {
        struct ike_conn *conn = NULL;
        struct build_error error = {.text = ""};
        struct ike_conn *old = conn_of("a", befores[i]);
        struct ike_ts_list remote_ts;
        const struct ike_config none = {0};
        const struct engine_held held = {&remote_ts, &none};
        ts_fixed(&old->children[0].remote_ts, &remote_ts);
        ike_conn_ref(old);
        session_conn = old;
        n_holds = 0;
        engine_hold(&engine, old, &old->children[0], &held);
        assert_true(holds_address("10.1.0.1") && !holds_address("10.2.0.1"));
        assert_int_equal(build("a", TRAP_OF(NETWORK, "trap"), &conn, &error), 0);
        assert_int_equal(engine.ops.conn_load(&engine, conn), 0);
        ike_conn_unref(conn);
        assert_true(holds_address("10.1.0.1") && holds_address("10.2.0.1"));
        engine_hold(&engine, old, &old->children[0], &held);
        assert_true(holds_address("10.1.0.1") && holds_address("10.2.0.1"));
        session_conn = NULL;
        ike_conn_unref(old);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(networks_beside_a_trap, setup, teardown),
        cmocka_unit_test_setup_teardown(end_without_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(many_networks, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_at_load, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses_among_networks, setup, teardown),
        cmocka_unit_test_setup_teardown(any_among_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(traps_beside_any_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(install_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(changed_while_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
