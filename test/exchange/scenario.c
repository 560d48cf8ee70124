/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/scenario.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define LINES        256
#define DIAGRAM_LINE 512

struct scenario {
    struct message_keys keys;
    struct message message; /* the one being looked at */
    scenario_editor edit;
    unsigned edited;     /* messages that `edit` changed, lost or noted */
    unsigned until_lost; /* messages that still pass before one is lost */
    bool losing;
    size_t n;
    char lines[LINES][DIAGRAM_LINE];
};

/* --- messages --- */

static void print_end(const struct endpoint *end, bool is_a, char *out, size_t cap)
{
    bool v6 = end->address.family == ADDRESS_V6;
    unsigned interface = end->address.octets[v6 ? 15 : 3] - 1u;
    char number[16] = "", port[16] = "";
    if (interface > 0)
        (void)snprintf(number, sizeof(number), "%u", interface);
    if (end->port != 4500)
        (void)snprintf(port, sizeof(port), ":%u", end->port);
    (void)snprintf(out, cap, "%s%s%s%s", is_a ? "a" : "b", is_a ? number : "", v6 ? "/v6" : "",
                   port);
}

static void write_down(struct scenario *scenario, bool to_b, const struct ike_datagram *d,
                       bool readable, bool lost)
{
    char from[64], to[64], text[DIAGRAM_LINE - 160] = "?";
    if (scenario->n == LINES)
        return;
    print_end(&d->path.local, to_b, from, sizeof(from));
    print_end(&d->path.remote, !to_b, to, sizeof(to));
    if (readable)
        message_print(&scenario->message, text, sizeof(text));
    (void)snprintf(scenario->lines[scenario->n++], DIAGRAM_LINE, "#%u %s -> %s %s%s",
                   scenario->message.sa, from, to, text, lost ? " (lost)" : "");
}

static bool inspect(struct world *world, bool to_b, struct ike_datagram *d)
{
    struct scenario *scenario = world->scenario;
    struct message *m = &scenario->message;
    enum scenario_fate fate = SCENARIO_PASS;
    bool readable =
        message_read(&scenario->keys, world->a.ike, world->b.ike, world->a.crypto, d, m);
    if (readable && scenario->edit != NULL && m->fragment == 0)
        fate = scenario->edit(world, to_b, m);
    scenario->edited += fate != SCENARIO_PASS;
    if (fate == SCENARIO_CHANGED)
        message_write(&scenario->keys, world->a.crypto, m, d);
    if (scenario->losing && scenario->until_lost-- == 0) {
        fate = SCENARIO_LOST;
        scenario->losing = false;
    }
    write_down(scenario, to_b, d, readable, fate == SCENARIO_LOST);
    return fate != SCENARIO_LOST;
}

static struct scenario *scenario_of(struct world *world)
{
    if (world->scenario == NULL) {
        world->scenario = calloc(1, sizeof(*world->scenario));
        assert_non_null(world->scenario);
        world->inspect = inspect;
    }
    return world->scenario;
}

void scenario_watch(struct world *world)
{
    scenario_of(world)->n = 0;
}

/* edit_fired - a test whose edit never fired shows nothing. */
static void edit_fired(const struct scenario *scenario)
{
    if (scenario != NULL && scenario->edit != NULL && scenario->edited == 0)
        fail_msg("the edit of the scenario never fired");
}

void scenario_edit(struct world *world, scenario_editor edit)
{
    edit_fired(world->scenario);
    scenario_of(world)->edit = edit;
    world->scenario->edited = 0;
}

void scenario_lose(struct world *world, unsigned nth)
{
    scenario_of(world)->losing = nth != UINT_MAX;
    world->scenario->until_lost = nth;
}

void scenario_expect(struct world *world, const char *const lines[], const char *file, int line)
{
    const struct scenario *scenario = scenario_of(world);
    size_t n = 0;
    bool same = true;
    while (lines[n] != NULL) {
        same &= n < scenario->n && strcmp(lines[n], scenario->lines[n]) == 0;
        n++;
    }
    if (same && n == scenario->n)
        return;
    printf("%s:%d: the messages are\n", file, line);
    for (size_t i = 0; i < scenario->n; i++)
        printf("  %s \"%s\",\n", i < n && strcmp(lines[i], scenario->lines[i]) == 0 ? " " : "*",
               scenario->lines[i]);
    fail_msg("%s:%d: other messages than expected", file, line);
}

unsigned scenario_count(const struct world *world, const char *text)
{
    unsigned n = 0;
    for (size_t i = 0; i < world->scenario->n; i++)
        n += strstr(world->scenario->lines[i], text) != NULL;
    return n;
}

/* --- steps --- */

void scenario_login(struct world *world)
{
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(world_n_sas(&world->a), 1);
}

struct world *scenario_up(uint64_t seed)
{
    struct world *world = world_new(seed);
    scenario_of(world);
    scenario_login(world);
    assert_int_equal(world_n_children(&world->a), 1);
    world_check(world);
    return world;
}

enum ike_outcome scenario_on_sa(struct peer *peer, enum ike_command_kind kind, ike_sa_id sa)
{
    return world_command(peer, (struct ike_command){.kind = kind, .sa = sa});
}

enum ike_outcome scenario_on_child(struct peer *peer, enum ike_command_kind kind,
                                   ike_child_id child)
{
    return world_command(peer, (struct ike_command){.kind = kind, .child_id = child});
}

static const struct ike_event *run(struct peer *peer, struct ike_command command)
{
    uint64_t tag = world_post(peer, command);
    for (int i = 0; i < 4000 && world_done(peer, tag) == NULL; i++)
        world_run(peer->world, 50 * NANOS_PER_MS);
    const struct ike_event *done = world_done(peer, tag);
    assert_non_null(done);
    assert_int_equal(done->outcome, IKE_OK);
    world_run(peer->world, 100 * NANOS_PER_MS);
    return world_done(peer, tag);
}

ike_sa_id scenario_clone(struct peer *peer, ike_sa_id sa)
{
    return run(peer, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = sa})->sa;
}

ike_child_id scenario_create(struct peer *peer, ike_sa_id sa)
{
    return run(peer, (struct ike_command){.kind = IKE_CMD_CREATE_CHILD, .sa = sa})->child;
}

void scenario_move(struct world *world, ike_sa_id sa, unsigned interface)
{
    (void)run(&world->a, (struct ike_command){.kind = IKE_CMD_MOVE,
                                              .sa = sa,
                                              .path = world_path(interface),
                                              .path_test = true});
}

struct ike_session_info scenario_session(const struct peer *peer)
{
    struct ike_session_info info;
    assert_true(ike_session_next(peer->ike, 0, &info));
    return info;
}

struct ike_sa_info scenario_sa(const struct peer *peer, ike_sa_id sa)
{
    struct ike_sa_info info;
    assert_true(ike_sa_get(peer->ike, sa, &info));
    return info;
}

void scenario_end(struct world *world)
{
    world_check(world);
    edit_fired(world->scenario);
    world_free(world);
}
