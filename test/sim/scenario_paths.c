/* SPDX-License-Identifier: Apache-2.0 */
/* The path manager's scenarios, named after those of picoquic's multipath tests. */
#include "sim/fault.h"
#include "sim/host.h"
#include "sim/lease.h"
#include "sim/plane.h"
#include "sim/scenario.h"

static void basic(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 2);
    sim_run(sim, SIM_SECONDS(60));
    sim_expect(sim, user->logins == 1);
    sim_expect(sim, sim->counts.esp_delivered > 100);
    sim_expect(sim, sim->counts.esp_refused > 0);
}

static void just_one(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 1);
    sim_run(sim, SIM_SECONDS(60));
    sim_expect(sim, user->logins == 1);
    sim_expect(sim, sim->counts.clones == 0);
}

static void four_paths(struct sim *sim)
{
    (void)sim_pair(sim, 4);
    sim_run(sim, SIM_SECONDS(60));
}

/* carries - for some seconds nearly all packets arrive; forged ones do not. */
static void carries(struct sim *sim, nanos duration)
{
    uint64_t sealed = sim->counts.esp_sealed, got = sim->counts.esp_delivered;
    sim_run(sim, duration);
    sealed = sim->counts.esp_sealed - sealed;
    got = sim->counts.esp_delivered - got;
    sim_expect(sim, got + sealed / 8 > sealed);
}

/* drops - a link goes down: soon nearly all packets arrive again. */
static void drops(struct sim *sim, unsigned interface)
{
    struct sim_host *user = sim_pair(sim, 2);
    sim_link_set(user, interface, false);
    sim_run(sim, SIM_SECONDS(5));
    carries(sim, SIM_SECONDS(20));
    sim_link_set(user, interface, true);
    sim_until(sim, sim_healed, SIM_SECONDS(30), "the dropped path is not back");
    sim_expect(sim, user->logins == 1);
}

static void drop_first(struct sim *sim)
{
    drops(sim, 0);
}

static void drop_second(struct sim *sim)
{
    drops(sim, 1);
}

/* One path over a satellite: slower than the budget in which paths are given up. */
static void sat_plus(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    user->interfaces[1].link.delay = SIM_MS(600);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(30), "the far path is not up");
}

/* A path that becomes that slow is dead for a while, and returns. */
static void slower(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 2);
    user->interfaces[1].link.delay = SIM_MS(600);
    sim_run(sim, SIM_SECONDS(30));
    sim_until(sim, sim_healed, SIM_SECONDS(60), "the slow path is not back");
    sim_expect(sim, user->logins == 1);
}

/* The network gives another address. */
static void renew(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 2);
    for (unsigned i = 0; i < 6; i++)
        sim_fault_at(sim, "renumber", SIM_SECONDS(10 * i), 0, user, i % 2);
    sim_run(sim, SIM_SECONDS(70));
    sim_until(sim, sim_healed, SIM_SECONDS(30), "not back after another address");
    sim_expect(sim, user->logins == 1);
}

static struct sim_host *natted_pair(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    sim_nat_before(sim, &user->interfaces[0])->symmetric = true;
    (void)sim_nat_before(sim, &user->interfaces[1]);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not through the NATs");
    return user;
}

static void nat(struct sim *sim)
{
    struct sim_host *user = natted_pair(sim);
    for (unsigned i = 0; i < 6; i++) {
        sim_fault_at(sim, "rebind", 0, 0, user, i % 2);
        sim_run(sim, SIM_SECONDS(10));
        carries(sim, SIM_SECONDS(20));
    }
    sim_expect(sim, sim_healed(sim));
    sim_expect(sim, user->logins == 1);
}

/* The NAT forgets its mapping while the IKE SA is being rekeyed. */
static void nat_challenge(struct sim *sim)
{
    struct sim_host *user = natted_pair(sim);
    for (unsigned i = 0; i < 40; i++) {
        sim_fault_at(sim, "rekey-ike", 0, 0, i % 2 == 0 ? user : &sim->hosts[0], 0);
        sim_fault_at(sim, "rebind", SIM_MS(5 * i), 0, user, i % 2);
        sim_run(sim, SIM_SECONDS(8));
    }
    sim_run(sim, SIM_SECONDS(120)); /* the Gateway would give it up by now */
    sim_expect(sim, sim_healed(sim));
    sim_expect(sim, user->logins == 1);
}

/* Two users behind one NAT, one of them with both interfaces, and their mappings exchange ports. */
static void nat_swaps(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2), *other = sim_user(sim, 1);
    user->interfaces[1].nat = other->interfaces[0].nat = sim_nat_before(sim, user->interfaces);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not through the NAT");
    for (unsigned i = 0; i < 60; i++)
        sim_fault_at(sim, "swap", SIM_SECONDS(i), 0, user, 0);
    sim_run(sim, SIM_SECONDS(62));
    for (unsigned i = 0; i < 6; i++) {
        sim_fault_at(sim, "swap", 0, 0, user, 0);
        sim_run(sim, SIM_SECONDS(10));
        carries(sim, SIM_SECONDS(20));
    }
    sim_expect(sim, sim_healed(sim));
    sim_expect(sim, user->logins == 1 && other->logins == 1);
}

/* Only keepalives and probes for longer than a NAT remembers. */
static void keep_alive(struct sim *sim)
{
    struct sim_host *user = natted_pair(sim);
    user->traffic_interval = sim->hosts[0].traffic_interval = 0;
    user->interfaces[0].nat->timeout = SIM_SECONDS(30);
    user->interfaces[1].nat->timeout = SIM_SECONDS(30);
    sim_run(sim, SIM_SECONDS(600));
    sim_expect(sim, sim_healed(sim));
    sim_expect(sim, user->logins == 1);
}

/* break1..3: a black hole for both directions, for sending only, for receiving only. */
static void breaks(struct sim *sim, const char *fault)
{
    struct sim_host *user = sim_pair(sim, 2);
    sim_fault_at(sim, fault, 0, SIM_SECONDS(30), user, 0);
    sim_run(sim, SIM_SECONDS(31));
    sim_until(sim, sim_healed, SIM_SECONDS(30), "the broken path is not back");
    sim_expect(sim, user->logins == 1);
}

static void break1(struct sim *sim)
{
    breaks(sim, "hole");
}

static void break2(struct sim *sim)
{
    breaks(sim, "hole-out");
}

static void break3(struct sim *sim)
{
    breaks(sim, "hole-in");
}

/* A path that goes up and down. */
static void back1(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 2);
    for (unsigned i = 0; i < 20; i++)
        sim_fault_at(sim, "down", SIM_SECONDS(7 * i), SIM_SECONDS(i % 7), user, 0);
    sim_run(sim, SIM_SECONDS(141));
    sim_until(sim, sim_healed, SIM_SECONDS(30), "not back");
    sim_expect(sim, user->logins == 1);
}

/* Both ends delete single IKE SAs and Child SAs. */
static void abandon(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 3);
    for (unsigned i = 0; i < 12; i++)
        sim_fault_at(sim, i % 3 == 0 ? "delete-child" : "delete-ike", SIM_SECONDS(8 * i), 0,
                     i % 2 == 0 ? user : &sim->hosts[0], 0);
    sim_run(sim, SIM_SECONDS(100));
    sim_until(sim, sim_healed, SIM_SECONDS(70), "not repaired");
    sim_expect(sim, user->logins == 1);
}

/* sent_over - when the End User last sent a packet over the path; 0: never. */
static nanos sent_over(const struct sim_host *user, unsigned index)
{
    struct path_status path;
    nanos in = 0, out = 0;
    return path_manager_status(user->paths, index, &path) &&
                   sim_plane_seen(user->plane, path.child, &in, &out)
               ? out
               : 0;
}

/* A backup carries nothing while the first path is alive, and everything once that is dead. */
static struct sim_host *backed_up(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 2);
    sim_run(sim, SIM_SECONDS(20));
    sim_expect(sim, sent_over(user, 0) > sim->now - SIM_SECONDS(2));
    sim_expect(sim, sent_over(user, 1) == 0);
    sim_fault_at(sim, "hole", 0, SIM_SECONDS(20), user, 0);
    sim_run(sim, SIM_SECONDS(3));
    carries(sim, SIM_SECONDS(15));
    sim_expect(sim, sent_over(user, 1) > sim->now - SIM_SECONDS(2));
    sim_run(sim, SIM_SECONDS(3));
    return user;
}

static void backup(struct sim *sim)
{
    struct sim_host *user = backed_up(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(30), "the first path is not back");
    sim_expect(sim, user->logins == 1);
}

/* ... and stands by again when the first path has returned. */
static void standup(struct sim *sim)
{
    struct sim_host *user = backed_up(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(30), "the first path is not back");
    sim_run(sim, SIM_SECONDS(10));
    sim_expect(sim, sent_over(user, 0) > sim->now - SIM_SECONDS(2));
    sim_expect(sim, sent_over(user, 1) < sim->now - SIM_SECONDS(8));
    sim_expect(sim, user->logins == 1);
}

/* A path that never worked: its black hole exists before the path does. */
static void fail(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    sim_start(sim);
    sim_fault_at(sim, "hole", 0, SIM_SECONDS(100), user, 1);
    sim_run(sim, SIM_SECONDS(10));
    carries(sim, SIM_SECONDS(60));
    sim_expect(sim, user->logins == 1 && sent_over(user, 1) == 0);
    sim_run(sim, SIM_SECONDS(31));
    sim_until(sim, sim_healed, SIM_SECONDS(60), "the second path does not come");
    sim_expect(sim, user->logins == 1);
}

static void break_both(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 2);
    sim_fault_at(sim, "hole", 0, SIM_SECONDS(20), user, 0);
    sim_fault_at(sim, "hole", 0, SIM_SECONDS(25), user, 1);
    sim_run(sim, SIM_SECONDS(26));
    sim_until(sim, sim_healed, SIM_SECONDS(90), "not back after a loss of everything");
}

static void lossy(struct sim *sim)
{
    struct sim_host *user = sim_pair(sim, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct sim_link *link = &user->interfaces[i].link;
        link->loss = 50;
        link->duplicate = link->reorder = 100;
        link->corrupt = 20;
        link->jitter = SIM_MS(15);
    }
    sim_run(sim, SIM_SECONDS(300));
    sim_expect(sim, user->logins == 1);
}

/* Three children: each has a Child SA on each path, also after another login and a new
 * authentication. */
static void children(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 2);
    sim_children(gateway, 3);
    sim_children(user, 3);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "the children are not up");
    carries(sim, SIM_SECONDS(20));
    sim_fault_at(sim, "crash", 0, SIM_SECONDS(2), gateway, 0);
    sim_run(sim, SIM_SECONDS(5));
    sim_until(sim, sim_healed, SIM_SECONDS(30), "the children are not back");
    sim_expect(sim, user->logins == 2);
    sim_fault_at(sim, "reauth", 0, 0, user, 0);
    carries(sim, SIM_SECONDS(20));
    sim_until(sim, sim_healed, SIM_SECONDS(20), "the new session has other children");
    sim_expect(sim, user->logins == 3);
    for (unsigned i = 0; i < 12; i++)
        sim_fault_at(sim, i % 3 == 0 ? "rekey-child" : "delete-child", SIM_SECONDS(4 * i), 0,
                     i % 2 == 0 ? user : gateway, 0);
    sim_fault_at(sim, "down", SIM_SECONDS(20), SIM_SECONDS(10), user, 0);
    sim_run(sim, SIM_SECONDS(50));
    sim_until(sim, sim_healed, SIM_SECONDS(70), "not repaired");
    sim_expect(sim, user->logins == 3);
}

/* Very unlike paths under load: one loses a third, and packets of the other overtake hundreds. Each
 * has its own sequence numbers, so none is taken for a replay. */
static void unlike(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 2);
    gateway->conn->multipath = user->conn->multipath = IKE_MULTIPATH_BALANCE;
    for (unsigned i = 0; i < 2; i++)
        user->conn->paths[i].priority = 1;
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "the paths are not up");
    user->interfaces[0].link.loss = 300;
    user->interfaces[1].link.jitter = SIM_MS(400);
    user->traffic_interval = SIM_MS(1);
    sim_run(sim, SIM_SECONDS(30));
    for (unsigned i = 0; i < 2; i++)
        sim_expect(sim, sent_over(user, i) > sim->now - SIM_SECONDS(1));
    sim_expect(sim, sim->counts.esp_delivered > 15000 && sim->counts.esp_rejected == 0);
    sim_expect(sim, sim->counts.esp_delivered > sim->counts.esp_sealed / 2);
    user->traffic_interval = SIM_MS(200);
    user->interfaces[0].link.loss = 0;
    user->interfaces[1].link.jitter = 0;
    sim_until(sim, sim_healed, SIM_SECONDS(30), "the bad path is not back");
    sim_expect(sim, user->logins == 1);
}

/* One of three children is wanted, and its connection is loaded with them in another order: the
 * next session, of either kind, has the same child. */
static void one_child(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 2);
    sim_children(gateway, 3);
    sim_children(user, 3);
    memcpy(user->only, "net1", sizeof("net1"));
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "the child is not up");
    for (unsigned i = 0; i < 4; i++) {
        sim_fault_at(sim, "reload", 0, 0, user, 0);
        sim_fault_at(sim, i % 2 == 0 ? "reauth" : "end-session", SIM_SECONDS(1), 0,
                     i < 2 ? gateway : user, 0);
        sim_run(sim, SIM_SECONDS(20));
        sim_until(sim, sim_healed, SIM_SECONDS(20), "the next session has another child");
    }
    sim_expect(sim, user->logins == 4);
}

/* busy - links come and go, and messages are lost. */
static void busy(struct sim *sim, struct sim_host *user)
{
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "the paths are not up");
    sim_expect(sim, user->logins == 1);
    for (unsigned i = 0; i < user->n_interfaces; i++)
        user->interfaces[i].link.loss = user->interfaces[i].link.reorder = 30;
    for (unsigned i = 0; i < 6; i++)
        sim_fault_at(sim, "down", SIM_SECONDS(15 * i), SIM_SECONDS(4), user,
                     i % user->n_interfaces);
    sim_run(sim, SIM_SECONDS(100));
    for (unsigned i = 0; i < user->n_interfaces; i++)
        user->interfaces[i].link.loss = user->interfaces[i].link.reorder = 0;
    sim_until(sim, sim_healed, SIM_SECONDS(60), "not healed");
}

/* The Gateway sends the last leg (draft B.5, M13). */
static void gateway_moves(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 3);
    gateway->conn->reduced = user->conn->reduced = IKE_REDUCED_GATEWAY;
    gateway->conn->combined_auth = user->conn->combined_auth = true;
    busy(sim, user);
}

/* Both ends clone (draft B.2, third variant), and each interface wants each address (figure 3). */
static void both_clone(struct sim *sim)
{
    struct sim_host *gateway = sim_gateway(sim, 2), *user = sim_user(sim, 3);
    gateway->conn->gateway_clones = true;
    user->conn->mesh = IKE_MESH_FULL;
    busy(sim, user);
}

/* Inner addresses: IPv6, both families, separate ones for each path; also for users that ask for
 * one of two. */
static void inner(struct sim *sim, bool v4, bool per_path)
{
    struct sim_host *gateway = sim_gateway(sim, 1), *user = sim_user(sim, 3);
    struct sim_host *other = sim_user(sim, 2);
    gateway->conn->inner_per_path = user->conn->inner_per_path = per_path;
    sim_inner_families(gateway, v4, true);
    sim_inner_families(user, v4, true);
    sim_inner_families(other, v4, !v4); /* of two the first */
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "not up");
    sim_fault_at(sim, "rekey-ike", SIM_SECONDS(5), 0, user, 0);
    sim_fault_at(sim, "down", SIM_SECONDS(10), SIM_SECONDS(20), user, 0);
    sim_fault_at(sim, "reauth", SIM_SECONDS(50), 0, user, 0);
    carries(sim, SIM_SECONDS(90));
    sim_until(sim, sim_healed, SIM_SECONDS(20), "not back");
    sim_expect(sim, sim->counts.inner_v6 > 300);
    sim_expect(sim, (sim->counts.inner_own >= 2) == per_path);
    sim_expect(sim, user->logins == 2 && other->logins == 1);
}

static void inner_v6(struct sim *sim)
{
    inner(sim, false, false);
}

static void inner_v6_per_path(struct sim *sim)
{
    inner(sim, false, true);
}

static void inner_both(struct sim *sim)
{
    inner(sim, true, false);
}

static void inner_both_per_path(struct sim *sim)
{
    inner(sim, true, true);
}

static const struct sim_scenario scenarios[] = {
    {"basic", basic},
    {"just_one", just_one},
    {"four_paths", four_paths},
    {"drop_first", drop_first},
    {"drop_second", drop_second},
    {"sat_plus", sat_plus},
    {"slower", slower},
    {"renew", renew},
    {"nat", nat},
    {"nat_swaps", nat_swaps},
    {"keep_alive", keep_alive},
    {"nat_challenge", nat_challenge},
    {"break1", break1},
    {"break2", break2},
    {"break3", break3},
    {"back1", back1},
    {"abandon", abandon},
    {"backup", backup},
    {"standup", standup},
    {"fail", fail},
    {"break_both", break_both},
    {"lossy", lossy},
    {"unlike", unlike},
    {"gateway_moves", gateway_moves},
    {"both_clone", both_clone},
    {"children", children},
    {"one_child", one_child},
    {"inner_v6", inner_v6},
    {"inner_v6_per_path", inner_v6_per_path},
    {"inner_both", inner_both},
    {"inner_both_per_path", inner_both_per_path},
};

const struct sim_scenario *sim_scenarios_paths(size_t index)
{
    return index < sizeof(scenarios) / sizeof(scenarios[0]) ? &scenarios[index] : NULL;
}
