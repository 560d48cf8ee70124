/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unit_test.h"

/* struct daemon_end - a client, and the daemon's end of its connection, which the test plays. */
struct daemon_end {
    struct client *client;
    int fd;
    unsigned events;
};

static void setup(struct daemon_end *d)
{
    char folder[] = "/tmp/ikat-client-XXXXXX", error[512];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/vici", folder);
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listening, 1), 0);
    *d = (struct daemon_end){.client = client_open(address.sun_path, error)};
    assert_non_null(d->client);
    d->fd = accept(listening, NULL, NULL);
    assert_true(d->fd >= 0);
    (void)close(listening);
    (void)unlink(address.sun_path);
    (void)rmdir(folder);
}

static void teardown(struct daemon_end *d)
{
    client_close(d->client);
    if (d->fd >= 0)
        (void)close(d->fd);
}

static void on_event(void *context, const char *name, struct tree *message)
{
    struct daemon_end *d = context;
    assert_string_equal(name, "child-updown");
    assert_string_equal(tree_text_or(message, "up", ""), "yes");
    d->events++;
}

static size_t event(uint8_t type, uint8_t out[64])
{
    struct vici_writer w;
    vici_begin(&w, type, type == VICI_EVENT ? "child-updown" : "");
    if (type == VICI_EVENT)
        vici_put(&w, "up", "yes");
    struct span frame = vici_writer_frame(&w);
    assert_true(frame.len > 0 && frame.len <= 64);
    memcpy(out, frame.ptr, frame.len);
    vici_writer_done(&w);
    return frame.len;
}

static void say(const struct daemon_end *d, const uint8_t *octets, size_t len)
{
    assert_int_equal(write(d->fd, octets, len), (ssize_t)len);
}

/* An event is cut at each octet: no call waits for the rest, and the handler gets it once,
 * whole. */
static void halves(void **state)
{
    (void)state;
    struct daemon_end d;
    uint8_t octets[64];
    size_t len = event(VICI_EVENT, octets);
    setup(&d);
    assert_true(client_event_take(d.client, on_event, &d)); /* nothing has arrived */
    for (size_t cut = 1; cut < len; cut++) {
        say(&d, octets, cut);
        assert_true(client_event_take(d.client, on_event, &d));
        assert_int_equal(d.events, cut - 1);
        say(&d, octets + cut, len - cut);
        assert_true(client_event_take(d.client, on_event, &d));
        assert_int_equal(d.events, cut);
    }
    /* two events arrive together: each call gives one */
    say(&d, octets, len);
    say(&d, octets, len);
    d.events = 0;
    for (unsigned i = 1; i <= 2; i++) {
        assert_true(client_event_take(d.client, on_event, &d));
        assert_int_equal(d.events, i);
    }
    /* client_event_wait continues with half an event that client_event_take has read */
    say(&d, octets, 7);
    assert_true(client_event_take(d.client, on_event, &d));
    say(&d, octets + 7, len - 7);
    assert_true(client_event_wait(d.client, on_event, &d));
    assert_int_equal(d.events, 3);
    teardown(&d);
}

/* A frame that is no event is an error, and so is the end of the daemon. */
static void broken(void **state)
{
    (void)state;
    uint8_t other[64];
    size_t len = event(VICI_CMD_RESPONSE, other);
    const struct {
        const uint8_t *octets;
        size_t len;
    } table[] = {
        {(const uint8_t *)"\0\0\0\0", 4},          /* an empty frame */
        {(const uint8_t *)"\xff\xff\xff\xff", 4},  /* longer than any frame */
        {(const uint8_t *)"\0\0\0\3\7\x09u", 7},   /* a name that is longer than its frame */
        {(const uint8_t *)"\0\0\0\4\7\1u\x09", 8}, /* an element of an unknown kind */
        {other, len},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct daemon_end d;
        setup(&d);
        say(&d, table[i].octets, table[i].len);
        if (client_event_take(d.client, on_event, &d))
            fail_msg("%zu", i);
        assert_int_equal(d.events, 0);
        teardown(&d);
    }
    struct daemon_end d;
    setup(&d);
    say(&d, other, 2);
    (void)close(d.fd);
    d.fd = -1;
    assert_false(client_event_take(d.client, on_event, &d));
    teardown(&d);
}

/* After one silence no further call waits, and a late response is taken for no other one. */
static void silence(void **state)
{
    (void)state;
    uint8_t late[64];
    size_t len = event(VICI_CMD_RESPONSE, late);
    struct daemon_end d;
    struct vici_writer w;
    setup(&d);
    vici_begin(&w, VICI_CMD_REQUEST, "version");
    assert_null(client_request(d.client, &w, NULL, NULL, 1));
    say(&d, late, len);
    vici_begin(&w, VICI_CMD_REQUEST, "stats");
    assert_null(client_request(d.client, &w, NULL, NULL, CLIENT_ANSWER_MS));
    assert_false(client_register(d.client, "list-sa"));
    teardown(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves),
        cmocka_unit_test(broken),
        cmocka_unit_test(silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
