/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the control socket. The first octet chooses: 0, the octets go into the socket as they
 * are; else it is the number of a command, and the rest is its message - as it is, or as the text
 * of a configuration whose tree is sent, so that commands are reached with what they look for.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "control/settings.h"
#include "daemon/engine/test_engine.h"
#include "daemon/vici/vici_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const commands[] = {
    "version",     "stats",      "initiate",        "terminate",       "rekey",
    "list-sas",    "list-conns", "get-conns",       "load-conn",       "unload-conn",
    "load-shared", "get-shared", "unload-shared",   "clear-creds",     "load-pool",
    "unload-pool", "get-pools",  "list-sessions",   "list-paths",      "list-policies",
    "list-certs",  "get-keys",   "get-authorities", "reload-settings", "nonsense",
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct world {
    struct test_engine engine;
    struct event_loop *loop;
    struct sockaddr_un address;
    socklen_t address_len;
};

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ASSERT(w != NULL && fd >= 0);
    test_engine_init(&w->engine);
    w->loop = event_loop_new();
    w->address.sun_family = AF_UNIX;
    w->address_len = sizeof(w->address);
    ASSERT(bind(fd, (struct sockaddr *)&w->address, sizeof(sa_family_t)) == 0 &&
           getsockname(fd, (struct sockaddr *)&w->address, &w->address_len) == 0 &&
           listen(fd, 16) == 0 && vici_server_new(&w->engine.ops, w->loop, fd) != NULL);
    return w;
}

static void turn(struct world *w)
{
    nanos now;
    while (event_loop_wait(w->loop, 0, &now) > 0)
        continue;
}

static void put(int fd, struct vici_writer *writer)
{
    struct span frame = vici_writer_frame(writer);
    if (frame.len > 0)
        (void)!send(fd, frame.ptr, frame.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    vici_writer_done(writer);
}

static void command(int fd, uint8_t choice, struct span body)
{
    struct vici_writer writer;
    struct settings settings;
    const char *name = commands[choice % COMMANDS];
    if (choice < 128 && settings_parse("f", body, NULL, &settings) == 0) {
        vici_begin(&writer, VICI_CMD_REQUEST, name);
        vici_tree(&writer, settings.root);
        settings_done(&settings);
        put(fd, &writer);
        return;
    }
    if (choice < 128)
        settings_done(&settings);
    uint8_t head[6] = {0};
    size_t len = 2 + strlen(name) + body.len;
    for (int i = 0; i < 4; i++)
        head[i] = (uint8_t)(len >> (24 - 8 * i));
    head[5] = (uint8_t)strlen(name);
    (void)!send(fd, head, sizeof(head), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)!send(fd, name, strlen(name), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)!send(fd, body.ptr, body.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void forget_all(struct world *w)
{
    struct ike_conn *conn;
    struct pool_status pool;
    while ((conn = ike_conn_at(w->engine.ike, 0)) != NULL)
        ASSERT(ike_conn_remove(w->engine.ike, conn->name) == 0);
    while (pools_status(w->engine.pools, 0, &pool))
        ASSERT(pools_unload(w->engine.pools, pool.config->name) == 0);
    w->engine.n_secrets = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *w;
    static const char *const registered[] = {"list-conn", "list-path", "control-log"};
    struct vici_writer writer;
    if (w == NULL)
        w = world_new();
    if (size == 0)
        return 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(fd >= 0 && connect(fd, (struct sockaddr *)&w->address, w->address_len) == 0);
    for (size_t i = 0; i < 3; i++) {
        vici_begin(&writer, VICI_EVENT_REGISTER, registered[i]);
        put(fd, &writer);
    }
    if (data[0] == 0)
        (void)!send(fd, data + 1, size - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    else
        command(fd, data[0], span_of(data + 1, size - 1));
    turn(w);
    w->engine.matches = size % 2;
    vici_begin(&writer, VICI_CMD_REQUEST, "list-conns"); /* what was loaded can be shown */
    put(fd, &writer);
    turn(w);
    if (w->engine.watch.done != NULL && size % 3 != 0)
        test_engine_end(&w->engine, true, "");
    (void)close(fd);
    turn(w);
    ASSERT(w->engine.watch.done == NULL);
    forget_all(w);
    return 0;
}
