/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/small_plane.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "esp/child_octets.h"
#include "esp/field.h"

#define KEEPALIVE_DEFAULT (20 * NANOS_PER_SEC) /* RFC 3948 section 4 */
#define IV_MAX            16
#define HINTS             8 /* events of stray packets that wait */

struct small_plane {
    struct data_plane verbs; /* first: plane_of */
    struct small_plane_options options;
    struct esp_crypto *crypto;
    struct flow_table *flows;
    struct esp_policy *policy;
    uint64_t hash_key;
    struct map children; /* id -> struct small_child */
    struct small_child *first, **last;
    struct deadline_heap deadlines;
    struct esp_child *news; /* those with news, by news_next */
    unsigned n_hints;
    struct esp_event hints[HINTS];
    uint8_t packet[UINT16_MAX + ESP_OVERHEAD_MAX]; /* that is being sealed */
};

static struct small_plane *plane_of(struct data_plane *verbs)
{
    return (struct small_plane *)verbs;
}

static const struct small_plane *plane_of_const(const struct data_plane *verbs)
{
    return (const struct small_plane *)verbs;
}

struct small_child *small_plane_find(const struct small_plane *plane, esp_child_id child)
{
    return map_get(&plane->children, child);
}

struct small_child *small_plane_first(const struct small_plane *plane)
{
    return plane->first;
}

/* policy_changed - frees the objects that the tables no longer hold. No other thread reads them. */
static void policy_changed(struct small_plane *plane)
{
    retired_free(esp_policy_retired(plane->policy));
}

/* --- news --- */

static void news_add(struct small_plane *plane, struct esp_child *child, enum esp_event_kind kind)
{
    atomic_fetch_or(&child->news, UINT32_C(1) << kind);
    if (atomic_exchange(&child->news_queued, true))
        return;
    struct esp_child **end = &plane->news;
    while (*end != NULL)
        end = &(*end)->news_next;
    child->news_next = NULL;
    *end = child;
}

static void news_forget(struct small_plane *plane, const struct esp_child *child)
{
    for (struct esp_child **at = &plane->news; *at != NULL; at = &(*at)->news_next)
        if (*at == child) {
            *at = child->news_next;
            return;
        }
}

static bool event_next(struct data_plane *verbs, nanos now, struct esp_event *ret)
{
    struct small_plane *plane = plane_of(verbs);
    (void)now;
    while (plane->news != NULL) {
        struct esp_child *child = plane->news;
        if (esp_child_news_take(child, ret))
            return true;
        plane->news = child->news_next;
        atomic_store(&child->news_queued, false);
    }
    if (plane->n_hints == 0)
        return false;
    *ret = plane->hints[0];
    plane->n_hints--;
    memmove(plane->hints, plane->hints + 1, plane->n_hints * sizeof(plane->hints[0]));
    return true;
}

static void stray_add(struct small_plane *plane, const struct endpoint *from, uint32_t spi)
{
    if (plane->n_hints < HINTS)
        plane->hints[plane->n_hints++] =
            (struct esp_event){.kind = ESP_EVENT_STRAY, .endpoint = *from, .spi = spi};
}

/* --- time --- */

static nanos keepalive_due(const struct small_child *child)
{
    if (!child->keepalive || !child->udp_encap || child->removed)
        return NANOS_NEVER;
    nanos sent = (nanos)atomic_load_explicit(&child->esp->counts[ESP_COUNT_LAST_OUT_NS],
                                             memory_order_relaxed);
    return nanos_after(sent > child->alive_at ? sent : child->alive_at, child->keepalive_ns);
}

static void child_due(struct small_plane *plane, struct small_child *child)
{
    deadline_heap_set(&plane->deadlines, &child->due,
                      child->removed ? child->gone_at : keepalive_due(child));
}

static nanos deadline(const struct data_plane *verbs)
{
    const struct deadline *first = deadline_heap_first(&plane_of_const(verbs)->deadlines);
    return first != NULL ? first->at : NANOS_NEVER;
}

/* --- Child SAs --- */

static void child_free(struct small_plane *plane, struct small_child *child)
{
    deadline_heap_leave(&plane->deadlines, &child->due);
    esp_child_free(child->esp);
    free(child);
}

static void child_drop(struct small_plane *plane, struct small_child *child)
{
    (void)map_take(&plane->children, child->esp->id);
    *child->link_child = child->next_child;
    if (child->next_child != NULL)
        child->next_child->link_child = child->link_child;
    else
        plane->last = child->link_child;
    news_forget(plane, child->esp);
    esp_policy_remove(plane->policy, child->esp);
    policy_changed(plane);
    child_free(plane, child);
}

static void inner_max_set(struct small_child *child, uint16_t mtu)
{
    bool v6 = child->path.remote.address.family == ADDRESS_V6;
    child->esp->inner_max =
        esp_child_inner_max(child->esp->key_out, esp_mtu_clamp(mtu, v6), v6, child->udp_encap);
}

static int send_on(struct small_plane *plane, const struct small_child *child)
{
    const struct small_child *old = small_plane_find(plane, child->esp->replaces);
    int error = esp_policy_send(plane->policy, child->esp, old != NULL ? old->esp : NULL);
    policy_changed(plane);
    return error;
}

static bool config_fits(const struct small_plane *plane, const struct esp_child_config *config)
{
    return !config->transport && !config->order && (config->udp_encap || plane->options.raw) &&
           config->path.remote.address.family != ADDRESS_NONE &&
           small_plane_find(plane, config->child) == NULL &&
           esp_policy_spi(plane->policy, config->spi_in) == NULL;
}

/* child_new - a Child SA that has its place in the heap of deadlines. NULL: no memory. */
static struct small_child *child_new(struct small_plane *plane,
                                     const struct esp_child_config *config, nanos now)
{
    struct small_child *child = calloc(1, sizeof(*child));
    if (child == NULL || deadline_heap_join(&plane->deadlines) != 0) {
        free(child);
        return NULL;
    }
    *child = (struct small_child){
        .path = config->path,
        .udp_encap = config->udp_encap,
        .keepalive = config->keepalive,
        .keepalive_ns = config->keepalive_ns != 0 ? config->keepalive_ns : KEEPALIVE_DEFAULT,
        .alive_at = now,
        .mtu = config->mtu,
        .due = {.owner = child},
    };
    return child;
}

/* state_begin - the first state of a Child SA; a Child SA that replaces another one takes its
 * state. */
static void state_begin(struct small_plane *plane, const struct esp_child_config *config,
                        struct esp_child *esp)
{
    const struct small_child *old = small_plane_find(plane, config->replaces);
    if (old != NULL) {
        esp_child_succeed(esp, old->esp);
    } else {
        esp->flow_tag = esp_policy_tag(plane->policy, config->session);
        esp_child_state_set(esp, config->priority, config->weight, config->usable);
    }
}

/* child_enter - packets find the Child SA from now on. It takes `esp`, also after an error. */
static int child_enter(struct small_plane *plane, const struct esp_child_config *config,
                       struct esp_child *esp, nanos now)
{
    struct small_child *child = child_new(plane, config, now);
    if (child == NULL) {
        esp_child_free(esp);
        return ERR_NO_MEMORY;
    }
    child->esp = esp;
    inner_max_set(child, config->mtu);
    int error = map_put(&plane->children, config->child, child);
    if (error != 0) {
        child_free(plane, child);
        return error;
    }
    child->link_child = plane->last;
    *plane->last = child;
    plane->last = &child->next_child;
    error = esp_policy_add(plane->policy, child->esp);
    if (error == 0 && config->outbound_now)
        error = send_on(plane, child);
    if (error != 0)
        child_drop(plane, child);
    else
        child_due(plane, child);
    return error;
}

static int child_install(struct data_plane *verbs, const struct esp_child_config *config, nanos now)
{
    struct small_plane *plane = plane_of(verbs);
    struct esp_child *esp;
    if (!config_fits(plane, config))
        return ERR_INVALID;
    int error = esp_child_new(plane->crypto, config, &esp);
    if (error != 0)
        return error;
    state_begin(plane, config, esp);
    return child_enter(plane, config, esp, now);
}

static int child_export(struct data_plane *verbs, esp_child_id id, struct writer *w, nanos now)
{
    struct small_plane *plane = plane_of(verbs);
    struct small_child *child = small_plane_find(plane, id);
    if (child == NULL || child->removed)
        return ERR_NOT_FOUND;
    const struct esp_child_place place = {.path = child->path,
                                          .udp_encap = child->udp_encap,
                                          .keepalive = child->keepalive,
                                          .keepalive_ns = child->keepalive_ns,
                                          .sends = esp_policy_sends(child->esp),
                                          .mtu = child->mtu};
    int error = esp_child_export(child->esp, &place, w, now);
    if (error == 0)
        child_drop(plane, child);
    return error;
}

static int child_import(struct data_plane *verbs, struct span octets, nanos now)
{
    struct small_plane *plane = plane_of(verbs);
    struct esp_child_config config;
    struct esp_child *esp;
    int error = esp_child_import(plane->crypto, octets, now, &config, &esp);
    if (error != 0)
        return error;
    if (!config_fits(plane, &config)) {
        esp_child_free(esp);
        return ERR_INVALID;
    }
    state_begin(plane, &config, esp);
    esp_child_state_set(esp, config.priority, config.weight, config.usable);
    return child_enter(plane, &config, esp, now);
}

static int child_switch(struct data_plane *verbs, esp_child_id id)
{
    struct small_plane *plane = plane_of(verbs);
    const struct small_child *child = small_plane_find(plane, id);
    if (child == NULL || child->removed)
        return ERR_NOT_FOUND;
    return esp_policy_sends(child->esp) ? 0 : send_on(plane, child);
}

static int child_move(struct data_plane *verbs, esp_child_id id, const struct esp_path *path,
                      bool udp_encap, uint16_t mtu)
{
    struct small_plane *plane = plane_of(verbs);
    struct small_child *child = small_plane_find(plane, id);
    if (child == NULL)
        return ERR_NOT_FOUND;
    if (path->remote.address.family == ADDRESS_NONE || (!udp_encap && !plane->options.raw))
        return ERR_INVALID;
    child->path = *path;
    child->udp_encap = udp_encap;
    child->mtu = mtu;
    inner_max_set(child, mtu);
    child_due(plane, child);
    return 0;
}

static int child_select(struct data_plane *verbs, esp_child_id id, const struct esp_ts_list *local,
                        const struct esp_ts_list *remote)
{
    struct small_plane *plane = plane_of(verbs);
    const struct small_child *child = small_plane_find(plane, id);
    if (child == NULL)
        return ERR_NOT_FOUND;
    if (local->n == 0 || local->n > ESP_TS_MAX || remote->n == 0 || remote->n > ESP_TS_MAX)
        return ERR_INVALID;
    int error = esp_policy_reselect(plane->policy, child->esp, local, remote);
    policy_changed(plane);
    return error;
}

static int child_keepalive(struct data_plane *verbs, esp_child_id id, bool on)
{
    struct small_plane *plane = plane_of(verbs);
    struct small_child *child = small_plane_find(plane, id);
    if (child == NULL)
        return ERR_NOT_FOUND;
    child->keepalive = on;
    child_due(plane, child);
    return 0;
}

static int child_mtu(struct data_plane *verbs, esp_child_id id, uint16_t mtu)
{
    struct small_child *child = small_plane_find(plane_of(verbs), id);
    if (child == NULL)
        return ERR_NOT_FOUND;
    child->mtu = mtu;
    inner_max_set(child, mtu);
    return 0;
}

static int child_state(struct data_plane *verbs, esp_child_id id, uint32_t priority,
                       uint32_t weight, bool usable)
{
    const struct small_child *child = small_plane_find(plane_of(verbs), id);
    if (child == NULL)
        return ERR_NOT_FOUND;
    esp_child_state_set(child->esp, priority, weight, usable);
    return 0;
}

static int child_carries(struct data_plane *verbs, esp_child_id id, uint16_t classes)
{
    const struct small_child *child = small_plane_find(plane_of(verbs), id);
    if (child == NULL)
        return ERR_NOT_FOUND;
    atomic_store(&child->esp->classes, classes);
    return 0;
}

static int child_remove(struct data_plane *verbs, esp_child_id id, nanos linger, nanos now)
{
    struct small_plane *plane = plane_of(verbs);
    struct small_child *child = small_plane_find(plane, id);
    if (child == NULL)
        return ERR_NOT_FOUND;
    if (linger == 0) {
        child_drop(plane, child);
        return 0;
    }
    esp_policy_silence(plane->policy, child->esp);
    policy_changed(plane);
    child->removed = true;
    child->gone_at = nanos_after(now, linger);
    child_due(plane, child);
    return 0;
}

static int child_counters(const struct data_plane *verbs, esp_child_id id, struct esp_counters *ret)
{
    const struct small_child *child = small_plane_find(plane_of_const(verbs), id);
    if (child == NULL)
        return ERR_NOT_FOUND;
    esp_child_counters(child->esp, ret);
    return 0;
}

static int session_mode(struct data_plane *verbs, esp_session_id session, enum esp_mode mode,
                        bool follow)
{
    return esp_policy_mode(plane_of(verbs)->policy, session, mode, follow);
}

static int session_classes(struct data_plane *verbs, esp_session_id session,
                           const struct traffic_classes *classes)
{
    struct small_plane *plane = plane_of(verbs);
    int error = esp_policy_classes(plane->policy, session, classes);
    policy_changed(plane);
    return error;
}

static void session_end(struct data_plane *verbs, esp_session_id session)
{
    struct small_plane *plane = plane_of(verbs);
    esp_policy_mode_end(plane->policy, session);
    policy_changed(plane);
}

static void acquire(struct data_plane *verbs, bool wanted)
{
    (void)verbs, (void)wanted; /* small_plane_send tells its caller at once */
}

static void tick(struct data_plane *verbs, nanos now)
{
    static const uint8_t octet = 0xff; /* RFC 3948 section 2.3 */
    struct small_plane *plane = plane_of(verbs);
    const struct deadline *first;
    while ((first = deadline_heap_first(&plane->deadlines)) != NULL && first->at <= now) {
        struct small_child *child = first->owner;
        if (child->removed) {
            child_drop(plane, child);
            continue;
        }
        if (keepalive_due(child) <= now) {
            const struct small_packet packet = {child, span_of(&octet, 1), 0};
            child->alive_at = now;
            (void)plane->options.send(plane->options.context, &packet); /* repeated anyway */
        }
        child_due(plane, child);
    }
}

static const struct data_plane_ops ops = {
    .install = child_install,
    .send_on = child_switch,
    .move = child_move,
    .select = child_select,
    .keepalive = child_keepalive,
    .mtu = child_mtu,
    .state = child_state,
    .carries = child_carries,
    .remove = child_remove,
    .leave = child_export,
    .enter = child_import,
    .mode = session_mode,
    .classes = session_classes,
    .session_end = session_end,
    .counters = child_counters,
    .acquire = acquire,
    .event = event_next,
    .deadline = deadline,
    .tick = tick,
};

/* --- beginning and end --- */

struct data_plane *small_plane_verbs(struct small_plane *plane)
{
    return &plane->verbs;
}

struct small_plane *small_plane_new(const struct small_plane_options *options)
{
    struct small_plane *plane = calloc(1, sizeof(*plane));
    if (plane == NULL)
        return NULL;
    plane->verbs = (struct data_plane){&ops, options->raw ? DATA_PLANE_RAW : 0};
    plane->options = *options;
    plane->last = &plane->first;
    plane->hash_key = random_u64(options->random);
    plane->crypto = esp_crypto_new();
    plane->flows = flow_table_new();
    plane->policy = esp_policy_new(random_u64(options->random));
    if (plane->crypto == NULL || plane->flows == NULL || plane->policy == NULL)
        return small_plane_free(plane);
    return plane;
}

struct small_plane *small_plane_free(struct small_plane *plane)
{
    if (plane == NULL)
        return NULL;
    while (plane->first != NULL)
        child_drop(plane, plane->first);
    esp_policy_free(plane->policy);
    flow_table_free(plane->flows);
    esp_crypto_free(plane->crypto);
    map_done(&plane->children);
    deadline_heap_done(&plane->deadlines);
    free(plane);
    return NULL;
}

/* --- packets --- */

/* volume_check - reports the limits that were crossed by `octets`, the last ones in this direction. */
static void volume_check(struct small_plane *plane, struct esp_child *child, enum esp_count which,
                         uint64_t octets)
{
    uint64_t after = atomic_load_explicit(&child->counts[which], memory_order_relaxed);
    uint64_t before = after - octets;
    if (before < child->soft_octets && after >= child->soft_octets)
        news_add(plane, child, ESP_EVENT_SOFT);
    if (before >= child->hard_octets || after < child->hard_octets)
        return;
    news_add(plane, child, ESP_EVENT_HARD);
    if (which == ESP_COUNT_OCTETS_OUT)
        atomic_store(&child->exhausted, true);
}

int small_plane_seal(struct small_plane *plane, struct small_child *child, struct span inner,
                     nanos now)
{
    struct esp_child *esp = child->esp;
    uint8_t *octets = plane->packet, iv[IV_MAX];
    size_t sealed = esp_child_sealed_len(esp->key_out, inner.len);
    uint64_t sequence;
    bool soft = false;
    if (inner.len > esp->inner_max || sealed > sizeof(plane->packet)) {
        esp_child_count(esp, ESP_COUNT_TOO_BIG, 1);
        return ERR_TRUNCATED;
    }
    if (!esp_child_reserve(esp, 1, &sequence, &soft)) {
        news_add(plane, esp, ESP_EVENT_HARD);
        return ERR_NOT_FOUND;
    }
    if (soft)
        news_add(plane, esp, ESP_EVENT_SOFT);
    memcpy(octets + esp_child_text_offset(esp->key_out), inner.ptr, inner.len);
    random_fill(plane->options.random, iv, sizeof(iv));
    int error =
        esp_child_seal(plane->crypto, esp, sequence, (struct buffer){octets, inner.len}, iv);
    if (error != 0)
        return error;
    atomic_store_explicit(&esp->counts[ESP_COUNT_LAST_OUT_NS], (uint64_t)now, memory_order_relaxed);
    esp_child_count(esp, ESP_COUNT_PACKETS_OUT, 1);
    esp_child_count(esp, ESP_COUNT_OCTETS_OUT, inner.len);
    volume_check(plane, esp, ESP_COUNT_OCTETS_OUT, inner.len);
    const struct small_packet packet = {child, span_of(octets, sealed), sequence};
    return plane->options.send(plane->options.context, &packet);
}

int small_plane_send(struct small_plane *plane, struct span packet, nanos now)
{
    struct esp_inner inner;
    uint64_t hash = 0;
    struct flow_origin origin = {0};
    if (!esp_inner_parse(packet, &inner))
        return ERR_INVALID;
    const struct esp_group *group = esp_policy_group(plane->policy, &inner);
    if (group == NULL)
        return ERR_NOT_FOUND;
    if (group->n > 1) {
        hash = esp_flow_hash(plane->hash_key, &inner, false);
        if (group->follow)
            origin = flow_table_find(plane->flows, hash, now);
    }
    const struct esp_child *chosen =
        esp_group_choose_class(group, esp_group_class(group, &inner), hash, origin);
    if (chosen == NULL)
        return ERR_NOT_FOUND;
    return small_plane_seal(plane, small_plane_find(plane, chosen->id), packet, now);
}

/* source_check - the newest packet came from elsewhere: the NAT of the peer has a new mapping, or the
 * peer has begun to use UDP. */
static void source_check(struct small_plane *plane, const struct small_child *child,
                         const struct endpoint *from, nanos now)
{
    struct esp_child *esp = child->esp;
    bool known = child->udp_encap && endpoint_equal(&child->path.remote, from);
    if (from->port == 0 || known || !esp_child_tells(&esp->rebound_told, now))
        return;
    esp->seen_from = *from;
    news_add(plane, esp, child->udp_encap ? ESP_EVENT_REBOUND : ESP_EVENT_ENCAP);
}

/* authentic - handles a packet that has passed the ICV and the replay window. */
static void authentic(struct small_plane *plane, const struct small_child *child,
                      const struct esp_opened *opened, nanos now)
{
    struct esp_child *esp = child->esp;
    atomic_store_explicit(&esp->counts[ESP_COUNT_LAST_IN_NS], (uint64_t)now, memory_order_relaxed);
    if (esp_child_tells(&esp->traffic_told, now))
        news_add(plane, esp, ESP_EVENT_TRAFFIC);
    if (opened->verdict == ESP_DUMMY)
        return;
    flow_table_learn(plane->flows, esp_flow_hash(plane->hash_key, &opened->inner, true),
                     esp->flow_tag, now);
    volume_check(plane, esp, ESP_COUNT_OCTETS_IN, opened->len);
}

const struct small_child *small_plane_recv(struct small_plane *plane, const struct endpoint *from,
                                           struct buffer octets, nanos now,
                                           struct esp_opened *ret_opened)
{
    if (octets.len < ESP_HEADER_LEN)
        return NULL; /* a keepalive, or noise */
    uint32_t spi = field_u32(octets.ptr);
    struct esp_child *esp = esp_policy_spi(plane->policy, spi);
    if (esp == NULL) {
        stray_add(plane, from, spi);
        return NULL;
    }
    const struct small_child *child = small_plane_find(plane, esp->id);
    *ret_opened =
        (struct esp_opened){.packet = octets.ptr, .len = octets.len, .in_udp = from->port != 0};
    esp_child_open(plane->crypto, esp, ret_opened, 1);
    bool passed = ret_opened->verdict == ESP_PASS || ret_opened->verdict == ESP_DUMMY;
    if (passed && ret_opened->newest)
        source_check(plane, child, from, now);
    if (passed)
        authentic(plane, child, ret_opened, now);
    return child;
}
