/* SPDX-License-Identifier: Apache-2.0 */
/* Octets of a session that are cut, changed, made up, old, or of another configuration: all of them
 * are taken, or nothing is. */
#include <stdlib.h>

#include "crypto/prf.h"
#include "exchange/export_v1.h"
#include "exchange/mover.h"
#include "exchange/party.h"
#include "exchange/scenario.h"
#include "ike/terms/identity.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define DIGEST     32

static struct ike_exported exported_of(struct peer *peer)
{
    struct ike_exported exported = {0};
    assert_true(mover_export(peer, SECONDS(1), &exported));
    return exported;
}

static int imported(struct ike *ike, struct span octets, nanos now)
{
    ike_session_id id = 0;
    int err = ike_session_import(ike, octets, &id, now);
    ike_check_invariants(ike);
    assert_int_equal(id != 0, err == 0);
    return err;
}

/* untouched - a refusal changed nothing. */
static void untouched(struct ike *ike)
{
    struct ike_stats stats;
    ike_stats_get(ike, &stats);
    assert_int_equal(stats.sessions + stats.established + stats.children, 0);
    assert_true(ike_deadline(ike) == NANOS_NEVER);
    assert_true(ike_event(ike) == NULL);
}

/* digest_renew - as who makes octets himself would do. */
static void digest_renew(struct peer *peer, uint8_t *octets, size_t len)
{
    struct span all = span_of(octets, len - DIGEST);
    assert_int_equal(crypto_digest(peer->crypto, CRYPTO_SHA2_256, &all, 1, octets + len - DIGEST),
                     0);
}

static void cut_or_changed(void **state)
{
    (void)state;
    struct world *world = scenario_up(340);
    mover_with_clone(world);
    struct ike_exported exported = exported_of(&world->b);
    struct ike *ike = mover_new(&world->b);
    for (size_t n = 0; n < exported.len; n++) {
        uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees a read behind it */
        assert_non_null(exact);
        memcpy(exact, exported.octets, n);
        assert_int_equal(imported(ike, span_of(exact, n), world->now), ERR_INVALID);
        free(exact);
    }
    for (size_t at = 0; at < exported.len; at++) {
        exported.octets[at] ^= (uint8_t)(1 + at % 255);
        assert_int_equal(imported(ike, span_of(exported.octets, exported.len), world->now),
                         ERR_INVALID);
        exported.octets[at] ^= (uint8_t)(1 + at % 255);
    }
    untouched(ike);
    assert_int_equal(imported(ike, span_of(exported.octets, exported.len), world->now), 0);
    ike_free(world->b.ike);
    world->b.ike = ike;
    ike_exported_done(&exported);
    mover_goes_on(world);
    world_free(world);
}

/* With a digest that fits, each octet has to make sense, or is one of many values. */
static void made_up(void **state)
{
    (void)state;
    struct world *world = scenario_up(341);
    mover_with_clone(world);
    struct ike_exported exported = exported_of(&world->b);
    size_t refused = 0;
    for (size_t at = 0; at < exported.len - DIGEST; at++)
        for (unsigned i = 0; i < 4; i++) {
            static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x3c};
            struct ike *ike = mover_new(&world->b);
            exported.octets[at] ^= flips[i];
            digest_renew(&world->b, exported.octets, exported.len);
            if (imported(ike, span_of(exported.octets, exported.len), world->now) != 0) {
                untouched(ike);
                refused++;
            } else {
                ike_tick(ike, world->now);
                while (ike_event(ike) != NULL)
                    ;
                ike_check_invariants(ike);
            }
            exported.octets[at] ^= flips[i];
            ike_free(ike);
        }
    assert_true(refused > 400);
    /* shorter and longer */
    struct ike *ike = mover_new(&world->b);
    for (size_t len = DIGEST; len < exported.len; len++) {
        uint8_t *part = malloc(len);
        assert_non_null(part);
        memcpy(part, exported.octets, len - DIGEST);
        digest_renew(&world->b, part, len);
        assert_int_equal(imported(ike, span_of(part, len), world->now), ERR_INVALID);
        free(part);
    }
    untouched(ike);
    ike_free(ike);
    ike_exported_done(&exported);
    world_free(world);
}

static void another_version(void **state)
{
    (void)state;
    struct world *world = scenario_up(342);
    struct ike_exported exported = exported_of(&world->a);
    struct ike *ike = mover_new(&world->a);
    for (unsigned version = 0; version < 256; version++) {
        uint8_t ours = exported.octets[4];
        exported.octets[4] = (uint8_t)version;
        digest_renew(&world->a, exported.octets, exported.len);
        int err = imported(ike, span_of(exported.octets, exported.len), world->now);
        assert_int_equal(err, version < ours ? ERR_INVALID : version == ours ? 0 : ERR_INVALID);
        exported.octets[4] = ours;
    }
    ike_free(ike);
    ike_exported_done(&exported);
    world_free(world);
}

/* The connection is known by its name, and so are its children: without one of them the importer does
 * not know what the session may do. */
static void another_configuration(void **state)
{
    (void)state;
    struct world *world = scenario_up(343);
    struct ike_exported exported = exported_of(&world->b);
    struct span octets = span_of(exported.octets, exported.len);
    struct ike *ike = mover_new(&world->b);
    assert_int_equal(ike_conn_remove(ike, "office"), 0);
    assert_int_equal(imported(ike, octets, world->now), ERR_NOT_FOUND);
    struct ike_conn *conn = party_conn(true);
    strcpy(conn->name, "home");
    assert_int_equal(ike_conn_add(ike, conn), 0);
    assert_int_equal(imported(ike, octets, world->now), ERR_NOT_FOUND);
    ike_conn_unref(conn);
    conn = party_conn(true);
    strcpy(conn->children[0].name, "other");
    assert_int_equal(ike_conn_add(ike, conn), 0);
    assert_int_equal(imported(ike, octets, world->now), ERR_NOT_FOUND);
    ike_conn_unref(conn);
    untouched(ike);
    assert_int_equal(ike_conn_add(ike, world->conn_b), 0);
    assert_int_equal(imported(ike, octets, world->now), 0);
    ike_free(ike);
    ike_exported_done(&exported);
    world_free(world);
}

/* A session whose connection, or the child of one of its Child SAs, is not loaded any more would find no importer: it
 * stays, and works. */
static void not_loaded_at_the_source(void **state)
{
    (void)state;
    struct world *world = scenario_up(346);
    struct ike *ike = world->b.ike;
    ike_session_id id = scenario_session(&world->b).id;
    struct ike_exported exported;
    struct ike_conn *conn = party_conn(true);
    strcpy(conn->children[0].name, "other");
    world_drain(world);
    assert_int_equal(ike_session_freeze(ike, id, world->now), 0);
    assert_int_equal(ike_conn_add(ike, conn), 0);
    assert_int_equal(ike_session_export(ike, id, &exported, world->now), ERR_NOT_FOUND);
    assert_int_equal(ike_conn_remove(ike, "office"), 0);
    assert_int_equal(ike_session_export(ike, id, &exported, world->now), ERR_NOT_FOUND);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
    assert_int_equal(ike_conn_add(ike, world->conn_b), 0);
    world_drain(world);
    assert_int_equal(ike_session_export(ike, id, &exported, world->now), 0);
    ike_exported_done(&exported);
    ike_conn_unref(conn);
    world_free(world);
}

/* The same octets live once in a process, even when their session has ended there: its nonces would
 * begin anew. */
static void imported_twice(void **state)
{
    (void)state;
    struct world *world = scenario_up(344);
    struct ike_exported exported = exported_of(&world->b);
    struct span octets = span_of(exported.octets, exported.len);
    ike_free(world->b.ike);
    world->b.ike = mover_new(&world->b);
    assert_int_equal(imported(world->b.ike, octets, world->now), 0);
    assert_int_equal(imported(world->b.ike, octets, world->now), ERR_WRONG_STATE);
    struct ike_command end = {.kind = IKE_CMD_DELETE_SESSION,
                              .session = scenario_session(&world->a).id};
    assert_int_equal(world_command(&world->a, end), IKE_OK);
    world_run(world, SECONDS(1));
    assert_int_equal(world_n_sas(&world->b), 0);
    assert_int_equal(imported(world->b.ike, octets, world->now), ERR_WRONG_STATE);
    untouched(world->b.ike);
    ike_exported_done(&exported);
    world_free(world);
}

/* A process that has used a number has no place for another session with it. */
static void number_in_use(void **state)
{
    (void)state;
    struct world *world = scenario_up(345), *other = scenario_up(346);
    struct ike_exported exported = exported_of(&other->b);
    struct ike_stats before, after;
    ike_stats_get(world->b.ike, &before);
    assert_int_equal(imported(world->b.ike, span_of(exported.octets, exported.len), world->now),
                     ERR_WRONG_STATE);
    ike_stats_get(world->b.ike, &after);
    assert_memory_equal(&before, &after, sizeof(after));
    ike_exported_done(&exported);
    world_free(other);
    mover_goes_on(world);
    world_free(world);
}

static void lifetimes(struct world *world)
{
    world->conn_b->reauth_ns = SECONDS(100000);
    world->conn_a->dpd_delay_ns = world->conn_b->dpd_delay_ns = SECONDS(30);
    world->conn_a->lifetime.rekey_ns = SECONDS(5000);
    world->conn_b->lifetime.life_ns = SECONDS(9000);
}

/* The octets of each version that an importer has to read: export_v1.h. A Gateway, with a clone on
 * another path, two Child SAs, and deadlines. */
static void older_octets(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    ike_session_id id;
    struct ike_exported again;
    if (getenv("EXPORT_PRINT") != NULL) {
        lifetimes(world);
        scenario_login(world);
        mover_with_clone(world);
        again = exported_of(&world->b);
        for (size_t i = 0; i < again.len; i++)
            printf("0x%02x,%s", again.octets[i], i % 16 == 15 ? "\n" : " ");
        ike_exported_done(&again);
        world_free(world);
        return;
    }
    world->now = SECONDS(5); /* another clock */
    struct ike *ike = mover_new(&world->b);
    assert_int_equal(
        ike_session_import(ike, span_of(export_v1, sizeof(export_v1)), &id, world->now), 0);
    ike_free(world->b.ike);
    world->b.ike = ike;
    ike_check_invariants(ike);
    struct ike_session_info info = scenario_session(&world->b);
    assert_int_equal(info.id, id);
    assert_int_equal(info.role, IKE_GATEWAY);
    assert_int_equal(info.n_ike_sas, 2);
    assert_int_equal(info.n_children, 2);
    assert_int_equal(info.logins, 1);
    assert_int_equal(info.config.n_addresses, 1);
    assert_true(identity_equal(&info.remote_id, &world->conn_a->local[0].id));
    nanos left = info.auth_deadline_ns - world->now;
    assert_true(left > SECONDS(99000) && left < SECONDS(120000));
    assert_int_equal(world_path(1).local.address.octets[3],
                     scenario_sa(&world->b, world_sa(&world->b, 1)).path.remote.address.octets[3]);
    assert_int_equal(ike_session_freeze(ike, id, world->now), 0);
    assert_int_equal(ike_session_export(ike, id, &again, world->now), 0);
    if (export_v1[4] == again.octets[4])
        assert_int_equal(again.len, sizeof(export_v1));
    ike_exported_done(&again);
    world_free(world);
}

/* Numbers are not used again: what is new after an import has numbers of its own. */
static void new_numbers(void **state)
{
    (void)state;
    struct world *world = scenario_up(347);
    mover_with_clone(world);
    mover_moved(&world->a);
    ike_sa_id last = world_sa(&world->a, 1);
    ike_child_id child = world_child(&world->a, 1);
    assert_true(scenario_clone(&world->a, world_sa(&world->a, 0)) > last);
    assert_true(scenario_create(&world->a, last) > child);
    world_check(world);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_or_changed),
        cmocka_unit_test(made_up),
        cmocka_unit_test(another_version),
        cmocka_unit_test(another_configuration),
        cmocka_unit_test(not_loaded_at_the_source),
        cmocka_unit_test(imported_twice),
        cmocka_unit_test(number_in_use),
        cmocka_unit_test(new_numbers),
        cmocka_unit_test(older_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
