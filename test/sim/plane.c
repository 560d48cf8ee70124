/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/plane.h"

#include <stdlib.h>

#include "base/assert.h"
#include "esp/selector.h"
#include "esp/small_plane.h"
#include "multipath/install.h"
#include "sim/checker.h"
#include "sim/network.h"
#include "sim/traffic.h"

#define CHILDREN 256
#define MTU      1400 /* of every outer path: at most that of the links */

/* struct prints - hashes of the keys of a Child SA. */
struct prints {
    ike_child_id child;
    uint64_t in, out;
};

struct sim_plane {
    struct sim_host *host;
    struct small_plane *small;
    struct prints prints[CHILDREN]; /* those of a child that has ended make room */
};

static const struct prints *prints_find(const struct sim_plane *plane, ike_child_id child)
{
    for (unsigned i = 0; i < CHILDREN; i++)
        if (plane->prints[i].child == child)
            return &plane->prints[i];
    return NULL;
}

static void prints_add(struct sim_plane *plane, const struct ike_child_install *install)
{
    const struct ike_child_keys *keys = &install->keys;
    unsigned i = 0;
    while (i < CHILDREN && small_plane_find(plane->small, plane->prints[i].child) != NULL)
        i++;
    ASSERT(i < CHILDREN);
    plane->prints[i] = (struct prints){
        .child = install->child,
        .in = sim_hash(keys->integ_in.octets, keys->integ_in.len,
                       sim_hash(keys->encr_in.octets, keys->encr_in.len, 1)),
        .out = sim_hash(keys->integ_out.octets, keys->integ_out.len,
                        sim_hash(keys->encr_out.octets, keys->encr_out.len, 1)),
    };
}

static int network_send(void *context, const struct small_packet *packet)
{
    const struct sim_plane *plane = context;
    const struct esp_path *at = &packet->child->path;
    const struct ike_path path = {at->local, at->remote, at->interface};
    if (packet->sequence != 0) {
        const struct prints *prints = prints_find(plane, packet->child->esp->id);
        plane->host->sim->counts.esp_sealed++;
        sim_check_sealed(plane->host, prints->out, packet->octets, packet->sequence);
    }
    sim_network_send(plane->host, &path, !packet->child->udp_encap, packet->octets);
    return 0;
}

struct sim_plane *sim_plane_new(struct sim_host *host)
{
    struct sim_plane *plane = calloc(1, sizeof(*plane));
    ASSERT(plane != NULL);
    plane->host = host;
    plane->small = small_plane_new(&(struct small_plane_options){
        .random = &host->random, .raw = true, .send = network_send, .context = plane});
    ASSERT(plane->small != NULL);
    return plane;
}

void sim_plane_free(struct sim_plane *plane)
{
    small_plane_free(plane->small);
    free(plane);
}

struct data_plane *sim_plane_verbs(const struct sim_plane *plane)
{
    return small_plane_verbs(plane->small);
}

/* told - tells the IKE core of the events that the packets have caused. */
static void told(struct sim_plane *plane)
{
    nanos now = plane->host->sim->now;
    struct esp_event event;
    while (data_plane_event(sim_plane_verbs(plane), now, &event))
        install_tell(plane->host->ike, &event, now);
}

/* --- the verbs --- */

int sim_plane_install(struct sim_plane *plane, const struct ike_child_install *install)
{
    struct esp_child_config config;
    install_config(plane->host->ike, install, &config);
    config.mtu = MTU;
    prints_add(plane, install);
    return data_plane_install(sim_plane_verbs(plane), &config, plane->host->sim->now);
}

void sim_plane_switch(struct sim_plane *plane, ike_child_id child)
{
    int error = data_plane_switch(sim_plane_verbs(plane), child);
    ASSERT(error == 0 || error == ERR_NOT_FOUND);
    if (error != 0 && !sim_check_refused(plane->host, child))
        sim_violation(plane->host->sim, "%s: switch to child %u, which is not there",
                      plane->host->name, child);
}

void sim_plane_move(struct sim_plane *plane, const struct ike_event *event)
{
    int error = install_move(plane->host->ike, sim_plane_verbs(plane), event, MTU);
    ASSERT(error == 0 || error == ERR_NOT_FOUND);
}

void sim_plane_remove(struct sim_plane *plane, ike_child_id child, nanos linger)
{
    int error = data_plane_remove(sim_plane_verbs(plane), child, linger, plane->host->sim->now);
    ASSERT(error == 0 || error == ERR_NOT_FOUND); /* its installation was refused */
}

void sim_plane_session_end(struct sim_plane *plane, ike_session_id session)
{
    data_plane_session_end(sim_plane_verbs(plane), session);
}

void sim_plane_order(struct sim_plane *plane, const struct path_order *order)
{
    int error = install_order(sim_plane_verbs(plane), order);
    ASSERT(error == 0 || error == ERR_NOT_FOUND); /* the child may be gone by now */
}

bool sim_plane_seen(const struct sim_plane *plane, ike_child_id child, nanos *ret_in_ns,
                    nanos *ret_out_ns)
{
    struct esp_counters counters;
    if (data_plane_counters(sim_plane_verbs(plane), child, &counters) != 0)
        return false;
    *ret_in_ns = counters.last_in_ns;
    *ret_out_ns = counters.last_out_ns;
    return true;
}

nanos sim_plane_deadline(const struct sim_plane *plane)
{
    return data_plane_deadline(sim_plane_verbs(plane));
}

void sim_plane_tick(struct sim_plane *plane)
{
    data_plane_tick(sim_plane_verbs(plane), plane->host->sim->now);
}

/* --- packets --- */

bool sim_plane_send(struct sim_plane *plane, struct span inner)
{
    int error = small_plane_send(plane->small, inner, plane->host->sim->now);
    ASSERT(error == 0 || error == ERR_NOT_FOUND || error == ERR_TRUNCATED);
    told(plane);
    return error == 0;
}

bool sim_plane_send_wrong(struct sim_plane *plane, struct span inner)
{
    struct esp_inner parsed;
    ASSERT(esp_inner_parse(inner, &parsed));
    for (struct small_child *c = small_plane_first(plane->small); c != NULL; c = c->next_child) {
        const struct esp_selectors *selectors = c->esp->selectors;
        if (!esp_policy_sends(c->esp) ||
            esp_selector_out(&selectors->local, &selectors->remote, &parsed))
            continue;
        int error = small_plane_seal(plane->small, c, inner, plane->host->sim->now);
        told(plane);
        return error == 0;
    }
    return false;
}

void sim_plane_recv(struct sim_plane *plane, const struct ike_path *path, bool raw,
                    struct buffer octets)
{
    struct sim *sim = plane->host->sim;
    struct endpoint from = path->remote;
    struct esp_opened packet;
    from.port = raw ? 0 : from.port;
    if (small_plane_recv(plane->small, &from, octets, sim->now, &packet) != NULL) {
        sim_mix(sim, (uint64_t)packet.verdict ^ packet.sequence << 8);
        if (packet.verdict == ESP_PASS)
            sim_traffic_arrived(plane->host, &packet.inner, span_of(packet.packet, packet.len));
        else if (packet.verdict == ESP_WRONG_SELECTOR)
            sim->counts.esp_refused++;
        else if (packet.verdict != ESP_DUMMY)
            /* with extended sequence numbers a packet behind the window cannot be verified */
            sim->counts.esp_rejected++;
    }
    told(plane);
}

/* --- looking in --- */

unsigned sim_plane_n(const struct sim_plane *plane)
{
    unsigned n = 0;
    for (const struct small_child *c = small_plane_first(plane->small); c != NULL;
         c = c->next_child)
        n++;
    return n;
}

struct sim_child sim_plane_at(const struct sim_plane *plane, unsigned index)
{
    const struct small_child *c = small_plane_first(plane->small);
    while (index-- > 0)
        c = c->next_child;
    const struct prints *prints = prints_find(plane, c->esp->id);
    return (struct sim_child){.id = c->esp->id,
                              .session = c->esp->session,
                              .spi_in = c->esp->spi_in,
                              .spi_out = c->esp->spi_out,
                              .print_in = prints->in,
                              .print_out = prints->out,
                              .removed = c->removed,
                              .sends = esp_policy_sends(c->esp)};
}
