/* SPDX-License-Identifier: Apache-2.0 */
/* Failures that random runs found; each failed until its cause was mended. */
#include "base/assert.h"
#include "sim/fault.h"
#include "sim/host.h"
#include "sim/lease.h"
#include "sim/scenario.h"
#include "sim/traffic.h"

/* rekey_under_move - the Gateway rekeys while the End User leaves a dead path. The new IKE SA got
 * the path that was being left, and stayed there for minutes. */
static void rekey_under_move(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 2);
    for (unsigned i = 0; i < 40; i++) {
        sim_fault_at(sim, "renumber", 0, 0, user, 1);
        sim_fault_at(sim, "rekey-ike", SIM_MS(5 * i), 0, &sim->hosts[0], 0);
        sim_run(sim, SIM_SECONDS(12));
        sim_until(sim, sim_healed, SIM_SECONDS(200), "a path waits for a move");
    }
    sim_expect(sim, user->logins == 1);
}

/* leave_a_hole - exchanges that began on a dying path follow the IKE SA when it leaves. */
static void leave_a_hole(struct sim *sim, const char *fault)
{
    struct sim_host *gateway = sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    gateway->conn->clone = IKE_CLONE_OFF; /* one IKE SA */
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 16; i++) {
        sim_fault_at(sim, "hole", 0, SIM_SECONDS(20), user, 0);
        sim_fault_at(sim, fault, SIM_MS(100 * i), 0, user, 0);
        sim_run(sim, SIM_SECONDS(21));
        sim_until(sim, sim_healed, SIM_SECONDS(200), "not back");
    }
    sim_expect(sim, user->logins == 1);
}

static void delete_into_a_hole(struct sim *sim)
{
    leave_a_hole(sim, "delete-child");
}

static void rekey_into_a_hole(struct sim *sim)
{
    leave_a_hole(sim, "rekey-ike");
}

/* crossing_rekeys - both ends rekey the only IKE SA at once: one Child SA remains, not two. */
static void crossing_rekeys(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 1);
    for (unsigned i = 0; i < 60; i++) {
        sim_fault_at(sim, "rekey-ike", 0, 0, user, 0);
        sim_fault_at(sim, "rekey-ike", SIM_MS(i % 30), 0, &sim->hosts[0], 0);
        sim_run(sim, SIM_SECONDS(3));
    }
    sim_run(sim, SIM_SECONDS(5));
    sim_expect(sim, sim_healed(sim));
    sim_expect(sim, user->logins == 1);
}

/* clone_too_late - the IKE SA that is being cloned ends: each path gets one clone, and none is left
 * over. */
static void clone_too_late(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 3);
    for (unsigned i = 0; i < 30; i++) {
        sim_fault_at(sim, "delete-ike", 0, 0, user, 0);
        sim_fault_at(sim, "delete-ike", SIM_MS(7 * i), 0, &sim->hosts[i % 2], 0);
        sim_run(sim, SIM_SECONDS(5));
    }
    sim_until(sim, sim_healed, SIM_SECONDS(70), "clones to spare");
}

/* rekey_lost - the response to a rekey is lost, and the Gateway asks over the old IKE SA. */
static void rekey_lost(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 1);
    for (unsigned i = 0; i < 30; i++) {
        sim_fault_at(sim, "rekey-ike", 0, 0, user, 0);
        sim_fault_at(sim, "hole-in", SIM_MS(5 + i), SIM_MS(850), user, 0);
        sim_run(sim, SIM_SECONDS(6));
    }
    sim_until(sim, sim_healed, SIM_SECONDS(200), "a rekey came to nothing");
    sim_expect(sim, user->logins == 1);
}

/* knock_in_vain - a move takes longer than replacement_login.c waits. The Gateway is knocked at,
 * and no login follows. */
static void knock_in_vain(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 2);
    gateway->conn->clone = IKE_CLONE_OFF;
    gateway->conn->unique = IKE_UNIQUE_REPLACE;
    user->interfaces[0].link.delay = user->interfaces[1].link.delay = SIM_MS(280);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 20; i++) {
        sim_fault_at(sim, "renumber", 0, 0, user, 0);
        sim_run(sim, SIM_MS(20000 + 50 * i));
    }
    sim_until(sim, sim_healed, SIM_SECONDS(30), "not back after another address");
    sim_expect(sim, user->logins == 1);
    sim_expect(sim, gateway->logins == 1);
}

/* knock_far - a move takes several long round trips. The Gateway answers each of them, so no login
 * follows over the other path, which is fast. */
static void knock_far(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 3);
    gateway->conn->clone = IKE_CLONE_OFF;
    user->conn->paths[1].priority = 9;
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 20; i++) {
        user->interfaces[2].link.delay = SIM_MS(450 + 25 * i);
        sim_fault_at(sim, "rekey-child", 0, 0, user, 0); /* the move waits for its response */
        sim_fault_at(sim, "down", SIM_MS(1), SIM_SECONDS(15), user, 0);
        sim_run(sim, SIM_SECONDS(15));
        user->interfaces[2].link.delay = SIM_MS(10);
        sim_fault_at(sim, "down", 0, SIM_SECONDS(10), user, 2); /* back to the first path */
        sim_run(sim, SIM_SECONDS(20));
        sim_until(sim, sim_healed, SIM_SECONDS(30), "not back");
    }
    sim_expect(sim, user->logins == 1);
    sim_expect(sim, gateway->logins == 1);
}

static uint64_t losses(const struct sim_host *user)
{
    struct path_status path;
    uint64_t n = 0;
    for (size_t i = 0; path_manager_status(user->paths, i, &path); i++)
        n += path.losses;
    return n;
}

/* probe_behind_rekey - responses to a rekey are lost. The liveness probe must not wait for the next
 * retransmission of the rekey, which is seconds away. Of 40 rekeys one may also lose the early copy
 * to the second hole; then the path is rightly called dead for a moment. */
static void probe_behind_rekey(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 1);
    for (unsigned i = 0; i < 40; i++) {
        sim_fault_at(sim, "rekey-child", 0, 0, user, 0);
        sim_fault_at(sim, "hole-in", SIM_MS(5), SIM_MS(50), user, 0);
        sim_fault_at(sim, "hole-in", SIM_MS(990), SIM_MS(200), user, 0);
        sim_run(sim, SIM_MS(8000 + 200 * i));
        sim_until(sim, sim_healed, SIM_SECONDS(10), "the rekey came to nothing");
    }
    sim_expect(sim, losses(user) <= 1);
    sim_expect(sim, user->logins == 1);
}

static struct sim_host *far_pair(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    user->interfaces[1].link.delay = SIM_MS(950);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(30), "the far path is not up");
    return user;
}

/* far_rekey - the IKE SA that replaces one on a far path knows its round-trip time. */
static void far_rekey(struct sim *sim)
{
    struct sim_host *user = far_pair(sim);
    sim_run(sim, SIM_SECONDS(30));
    uint64_t before = losses(user);
    for (unsigned i = 0; i < 20; i++) {
        sim_fault_at(sim, "rekey-ike", SIM_MS(12300 * i), 0, &sim->hosts[i % 2], 0);
        sim_fault_at(sim, "rekey-ike", SIM_MS(12300 * i), 0, &sim->hosts[i % 2], 0);
    }
    sim_run(sim, SIM_SECONDS(260));
    sim_expect(sim, losses(user) == before);
    sim_expect(sim, user->logins == 1);
}

/* far_return - three round trips bring an IKE SA home, however long they take. */
static void far_return(struct sim *sim)
{
    struct sim_host *user = far_pair(sim);
    for (unsigned i = 0; i < 5; i++) {
        sim_fault_at(sim, "down", 0, SIM_SECONDS(5 + i), user, 1);
        sim_run(sim, SIM_SECONDS(6 + i));
        sim_until(sim, sim_healed, SIM_SECONDS(20), "the far path is not back");
        sim_run(sim, SIM_SECONDS(10));
    }
    sim_expect(sim, user->logins == 1);
}

/* moved_and_deleted - the Gateway deletes the IKE SA of a user that has moved. The user is no
 * longer at the old address. */
static void moved_and_deleted(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 1);
    for (unsigned i = 0; i < 20; i++) {
        sim_fault_at(sim, "hole-in", 0, SIM_SECONDS(16), user, 0);
        sim_fault_at(sim, "delete-ike", SIM_MS(500 + 50 * i), 0, &sim->hosts[0], 0);
        sim_fault_at(sim, "renumber", SIM_SECONDS(8), 0, user, 0);
        sim_run(sim, SIM_SECONDS(26));
        sim_until(sim, sim_healed, SIM_SECONDS(20), "the Gateway deletes at length");
    }
}

/* created_under_move - a Child SA is being created when the address changes: there is one, and no
 * second one after the move. */
static void created_under_move(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 1);
    gateway->conn->reduced = user->conn->reduced = IKE_REDUCED_END_USER;
    user->interfaces[0].link.delay = SIM_MS(300);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 30; i++) {
        sim_fault_at(sim, "delete-child", 0, 0, user, 0);
        sim_fault_at(sim, "renumber", SIM_MS(600 + 100 * i), 0, user, 0);
        sim_run(sim, SIM_SECONDS(20));
        sim_until(sim, sim_healed, SIM_SECONDS(10), "Child SAs to spare");
    }
    sim_expect(sim, user->logins == 1);
}

static struct sim_host *slow_pair(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    user->interfaces[1].link.delay = SIM_MS(300);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    return user;
}

/* rekey_under_return - the Gateway rekeys an IKE SA that is moving home while the address there
 * changes. */
static void rekey_under_return(struct sim *sim)
{
    struct sim_host *user = slow_pair(sim);
    for (unsigned i = 0; i < 60; i++) {
        sim_fault_at(sim, "hole", 0, SIM_SECONDS(4), user, 1);
        sim_fault_at(sim, "renumber", SIM_MS(9000 + 100 * i), 0, user, 1);
        sim_fault_at(sim, "rekey-ike", SIM_MS(9200 + 100 * i), 0, &sim->hosts[0], 0);
        sim_fault_at(sim, "rekey-ike", SIM_MS(9400 + 100 * i), 0, &sim->hosts[0], 0);
        sim_run(sim, SIM_SECONDS(20));
        sim_until(sim, sim_healed, SIM_SECONDS(25), "on its way to nowhere");
    }
    sim_expect(sim, user->logins == 1);
}

/* rekey_under_late_move - the same, but the move home was given up while its request is still
 * repeated. The heir must not try an old address for ever. */
static void rekey_under_late_move(struct sim *sim)
{
    struct sim_host *user = slow_pair(sim);
    for (unsigned i = 0; i < 60; i++) {
        sim_fault_at(sim, "hole", 0, SIM_SECONDS(4), user, 1);
        sim_fault_at(sim, "hole", SIM_MS(12300), SIM_MS(3100), user, 1);
        sim_fault_at(sim, "renumber", SIM_SECONDS(13), 0, user, 1);
        sim_fault_at(sim, "rekey-ike", SIM_MS(15600 + 20 * i), 0, &sim->hosts[0], 0);
        sim_fault_at(sim, "rekey-ike", SIM_MS(15800 + 20 * i), 0, &sim->hosts[0], 0);
        sim_run(sim, SIM_SECONDS(20));
        sim_until(sim, sim_healed, SIM_SECONDS(25), "on its way to nowhere");
    }
    sim_expect(sim, user->logins == 1);
}

/* address_of_gateway - one of the Gateway's two addresses is dead, and the only IKE SA was there.
 * It moves to the other one before any new login. */
static void address_of_gateway(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 2), *user = sim_user(sim, 3);
    user->conn->clone = IKE_CLONE_OFF;
    user->conn->mesh = IKE_MESH_FULL;
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 10; i++) {
        sim_fault_at(sim, "hole", 0, SIM_SECONDS(10), gateway, i % 2);
        sim_run(sim, SIM_SECONDS(20 + i));
        sim_until(sim, sim_healed, SIM_SECONDS(30), "not back");
    }
    sim_expect(sim, user->logins == 1);
}

/* late_login - a login attempt that was given up does not replace the session of the next one. */
static void late_login(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 2);
    gateway->conn->unique = IKE_UNIQUE_REPLACE;
    sim_start(sim);
    sim_fault_at(sim, "hole", SIM_MS(25), SIM_SECONDS(22), user, 0);
    sim_until(sim, sim_healed, SIM_SECONDS(40), "not up");
    sim_run(sim, SIM_SECONDS(60));
    sim_expect(sim, sim_healed(sim));
    sim_expect(sim, user->logins == 1);
}

/* lost_agreement - the Gateway sends the last leg, and the End User's response is lost. The Gateway
 * repeats the request until it gets one, because the End User has a VPN there. */
static void lost_agreement(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 3);
    gateway->conn->reduced = user->conn->reduced = IKE_REDUCED_GATEWAY;
    sim_start(sim);
    sim_fault_at(sim, "hole-out", 0, SIM_MS(1200), user, 2);
    sim_fault_at(sim, "hole-out", 0, SIM_MS(1300), user, 1);
    sim_run(sim, SIM_SECONDS(6));
    sim_until(sim, sim_healed, SIM_SECONDS(30), "half a VPN");
    sim_expect(sim, user->logins == 1);
}

/* delete_under_rekey - an IKE SA is to be deleted while its rekey is in flight: the new one is
 * deleted too. */
static void delete_under_rekey(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 2);
    user->interfaces[0].link.delay = user->interfaces[1].link.delay = SIM_MS(200);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 40; i++) {
        for (unsigned k = 0; k < 3; k++) {
            sim_fault_at(sim, "clone", SIM_MS(k), 0, gateway, 0);
            sim_fault_at(sim, "rekey-ike", SIM_MS(10000 + 30 * i + 100 * k), 0, user, 0);
        }
        sim_run(sim, SIM_SECONDS(20));
        sim_until(sim, sim_healed, SIM_SECONDS(10), "what was deleted lives on");
    }
    sim_expect(sim, user->logins == 1);
}

/* end_at_deadline - the session that a new login has replaced cannot tell the Gateway of its end.
 * Its Child SAs end with its authentication nevertheless. */
static void end_at_deadline(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    user->conn->reauth_ns = SIM_SECONDS(30);
    user->conn->reauth_over_ns = SIM_SECONDS(4);
    user->logs_in_anew = true;
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 16; i++)
        sim_fault_at(sim, "hole", SIM_MS(30000 * i + 31000 + 30 * i), SIM_SECONDS(8), user, i % 2);
    sim_run(sim, SIM_SECONDS(500));
}

/* bounded_pair - it is up, and its authentication is over 34 s after the login. */
static struct sim_host *bounded_pair(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 1);
    user->conn->reauth_ns = SIM_SECONDS(30);
    user->conn->reauth_over_ns = SIM_SECONDS(4);
    user->logs_in_anew = true;
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    return user;
}

/* delete_at_deadline - the response to a Delete is lost: the Child SAs of the IKE SA do not outlive
 * the authentication. */
static void delete_at_deadline(struct sim *sim)
{
    struct sim_host *user = bounded_pair(sim);
    sim_fault_at(sim, "delete-ike", SIM_SECONDS(20), 0, user, 0);
    sim_fault_at(sim, "hole-in", SIM_SECONDS(20), SIM_SECONDS(30), user, 0);
    sim_run(sim, SIM_SECONDS(60));
    sim_expect(sim, sim->hosts[0].logins > 0);
}

/* delete_by_both - one end deletes an IKE SA while the other end rekeys it. The end that deleted it
 * gets its outcome, and deletes the result of the rekey. Clones have inner addresses of their own. */
static void delete_by_both(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 3);
    gateway->conn->inner_per_path = user->conn->inner_per_path = true;
    for (unsigned i = 0; i < 3; i++)
        user->interfaces[i].link.delay = SIM_MS(150);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 60; i++) {
        sim_fault_at(sim, "clone", 0, 0, gateway, 0);
        sim_fault_at(sim, "clone", SIM_MS(1), 0, gateway, 0);
        for (unsigned k = 0; k < 4; k++)
            sim_fault_at(sim, "rekey-ike", SIM_MS(9900 + 20 * i + 10 * k), 0, gateway, 0);
        sim_run(sim, SIM_SECONDS(20));
        sim_until(sim, sim_healed, SIM_SECONDS(20), "one of them waits for ever");
    }
    sim_expect(sim, user->logins == 1);
}

/* asked_where_it_was - the Gateway has a request outstanding on a path that died, when the End User
 * leaves it. The next copy is lost. The request is repeated to the End User's new path. */
static void asked_where_it_was(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 1);
    for (unsigned i = 0; i < 40; i++) {
        sim_fault_at(sim, "hole", 0, SIM_MS(1500), user, 0);
        sim_fault_at(sim, "renumber", SIM_MS(1500), 0, user, 0);
        sim_fault_at(sim, "lossy", SIM_MS(1500), SIM_MS(500), user, 0);
        sim_run(sim, SIM_SECONDS(20));
        sim_until(sim, sim_healed, SIM_SECONDS(5), "asked where nobody is");
    }
    sim_expect(sim, user->logins == 1);
}

/* rekey_at_deadline - the response to a rekey comes after the authentication has ended: nothing is
 * installed. */
static void rekey_at_deadline(struct sim *sim)
{
    struct sim_host *user = bounded_pair(sim);
    sim_fault_at(sim, "rekey-child", SIM_MS(28000), 0, user, 0);
    sim_fault_at(sim, "hole-in", SIM_MS(28010), SIM_SECONDS(8), user, 0);
    sim_run(sim, SIM_SECONDS(60));
    sim_expect(sim, user->logins > 0);
}

/* last_one_crossed - both ends clone, and there is room for one clone: neither concludes that there
 * never is. */
static void last_one_crossed(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 2);
    gateway->conn->max_ike_sas = user->conn->max_ike_sas = 2;
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 30; i++) {
        sim_fault_at(sim, "delete-ike", 0, 0, user, 0);
        sim_fault_at(sim, "clone", SIM_MS(10 + 2 * i), 0, gateway, 0);
        sim_run(sim, SIM_SECONDS(3));
        sim_until(sim, sim_healed, SIM_SECONDS(20), "each waits for the other one");
    }
    sim_expect(sim, user->logins == 1);
}

/* reauth_of_the_heir - a new login is asked for while the one before it still hands over: one
 * session remains, and not two that replace each other for ever. */
static void reauth_of_the_heir(struct sim *sim)
{
    struct sim_host *user = far_pair(sim); /* its VPN there takes the heir some seconds */
    for (unsigned i = 0; i < 12; i++) {
        sim_fault_at(sim, "reauth", 0, 0, user, 0);
        sim_fault_at(sim, "reauth", SIM_MS(1000 + 250 * i), 0, &sim->hosts[i % 2], 0);
        sim_run(sim, SIM_SECONDS(40));
        sim_until(sim, sim_healed, SIM_SECONDS(40), "one session for each login");
    }
}

/* heir_deleted - a new login is deleted while the session before it still exists. If it had handed
 * over already, the old session ends nevertheless. */
static void heir_deleted(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 2);
    gateway->conn->clone = IKE_CLONE_OFF; /* one IKE SA is the whole session */
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 60; i++) {
        sim_fault_at(sim, "reauth", 0, 0, user, 0);
        sim_fault_at(sim, "delete-ike", SIM_MS(100 + 50 * (i / 2)), 0, user, i % 2);
        sim_run(sim, SIM_SECONDS(20));
        sim_until(sim, sim_healed, SIM_SECONDS(40), "one session for each login");
    }
}

/* asked_at_leisure - no packet is answered for longer than liveness checks wait. The path manager
 * continues to test beside them, so the session survives and no new login begins. */
static void asked_at_leisure(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 1);
    gateway->conn->dpd_delay_ns = user->conn->dpd_delay_ns = SIM_SECONDS(10);
    user->interfaces[0].link.delay = SIM_MS(280);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 20; i++) {
        sim_fault_at(sim, "hole", 0, SIM_SECONDS(20 + i), user, 0);
        sim_run(sim, SIM_SECONDS(21 + i));
        sim_until(sim, sim_healed, SIM_SECONDS(30), "not back");
        sim_run(sim, SIM_SECONDS(10));
    }
    sim_expect(sim, user->logins == 1);
}

/* other_address - the login used an address of the Gateway that belongs to another path as soon as
 * its interface is up. Without MOBIKE nothing moves: the IKE SA serves the path on which it is. */
static void other_address(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 2), *user = sim_user(sim, 2);
    user->conn->mobike = false;
    user->conn->mesh = IKE_MESH_PAIRS;
    sim_goes_to(user, gateway, 2);
    sim_fault_at(sim, "hole", 0, SIM_SECONDS(5), gateway, 0);
    sim_fault_at(sim, "hole-out", SIM_MS(400), SIM_SECONDS(5), user, 1);
    sim_fault_at(sim, "down", SIM_MS(500), SIM_SECONDS(5), user, 1);
    user->interfaces[1].link.delay = SIM_MS(100);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(40), "no path for the only IKE SA");
}

/* delete_unanswered - the response to the Delete of the only IKE SA is lost. The Gateway does not
 * know it any more, and says so unprotected. The End User must not be without a VPN for minutes. */
static void delete_unanswered(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 1);
    for (unsigned i = 0; i < 10; i++) {
        sim_fault_at(sim, "delete-ike", 0, 0, user, 0);
        sim_fault_at(sim, "hole-in", SIM_MS(5), SIM_MS(300 + 500 * i), user, 0);
        sim_run(sim, SIM_MS(310 + 500 * i));
        sim_until(sim, sim_healed, SIM_SECONDS(12), "the Delete goes on and on");
        sim_run(sim, SIM_SECONDS(65)); /* a session that lasts: no back-off before the next one */
    }
}

/* rekey_under_reauth - Child SAs that wait for the elder session are rekeyed meanwhile: the results
 * send when the elder has gone. */
static void rekey_under_reauth(struct sim *sim)
{
    struct sim_host *user = far_pair(sim);
    for (unsigned i = 0; i < 12; i++) {
        sim_fault_at(sim, "reauth", 0, 0, user, 0);
        for (unsigned k = 0; k < 48; k++)
            sim_fault_at(sim, "rekey-child", SIM_MS(250 * k + 20 * i), 0, user, 0);
        sim_run(sim, SIM_SECONDS(30));
        sim_until(sim, sim_healed, SIM_SECONDS(20), "a VPN waits for nobody");
    }
}

/* gone_in_a_rekey - an End User vanishes while the Gateway rekeys, which goes on sending to it: its
 * session ends nevertheless. */
static void gone_in_a_rekey(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 2);
    struct ike_stats stats;
    sim_run(sim, SIM_SECONDS(5));
    for (unsigned i = 0; i < 4; i++)
        sim_fault_at(sim, i < 2 ? "rekey-child" : "rekey-ike", SIM_MS(1 + i), 0, &sim->hosts[0], 0);
    sim_fault_at(sim, "crash", 0, SIM_SECONDS(600), user, 0);
    sim_run(sim, SIM_SECONDS(400));
    ike_stats_get(sim->hosts[0].ike, &stats);
    sim_expect(sim, stats.sessions == 0);
    sim_run(sim, SIM_SECONDS(201));
}

/* two_families - an interface with IPv6 only has no path to the Gateway's IPv4 address. */
static void two_families(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 2), *user = sim_user(sim, 3);
    ASSERT(address_parse("2001:db8::1", &gateway->interfaces[1].address));
    ASSERT(address_parse("2001:db8:1::1", &user->interfaces[1].address));
    sim_goes_to(user, gateway, 2);
    user->conn->mesh = IKE_MESH_FULL;
    user->conn->reauth_ns = SIM_SECONDS(30);
    user->logs_in_anew = true;
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 10; i++) {
        sim_run(sim, SIM_SECONDS(20));
        sim_until(sim, sim_healed, SIM_SECONDS(10), "a path between two families");
    }
}

/* children_without_address - a login brings no inner address, and the next one does: all children
 * come up. */
static void children_without_address(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 2);
    sim_children(gateway, 3);
    sim_children(user, 3);
    gateway->faults.lease_fail = 1000;
    sim_start(sim);
    sim_run(sim, SIM_SECONDS(3));
    sim_expect(sim, user->logins >= 1 && !sim_healed(sim));
    gateway->faults.lease_fail = 0;
    user->excused = user->logins;
    sim_until(sim, sim_healed, SIM_SECONDS(60), "a child did not come");
}

/* far_new_place - an IKE SA with traffic moves to a place that nothing has measured, and round trips are
 * long. Its first probe waits as long as an exchange of the move took: the path is not called dead. */
static void far_new_place(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    user->interfaces[0].link.delay = user->interfaces[1].link.delay = SIM_MS(420);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(20), "not up");
    user->traffic_interval = SIM_MS(50);
    sim_traffic_tick(user);
    sim_run(sim, SIM_SECONDS(10));
    for (unsigned i = 0; i < 10; i++) {
        uint64_t before = losses(user);
        sim_fault_at(sim, "renumber", 0, 0, user, i % 2);
        sim_run(sim, SIM_SECONDS(12));
        sim_expect(sim, sim_healed(sim));
        sim_expect(sim, losses(user) <= before + 1);
    }
}

static const struct sim_scenario scenarios[] = {
    {"rekey_under_move", rekey_under_move},
    {"delete_into_a_hole", delete_into_a_hole},
    {"rekey_into_a_hole", rekey_into_a_hole},
    {"crossing_rekeys", crossing_rekeys},
    {"clone_too_late", clone_too_late},
    {"rekey_lost", rekey_lost},
    {"probe_behind_rekey", probe_behind_rekey},
    {"knock_in_vain", knock_in_vain},
    {"knock_far", knock_far},
    {"far_rekey", far_rekey},
    {"far_return", far_return},
    {"moved_and_deleted", moved_and_deleted},
    {"created_under_move", created_under_move},
    {"rekey_under_return", rekey_under_return},
    {"rekey_under_late_move", rekey_under_late_move},
    {"address_of_gateway", address_of_gateway},
    {"late_login", late_login},
    {"lost_agreement", lost_agreement},
    {"delete_under_rekey", delete_under_rekey},
    {"end_at_deadline", end_at_deadline},
    {"delete_at_deadline", delete_at_deadline},
    {"delete_by_both", delete_by_both},
    {"asked_where_it_was", asked_where_it_was},
    {"rekey_at_deadline", rekey_at_deadline},
    {"last_one_crossed", last_one_crossed},
    {"reauth_of_the_heir", reauth_of_the_heir},
    {"heir_deleted", heir_deleted},
    {"asked_at_leisure", asked_at_leisure},
    {"other_address", other_address},
    {"delete_unanswered", delete_unanswered},
    {"rekey_under_reauth", rekey_under_reauth},
    {"gone_in_a_rekey", gone_in_a_rekey},
    {"children_without_address", children_without_address},
    {"two_families", two_families},
    {"far_new_place", far_new_place},
};

const struct sim_scenario *sim_scenarios_found(size_t index)
{
    return index < sizeof(scenarios) / sizeof(scenarios[0]) ? &scenarios[index] : NULL;
}
