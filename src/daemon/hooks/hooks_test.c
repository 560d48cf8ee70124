/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks process with a prepared channel from an engine. No program runs: the test counts the
 * calls. */
#include "daemon/hooks/hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/common/channel.h"
#include "daemon/common/hook_channel.h"
#include "daemon/hooks/hook_list.h"
#include "daemon/hooks/name_servers.h"
#include "daemon/hooks/program.h"

#define SAFE "/bin/sh" /* a file of root's that nobody else may write */

static unsigned n_up, n_down;
static bool list_is_full;
static const char *becomes_safe; /* a file that becomes safe before its `down`; NULL: none */

bool __wrap_program_run(char *const argv[], char *const envp[], struct span input, nanos patience);
bool __real_hook_list_add(struct hook_list *list, const struct hook_request *request);
bool __wrap_hook_list_add(struct hook_list *list, const struct hook_request *request);
bool __real_hook_list_take(struct hook_list *list, const struct hook_request *request);
bool __wrap_hook_list_take(struct hook_list *list, const struct hook_request *request);
void __wrap_name_servers_begin(void);

bool __wrap_program_run(char *const argv[], char *const envp[], struct span input, nanos patience)
{
    (void)input;
    (void)patience;
    (void)argv;
    if (strncmp(envp[2], "PLUTO_VERB=up", strlen("PLUTO_VERB=up")) == 0)
        n_up++;
    else
        n_down++;
    return true;
}

bool __wrap_hook_list_add(struct hook_list *list, const struct hook_request *request)
{
    return !list_is_full && __real_hook_list_add(list, request);
}

bool __wrap_hook_list_take(struct hook_list *list, const struct hook_request *request)
{
    if (becomes_safe != NULL && !request->up)
        assert_int_equal(chmod(becomes_safe, 0700), 0);
    return __real_hook_list_take(list, request);
}

void __wrap_name_servers_begin(void) {}

static struct hook_message order(bool up, const char *script)
{
    struct hook_message message = {
        .kind = HOOK_SCRIPT_RUN,
        .request = {.up = up, .uniqueid = 7, .conn = "home", .child = "net"}};
    struct hook_request *r = &message.request;
    (void)snprintf(r->script, sizeof(r->script), "%s", script);
    assert_true(address_parse("192.0.2.1", &r->local) && address_parse("192.0.2.2", &r->remote));
    assert_true(range_parse("10.3.0.7", &r->local_ts.range));
    assert_true(range_parse("10.1.0.0/16", &r->remote_ts.range));
    r->local_ts.end_port = r->remote_ts.end_port = UINT16_MAX;
    return message;
}

/* serve - the process until the engine's end of the channel is closed. The supervisor allows each script. */
static void serve(const struct hook_message *messages, size_t n)
{
    static struct spawn_start start;
    const struct hook_permission yes = {.error = 0};
    int engine[2], supervisor[2];
    n_up = n_down = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, engine), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, supervisor), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(channel_send(engine[0], &messages[i], sizeof(messages[i]), NULL, 0), 0);
        assert_int_equal(channel_send(supervisor[0], &yes, sizeof(yes), NULL, 0), 0);
    }
    close(engine[0]);
    start.fd = engine[1];
    start.permit_fd = supervisor[1];
    assert_int_equal(hooks_run(&start), EXIT_SUCCESS);
    close(engine[1]);
    close(supervisor[0]);
    close(supervisor[1]);
}

static void up_and_down(void **state)
{
    (void)state;
    const struct hook_message messages[] = {order(true, SAFE), order(false, SAFE)};
    serve(messages, 2);
    assert_int_equal(n_up, 1);
    assert_int_equal(n_down, 1);
    serve(messages, 1); /* the engine has died */
    assert_int_equal(n_up, 1);
    assert_int_equal(n_down, 1);
}

/* A script whose `up` did not run gets no `down`: it could undo the work of another program. */
static void no_down_without_up(void **state)
{
    (void)state;
    const struct hook_message messages[] = {order(true, SAFE), order(false, SAFE)};
    serve(messages + 1, 1); /* from a compromised engine */
    assert_int_equal(n_down, 0);
    list_is_full = true;
    serve(messages, 2);
    list_is_full = false;
    assert_int_equal(n_up, 0);
    assert_int_equal(n_down, 0);
}

/* A file that becomes safe after its `up` was refused. */
static void unsafe_up(void **state)
{
    (void)state;
    char name[] = "/tmp/ikat-hooks-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chmod(name, 0722), 0);
    const struct hook_message messages[] = {order(true, name), order(false, name)};
    becomes_safe = name;
    serve(messages, 2);
    becomes_safe = NULL;
    assert_int_equal(n_up, 0);
    assert_int_equal(n_down, 0);
    unlink(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_and_down),
        cmocka_unit_test(no_down_without_up),
        cmocka_unit_test(unsafe_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
