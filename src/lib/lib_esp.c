/* SPDX-License-Identifier: Apache-2.0 */
/* Child SAs and their packets, in UDP (RFC 3948). The tables are those of the daemon's workers; here
 * one thread uses them, so what a change removes is freed at once. */
#include <stdlib.h>

#include <utlist.h>

#include "base/table.h"
#include "esp/selector.h"
#include "lib/endpoint.h"
#include "multipath/install.h"

#define MTU_DEFAULT  1500
#define KEEPALIVE_NS (20 * NANOS_PER_SEC) /* RFC 3948 section 4 */
#define TELL_NS      NANOS_PER_SEC /* least time between two news of one kind to the IKE core */
#define IV_MAX       16

struct child {
    ike_child_id id;
    struct esp_child *esp; /* owned */
    struct ike_path path;
    bool keepalive;            /* a NAT is in front of us */
    bool removed;              /* it receives until gone_ns */
    nanos gone_ns, alive_ns;   /* alive_ns: of the last keepalive, or of the installation */
    nanos in_ns, out_ns;       /* of the last packets; 0: none */
    nanos told_ns, rebound_ns; /* when the IKE core was told last */
    UT_hash_handle hh;
    struct child *prev, *next; /* among those that wait for a time */
    bool timed;
};

struct lib_esp {
    struct ikat *ikat;
    struct esp_crypto *crypto;
    struct flow_table *flows;
    struct esp_policy *policy;
    uint64_t key; /* of flow hashes */
    struct child *children;
    struct child *timed; /* those that linger, or send keepalives */
};

struct lib_esp *lib_esp_new(struct ikat *ikat)
{
    struct lib_esp *esp = calloc(1, sizeof(*esp));
    if (esp == NULL)
        return NULL;
    esp->ikat = ikat;
    esp->key = random_u64(ikat->random);
    esp->crypto = esp_crypto_new();
    esp->flows = flow_table_new();
    esp->policy = esp_policy_new(random_u64(ikat->random));
    if (esp->crypto == NULL || esp->flows == NULL || esp->policy == NULL)
        return lib_esp_free(esp);
    return esp;
}

static struct child *child_find(const struct lib_esp *esp, ike_child_id id)
{
    struct child *child;
    HASH_FIND(hh, esp->children, &id, sizeof(id), child);
    return child;
}

static void changed(struct lib_esp *esp)
{
    retired_free(esp_policy_retired(esp->policy));
}

/* timed_update - keeps the list of those that wait for a time. */
static void timed_update(struct lib_esp *esp, struct child *child)
{
    bool timed = child->removed || child->keepalive;
    if (timed && !child->timed)
        DL_APPEND(esp->timed, child);
    if (!timed && child->timed)
        DL_DELETE(esp->timed, child);
    child->timed = timed;
}

static void child_free(struct lib_esp *esp, struct child *child)
{
    esp_policy_remove(esp->policy, child->esp);
    changed(esp);
    esp_child_free(child->esp);
    free(child);
}

static void child_drop(struct lib_esp *esp, struct child *child)
{
    if (child->timed)
        DL_DELETE(esp->timed, child);
    HASH_DEL(esp->children, child);
    child_free(esp, child);
}

struct lib_esp *lib_esp_free(struct lib_esp *esp)
{
    struct child *child, *next;
    if (esp == NULL)
        return NULL;
    HASH_ITER(hh, esp->children, child, next)
    child_drop(esp, child);
    esp_policy_free(esp->policy);
    flow_table_free(esp->flows);
    esp_crypto_free(esp->crypto);
    free(esp);
    return NULL;
}

/* --- orders of the IKE core and the path manager --- */

static uint16_t link_mtu(const struct ikat *ikat, uint32_t index)
{
    for (size_t i = 0; i < ikat->n_links; i++)
        if (ikat->links[i].index == index && ikat->links[i].mtu != 0)
            return ikat->links[i].mtu < UINT16_MAX ? (uint16_t)ikat->links[i].mtu : UINT16_MAX;
    return MTU_DEFAULT;
}

/* placed - what follows from the child's path. */
static void placed(struct lib_esp *esp, struct child *child, ike_sa_id sa)
{
    struct ike_sa_info info;
    child->keepalive = ike_sa_get(esp->ikat->ike, sa, &info) && info.nat_local;
    child->esp->inner_max =
        esp_child_inner_max(child->esp->key_out, link_mtu(esp->ikat, child->path.interface),
                            child->path.remote.address.family == ADDRESS_V6, true);
    timed_update(esp, child);
}

static int outbound_on(struct lib_esp *esp, const struct child *child)
{
    const struct child *old = child_find(esp, child->esp->replaces);
    int error = esp_policy_send(esp->policy, child->esp, old != NULL ? old->esp : NULL);
    changed(esp);
    return error;
}

/* succeed - a rekeyed Child SA has the place of the one that it replaces. */
static void succeed(struct lib_esp *esp, struct esp_child *child)
{
    const struct child *old = child_find(esp, child->replaces);
    child->flow_tag =
        old != NULL ? old->esp->flow_tag : esp_policy_tag(esp->policy, child->session);
    child->priority = old != NULL ? old->esp->priority : 1;
    child->weight = old != NULL ? old->esp->weight : 1;
    child->usable = old != NULL ? old->esp->usable : true;
}

int lib_esp_install(struct lib_esp *esp, const struct ike_child_install *install)
{
    struct esp_child_config config;
    struct child *child = calloc(1, sizeof(*child));
    if (child == NULL)
        return ERR_NO_MEMORY;
    install_config(install, &config);
    int error = install->transport || !install->udp_encap
                    ? ERR_INVALID
                    : esp_child_new(esp->crypto, &config, &child->esp);
    if (error == 0) {
        succeed(esp, child->esp);
        error = esp_policy_add(esp->policy, child->esp);
        if (error != 0)
            esp_child_free(child->esp);
    }
    if (error != 0) {
        free(child);
        return error;
    }
    child->id = install->child;
    child->path = install->path;
    child->alive_ns = esp->ikat->now;
    HASH_ADD(hh, esp->children, id, sizeof(child->id), child);
    if (!TABLE_HAS(child)) {
        child_free(esp, child);
        return ERR_NO_MEMORY;
    }
    placed(esp, child, install->sa);
    error = install->outbound_now ? outbound_on(esp, child) : 0;
    if (error != 0)
        child_drop(esp, child);
    return error;
}

/* Without memory for the switch the predecessor goes on sending, until the peer deletes it. */
void lib_esp_switch(struct lib_esp *esp, ike_child_id id)
{
    const struct child *child = child_find(esp, id);
    if (child != NULL && !child->removed && outbound_on(esp, child) != 0)
        ike_child_expiring(esp->ikat->ike, id, true, esp->ikat->now);
}

void lib_esp_move(struct lib_esp *esp, const struct ike_event *event)
{
    struct ike_child_info info;
    struct child *child = child_find(esp, event->child);
    if (child == NULL || !ike_child_get(esp->ikat->ike, event->child, &info))
        return;
    child->path = event->path;
    placed(esp, child, info.sa);
    /* `dynamic` selectors follow an outer address */
    const struct esp_ts_list local = install_selectors(&info.local_ts),
                             remote = install_selectors(&info.remote_ts);
    int error = esp_policy_reselect(esp->policy, child->esp, &local, &remote);
    changed(esp);
    if (error != 0)
        ike_child_expiring(esp->ikat->ike, event->child, true, esp->ikat->now);
}

void lib_esp_remove(struct lib_esp *esp, ike_child_id id, nanos linger_ns)
{
    struct child *child = child_find(esp, id);
    if (child == NULL)
        return; /* its installation was refused */
    if (linger_ns == 0) {
        child_drop(esp, child);
        return;
    }
    esp_policy_silence(esp->policy, child->esp);
    changed(esp);
    child->removed = true;
    child->gone_ns = nanos_after(esp->ikat->now, linger_ns);
    timed_update(esp, child);
}

void lib_esp_session_end(struct lib_esp *esp, ike_session_id session)
{
    esp_policy_mode_end(esp->policy, session);
    changed(esp);
}

void lib_esp_order(struct lib_esp *esp, const struct path_order *order)
{
    const struct child *child = child_find(esp, order->child);
    if (order->kind == PATH_ORDER_MODE) {
        if (esp_policy_mode(esp->policy, order->session, order->mode, order->follow) != 0)
            return;             /* no memory: one path at a time */
    } else if (child != NULL) { /* it may be gone by now */
        child->esp->priority = order->priority;
        child->esp->weight = order->weight;
        child->esp->usable = order->usable;
    }
}

void lib_esp_links(struct lib_esp *esp)
{
    struct ike_child_info info;
    struct child *child, *next;
    HASH_ITER(hh, esp->children, child, next)
    if (ike_child_get(esp->ikat->ike, child->id, &info))
        placed(esp, child, info.sa);
}

/* --- packets --- */

static int datagram_queue(struct lib_esp *esp, struct child *child, struct span octets)
{
    const struct ikat_output output = {.kind = IKAT_DATAGRAM,
                                       .place = lib_place_out(&child->path),
                                       .octets = octets.ptr,
                                       .len = octets.len};
    return lib_queue(esp->ikat, &output);
}

/* volume_check - `octets` are the last of all that went in this direction. */
static void volume_check(struct lib_esp *esp, const struct child *child, enum esp_count which,
                         uint64_t octets)
{
    const struct esp_child *c = child->esp;
    uint64_t after = atomic_load_explicit(&c->counts[which], memory_order_relaxed);
    uint64_t before = after - octets;
    if (before < c->soft_octets && after >= c->soft_octets)
        ike_child_expiring(esp->ikat->ike, child->id, false, esp->ikat->now);
    if (before < c->hard_octets && after >= c->hard_octets)
        ike_child_expiring(esp->ikat->ike, child->id, true, esp->ikat->now);
}

static int seal(struct lib_esp *esp, struct child *child, struct span inner)
{
    struct ikat *ikat = esp->ikat;
    uint8_t packet[UINT16_MAX + ESP_OVERHEAD_MAX + 256], iv[IV_MAX];
    uint64_t sequence;
    bool soft = false;
    if (inner.len > child->esp->inner_max ||
        esp_child_sealed_len(child->esp->key_out, inner.len) > sizeof(packet))
        return IKAT_TOO_BIG;
    if (!esp_child_reserve(child->esp, 1, &sequence, &soft)) {
        ike_child_expiring(ikat->ike, child->id, true, ikat->now);
        return IKAT_NO_SA; /* its sequence numbers are used up */
    }
    memcpy(packet + esp_child_text_offset(child->esp->key_out), inner.ptr, inner.len);
    random_fill(ikat->random, iv, sizeof(iv));
    if (esp_child_seal(esp->crypto, child->esp, sequence, (struct buffer){packet, inner.len}, iv) !=
        0)
        return IKAT_NO_MEMORY;
    child->out_ns = ikat->now;
    esp_child_count(child->esp, ESP_COUNT_PACKETS_OUT, 1);
    esp_child_count(child->esp, ESP_COUNT_OCTETS_OUT, inner.len);
    volume_check(esp, child, ESP_COUNT_OCTETS_OUT, inner.len);
    if (soft)
        ike_child_expiring(ikat->ike, child->id, false, ikat->now);
    return datagram_queue(esp, child,
                          span_of(packet, esp_child_sealed_len(child->esp->key_out, inner.len)));
}

int lib_esp_send(struct lib_esp *esp, struct span packet)
{
    struct esp_inner inner;
    uint64_t hash = 0;
    uint16_t tag = 0;
    if (!esp_inner_parse(packet, &inner))
        return IKAT_INVALID;
    const struct esp_group *group = esp_policy_group(esp->policy, &inner);
    if (group == NULL)
        return IKAT_NO_SA;
    if (group->n > 1) {
        hash = esp_flow_hash(esp->key, &inner, false);
        tag = group->follow ? flow_table_find(esp->flows, hash, esp->ikat->now) : 0;
    }
    const struct esp_child *chosen = esp_group_choose(group, hash, tag);
    struct child *child = chosen == NULL ? NULL : child_find(esp, chosen->id);
    return child == NULL ? IKAT_NO_SA : seal(esp, child, packet);
}

/* authentic_tell - what the IKE core learns of an authentic packet, at most once a second. */
static void authentic_tell(struct lib_esp *esp, struct child *child, const struct endpoint *from,
                           bool newest)
{
    struct ikat *ikat = esp->ikat;
    child->in_ns = ikat->now;
    if (newest && !endpoint_equal(&child->path.remote, from) &&
        ikat->now - child->rebound_ns >= TELL_NS) {
        child->rebound_ns = ikat->now;
        ike_peer_rebound(ikat->ike, child->id, from, ikat->now);
    }
    if (child->told_ns == 0 || ikat->now - child->told_ns >= TELL_NS) {
        child->told_ns = ikat->now;
        ike_traffic_seen(ikat->ike, child->id, ikat->now);
    }
}

static void deliver(struct lib_esp *esp, const struct child *child, const struct esp_opened *packet)
{
    const struct ikat_output output = {.kind = IKAT_PACKET,
                                       .session = child->esp->session,
                                       .octets = packet->packet,
                                       .len = packet->len};
    flow_table_learn(esp->flows, esp_flow_hash(esp->key, &packet->inner, true),
                     child->esp->flow_tag, esp->ikat->now);
    if (lib_queue(esp->ikat, &output) != IKAT_OK)
        return; /* lost, as a packet may be */
}

void lib_esp_receive(struct lib_esp *esp, const struct ike_path *path, struct buffer octets)
{
    if (octets.len < ESP_HEADER_LEN)
        return; /* a keepalive, or noise */
    uint32_t spi = (uint32_t)octets.ptr[0] << 24 | (uint32_t)octets.ptr[1] << 16 |
                   (uint32_t)octets.ptr[2] << 8 | octets.ptr[3];
    struct esp_child *receiver = esp_policy_spi(esp->policy, spi);
    struct child *child = receiver == NULL ? NULL : child_find(esp, receiver->id);
    if (child == NULL) {
        ike_stray_esp(esp->ikat->ike, &path->remote, spi, esp->ikat->now);
        return;
    }
    struct esp_opened packet = {.packet = octets.ptr, .len = octets.len, .in_udp = true};
    esp_child_open(esp->crypto, receiver, &packet, 1);
    if (packet.verdict != ESP_PASS && packet.verdict != ESP_DUMMY)
        return;
    authentic_tell(esp, child, &path->remote, packet.newest);
    if (packet.verdict == ESP_DUMMY)
        return;
    volume_check(esp, child, ESP_COUNT_OCTETS_IN, packet.len);
    deliver(esp, child, &packet);
}

/* --- time --- */

static nanos keepalive_at(const struct child *child)
{
    nanos last = child->out_ns > child->alive_ns ? child->out_ns : child->alive_ns;
    return child->keepalive && !child->removed ? nanos_after(last, KEEPALIVE_NS) : NANOS_NEVER;
}

nanos lib_esp_deadline(const struct lib_esp *esp)
{
    nanos at = NANOS_NEVER;
    for (const struct child *child = esp->timed; child != NULL; child = child->next)
        at = nanos_min(at, child->removed ? child->gone_ns : keepalive_at(child));
    return at;
}

void lib_esp_tick(struct lib_esp *esp)
{
    static const uint8_t octet = 0xff; /* RFC 3948 section 2.3 */
    struct child *child, *next;
    DL_FOREACH_SAFE(esp->timed, child, next)
    {
        if (child->removed && child->gone_ns <= esp->ikat->now) {
            child_drop(esp, child);
        } else if (keepalive_at(child) <= esp->ikat->now) {
            child->alive_ns = esp->ikat->now;
            if (datagram_queue(esp, child, span_of(&octet, 1)) != IKAT_OK)
                continue; /* the next one is due soon enough */
        }
    }
}

bool lib_esp_counters(const struct lib_esp *esp, ike_child_id id, struct esp_counters *ret)
{
    const struct child *child = child_find(esp, id);
    if (child == NULL)
        return false;
    esp_child_counters(child->esp, ret);
    ret->last_in_ns = child->in_ns;
    ret->last_out_ns = child->out_ns;
    return true;
}
