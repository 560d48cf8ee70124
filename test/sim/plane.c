/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/plane.h"

#include <stdlib.h>

#include "base/assert.h"
#include "esp/policy.h"
#include "esp/selector.h"
#include "multipath/install.h"
#include "sim/checker.h"
#include "sim/network.h"
#include "sim/traffic.h"

#define CHILDREN     256
#define KEEPALIVE_NS SIM_SECONDS(20)
#define TELL_NS      NANOS_PER_SEC /* least time between two news of traffic */
#define MTU          1400          /* MTU of every outer path: at most that of the links */

struct record {
    struct esp_child *child; /* owned */
    struct ike_path path;
    bool udp_encap, keepalive, removed;
    nanos gone_at, alive_at, in_ns, out_ns, told_ns, rebound_ns;
    uint64_t print_in, print_out;
};

struct sim_plane {
    struct sim_host *host;
    struct esp_crypto *crypto;
    struct flow_table *flows;
    struct esp_policy *policy;
    uint64_t key;
    unsigned n;
    struct record records[CHILDREN];
};

struct sim_plane *sim_plane_new(struct sim_host *host)
{
    struct sim_plane *plane = calloc(1, sizeof(*plane));
    ASSERT(plane != NULL);
    plane->host = host;
    plane->key = random_u64(&host->random);
    plane->crypto = esp_crypto_new();
    plane->flows = flow_table_new();
    plane->policy = esp_policy_new(plane->key);
    ASSERT(plane->crypto != NULL && plane->flows != NULL && plane->policy != NULL);
    return plane;
}

void sim_plane_free(struct sim_plane *plane)
{
    esp_policy_free(plane->policy);
    for (unsigned i = 0; i < plane->n; i++)
        esp_child_free(plane->records[i].child);
    flow_table_free(plane->flows);
    esp_crypto_free(plane->crypto);
    free(plane);
}

static struct record *record_find(const struct sim_plane *plane, ike_child_id child)
{
    for (unsigned i = 0; i < plane->n; i++)
        if (plane->records[i].child->id == child)
            return (struct record *)&plane->records[i];
    return NULL;
}

static struct record *record_of(struct sim_plane *plane, const struct esp_child *child)
{
    return record_find(plane, child->id);
}

/* --- the verbs --- */

static uint64_t print_of(const struct secret *encr, const struct secret *integ)
{
    return sim_hash(integ->octets, integ->len, sim_hash(encr->octets, encr->len, 1));
}

static bool nat_in_front(const struct sim_plane *plane, ike_sa_id id)
{
    struct ike_sa_info sa;
    return ike_sa_get(plane->host->ike, id, &sa) && sa.nat_local;
}

static void outbound_on(struct sim_plane *plane, const struct record *r)
{
    const struct record *old = record_find(plane, r->child->replaces);
    int err = esp_policy_send(plane->policy, r->child, old != NULL ? old->child : NULL);
    ASSERT(err == 0);
    retired_free(esp_policy_retired(plane->policy)); /* nobody looks meanwhile */
}

int sim_plane_install(struct sim_plane *plane, const struct ike_child_install *install)
{
    struct esp_child_config config;
    const struct record *old = record_find(plane, install->replaces);
    struct esp_child *child;
    if (record_find(plane, install->child) != NULL ||
        esp_policy_spi(plane->policy, install->spi_in) != NULL)
        return ERR_INVALID;
    ASSERT(plane->n < CHILDREN);
    install_config(install, &config);
    int err = esp_child_new(plane->crypto, &config, &child);
    if (err != 0)
        return err;
    child->flow_tag =
        old != NULL ? old->child->flow_tag : esp_policy_tag(plane->policy, child->session);
    child->priority = old != NULL ? old->child->priority : 1;
    child->weight = old != NULL ? old->child->weight : 1;
    child->usable = old != NULL ? old->child->usable : true;
    bool v6 = install->path.remote.address.family == ADDRESS_V6;
    child->inner_max = esp_child_inner_max(child->key_out, MTU, v6, install->udp_encap);
    struct record *r = &plane->records[plane->n++];
    *r = (struct record){.child = child,
                         .path = install->path,
                         .udp_encap = install->udp_encap,
                         .keepalive = nat_in_front(plane, install->sa),
                         .alive_at = plane->host->sim->now,
                         .print_in = print_of(&install->keys.encr_in, &install->keys.integ_in),
                         .print_out = print_of(&install->keys.encr_out, &install->keys.integ_out)};
    err = esp_policy_add(plane->policy, child);
    ASSERT(err == 0);
    if (install->outbound_now)
        outbound_on(plane, r);
    return 0;
}

void sim_plane_switch(struct sim_plane *plane, ike_child_id child)
{
    struct record *r = record_find(plane, child);
    if (r == NULL && sim_check_refused(plane->host, child))
        return;
    if (r == NULL || r->removed) {
        sim_violation(plane->host->sim, "%s: switch to child %u, which is not there",
                      plane->host->name, child);
        return;
    }
    outbound_on(plane, r);
}

void sim_plane_move(struct sim_plane *plane, ike_child_id child, const struct ike_path *path,
                    bool udp_encap)
{
    struct ike_child_info info;
    struct record *r = record_find(plane, child);
    if (r == NULL)
        return;
    r->path = *path;
    r->udp_encap = udp_encap;
    bool v6 = path->remote.address.family == ADDRESS_V6;
    r->child->inner_max = esp_child_inner_max(r->child->key_out, MTU, v6, udp_encap);
    bool known = ike_child_get(plane->host->ike, child, &info);
    r->keepalive = known && nat_in_front(plane, info.sa);
    if (!known)
        return;
    const struct esp_ts_list local = install_selectors(&info.local_ts),
                             remote = install_selectors(&info.remote_ts);
    int err = esp_policy_reselect(plane->policy, r->child, &local, &remote);
    ASSERT(err == 0);
    retired_free(esp_policy_retired(plane->policy));
}

static void record_drop(struct sim_plane *plane, struct record *r)
{
    struct esp_child *child = r->child;
    *r = plane->records[--plane->n];
    esp_policy_remove(plane->policy, child);
    retired_free(esp_policy_retired(plane->policy));
    esp_child_free(child);
}

void sim_plane_remove(struct sim_plane *plane, ike_child_id child, nanos linger)
{
    struct record *r = record_find(plane, child);
    if (r == NULL)
        return; /* its installation was refused */
    esp_policy_silence(plane->policy, r->child);
    retired_free(esp_policy_retired(plane->policy));
    r->removed = true;
    r->gone_at = nanos_after(plane->host->sim->now, linger);
    if (linger == 0)
        record_drop(plane, r);
}

void sim_plane_session_end(struct sim_plane *plane, ike_session_id session)
{
    esp_policy_mode_end(plane->policy, session);
}

void sim_plane_order(struct sim_plane *plane, const struct path_order *order)
{
    if (order->kind == PATH_ORDER_CHILD) {
        struct record *r = record_find(plane, order->child);
        if (r == NULL)
            return; /* the child may be gone by now */
        r->child->priority = order->priority;
        r->child->weight = order->weight;
        r->child->usable = order->usable;
        return;
    }
    int err = esp_policy_mode(plane->policy, order->session, order->mode, order->follow);
    ASSERT(err == 0);
}

bool sim_plane_seen(const struct sim_plane *plane, ike_child_id child, nanos *ret_in_ns,
                    nanos *ret_out_ns)
{
    const struct record *r = record_find(plane, child);
    if (r == NULL)
        return false;
    *ret_in_ns = r->in_ns;
    *ret_out_ns = r->out_ns;
    return true;
}

/* --- time --- */

static nanos keepalive_due(const struct record *r)
{
    if (!r->keepalive || !r->udp_encap || r->removed)
        return NANOS_NEVER;
    return nanos_after(r->out_ns > r->alive_at ? r->out_ns : r->alive_at, KEEPALIVE_NS);
}

nanos sim_plane_deadline(const struct sim_plane *plane)
{
    nanos due = NANOS_NEVER;
    for (unsigned i = 0; i < plane->n; i++) {
        const struct record *r = &plane->records[i];
        due = nanos_min(due, nanos_min(keepalive_due(r), r->removed ? r->gone_at : NANOS_NEVER));
    }
    return due;
}

void sim_plane_tick(struct sim_plane *plane)
{
    static const uint8_t octet = 0xff; /* RFC 3948 section 2.3 */
    nanos now = plane->host->sim->now;
    for (unsigned i = 0; i < plane->n; i++) {
        struct record *r = &plane->records[i];
        if (r->removed && r->gone_at <= now) {
            record_drop(plane, r);
            i--;
        } else if (keepalive_due(r) <= now) {
            r->alive_at = now;
            sim_network_send(plane->host, &r->path, false, span_of(&octet, 1));
        }
    }
}

/* --- packets --- */

static bool seal_send(struct sim_plane *plane, struct record *r, struct span inner)
{
    struct sim_host *host = plane->host;
    uint8_t packet[2048], iv[16];
    uint64_t sequence;
    bool soft = false;
    size_t offset = esp_child_text_offset(r->child->key_out);
    size_t len = esp_child_sealed_len(r->child->key_out, inner.len);
    if (len > sizeof(packet) || inner.len > r->child->inner_max)
        return false;
    if (!esp_child_reserve(r->child, 1, &sequence, &soft)) {
        ike_child_expiring(host->ike, r->child->id, true, host->sim->now);
        return false;
    }
    memcpy(packet + offset, inner.ptr, inner.len);
    random_fill(&host->random, iv, sizeof(iv));
    int err =
        esp_child_seal(plane->crypto, r->child, sequence, (struct buffer){packet, inner.len}, iv);
    ASSERT(err == 0);
    r->out_ns = host->sim->now;
    host->sim->counts.esp_sealed++;
    sim_check_sealed(host, r->print_out, span_of(packet, len), sequence);
    sim_network_send(host, &r->path, !r->udp_encap, span_of(packet, len));
    if (soft)
        ike_child_expiring(host->ike, r->child->id, false, host->sim->now);
    return true;
}

bool sim_plane_send(struct sim_plane *plane, struct span inner)
{
    struct esp_inner parsed;
    uint64_t hash = 0;
    uint16_t tag = 0;
    ASSERT(esp_inner_parse(inner, &parsed));
    const struct esp_group *group = esp_policy_group(plane->policy, &parsed);
    if (group == NULL)
        return false;
    if (group->n > 1) {
        hash = esp_flow_hash(plane->key, &parsed, false);
        tag = group->follow ? flow_table_find(plane->flows, hash, plane->host->sim->now) : 0;
    }
    struct esp_child *child = esp_group_choose(group, hash, tag);
    return child != NULL && seal_send(plane, record_of(plane, child), inner);
}

bool sim_plane_send_wrong(struct sim_plane *plane, struct span inner)
{
    struct esp_inner parsed;
    ASSERT(esp_inner_parse(inner, &parsed));
    for (unsigned i = 0; i < plane->n; i++) {
        const struct esp_child *child = plane->records[i].child;
        if (esp_policy_sends(child) &&
            !esp_selector_out(&child->selectors->local, &child->selectors->remote, &parsed))
            return seal_send(plane, &plane->records[i], inner);
    }
    return false;
}

/* opened - handles an authentic packet of the child; port 0: not in UDP. */
static void opened(struct sim_plane *plane, struct record *r, const struct endpoint *from,
                   const struct esp_opened *packet)
{
    struct sim_host *host = plane->host;
    nanos now = host->sim->now;
    ike_child_id id = r->child->id;
    r->in_ns = now;
    if (packet->verdict == ESP_PASS) {
        flow_table_learn(plane->flows, esp_flow_hash(plane->key, &packet->inner, true),
                         r->child->flow_tag, now);
        sim_traffic_arrived(host, &packet->inner, span_of(packet->packet, packet->len));
    }
    bool news = from->port != 0 && !(r->udp_encap && endpoint_equal(&r->path.remote, from));
    if (packet->newest && news && now - r->rebound_ns >= TELL_NS) {
        r->rebound_ns = now;
        if (r->udp_encap)
            ike_peer_rebound(host->ike, id, from, now);
        else
            ike_peer_encapsulates(host->ike, id, from, now);
    }
    if (r->told_ns == 0 || now - r->told_ns >= TELL_NS) {
        r->told_ns = now;
        ike_traffic_seen(host->ike, id, now);
    }
}

void sim_plane_recv(struct sim_plane *plane, const struct ike_path *path, bool raw,
                    struct buffer octets)
{
    if (octets.len < ESP_HEADER_LEN)
        return; /* a keepalive, or noise */
    uint32_t spi = (uint32_t)octets.ptr[0] << 24 | (uint32_t)octets.ptr[1] << 16 |
                   (uint32_t)octets.ptr[2] << 8 | octets.ptr[3];
    struct esp_child *child = esp_policy_spi(plane->policy, spi);
    struct record *r = child != NULL ? record_of(plane, child) : NULL;
    struct endpoint from = path->remote;
    from.port = raw ? 0 : from.port;
    if (child == NULL)
        ike_stray_esp(plane->host->ike, &from, spi, plane->host->sim->now);
    if (r == NULL || (raw && r->udp_encap))
        return;
    struct esp_opened packet = {.packet = octets.ptr, .len = octets.len};
    esp_child_open(plane->crypto, child, &packet, 1);
    sim_mix(plane->host->sim, (uint64_t)packet.verdict ^ packet.sequence << 8);
    if (packet.verdict == ESP_PASS || packet.verdict == ESP_DUMMY)
        opened(plane, r, &from, &packet);
    else if (packet.verdict == ESP_WRONG_SELECTOR)
        plane->host->sim->counts.esp_refused++;
    else /* with extended sequence numbers a packet behind the window cannot be verified */
        plane->host->sim->counts.esp_rejected++;
}

/* --- looking in --- */

unsigned sim_plane_n(const struct sim_plane *plane)
{
    return plane->n;
}

struct sim_child sim_plane_at(const struct sim_plane *plane, unsigned index)
{
    const struct record *r = &plane->records[index];
    return (struct sim_child){.id = r->child->id,
                              .session = r->child->session,
                              .spi_in = r->child->spi_in,
                              .spi_out = r->child->spi_out,
                              .print_in = r->print_in,
                              .print_out = r->print_out,
                              .removed = r->removed,
                              .sends = esp_policy_sends(r->child)};
}
