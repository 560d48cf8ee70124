/* SPDX-License-Identifier: Apache-2.0 */
/* Different peers, hosts that fail, and an attacker. */
#include "sim/fault.h"
#include "sim/host.h"
#include "sim/scenario.h"

#define EACH_OF 24 /* number of allocations of one operation that fail in turn */

/* --- dialects --- */

static void dialects(struct sim *sim, enum ike_clone user_has, enum ike_clone gateway_has)
{
    struct sim_host *gateway = sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    gateway->conn->clone = gateway_has;
    user->conn->clone = user_has;
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    sim_fault_at(sim, "down", SIM_SECONDS(2), SIM_SECONDS(5), user, 0);
    sim_run(sim, SIM_SECONDS(10));
    sim_until(sim, sim_healed, SIM_SECONDS(30), "not back");
    sim_expect(sim, user->logins == 1);
}

static void without_extension(struct sim *sim)
{
    dialects(sim, IKE_CLONE_BOTH, IKE_CLONE_OFF);
}

static void only_rfc7791(struct sim *sim)
{
    dialects(sim, IKE_CLONE_BOTH, IKE_CLONE_RFC7791);
}

static void only_keep_old(struct sim *sim)
{
    dialects(sim, IKE_CLONE_KEEP_OLD, IKE_CLONE_BOTH);
}

static void no_dialect_in_common(struct sim *sim)
{
    dialects(sim, IKE_CLONE_KEEP_OLD, IKE_CLONE_RFC7791);
}

/* --- hosts that fail --- */

static void crash(struct sim *sim, unsigned who)
{
    struct sim_host *user = sim_pair(sim, 2);
    sim_fault_at(sim, "crash", SIM_SECONDS(3), SIM_SECONDS(4), &sim->hosts[who], 0);
    sim_run(sim, SIM_SECONDS(8));
    sim_until(sim, sim_healed, SIM_SECONDS(200), "not back after a crash");
    /* the user's own count begins again; the Gateway's session is replaced */
    sim_expect(sim, user->logins <= 2);
}

static void crash_of_gateway(struct sim *sim)
{
    crash(sim, 0);
}

static void crash_of_user(struct sim *sim)
{
    crash(sim, 1);
}

static void fails_at_first(struct sim *sim, const char *fault, unsigned who)
{
    struct sim_host *gateway = sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    sim_start(sim);
    sim_fault_at(sim, fault, 0, SIM_SECONDS(20), who == 0 ? gateway : user, 0);
    sim_run(sim, SIM_SECONDS(21));
    sim_until(sim, sim_healed, SIM_SECONDS(120), "not up in the end");
}

static void slow_signer(struct sim *sim)
{
    fails_at_first(sim, "slow-signer", 0);
}

static void failing_signer(struct sim *sim)
{
    fails_at_first(sim, "failing-signer", 1);
}

static void refused_installs(struct sim *sim)
{
    fails_at_first(sim, "refused-installs", 0);
    sim_fault_at(sim, "refused-installs", 0, SIM_SECONDS(30), &sim->hosts[1], 0);
    for (unsigned i = 0; i < 10; i++)
        sim_fault_at(sim, "rekey-child", SIM_SECONDS(3 * i), 0, &sim->hosts[i % 2], 0);
    sim_run(sim, SIM_SECONDS(31));
    sim_until(sim, sim_healed, SIM_SECONDS(120), "not repaired");
}

/* A login that brings no inner address counts as none, even if it was to replace a session. */
static void refused_leases(struct sim *sim)
{
    fails_at_first(sim, "refused-leases", 0);
    sim_fault_at(sim, "refused-leases", 0, SIM_SECONDS(30), &sim->hosts[0], 0);
    sim_fault_at(sim, "delete-ike", SIM_SECONDS(1), 0, &sim->hosts[1], 0);
    sim_fault_at(sim, "delete-ike", SIM_SECONDS(2), 0, &sim->hosts[1], 0);
    sim_run(sim, SIM_SECONDS(31));
}

/* no_memory - allocations fail at either end while everything is created and rekeyed. */
static void no_memory(struct sim *sim)
{
    fails_at_first(sim, "no-memory", 0);
    for (unsigned i = 0; i < 20; i++) {
        sim_fault_at(sim, "no-memory", SIM_SECONDS(4 * i), SIM_SECONDS(2), &sim->hosts[i % 2], 0);
        sim_fault_at(sim, i % 3 == 0 ? "rekey-ike" : "rekey-child", SIM_SECONDS(4 * i) + SIM_MS(1),
                     0, &sim->hosts[i / 2 % 2], 0);
    }
    sim_run(sim, SIM_SECONDS(81));
    sim_expect(sim, sim->counts.failed_allocations > 0);
}

/* each_fails - repeats the operation; each time another `run` of its allocations fails. */
static void each_fails(struct sim *sim, unsigned run)
{
    static const char *const what[] = {"rekey-child", "rekey-ike", "delete-child", "delete-ike",
                                       "down"};
    struct sim_host *user = sim_pair(sim, 2);
    for (unsigned i = 0; i < 2 * 2 * sizeof(what) / sizeof(what[0]) * EACH_OF; i++) {
        struct sim_host *fails = &sim->hosts[i % 2], *acts = &sim->hosts[i / 2 % 2];
        fails->faults.memory_skip = i / 4 % EACH_OF;
        fails->faults.memory_run = run;
        user->excused++; /* if the last allocation fails, a session may end */
        sim_fault_at(sim, what[i / 4 / EACH_OF], 0, SIM_SECONDS(1), acts->gateway ? acts : user, 0);
        sim_run(sim, SIM_SECONDS(4));
        fails->faults.memory_run = 0;
        sim_until(sim, sim_healed, SIM_SECONDS(120), "something is half done");
    }
    sim_expect(sim, sim->counts.failed_allocations > 0);
}

static void each_allocation(struct sim *sim)
{
    each_fails(sim, 1);
}

/* each_of_a_login - the same while a user logs in and gets its VPNs. */
static void each_of_a_login(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 3);
    for (unsigned i = 0; i < 2 * 4 * EACH_OF; i++) {
        struct sim_host *fails = &sim->hosts[i % 2];
        sim_host_crash(user);
        fails->faults.memory_skip = i / 2;
        fails->faults.memory_run = 1;
        user->excused += 2;
        sim_host_start(user);
        sim_run(sim, SIM_SECONDS(4));
        fails->faults.memory_run = 0;
        sim_until(sim, sim_healed, SIM_SECONDS(200), "something is half done");
    }
}

static void allocations_in_a_row(struct sim *sim)
{
    each_fails(sim, 6);
}

/* --- somebody hostile --- */

static void impostor(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2), *other = sim_user(sim, 1);
    other->impostor = true;
    other->psk = "a guess";
    other->conn->local[0].id = user->conn->local[0].id;
    sim_start(sim);
    sim_run(sim, SIM_SECONDS(60));
    sim_expect(sim, user->logins == 1);
    sim_expect(sim, other->logins == 0);
}

static void hostile(struct sim *sim, const char *fault)
{
    struct sim_host *user = sim_pair(sim, 2);
    sim_fault_at(sim, fault, 0, SIM_SECONDS(120), user, 0);
    for (unsigned i = 0; i < 10; i++) {
        sim_fault_at(sim, i % 2 == 0 ? "rekey-ike" : "rekey-child", SIM_SECONDS(10 * i), 0, user,
                     0);
        sim_fault_at(sim, "down", SIM_SECONDS(10 * i + 4), SIM_SECONDS(2), user, i % 2);
    }
    sim_run(sim, SIM_SECONDS(125));
    sim_until(sim, sim_healed, SIM_SECONDS(30), "not back");
    sim_expect(sim, user->logins == 1);
}

static void replayer(struct sim *sim)
{
    hostile(sim, "replayer");
}

static void mutator(struct sim *sim)
{
    hostile(sim, "mutator");
}

static void liar(struct sim *sim)
{
    hostile(sim, "liar");
}

/* limits - more clones are asked for than a session may have. */
static void limits(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    gateway->conn->max_ike_sas = user->conn->max_ike_sas = 2;
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 20; i++)
        sim_fault_at(sim, "clone", SIM_MS(300 * i), 0, gateway, 0);
    sim_run(sim, SIM_SECONDS(30));
    sim_expect(sim, user->logins == 1);
}

static void many_users(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    for (unsigned i = 0; i < 5; i++) {
        struct sim_host *user = sim_user(sim, 2);
        if (i > 1)
            (void)sim_nat_before(sim, &user->interfaces[i % 2]);
    }
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    sim_run(sim, SIM_SECONDS(30));
}

/* core_replaced - the IKE core of one end is replaced again and again, among rekeys, moves, loss and
 * links that fail. The other end notices nothing: each user has logged in once. */
static void core_replaced(struct sim *sim, bool of_gateway)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *users[3];
    gateway->conn->lifetime.rekey_ns = SIM_SECONDS(17);
    gateway->conn->children[0].lifetime.rekey_ns = SIM_SECONDS(13);
    for (unsigned i = 0; i < 3; i++) {
        users[i] = sim_user(sim, 2);
        users[i]->conn->lifetime.rekey_ns = SIM_SECONDS(19);
        users[i]->conn->children[0].lifetime.rekey_ns = SIM_SECONDS(11);
    }
    (void)sim_nat_before(sim, &users[1]->interfaces[0]);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    for (unsigned i = 0; i < 100; i++) {
        struct sim_host *host = of_gateway ? gateway : users[i % 3];
        sim_fault_at(sim, "replaced", 1 + i * SIM_SECONDS(2) + SIM_MS(37) * i, 0, host, 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        nanos at = SIM_SECONDS(20) + i * SIM_SECONDS(45);
        sim_fault_at(sim, "lossy", at, SIM_SECONDS(5), users[0], 0);
        sim_fault_at(sim, "rebind", at, 0, users[1], 0);
        sim_fault_at(sim, "down", at, SIM_SECONDS(10), users[2], 1);
        sim_fault_at(sim, "clone", at + SIM_SECONDS(30), 0, gateway, 0);
    }
    sim_run(sim, SIM_SECONDS(210));
    sim_until(sim, sim_healed, SIM_SECONDS(60), "not back");
    unsigned replaced = gateway->replaced;
    for (unsigned i = 0; i < 3; i++) {
        sim_expect(sim, users[i]->logins == 1);
        replaced += users[i]->replaced;
    }
    sim_expect(sim, replaced >= 80);
}

static void gateway_replaced(struct sim *sim)
{
    core_replaced(sim, true);
}

static void users_replaced(struct sim *sim)
{
    core_replaced(sim, false);
}

static const struct sim_scenario scenarios[] = {
    {"without_extension", without_extension},
    {"only_rfc7791", only_rfc7791},
    {"only_keep_old", only_keep_old},
    {"no_dialect_in_common", no_dialect_in_common},
    {"crash_of_gateway", crash_of_gateway},
    {"crash_of_user", crash_of_user},
    {"slow_signer", slow_signer},
    {"failing_signer", failing_signer},
    {"refused_installs", refused_installs},
    {"refused_leases", refused_leases},
    {"no_memory", no_memory},
    {"each_allocation", each_allocation},
    {"each_of_a_login", each_of_a_login},
    {"allocations_in_a_row", allocations_in_a_row},
    {"impostor", impostor},
    {"replayer", replayer},
    {"mutator", mutator},
    {"liar", liar},
    {"limits", limits},
    {"many_users", many_users},
    {"gateway_replaced", gateway_replaced},
    {"users_replaced", users_replaced},
};

const struct sim_scenario *sim_scenarios_peers(size_t index)
{
    return index < sizeof(scenarios) / sizeof(scenarios[0]) ? &scenarios[index] : NULL;
}
