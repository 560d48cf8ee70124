/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VICI_TEST_CLIENT_H
#define DAEMON_VICI_TEST_CLIENT_H

/* A VICI server on a test engine, and clients of it, in one thread. */

#include "daemon/vici/vici_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/engine/test_engine.h"
#include "ike/terms/identity.h"

struct world {
    struct test_engine engine;
    struct event_loop *loop;
    struct vici_server *server;
    struct sockaddr_un address;
    socklen_t address_len;
    int fd; /* of the usual client */
};

static inline int client(const struct world *w)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&w->address, w->address_len), 0);
    return fd;
}

static struct world *the_world; /* of the test that runs */

/* turn - runs the loop until nothing is left to do. */
static inline void turn(struct world *w)
{
    nanos now;
    while (event_loop_wait(w->loop, 0, &now) > 0)
        continue;
}

static inline int setup(void **state)
{
    static struct world world;
    struct world *w = &world;
    memset(w, 0, sizeof(*w));
    test_engine_init(&w->engine);
    w->loop = event_loop_new();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* an address of the kernel's choice, in the abstract name space */
    w->address.sun_family = AF_UNIX;
    assert_int_equal(bind(fd, (struct sockaddr *)&w->address, sizeof(sa_family_t)), 0);
    w->address_len = sizeof(w->address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&w->address, &w->address_len), 0);
    assert_int_equal(listen(fd, 128), 0);
    w->server = vici_server_new(&w->engine.ops, w->loop, fd);
    assert_non_null(w->server);
    w->fd = client(w);
    turn(w);
    the_world = w;
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    (void)close(w->fd);
    turn(w);
    vici_server_free(w->server);
    event_loop_free(w->loop);
    test_engine_done(&w->engine);
    return 0;
}

/* --- a client --- */

static inline void send_all(int fd, const void *octets, size_t len)
{
    assert_int_equal(send(fd, octets, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void send_frame(int fd, struct vici_writer *writer)
{
    struct span frame = vici_writer_frame(writer);
    send_all(fd, frame.ptr, frame.len);
    vici_writer_done(writer);
}

struct answer {
    struct vici_frame frame; /* its message is not kept */
    struct tree *message;
    bool ended; /* the connection */
};

static inline struct answer answer(int fd)
{
    uint8_t length[4];
    struct answer a = {.ended = true};
    ssize_t n = recv(fd, length, 4, MSG_DONTWAIT);
    if (n != 4) {
        assert_true(n <= 0);
        a.ended = n == 0;
        a.frame.type = 0xff; /* nothing came */
        return a;
    }
    size_t len = (size_t)length[2] << 8 | length[3] | (size_t)length[1] << 16;
    uint8_t *octets = malloc(len);
    for (size_t at = 0; at < len; at += (size_t)n) { /* larger than the socket's buffer */
        turn(the_world);
        n = recv(fd, octets + at, len - at, MSG_DONTWAIT);
        assert_true(n > 0);
    }
    assert_true(vici_frame_read(span_of(octets, len), &a.frame));
    a.message = vici_message_read(a.frame.message);
    a.ended = false;
    free(octets);
    return a;
}

static inline struct answer ask_writer(struct world *w, struct vici_writer *writer)
{
    send_frame(w->fd, writer);
    turn(w);
    return answer(w->fd);
}

/* begin - a command with elements of the form "name=value;name=value". */
static inline void begin(struct vici_writer *writer, const char *command, const char *elements)
{
    char text[1024];
    struct tree *root = tree_new(TREE_SECTION, "");
    vici_begin(writer, VICI_CMD_REQUEST, command);
    (void)snprintf(text, sizeof(text), "%s", elements);
    for (char *rest = text, *item; (item = strsep(&rest, ";")) != NULL;) {
        char *equals = strchr(item, '=');
        if (equals == NULL)
            continue;
        *equals = '\0';
        tree_append(root, tree_value(item, span_text(equals + 1)));
    }
    vici_tree(writer, root);
    tree_free(root);
}

static inline struct answer ask(struct world *w, const char *command, const char *elements)
{
    struct vici_writer writer;
    begin(&writer, command, elements);
    return ask_writer(w, &writer);
}

static inline void expect(struct world *w, const char *command, const char *elements,
                          const char *error)
{
    struct answer a = ask(w, command, elements);
    assert_int_equal(a.frame.type, VICI_CMD_RESPONSE);
    const char *success = tree_text_or(a.message, "success", "");
    const char *text = tree_text_or(a.message, "errmsg", "");
    if (strcmp(success, error == NULL ? "yes" : "no") != 0 ||
        (error != NULL && strstr(text, error) == NULL))
        fail_msg("%s %s: success=%s errmsg='%s'", command, elements, success, text);
    if (strcmp(w->engine.asked, command) == 0) { /* a change: the audit file has the same result */
        char result[sizeof(w->engine.result)];
        (void)snprintf(result, sizeof(result), "%s", error == NULL ? "ok" : text);
        assert_string_equal(w->engine.result, result);
    }
    tree_free(a.message);
}

static inline void load_conn(struct world *w, const char *name, const char *key, const char *error)
{
    struct vici_writer writer;
    vici_begin(&writer, VICI_CMD_REQUEST, "load-conn");
    vici_section(&writer, name);
    for (int i = 0; i < 2; i++) {
        vici_section(&writer, i == 0 ? "local" : "remote");
        vici_put(&writer, "auth", "psk");
        vici_section_end(&writer);
    }
    if (key != NULL)
        vici_put(&writer, key, "1");
    vici_section(&writer, "children");
    vici_section(&writer, "net");
    vici_section_end(&writer);
    vici_section(&writer, "trapped");
    vici_put(&writer, "start_action", "trap");
    vici_put(&writer, "remote_ts", "10.1.0.0/16[tcp/22]");
    vici_section_end(&writer);
    vici_section(&writer, "lan");
    vici_put(&writer, "mode", "pass");
    vici_put(&writer, "remote_ts", "192.168.0.0/24");
    vici_section_end(&writer);
    vici_section_end(&writer);
    vici_section_end(&writer);
    struct answer a = ask_writer(w, &writer);
    assert_string_equal(tree_text_or(a.message, "success", ""), error == NULL ? "yes" : "no");
    if (error != NULL && strstr(tree_text_or(a.message, "errmsg", ""), error) == NULL)
        fail_msg("%s", tree_text_or(a.message, "errmsg", ""));
    tree_free(a.message);
}

static inline void register_event(struct world *w, int fd, const char *event, uint8_t type,
                                  uint8_t want)
{
    struct vici_writer writer;
    vici_begin(&writer, type, event);
    send_frame(fd, &writer);
    turn(w);
    struct answer a = answer(fd);
    assert_int_equal(a.frame.type, want);
    tree_free(a.message);
}

#endif
