/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/lease.h"

#include <stdio.h>

#include "base/assert.h"
#include "daemon/tables/pools.h"
#include "sim/host.h"

static const char *const families[SIM_FAMILIES][4] = {
    /* pool, its addresses, the network behind a Gateway, any address */
    {"pool", "10.9.0.0/24", "10.1.0.0/16", "0.0.0.0"},
    {"pool6", "2001:db8:9::/112", "2001:db8:1::/48", "::"},
};

/* behind - selectors of a child: the network behind the Gateway. */
static struct ike_ts_policy *behind(const struct sim_host *host, struct ike_child_policy *child)
{
    return host->gateway ? &child->local_ts : &child->remote_ts;
}

void sim_inner_families(struct sim_host *host, bool v4, bool v6)
{
    struct ike_conn *conn = host->conn;
    struct ike_ts_policy *ts = behind(host, &conn->children[0]);
    ASSERT((v4 || v6) && !host->running);
    ts->fixed.n = conn->n_pools = conn->n_vips = 0;
    for (unsigned i = 0; i < SIM_FAMILIES; i++) {
        if (!(i == 0 ? v4 : v6))
            continue;
        struct ike_ts *net = &ts->fixed.ts[ts->fixed.n++];
        *net = (struct ike_ts){.end_port = 65535};
        ASSERT(range_parse(families[i][2], &net->range));
        if (host->gateway)
            (void)snprintf(conn->pools[conn->n_pools++], LIMIT_NAME, "%s", families[i][0]);
        else
            ASSERT(address_parse(families[i][3], &conn->vips[conn->n_vips++]));
    }
}

void sim_children(struct sim_host *host, uint8_t n)
{
    struct ike_conn *conn = host->conn;
    ASSERT(n >= 1 && n <= SIM_CHILDREN && !host->running);
    for (uint8_t i = 1; i < n; i++) {
        struct ike_child_policy *child = &conn->children[i];
        ike_child_set(child, &conn->children[0]);
        (void)snprintf(child->name, sizeof(child->name), "net%u", i);
        struct ike_ts_fixed *nets = &behind(host, child)->fixed;
        for (uint8_t k = 0; k < nets->n; k++) {
            sim_behind(&nets->ts[k].range.first, i);
            sim_behind(&nets->ts[k].range.last, i);
        }
    }
    conn->n_children = n;
}

void sim_behind(struct address *address, uint8_t child)
{
    address->octets[address->family == ADDRESS_V6 ? 5 : 1] += child;
}

void sim_lease_start(struct sim_host *host)
{
    if (!host->gateway)
        return;
    host->pools = pools_new((const uint8_t[16]){1});
    ASSERT(host->pools != NULL);
    for (unsigned i = 0; i < SIM_FAMILIES; i++) {
        struct pool_config config = {0};
        (void)snprintf(config.name, sizeof(config.name), "%s", families[i][0]);
        ASSERT(range_parse(families[i][1], &config.range));
        int err = pools_load(host->pools, &config, NULL);
        ASSERT(err == 0);
    }
}

void sim_lease_done(struct sim_host *host)
{
    host->pools = pools_free(host->pools);
    memset(host->leases, 0, sizeof(host->leases));
}

static bool has(const struct sim_lease *lease, const struct address *address)
{
    for (uint8_t i = 0; i < lease->n; i++)
        if (address_equal(&lease->addresses[i], address))
            return true;
    return false;
}

const struct sim_lease *sim_lease_of(const struct sim_host *host, const struct address *address)
{
    for (unsigned i = 0; i < SIM_LEASES; i++)
        if (host->leases[i].owner != 0 && has(&host->leases[i], address))
            return &host->leases[i];
    return NULL;
}

/* check_given - the address is given to one user only; twice only for a login beside its session. */
static void check_given(struct sim_host *host, const struct ike_event *event,
                        const struct sim_lease *given)
{
    for (unsigned i = 0; i < SIM_LEASES; i++) {
        const struct sim_lease *other = &host->leases[i];
        for (uint8_t k = 0; other != given && other->owner != 0 && k < given->n; k++)
            if (has(other, &given->addresses[k]) &&
                (other->user != given->user || event->lease.beside == 0))
                sim_violation(host->sim, "%s leases one address to %u and %u", host->name,
                              other->owner, given->owner);
    }
}

int sim_lease_give(struct sim_host *host, const struct ike_event *event,
                   struct ike_config *ret_config)
{
    struct sim *sim = host->sim;
    struct sim_lease *lease = host->leases;
    int err = pools_lease(host->pools, &event->lease, NULL, event->session, ret_config);
    if (err != 0)
        return err;
    while (lease < host->leases + SIM_LEASES && lease->owner != 0)
        lease++;
    ASSERT(lease < host->leases + SIM_LEASES && ret_config->n_addresses <= SIM_FAMILIES);
    *lease = (struct sim_lease){.owner = event->session,
                                .user = sim_host_user(sim, &event->lease.identity),
                                .n = ret_config->n_addresses};
    memcpy(lease->addresses, ret_config->addresses, lease->n * sizeof(lease->addresses[0]));
    struct ike_session_info session;
    sim->counts.inner_own += !ike_session_get(host->ike, event->session, &session);
    check_given(host, event, lease);
    return 0;
}

void sim_lease_release(struct sim_host *host, ike_session_id owner)
{
    pools_release(host->pools, owner);
    for (unsigned i = 0; i < SIM_LEASES; i++)
        if (host->leases[i].owner == owner) {
            host->leases[i] = (struct sim_lease){0};
            return;
        }
    sim_violation(host->sim, "%s gives back the lease of %u, which has none", host->name, owner);
}

size_t sim_inner_own(const struct sim_host *host, struct address *out, size_t room)
{
    struct ike_sa_info sa;
    size_t n = 0;
    for (ike_sa_id id = 0; host->running && ike_sa_next(host->ike, id, &sa); id = sa.id) {
        if (sa.life != IKE_ESTABLISHED || sa.config == NULL)
            continue;
        for (uint8_t i = 0; i < sa.config->n_addresses && n < room; i++) {
            size_t k = 0;
            while (k < n && !address_equal(&out[k], &sa.config->addresses[i]))
                k++;
            if (k == n)
                out[n++] = sa.config->addresses[i];
        }
    }
    return n;
}
