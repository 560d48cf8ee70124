/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/scenario.h"

#include <stdio.h>

#include "base/assert.h"
#include "sim/checker.h"
#include "sim/host.h"

#define HEAL_LIMIT  SIM_SECONDS(600)
#define LEAVE_LIMIT SIM_SECONDS(600)
#define AGAIN_LIMIT SIM_SECONDS(20)

/* --- building worlds --- */

/* address_of - prefix.a.b */
static struct address address_of(const char *prefix, unsigned a, unsigned b)
{
    char text[ADDRESS_TEXT_MAX];
    struct address address;
    (void)snprintf(text, sizeof(text), "%s.%u.%u", prefix, a, b);
    ASSERT(address_parse(text, &address));
    return address;
}

static void interface_add(struct sim_host *host, nanos delay, struct address address)
{
    ASSERT(host->n_interfaces < SIM_INTERFACES);
    struct sim_interface *interface = &host->interfaces[host->n_interfaces++];
    interface->address = address;
    interface->link = (struct sim_link){.delay = delay, .up = true};
}

struct sim_host *sim_gateway(struct sim *sim, unsigned addresses)
{
    struct sim_host *host = sim_host_add(sim, true);
    unsigned number = (unsigned)(host->name[1] - '0');
    for (unsigned i = 0; i < addresses; i++)
        interface_add(host, SIM_MS(1), address_of("198.51", 100 + number, 1 + i));
    host->conn->dpd_delay_ns = SIM_SECONDS(20);
    host->traffic_interval = SIM_MS(500);
    return host;
}

void sim_goes_to(struct sim_host *user, const struct sim_host *gateway, unsigned addresses)
{
    struct ike_conn *conn = user->conn;
    ASSERT(gateway->gateway && addresses <= gateway->n_interfaces);
    conn->n_remote_addrs = 0;
    for (unsigned i = 0; i < addresses; i++) {
        struct address_range *range = &conn->remote_addrs[conn->n_remote_addrs++].range;
        range->first = range->last = gateway->interfaces[i].address;
    }
}

struct sim_host *sim_user(struct sim *sim, unsigned interfaces)
{
    struct sim_host *host = sim_host_add(sim, false);
    struct ike_conn *conn = host->conn;
    unsigned number = (unsigned)(host->name[1] - '0');
    for (unsigned i = 0; i < interfaces; i++) {
        interface_add(host, SIM_MS(10) * (1 + i), address_of("192.0", 10 + number, 1 + i));
        struct ike_path_policy *path = &conn->paths[conn->n_paths++];
        (void)snprintf(path->name, sizeof(path->name), "p%u", i);
        (void)snprintf(path->interface, sizeof(path->interface), "if%u", i);
        path->priority = i + 1;
        path->weight = 1;
    }
    sim_goes_to(host, &sim->hosts[0], 1);
    conn->dpd_delay_ns = SIM_SECONDS(20);
    conn->children[0].close_action = IKE_START_START;
    conn->failover_busy_ns = SIM_MS(750);
    conn->probe_idle_ns = SIM_SECONDS(10);
    conn->stable_for_ns = SIM_SECONDS(5);
    host->traffic_interval = SIM_MS(200);
    return host;
}

struct sim_nat *sim_nat_before(struct sim *sim, struct sim_interface *interface)
{
    ASSERT(sim->n_nats < SIM_NATS);
    struct sim_nat *nat = &sim->nats[sim->n_nats++];
    nat->address = address_of("203.0", 113, sim->n_nats);
    nat->timeout = SIM_SECONDS(120);
    interface->nat = nat;
    return nat;
}

void sim_start(struct sim *sim)
{
    for (unsigned i = 0; i < sim->n_hosts; i++)
        if (sim->hosts[i].gateway)
            sim_host_start(&sim->hosts[i]);
    for (unsigned i = 0; i < sim->n_hosts; i++)
        if (!sim->hosts[i].gateway)
            sim_host_start(&sim->hosts[i]);
}

struct sim_host *sim_pair(struct sim *sim, unsigned interfaces)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, interfaces);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(10), "the paths are not up");
    return user;
}

const struct sim_scenario *sim_scenario_at(size_t index)
{
    static const struct sim_scenario *(*const files[])(size_t) = {
        sim_scenarios_paths, sim_scenarios_peers, sim_scenarios_found};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        size_t n = 0;
        for (; files[i](n) != NULL; n++)
            if (n == index)
                return files[i](n);
        index -= n;
    }
    return NULL;
}

void sim_link_set(struct sim_host *host, unsigned interface, bool up)
{
    sim_log(host->sim, host, "if%u goes %s", interface, up ? "up" : "down");
    host->interfaces[interface].link.up = up;
    sim_host_links_changed(host);
}

/* --- the end --- */

bool sim_healed(struct sim *sim)
{
    return sim_check_healed(sim) == NULL;
}

static bool empty(struct sim *sim)
{
    return sim_check_empty(sim) == NULL;
}

/* heal - ends all faults and brings all links up. */
static void heal(struct sim *sim)
{
    sim_log(sim, NULL, "HEALED");
    sim->healed = true;
    sim->replay = sim->mutate = sim->spoof = 0;
    for (unsigned i = 0; i < sim->n_hosts; i++) {
        struct sim_host *host = &sim->hosts[i];
        host->faults = (struct sim_faults){0};
        for (unsigned k = 0; k < host->n_interfaces; k++) {
            struct sim_link *link = &host->interfaces[k].link;
            *link = (struct sim_link){.delay = link->delay, .up = true};
        }
        if (host->running)
            sim_host_links_changed(host);
        else
            sim_host_start(host);
        if (!host->gateway && !host->wanted) {
            host->excused++;
            sim_host_join(host);
        }
    }
}

static void settle(struct sim *sim, bool (*condition)(struct sim *sim), nanos limit,
                   const char *(*what)(struct sim *sim))
{
    nanos end = nanos_after(sim->now, limit);
    while (sim->n_violations == 0 && !condition(sim)) {
        sim_run(sim, SIM_MS(500));
        const char *wrong = what(sim);
        if (wrong != NULL)
            sim_log(sim, NULL, "not yet: %s", wrong);
        if (sim->now >= end && wrong != NULL)
            sim_violation(sim, "%.0f s later: %s", (double)limit / 1e9, wrong);
    }
}

/* log_in_anew - a Gateway makes all of its users reauthenticate. */
static bool log_in_anew(const struct sim *sim)
{
    bool anew = false;
    for (unsigned i = 0; i < sim->n_hosts; i++)
        anew |= sim->hosts[i].logs_in_anew && sim->hosts[i].gateway;
    return anew;
}

static void check_logins(struct sim *sim)
{
    bool anew = log_in_anew(sim);
    for (unsigned i = 0; i < sim->n_hosts && sim->n_violations == 0; i++)
        if (!sim->hosts[i].gateway && !anew && !sim->hosts[i].logs_in_anew &&
            sim->hosts[i].logins > 1 + sim->hosts[i].excused)
            sim_violation(sim, "%s logged in %u times, explained are %u", sim->hosts[i].name,
                          sim->hosts[i].logins, 1 + sim->hosts[i].excused);
}

void sim_scenario_run(struct sim *sim, const struct sim_scenario *scenario)
{
    if (scenario != NULL)
        scenario->play(sim);
    else
        sim_random_play(sim);
    heal(sim);
    settle(sim, sim_healed, HEAL_LIMIT, sim_check_healed);
    sim_run(sim, SIM_SECONDS(20));
    settle(sim, sim_healed, AGAIN_LIMIT, sim_check_healed);
    check_logins(sim);
    sim_log(sim, NULL, "ALL LEAVE");
    for (unsigned i = 0; i < sim->n_hosts && sim->n_violations == 0; i++)
        if (!sim->hosts[i].gateway)
            sim_host_leave(&sim->hosts[i]);
    settle(sim, empty, LEAVE_LIMIT, sim_check_empty);
}
