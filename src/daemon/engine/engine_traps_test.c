/* SPDX-License-Identifier: Apache-2.0 */
/* What a trap holds, and which host a packet asks for. The host, the data plane and the sessions are
 * stood in for: the linker puts the functions below in the place of theirs. */
#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/config/config_load.h"
#include "daemon/config/conn_build.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_state.h"

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
static struct ike_conn *session_conn; /* there is one session, of it; NULL: none */
static bool ended;

void __wrap_host_hold(struct host *host, const struct host_hold *wanted);
void __wrap_host_release(struct host *host, const char *conn, const char *child);
bool __wrap_host_hold_at(const struct host *host, size_t index, const char **ret_conn,
                         const char **ret_child);
void __wrap_host_unblock(struct host *host, const struct ike_ts_list *remote_ts,
                         uint16_t block_device);
void __wrap_esp_plane_acquire(struct esp_plane *plane, bool wanted);
int __wrap_engine_connect(struct engine *e, const struct path_connect *wish);
bool __wrap_path_manager_status(const struct path_manager *pm, size_t index,
                                struct path_status *ret_status);
bool __wrap_ike_session_next(const struct ike *of, ike_session_id after,
                             struct ike_session_info *ret_info);
int __wrap_ike_command(struct ike *of, const struct ike_command *command, nanos now);
void __wrap_path_manager_session_release(struct path_manager *pm, ike_session_id session);
void __wrap_path_manager_disconnect(struct path_manager *pm, const char *conn, nanos now);

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

void __wrap_esp_plane_acquire(struct esp_plane *plane, bool wanted)
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
    (void)pm, (void)index, (void)ret_status;
    return false;
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

static void fill(void *context, void *octets, size_t len)
{
    (void)context;
    memset(octets, 7, len);
}

static int setup(void **state)
{
    (void)state;
    static const struct random random = {.fill = fill};
    engine = (struct engine){.now = 1000 * NANOS_PER_SEC, .crypto = crypto_new()};
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
    ike_free(ike);
    crypto_free(engine.crypto);
    engine.devices = engine_devices_free(engine.devices);
    return 0;
}

/* conn_of - loads a connection with these keys. */
static struct ike_conn *conn_of(const char *name, const char *keys)
{
    char text[1024];
    struct settings settings;
    struct conn_credentials credentials;
    struct ike_conn *conn = NULL;
    struct build_error error = {.text = ""};
    (void)snprintf(text, sizeof(text),
                   "%s {\n local { auth = psk }\n remote { auth = psk }\n%s }\n", name, keys);
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    if (conn_build(settings.root->first, &conn, &credentials, &error) != 0)
        fail_msg("%s", error.text);
    conn_credentials_done(&credentials);
    settings_done(&settings);
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

/* A Gateway's hold of the networks behind its peers does not take the place of a trap's. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(networks_beside_a_trap, setup, teardown),
        cmocka_unit_test_setup_teardown(end_without_gap, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
