/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/fault.h"

#include "base/assert.h"
#include "sim/host.h"
#include "sim/network.h"
#include "sim/replace.h"

#define BAD_LOSS  200             /* loss per mille: the link is as good as dead */
#define BAD_SINCE SIM_SECONDS(30) /* time that a path needs to recover */

static struct sim_host *host_of(struct sim *sim, uint64_t argument)
{
    return &sim->hosts[argument >> 8];
}

static struct sim_interface *interface_of(struct sim *sim, uint64_t argument)
{
    return &host_of(sim, argument)->interfaces[argument & 0xff];
}

static struct sim_link *link_of(struct sim *sim, uint64_t argument)
{
    return &interface_of(sim, argument)->link;
}

/* --- links --- */

static void down(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->up = false;
    sim_host_links_changed(host_of(sim, argument));
}

static void up(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->up = true;
    sim_host_links_changed(host_of(sim, argument));
}

static void hole(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->hole_in = link_of(sim, argument)->hole_out = true;
}

static void hole_out(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->hole_out = true;
}

static void hole_in(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->hole_in = true;
}

static void hole_end(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->hole_in = link_of(sim, argument)->hole_out = false;
}

static void lossy(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->loss = 100 + (unsigned)sim_below(sim, 400);
}

static void lossy_end(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->loss = 0;
}

static void narrow(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->mtu = 1280;
}

static void narrow_end(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->mtu = 0;
}

static void slow(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->delay += SIM_MS(400);
}

static void slow_end(struct sim *sim, uint64_t argument)
{
    link_of(sim, argument)->delay -= SIM_MS(400);
}

/* renumber - the network gives the interface another address. */
static void renumber(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = host_of(sim, argument);
    struct address *address = &interface_of(sim, argument)->address;
    if (host->gateway || address->family == ADDRESS_NONE)
        return;
    address->octets[address->family == ADDRESS_V4 ? 3 : 15] += SIM_INTERFACES + 1;
    interface_of(sim, argument)->bad_ns = sim->now; /* time that a move takes */
    sim_host_links_changed(host);
}

/* half_rekeyed - the host has answered a rekey, and the peer has not ended the old IKE SA. If that
 * response was lost, the peer does not know the new IKE SA. */
static bool half_rekeyed(const struct sim_host *host)
{
    struct ike_sa_info info;
    for (ike_sa_id id = 0; host->running && ike_sa_next(host->ike, id, &info); id = info.id)
        if (info.life == IKE_SA_REPLACED)
            return true;
    return false;
}

/* rebind - the peer repeats the request of a half rekey to the mapping that is gone, and no request
 * of the new IKE SA tells it of the new mapping. So a login may follow. */
static void rebind(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = host_of(sim, argument);
    if (interface_of(sim, argument)->nat == NULL)
        return;
    sim_nat_forget(interface_of(sim, argument)->nat);
    host->excused += !host->gateway && half_rekeyed(host);
}

static void swap(struct sim *sim, uint64_t argument)
{
    if (interface_of(sim, argument)->nat != NULL)
        sim_nat_swap(sim, interface_of(sim, argument)->nat);
}

/* --- hosts --- */

static void crash(struct sim *sim, uint64_t argument)
{
    sim_host_crash(host_of(sim, argument));
}

static void restart(struct sim *sim, uint64_t argument)
{
    if (!host_of(sim, argument)->running)
        sim_host_start(host_of(sim, argument));
}

static void slow_signer(struct sim *sim, uint64_t argument)
{
    host_of(sim, argument)->faults.sign_delay = SIM_MS(1 + sim_below(sim, 4000));
}

static void failing_signer(struct sim *sim, uint64_t argument)
{
    host_of(sim, argument)->faults.sign_fail = 500;
}

static void refused_installs(struct sim *sim, uint64_t argument)
{
    host_of(sim, argument)->faults.install_fail = 300;
}

static void refused_leases(struct sim *sim, uint64_t argument)
{
    host_of(sim, argument)->faults.lease_fail = 500;
}

static void no_memory(struct sim *sim, uint64_t argument)
{
    host_of(sim, argument)->faults.memory_fail = 1 + (unsigned)sim_below(sim, 100);
}

static void able(struct sim *sim, uint64_t argument)
{
    host_of(sim, argument)->faults = (struct sim_faults){0};
}

/* --- a hostile host --- */

static void replayer(struct sim *sim, uint64_t argument)
{
    (void)argument;
    sim->replay = 200;
}

static void mutator(struct sim *sim, uint64_t argument)
{
    (void)argument;
    sim->mutate = 200;
}

static void liar(struct sim *sim, uint64_t argument)
{
    (void)argument;
    sim->spoof = 200;
}

static void quiet(struct sim *sim, uint64_t argument)
{
    (void)argument;
    sim->replay = sim->mutate = sim->spoof = 0;
}

/* --- what people do --- */

static ike_sa_id some_sa(struct sim *sim, const struct sim_host *host)
{
    struct ike_sa_info sa;
    ike_sa_id chosen = 0;
    unsigned n = 0;
    for (ike_sa_id id = 0; ike_sa_next(host->ike, id, &sa); id = sa.id)
        if (sa.life == IKE_ESTABLISHED && sim_below(sim, ++n) == 0)
            chosen = sa.id;
    return chosen;
}

static void on_sa(struct sim *sim, uint64_t argument, enum ike_command_kind kind)
{
    struct sim_host *host = host_of(sim, argument);
    ike_sa_id sa = host->running ? some_sa(sim, host) : 0;
    if (sa != 0)
        (void)sim_host_command(host, (struct ike_command){.kind = kind, .sa = sa});
}

static void on_child(struct sim *sim, uint64_t argument, enum ike_command_kind kind)
{
    struct sim_host *host = host_of(sim, argument);
    struct ike_child_info child;
    ike_child_id chosen = 0;
    unsigned n = 0;
    for (ike_child_id id = 0; host->running && ike_child_next(host->ike, id, &child); id = child.id)
        if (child.life == IKE_CHILD_ACTIVE && sim_below(sim, ++n) == 0)
            chosen = child.id;
    if (chosen != 0)
        (void)sim_host_command(host, (struct ike_command){.kind = kind, .child_id = chosen});
}

static void rekey_ike(struct sim *sim, uint64_t argument)
{
    on_sa(sim, argument, IKE_CMD_REKEY_IKE);
}

/* clone - by the Gateway. The End User deletes clones that it has no use for. */
static void clone(struct sim *sim, uint64_t argument)
{
    if (host_of(sim, argument)->gateway)
        on_sa(sim, argument, IKE_CMD_CLONE);
}

/* only_one - besides its rekey and IKE SAs that are being deleted, the session has no other. */
static bool only_one(const struct sim_host *host, const struct ike_sa_info *info)
{
    struct ike_sa_info other;
    for (ike_sa_id id = 0; ike_sa_next(host->ike, id, &other); id = other.id)
        if (other.session == info->session && other.id != info->id && other.life != IKE_DELETING &&
            !(other.rekey && other.parent == info->id) &&
            !(info->rekey && info->parent == other.id))
            return false;
    return true;
}

/* delete_ike - if it is the only one, the session ends and its user logs in again. */
static void delete_ike(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = host_of(sim, argument);
    ike_sa_id sa = host->running ? some_sa(sim, host) : 0;
    struct ike_sa_info info;
    struct ike_session_info session;
    if (sa == 0 || !ike_sa_get(host->ike, sa, &info) ||
        !ike_session_get(host->ike, info.session, &session))
        return;
    struct sim_host *user = host->gateway ? sim_host_user(sim, &session.remote_id) : host;
    if (user != NULL && only_one(host, &info))
        user->excused++;
    (void)sim_host_command(host, (struct ike_command){.kind = IKE_CMD_DELETE_IKE, .sa = sa});
}

/* reauth - of a session, by either end: its user logs in again. */
static void reauth(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = host_of(sim, argument);
    struct ike_session_info info, chosen = {0};
    unsigned n = 0;
    for (ike_session_id id = 0; host->running && ike_session_next(host->ike, id, &info);
         id = info.id)
        if (info.established && sim_below(sim, ++n) == 0)
            chosen = info;
    struct sim_host *user = host->gateway ? sim_host_user(sim, &chosen.remote_id) : host;
    if (chosen.id == 0 || user == NULL)
        return;
    user->excused++;
    (void)sim_host_command(host,
                           (struct ike_command){.kind = IKE_CMD_REAUTH, .session = chosen.id});
}

/* end_session - by the Gateway, without a reason: its user logs in again. */
static void end_session(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = host_of(sim, argument);
    ike_sa_id sa = host->running && host->gateway ? some_sa(sim, host) : 0;
    struct ike_sa_info info;
    struct ike_session_info session;
    if (sa == 0 || !ike_sa_get(host->ike, sa, &info) ||
        !ike_session_get(host->ike, info.session, &session))
        return;
    struct sim_host *user = sim_host_user(sim, &session.remote_id);
    if (user != NULL)
        user->excused++;
    (void)sim_host_command(
        host, (struct ike_command){.kind = IKE_CMD_DELETE_SESSION, .session = info.session});
}

/* leave - a person ends the session, and wants it again later. */
static void leave(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = host_of(sim, argument);
    if (host->wanted && !host->impostor && host->faults.memory_fail + host->faults.memory_run == 0)
        sim_host_leave(host);
}

static void join(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = host_of(sim, argument);
    if (host->wanted)
        return;
    host->excused++;
    sim_host_join(host);
}

static void reload(struct sim *sim, uint64_t argument)
{
    struct sim_host *host = host_of(sim, argument);
    if (host->running && host->faults.memory_fail + host->faults.memory_run == 0)
        sim_host_reload(host);
}

static void rekey_child(struct sim *sim, uint64_t argument)
{
    on_child(sim, argument, IKE_CMD_REKEY_CHILD);
}

static void delete_child(struct sim *sim, uint64_t argument)
{
    on_child(sim, argument, IKE_CMD_DELETE_CHILD);
}

static const struct sim_fault faults[] = {
    /* name, begin, end, weight, gateways, longest */
    {"down", down, up, 8, false, SIM_SECONDS(30)},
    {"hole", hole, hole_end, 8, true, SIM_SECONDS(30)},
    {"hole-out", hole_out, hole_end, 4, false, SIM_SECONDS(30)},
    {"hole-in", hole_in, hole_end, 4, false, SIM_SECONDS(30)},
    {"lossy", lossy, lossy_end, 6, true, SIM_SECONDS(30)},
    {"narrow", narrow, narrow_end, 2, false, SIM_SECONDS(30)},
    {"slow", slow, slow_end, 4, false, SIM_SECONDS(30)},
    {"renumber", renumber, NULL, 6, false, 0},
    {"rebind", rebind, NULL, 8, false, 0},
    {"swap", swap, NULL, 4, false, 0},
    {"crash", crash, restart, 3, true, SIM_SECONDS(20)},
    {"slow-signer", slow_signer, able, 3, true, SIM_SECONDS(30)},
    {"failing-signer", failing_signer, able, 2, true, SIM_SECONDS(30)},
    {"refused-installs", refused_installs, able, 3, true, SIM_SECONDS(20)},
    {"refused-leases", refused_leases, able, 1, true, SIM_SECONDS(20)},
    {"no-memory", no_memory, able, 4, true, SIM_SECONDS(20)},
    {"replayer", replayer, quiet, 5, false, SIM_SECONDS(60)},
    {"mutator", mutator, quiet, 5, false, SIM_SECONDS(60)},
    {"liar", liar, quiet, 3, false, SIM_SECONDS(60)},
    {"rekey-ike", rekey_ike, NULL, 8, true, 0},
    {"rekey-child", rekey_child, NULL, 8, true, 0},
    {"reauth", reauth, NULL, 3, true, 0},
    {"clone", clone, NULL, 4, true, 0},
    {"delete-ike", delete_ike, NULL, 4, true, 0},
    {"delete-child", delete_child, NULL, 4, true, 0},
    {"end-session", end_session, NULL, 2, true, 0},
    {"leave", leave, join, 4, false, SIM_SECONDS(20)},
    {"reload", reload, NULL, 4, true, 0},
    /* not by lot: the seeds keep their runs (REPLACE=) */
    {"replaced", sim_replace, NULL, 0, true, 0},
};

#define N_FAULTS (sizeof(faults) / sizeof(faults[0]))

/* --- by name and at random --- */

static void begin(struct sim *sim, uint64_t argument)
{
    const struct sim_fault *fault = &faults[argument >> 16];
    argument &= 0xffff;
    sim_log(sim, host_of(sim, argument), "FAULT %s if%u", fault->name, (unsigned)argument & 0xff);
    fault->begin(sim, argument);
    sim_fault_judge(sim);
}

static void end(struct sim *sim, uint64_t argument)
{
    const struct sim_fault *fault = &faults[argument >> 16];
    argument &= 0xffff;
    if (sim->healed)
        return;
    sim_fault_judge(sim);
    sim_log(sim, host_of(sim, argument), "end of %s if%u", fault->name, (unsigned)argument & 0xff);
    fault->end(sim, argument);
}

static void schedule(struct sim *sim, size_t index, nanos wait, nanos duration, uint64_t argument)
{
    argument |= (uint64_t)index << 16;
    sim_at(sim, wait, begin, argument);
    if (faults[index].end != NULL)
        sim_at(sim, nanos_after(wait, duration), end, argument);
}

void sim_fault_at(struct sim *sim, const char *name, nanos wait, nanos duration,
                  const struct sim_host *host, unsigned interface)
{
    for (size_t i = 0; i < N_FAULTS; i++)
        if (strcmp(faults[i].name, name) == 0) {
            schedule(sim, i, wait, duration, sim_argument(host, interface));
            return;
        }
    ASSERT_NEVER("no such fault");
}

void sim_fault_random(struct sim *sim, nanos within)
{
    unsigned total = 0;
    size_t index = 0;
    for (size_t i = 0; i < N_FAULTS; i++)
        total += faults[i].weight;
    uint64_t lot = sim_below(sim, total);
    while (lot >= faults[index].weight)
        lot -= faults[index++].weight;
    struct sim_host *host = &sim->hosts[sim_below(sim, sim->n_hosts)];
    while (host->gateway && !faults[index].gateways)
        host = &sim->hosts[sim_below(sim, sim->n_hosts)];
    unsigned interface = (unsigned)sim_below(sim, host->n_interfaces);
    nanos longest = faults[index].longest > 0 ? faults[index].longest : 1;
    if (sim_chance(sim, 500))
        longest = 1 + longest / 20;
    nanos wait = (nanos)sim_below(sim, (uint64_t)within);
    schedule(sim, index, wait, (nanos)sim_below(sim, (uint64_t)longest),
             sim_argument(host, interface));
}

/* --- what excuses a login --- */

static bool link_bad(const struct sim_interface *interface)
{
    const struct sim_link *link = &interface->link;
    return !link->up || link->hole_in || link->hole_out || link->loss >= BAD_LOSS ||
           link->delay >= SIM_MS(400) || interface->address.family == ADDRESS_NONE;
}

static bool host_bad(const struct sim_host *host)
{
    const struct sim_faults *f = &host->faults;
    return !host->running ||
           f->install_fail + f->lease_fail + f->memory_fail + f->sign_fail + f->memory_run > 0;
}

/* recently - within the time that a path needs to recover. */
static bool recently(nanos when, nanos now)
{
    return when != 0 && now - when < BAD_SINCE;
}

/* too_bad - two interfaces, or all of them, are impaired or were so recently; without MOBIKE one is
 * enough. Where a path has died, eight packets in a row that the next one loses are an impairment as
 * well. If one of several is impaired, the session must survive. */
static bool too_bad(struct sim_host *host, bool mobike)
{
    nanos now = host->sim->now;
    unsigned bad = 0;
    bool burst = false;
    for (unsigned i = 0; i < host->n_interfaces; i++) {
        struct sim_interface *interface = &host->interfaces[i];
        if (link_bad(interface))
            interface->bad_ns = now;
        bad += recently(interface->bad_ns, now);
        burst |= !recently(interface->bad_ns, now) && recently(interface->link.burst_ns, now);
    }
    bad += bad > 0 && burst;
    bool noisy = host->n_interfaces == 1 && host->interfaces[0].link.loss > 0;
    return bad >= 2 || bad == host->n_interfaces || noisy || (bad > 0 && !mobike) || host_bad(host);
}

void sim_fault_judge(struct sim *sim)
{
    bool gateways_bad = false, address_bad = false, moves = true;
    for (unsigned i = 0; i < sim->n_hosts; i++) {
        struct sim_host *host = &sim->hosts[i];
        gateways_bad |= host->gateway && too_bad(host, true);
        address_bad |= host->gateway && too_bad(host, false);
        moves &= !host->gateway || host->conn->mobike;
    }
    for (unsigned i = 0; i < sim->n_hosts; i++) {
        struct sim_host *host = &sim->hosts[i];
        bool mobike = moves && host->conn->mobike;
        if (!host->gateway)
            host->excused += too_bad(host, mobike) || gateways_bad || (address_bad && !mobike);
    }
}
