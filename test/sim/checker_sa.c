/* SPDX-License-Identifier: Apache-2.0 */
/* Authorisation, limits, deadlines, and agreement of both ends. */
#include <stdio.h>

#include "base/assert.h"
#include "sim/checker.h"
#include "sim/host.h"
#include "sim/lease.h"
#include "sim/plane.h"

#define DEADLINE_GRACE SIM_SECONDS(1)
#define SESSION_END    SIM_SECONDS(10)

enum what { IKE_SA, SESSION };

static uint64_t print(const struct sim_host *host, enum what what, uint32_t id)
{
    uint64_t parts[3] = {(uint64_t)(host - host->sim->hosts), host->incarnation,
                         (uint64_t)what << 32 | id};
    return sim_hash((uint8_t *)parts, sizeof(parts), 4);
}

void sim_check_verified(struct sim_host *host, ike_sa_id sa)
{
    uint64_t was;
    (void)sim_prints_put(&host->sim->checks->verified, print(host, IKE_SA, sa), 0, &was);
}

static bool verified(const struct sim_host *host, enum what what, uint32_t id)
{
    return sim_prints_find(&host->sim->checks->verified, print(host, what, id)) != NULL;
}

void sim_check_session(struct sim_host *host, ike_sa_id sa, ike_session_id session)
{
    struct sim_prints *set = &host->sim->checks->verified;
    uint64_t was;
    if (!verified(host, IKE_SA, sa))
        sim_violation(host->sim, "%s: session %u with somebody whom it did not verify", host->name,
                      session);
    (void)sim_prints_put(set, print(host, SESSION, session), 0, &was);
}

void sim_check_login(struct sim_host *gateway, const struct sim_host *user)
{
    sim_log(gateway->sim, gateway, "LOGIN of %s", user != NULL ? user->name : "somebody");
    if (user == NULL || strcmp(user->psk, gateway->psk) != 0)
        sim_violation(gateway->sim, "%s lets an impostor in", gateway->name);
}

void sim_check_crashed(struct sim_host *host)
{
    if (!host->gateway)
        host->excused++;
    for (unsigned i = 0; host->gateway && i < host->sim->n_hosts; i++)
        host->sim->hosts[i].excused += !host->sim->hosts[i].gateway;
}

/* key_once - a key is for one direction of one Child SA: one host sends with it, another one
 * receives. */
static void key_once(struct sim_host *host, const struct secret *key, bool in)
{
    struct sim *sim = host->sim;
    uint64_t was, mine = (uint64_t)1 << (2 * (host - sim->hosts) + (in ? 1 : 0));
    uint64_t print = sim_hash(key->octets, key->len, 5);
    if (sim_prints_put(&sim->checks->keys, print, mine, &was))
        return;
    uint64_t other_direction = in ? 0x5555555555555555 : 0xaaaaaaaaaaaaaaaa;
    bool once = (was & (was - 1)) == 0 && (was & other_direction) != 0 &&
                (was & (uint64_t)3 << 2 * (host - sim->hosts)) == 0;
    if (!once)
        sim_violation(sim, "%s installs a key that was installed before", host->name);
    *sim_prints_find(&sim->checks->keys, print) = was | mine;
}

void sim_check_install(struct sim_host *host, const struct ike_child_install *install)
{
    if (!verified(host, SESSION, install->session))
        sim_violation(host->sim, "%s installs child %u of a peer that it did not verify",
                      host->name, install->child);
    key_once(host, &install->keys.encr_in, true);
    key_once(host, &install->keys.encr_out, false);
}

/* --- after each event --- */

/* established - the IKE SAs of the session. One that is half open, or whose predecessor still
 * exists, may be its rekey. */
static uint32_t established(const struct sim_host *host, ike_session_id session)
{
    struct ike_sa_info info, old;
    uint32_t n = 0;
    for (ike_sa_id id = 0; ike_sa_next(host->ike, id, &info); id = info.id)
        n += info.session == session && info.life == IKE_ESTABLISHED &&
             !(info.rekey && ike_sa_get(host->ike, info.parent, &old));
    return n;
}

static void check_sessions(struct sim_host *host)
{
    struct ike_session_info info;
    for (ike_session_id id = 0; ike_session_next(host->ike, id, &info); id = info.id) {
        uint32_t max = info.conn->max_ike_sas;
        if (established(host, info.id) > max || info.n_children > LIMIT_CHILD_SAS_SESSION)
            sim_violation(host->sim, "%s: session %u has %u IKE SAs and %u Child SAs", host->name,
                          info.id, info.n_ike_sas, info.n_children);
        /* its Child SAs go at once. The peer may be told for as long as the end of a session takes */
        nanos over = nanos_after(info.auth_deadline_ns, DEADLINE_GRACE);
        if (host->sim->now > (info.n_children > 0 ? over : nanos_after(over, SESSION_END)))
            sim_violation(host->sim, "%s: session %u is beyond its authentication's deadline",
                          host->name, info.id);
    }
}

static void check_sas(struct sim_host *host)
{
    struct ike_sa_info sa;
    for (ike_sa_id id = 0; ike_sa_next(host->ike, id, &sa); id = sa.id)
        if (sa.life == IKE_ESTABLISHED && !verified(host, SESSION, sa.session))
            sim_violation(host->sim, "%s: IKE SA %u is established, its peer not verified",
                          host->name, sa.id);
}

bool sim_check_refused(const struct sim_host *host, ike_child_id child)
{
    for (unsigned i = 0; i < SIM_REFUSED; i++)
        if (host->refused[i] == child)
            return true;
    return false;
}

/* check_plane - the core has every Child SA that is installed. Every Child SA of the core is
 * installed, unless the plane refused it and its Delete waits. */
static void check_plane(struct sim_host *host)
{
    struct ike_child_info child;
    unsigned installed = 0, known = 0;
    for (unsigned i = 0; i < sim_plane_n(host->plane); i++) {
        struct sim_child c = sim_plane_at(host->plane, i);
        installed += !c.removed;
        if (!c.removed && (!ike_child_get(host->ike, c.id, &child) || child.spi_in != c.spi_in))
            sim_violation(host->sim, "%s: child %u is installed, but nobody's", host->name, c.id);
    }
    for (ike_child_id id = 0; ike_child_next(host->ike, id, &child); id = child.id)
        known += child.life != IKE_CHILD_LARVAL && !sim_check_refused(host, child.id);
    if (known > installed)
        sim_violation(host->sim, "%s: %u Child SAs, but %u are installed", host->name, known,
                      installed);
}

void sim_check_host(struct sim_host *host)
{
    struct ike_stats stats;
    ike_stats_get(host->ike, &stats);
    uint32_t most = host->options.max_half_open;
    if (stats.half_open > (most != 0 ? most : LIMIT_HALF_OPEN))
        sim_violation(host->sim, "%s: %llu half-open IKE SAs", host->name,
                      (unsigned long long)stats.half_open);
    check_sessions(host);
    check_sas(host);
    check_plane(host);
}

/* --- when no fault is left --- */

static char reason[256];

#define WRONG(...) (snprintf(reason, sizeof(reason), __VA_ARGS__), reason)

/* partner - the other end of an IKE SA; NULL: none. */
static struct sim_host *partner(struct sim *sim, const struct sim_host *host,
                                const struct ike_sa_info *sa, struct ike_sa_info *ret_other)
{
    for (unsigned i = 0; i < sim->n_hosts; i++) {
        struct sim_host *other = &sim->hosts[i];
        if (other == host || !other->running)
            continue;
        for (ike_sa_id id = 0; ike_sa_next(other->ike, id, ret_other); id = ret_other->id)
            if (ret_other->spi_i == sa->spi_i && ret_other->spi_r == sa->spi_r)
                return other;
    }
    return NULL;
}

static bool keys_agree(const struct sim_host *a, ike_sa_id sa_a, const struct sim_host *b,
                       ike_sa_id sa_b)
{
    struct ike_keylog one, other;
    return ike_keylog_get(a->ike, sa_a, &one) && ike_keylog_get(b->ike, sa_b, &other) &&
           span_equal(secret_span(&one.sk_ei), secret_span(&other.sk_ei)) &&
           span_equal(secret_span(&one.sk_er), secret_span(&other.sk_er));
}

static bool inner_agree(const struct ike_config *a, const struct ike_config *b)
{
    return a->n_addresses == b->n_addresses &&
           memcmp(a->addresses, b->addresses, a->n_addresses * sizeof(a->addresses[0])) == 0;
}

/* seen_at - the address under which others see a host's address. */
static const struct address *seen_at(const struct sim_host *host, const struct address *own)
{
    for (unsigned i = 0; i < host->n_interfaces; i++)
        if (host->interfaces[i].nat != NULL && address_equal(&host->interfaces[i].address, own))
            return &host->interfaces[i].nat->address;
    return own;
}

/* place_agrees - packets of one end arrive where the other end expects them. */
static bool place_agrees(const struct sim_host *a, const struct ike_path *from,
                         const struct ike_path *to)
{
    return address_equal(seen_at(a, &from->local.address), &to->remote.address);
}

static const char *sas_agree(struct sim *sim, struct sim_host *host)
{
    struct ike_sa_info sa, other;
    for (ike_sa_id id = 0; ike_sa_next(host->ike, id, &sa); id = sa.id) {
        if (host->impostor || (host->gateway && sa.session == 0))
            continue; /* tries again and again */
        if (sa.life != IKE_ESTABLISHED)
            return WRONG("%s: IKE SA %u is in transition (%d)", host->name, sa.id, (int)sa.life);
        const struct sim_host *peer = partner(sim, host, &sa, &other);
        if (peer == NULL)
            return WRONG("%s: IKE SA %u has no other end", host->name, sa.id);
        if (other.role == sa.role || other.life != IKE_ESTABLISHED ||
            !keys_agree(host, sa.id, peer, other.id))
            return WRONG("%s and %s differ in IKE SA %u and %u", host->name, peer->name, sa.id,
                         other.id);
        if (!place_agrees(host, &sa.path, &other.path))
            return WRONG("%s and %s differ in where IKE SA %u and %u are", host->name, peer->name,
                         sa.id, other.id);
        if (!path_terms_equal(path_terms_meant(sa.terms), path_terms_meant(other.terms)))
            return WRONG("%s and %s differ in the terms of IKE SA %u and %u", host->name,
                         peer->name, sa.id, other.id);
        if (!inner_agree(sa.config, other.config))
            return WRONG("%s and %s differ in the inner addresses of IKE SA %u and %u", host->name,
                         peer->name, sa.id, other.id);
    }
    return NULL;
}

static bool crosswise(const struct sim_child *a, const struct sim_child *b)
{
    return a->spi_in == b->spi_out && a->spi_out == b->spi_in && a->print_in == b->print_out &&
           a->print_out == b->print_in;
}

static const char *children_agree(struct sim *sim, struct sim_host *host)
{
    for (unsigned i = 0; i < sim_plane_n(host->plane); i++) {
        struct sim_child mine = sim_plane_at(host->plane, i);
        unsigned found = 0;
        for (unsigned h = 0; h < sim->n_hosts; h++)
            for (unsigned k = 0; sim->hosts[h].running && k < sim_plane_n(sim->hosts[h].plane);
                 k++) {
                struct sim_child theirs = sim_plane_at(sim->hosts[h].plane, k);
                found += &sim->hosts[h] != host && crosswise(&mine, &theirs);
            }
        if (!mine.removed && !mine.sends)
            return WRONG("%s: child %u does not send", host->name, mine.id);
        if (!mine.removed && found != 1)
            return WRONG("%s: child %u has %u other ends", host->name, mine.id, found);
    }
    return NULL;
}

/* same_twice - one IKE SA has two Child SAs for the same child. */
static bool same_twice(const struct sim_host *user)
{
    struct ike_child_info a, b;
    for (ike_child_id i = 0; ike_child_next(user->ike, i, &a); i = a.id)
        for (ike_child_id k = a.id; ike_child_next(user->ike, k, &b); k = b.id)
            if (a.sa == b.sa && a.policy == b.policy)
                return true;
    return false;
}

/* user_served - one VPN on each path, or one in all if the peers cannot clone. */
static const char *user_served(const struct sim_host *user)
{
    struct path_status path;
    struct ike_session_info session;
    struct ike_stats stats;
    unsigned up = 0, paths = 0;
    char bad[128] = "";
    ike_stats_get(user->ike, &stats);
    bool known = ike_session_next(user->ike, 0, &session);
    if (!user->wanted || user->impostor)
        return stats.established + stats.children > 0 ? WRONG("%s has an SA", user->name) : NULL;
    if (!known || stats.sessions != 1 || !session.established)
        return WRONG("%s: %llu sessions", user->name, (unsigned long long)stats.sessions);
    bool clones = session.dialect != IKE_DIALECT_NONE && session.mobike;
    for (size_t i = 0; path_manager_status(user->paths, i, &path); i++, paths++) {
        bool good = path.state == PATH_UP && !path.parked && path.usable && path.child != 0;
        good |= !clones && path.state == PATH_UP; /* the path where the only IKE SA is parked */
        up += good;
        if (!good)
            (void)snprintf(bad, sizeof(bad), "path %s is %s%s%s", path.path,
                           path_state_name(path.state), path.parked ? ", parked" : "",
                           path.child == 0 ? ", without a Child SA" : "");
    }
    unsigned most = user->conn->max_ike_sas; /* there may be more paths than that */
    unsigned wanted = !clones ? 1 : paths < most ? paths : most;
    if (up < wanted && clones)
        return WRONG("%s: %s", user->name, bad);
    unsigned children = wanted * (user->only[0] != '\0' ? 1 : user->conn->n_children);
    if (up != wanted || stats.established != wanted || stats.children != children)
        return WRONG("%s: %u of %u paths up, %llu IKE SAs, %llu Child SAs, wanted %u and %u",
                     user->name, up, paths, (unsigned long long)stats.established,
                     (unsigned long long)stats.children, wanted, children);
    return same_twice(user) ? WRONG("%s has a child twice on one IKE SA", user->name) : NULL;
}

/* twice - one address is leased to two at once. */
static bool twice(const struct sim_host *gateway)
{
    for (unsigned i = 0; i < SIM_LEASES; i++)
        for (uint8_t k = 0; k < gateway->leases[i].n; k++)
            if (sim_lease_of(gateway, &gateway->leases[i].addresses[k]) != &gateway->leases[i])
                return true;
    return false;
}

static const char *gateway_served(const struct sim_host *gateway, uint64_t sessions)
{
    struct ike_stats stats;
    unsigned leases = 0;
    ike_stats_get(gateway->ike, &stats);
    for (unsigned i = 0; i < SIM_LEASES; i++)
        leases += gateway->leases[i].owner != 0;
    /* with inner = per-path clones may have addresses of their own */
    uint64_t most = stats.sessions + (gateway->conn->inner_per_path ? stats.established : 0);
    if (leases < stats.sessions || leases > most || stats.sessions > sessions)
        return WRONG("%s: %llu sessions of %llu, %u leases", gateway->name,
                     (unsigned long long)stats.sessions, (unsigned long long)sessions, leases);
    return twice(gateway) ? WRONG("%s leases one address twice", gateway->name) : NULL;
}

const char *sim_check_healed(struct sim *sim)
{
    uint64_t sessions = 0;
    const char *wrong = NULL;
    for (unsigned i = 0; wrong == NULL && i < sim->n_hosts; i++) {
        struct sim_host *host = &sim->hosts[i];
        if (!host->running)
            continue;
        sessions += host->wanted && !host->impostor;
        wrong = host->gateway ? NULL : user_served(host);
        if (wrong == NULL)
            wrong = sas_agree(sim, host);
        if (wrong == NULL)
            wrong = children_agree(sim, host);
    }
    for (unsigned i = 0; wrong == NULL && i < sim->n_hosts; i++)
        if (sim->hosts[i].gateway && sim->hosts[i].running)
            wrong = gateway_served(&sim->hosts[i], sessions);
    return wrong;
}

const char *sim_check_empty(struct sim *sim)
{
    for (unsigned i = 0; i < sim->n_hosts; i++) {
        const struct sim_host *host = &sim->hosts[i];
        struct ike_stats stats;
        if (!host->running)
            continue;
        ike_stats_get(host->ike, &stats);
        uint64_t ike_sas = stats.half_open + stats.in_eap + stats.established;
        if (ike_sas + stats.sessions + stats.children > 0 || sim_plane_n(host->plane) > 0)
            return WRONG("%s has %llu sessions, %llu IKE SAs, %llu Child SAs, %u in the plane",
                         host->name, (unsigned long long)stats.sessions,
                         (unsigned long long)ike_sas, (unsigned long long)stats.children,
                         sim_plane_n(host->plane));
        for (unsigned k = 0; k < SIM_LEASES; k++)
            if (host->leases[k].owner != 0)
                return WRONG("%s: %u has a lease for ever", host->name, host->leases[k].owner);
    }
    return NULL;
}
