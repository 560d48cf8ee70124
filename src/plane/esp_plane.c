/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/esp_plane.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "esp/child_octets.h"
#include "plane/esp_control.h"

#define KEEPALIVE_DEFAULT (20 * NANOS_PER_SEC) /* RFC 3948 section 4 */

static const struct data_plane_ops ops;

static bool options_valid(const struct esp_plane_options *o)
{
    return o->n_workers >= 1 && o->n_workers <= LIMIT_WORKERS && o->random != NULL;
}

static unsigned fds_count(const int *fds, unsigned n)
{
    unsigned count = 0;
    while (count < n && fds[count] >= 0)
        count++;
    return count;
}

static int workers_init(struct esp_plane *plane, const struct esp_plane_options *o)
{
    plane->workers = aligned_alloc(64, plane->n_workers * sizeof(struct plane_worker));
    if (plane->workers == NULL)
        return ERR_NO_MEMORY;
    memset(plane->workers, 0, plane->n_workers * sizeof(struct plane_worker));
    for (unsigned i = 0; i < plane->n_workers; i++)
        plane->workers[i].epoll_fd = plane->workers[i].kick.fd = -1;
    for (unsigned i = 0; i < plane->n_workers; i++) {
        plane->workers[i].tun = (struct plane_source){.kind = SOURCE_TUN, .fd = o->tun_fds[i]};
        int err = plane_worker_init(&plane->workers[i], plane, i);
        if (err != 0)
            return err;
    }
    return 0;
}

static int sockets_init(struct esp_plane *plane, const struct esp_plane_options *o)
{
    struct plane_control *c = plane->control;
    c->udp4 = (struct plane_sockets){.family = ADDRESS_V4, .port = plane->nat_port};
    c->udp6 = (struct plane_sockets){.family = ADDRESS_V6, .port = plane->nat_port};
    unsigned n = plane->n_workers;
    int err =
        plane_sockets_watch(plane, &c->udp4, o->udp4_fds, fds_count(o->udp4_fds, n), SOURCE_UDP);
    if (err == 0)
        err = plane_sockets_watch(plane, &c->udp6, o->udp6_fds, fds_count(o->udp6_fds, n),
                                  SOURCE_UDP);
    if (err == 0)
        err = plane_sockets_watch(plane, &c->raw4, &o->raw4_fd, 1, SOURCE_RAW4);
    if (err == 0)
        err = plane_sockets_watch(plane, &c->raw6, &o->raw6_fd, 1, SOURCE_RAW6);
    memcpy(c->tun_fds, o->tun_fds, sizeof(c->tun_fds));
    return err;
}

static struct plane_control *control_new(const struct esp_plane_options *o)
{
    struct plane_control *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->crypto = esp_crypto_new();
    c->slot = calloc(1, sizeof(*c->slot));
    c->keepalive_ns = o->keepalive_ns != 0 ? o->keepalive_ns : KEEPALIVE_DEFAULT;
    if (c->crypto != NULL && c->slot != NULL)
        return c;
    esp_crypto_free(c->crypto);
    free(c->slot);
    free(c);
    return NULL;
}

static void sockets_free(struct esp_plane *plane, struct plane_sockets *s, bool close_fds)
{
    for (unsigned i = 0; i < plane->n_workers; i++) {
        if (s->sources[i] != NULL && close_fds)
            close(s->sources[i]->fd);
        free(s->sources[i]);
    }
}

static void workers_stop(struct esp_plane *plane)
{
    for (unsigned i = 0; plane->workers != NULL && i < plane->n_workers; i++)
        atomic_store(&plane->workers[i].stop, true);
    if (plane->workers != NULL && plane->workers[plane->n_workers - 1].kick.fd >= 0)
        plane_kick(plane);
    esp_plane_go(plane);
    for (unsigned i = 0; plane->workers != NULL && i < plane->n_workers; i++)
        if (plane->workers[i].running) {
            pthread_join(plane->workers[i].thread, NULL);
            plane->workers[i].running = false;
        }
}

static void devices_free(struct esp_plane *plane)
{
    for (unsigned i = 0; plane->workers != NULL && i < plane->n_workers; i++)
        for (unsigned d = 0; d < LIMIT_DEVICES; d++) {
            struct plane_source *source = atomic_load(&plane->workers[i].devices[d]);
            if (source != NULL)
                close(source->fd);
            free(source);
        }
}

static void plane_destroy(struct esp_plane *plane, bool close_fds)
{
    struct plane_control *c = plane->control;
    workers_stop(plane);
    devices_free(plane);
    plane_garbage_collect(plane, true);
    for (size_t i = 0; i < c->records.cap; i++) {
        struct plane_record *r = map_at(&c->records, i);
        if (r == NULL)
            continue;
        free(atomic_load(&r->child->route));
        esp_child_free(r->child);
        free(r);
    }
    free(atomic_load(&plane->shunts));
    esp_policy_free(plane->policy);
    struct plane_sockets *fixed[] = {&c->udp4, &c->udp6, &c->raw4, &c->raw6};
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        sockets_free(plane, fixed[i], close_fds);
    for (size_t i = 0; i < PLANE_PATH_SOCKETS; i++)
        sockets_free(plane, &c->paths[i], true);
    for (unsigned i = 0; plane->workers != NULL && i < plane->n_workers; i++) {
        if (close_fds && c->tun_fds[i] >= 0)
            close(c->tun_fds[i]);
        plane_worker_done(&plane->workers[i]);
    }
    free(plane->workers);
    plane_inbox_done(&plane->inbox);
    pthread_mutex_destroy(&plane->gate);
    flow_table_free(plane->flows);
    esp_crypto_free(c->crypto);
    free(c->slot);
    plane_spaces_free(plane);
    map_done(&c->records);
    map_done(&c->remotes);
    deadline_heap_done(&c->deadlines);
    free(c);
    free(plane);
}

int esp_plane_new(const struct esp_plane_options *o, struct esp_plane **ret_plane)
{
    if (!options_valid(o))
        return ERR_INVALID;
    struct esp_plane *plane = calloc(1, sizeof(*plane));
    if (plane == NULL)
        return ERR_NO_MEMORY;
    plane->verbs = (struct data_plane){&ops, DATA_PLANE_RAW | DATA_PLANE_TRANSPORT |
                                                 DATA_PLANE_ORDER | DATA_PLANE_ACQUIRE};
    plane->n_workers = o->n_workers;
    plane->random = o->random;
    plane->nat_port = o->nat_port != 0 ? o->nat_port : 4500;
    plane->uso = o->tun_uso;
    plane->order_quota.most = o->order_spaces != 0 ? o->order_spaces : LIMIT_ORDER_SPACES;
    plane->hash_key = random_u64(o->random);
    plane->control = control_new(o);
    int err = plane->control == NULL ? ERR_NO_MEMORY : plane_inbox_init(&plane->inbox);
    if (err != 0) {
        if (plane->control != NULL) {
            esp_crypto_free(plane->control->crypto);
            free(plane->control->slot);
        }
        free(plane->control);
        free(plane);
        return err;
    }
    pthread_mutex_init(&plane->gate, NULL);
    plane->flows = flow_table_new();
    plane->policy = esp_policy_new(plane->hash_key);
    err = plane->flows == NULL || plane->policy == NULL ? ERR_NO_MEMORY : workers_init(plane, o);
    if (err == 0)
        err = sockets_init(plane, o);
    if (err != 0) {
        plane_destroy(plane, false);
        return err;
    }
    *ret_plane = plane;
    return 0;
}

int esp_plane_start(struct esp_plane *plane)
{
    sigset_t all, before;
    sigfillset(&all); /* the control thread alone takes signals */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = 0;
    for (unsigned i = 0; i < plane->n_workers && err == 0; i++) {
        struct plane_worker *w = &plane->workers[i];
        if (!w->running && pthread_create(&w->thread, NULL, plane_worker_run, w) != 0)
            err = ERR_SYSTEM;
        w->running = w->running || err == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

void esp_plane_hold(struct esp_plane *plane)
{
    pthread_mutex_lock(&plane->gate);
    plane->held = true;
}

void esp_plane_go(struct esp_plane *plane)
{
    if (plane->held)
        pthread_mutex_unlock(&plane->gate);
    plane->held = false;
}

void esp_plane_stop(struct esp_plane *plane)
{
    workers_stop(plane);
}

struct esp_plane *esp_plane_free(struct esp_plane *plane)
{
    if (plane != NULL)
        plane_destroy(plane, true);
    return NULL;
}

/* --- the verbs: esp/data_plane.h --- */

struct data_plane *esp_plane_verbs(struct esp_plane *plane)
{
    return &plane->verbs;
}

static uint16_t mtu_clamp(uint16_t mtu, const struct esp_path *path)
{
    return esp_mtu_clamp(mtu, path->remote.address.family == ADDRESS_V6);
}

static bool path_valid(const struct esp_path *path)
{
    return path->remote.address.family != ADDRESS_NONE &&
           (path->local.address.family == ADDRESS_NONE ||
            path->local.address.family == path->remote.address.family);
}

static struct esp_child *child_of(const struct plane_control *c, esp_child_id id)
{
    const struct plane_record *record = plane_record_find(c, id);
    return record != NULL ? record->child : NULL;
}

static struct plane_record record_of(const struct plane_control *c,
                                     const struct esp_child_config *config, struct esp_child *child,
                                     nanos now)
{
    return (struct plane_record){
        .child = child,
        .path = config->path,
        .udp_encap = config->udp_encap,
        .keepalive = config->keepalive,
        .keepalive_ns = config->keepalive_ns != 0 ? config->keepalive_ns : c->keepalive_ns,
        .mtu = mtu_clamp(config->mtu, &config->path),
        .mtu_now = mtu_clamp(config->mtu, &config->path),
        .mtu_until = NANOS_NEVER,
        .alive_at = now,
    };
}

/* child_show - publishes the child to the workers. */
static int child_show(struct esp_plane *plane, struct plane_record *record,
                      const struct esp_child_config *config)
{
    int err = esp_policy_add(plane->policy, record->child);
    if (err != 0)
        return err;
    if (config->outbound_now)
        err = esp_policy_send(plane->policy, record->child,
                              child_of(plane->control, config->replaces));
    plane_garbage_settle(plane);
    if (err == 0)
        return 0;
    /* a worker may already have found it */
    esp_policy_remove(plane->policy, record->child);
    plane_garbage_settle(plane);
    plane_garbage_put(plane, GARBAGE_CHILD, &record->child->retired);
    record->child = NULL;
    return err;
}

static bool config_fits(const struct esp_plane *plane, const struct esp_child_config *config)
{
    return path_valid(&config->path) && plane_record_find(plane->control, config->child) == NULL &&
           esp_policy_spi(plane->policy, config->spi_in) == NULL;
}

/* state_begin - the first state of a Child SA. A rekeyed one inherits the state of its
 * predecessor. */
static void state_begin(struct esp_plane *plane, const struct esp_child_config *config,
                        struct esp_child *child)
{
    const struct esp_child *old = child_of(plane->control, config->replaces);
    if (old != NULL) {
        esp_child_succeed(child, old);
    } else {
        child->flow_tag = esp_policy_tag(plane->policy, config->session);
        esp_child_state_set(child, config->priority, config->weight, config->usable);
    }
}

/* child_enter - adds the Child SA: packets find it from now on. Takes `child`, also after an
 * error. */
static int child_enter(struct esp_plane *plane, const struct esp_child_config *config,
                       struct esp_child *child, nanos now)
{
    struct plane_control *c = plane->control;
    struct plane_record *record = calloc(1, sizeof(*record));
    if (record == NULL || plane_record_room(c) != 0) {
        free(record);
        esp_child_free(child);
        return ERR_NO_MEMORY;
    }
    int err = plane_space_join(plane, child);
    if (err != 0) {
        plane_record_room_not(c, record);
        free(record);
        esp_child_free(child);
        return err;
    }
    *record = record_of(c, config, child, now);
    err = plane_route_set(plane, record);
    if (err == 0)
        err = child_show(plane, record, config);
    if (err == 0) {
        plane_record_add(c, record);
        return 0;
    }
    plane_record_room_not(c, record);
    plane_space_leave(plane, child);
    if (record->child != NULL) {
        free(atomic_load(&child->route));
        esp_child_free(child);
    }
    free(record);
    return err;
}

static int verb_install(struct data_plane *verbs, const struct esp_child_config *config, nanos now)
{
    struct esp_plane *plane = plane_of(verbs);
    struct esp_child *child;
    if (!config_fits(plane, config))
        return ERR_INVALID;
    int err = esp_child_new(plane->control->crypto, config, &child);
    if (err != 0)
        return err;
    state_begin(plane, config, child);
    return child_enter(plane, config, child, now);
}

static int verb_export(struct data_plane *verbs, esp_child_id id, struct writer *w, nanos now)
{
    struct esp_plane *plane = plane_of(verbs);
    struct plane_record *record = plane_record_find(plane->control, id);
    if (record == NULL || record->removed)
        return ERR_NOT_FOUND;
    const struct esp_child_place place = {.path = record->path,
                                          .udp_encap = record->udp_encap,
                                          .keepalive = record->keepalive,
                                          .keepalive_ns = record->keepalive_ns,
                                          .sends = esp_policy_sends(record->child),
                                          .mtu = record->mtu};
    int err = esp_child_export(record->child, &place, w, now);
    if (err == 0) {
        plane_record_drop(plane, record);
        plane_garbage_collect(plane, false);
    }
    return err;
}

static int verb_import(struct data_plane *verbs, struct span octets, nanos now)
{
    struct esp_plane *plane = plane_of(verbs);
    struct esp_child_config config;
    struct esp_child *child;
    int err = esp_child_import(plane->control->crypto, octets, now, &config, &child);
    if (err != 0)
        return err;
    if (!config_fits(plane, &config)) {
        esp_child_free(child);
        return ERR_INVALID;
    }
    state_begin(plane, &config, child);
    esp_child_state_set(child, config.priority, config.weight, config.usable);
    return child_enter(plane, &config, child, now);
}

int esp_plane_shunts_set(struct esp_plane *plane, const struct esp_shunt *shunts, size_t n)
{
    struct esp_shunts *now = n == 0 ? NULL : esp_shunts_new(shunts, n);
    if (n > 0 && now == NULL)
        return ERR_NO_MEMORY;
    struct esp_shunts *old = atomic_exchange(&plane->shunts, now);
    if (old != NULL)
        plane_garbage_put(plane, GARBAGE_MEMORY, &old->retired);
    plane_garbage_settle(plane);
    return 0;
}

static int verb_switch(struct data_plane *verbs, esp_child_id child)
{
    struct esp_plane *plane = plane_of(verbs);
    struct plane_record *record = plane_record_find(plane->control, child);
    if (record == NULL || record->removed)
        return ERR_NOT_FOUND;
    if (esp_policy_sends(record->child))
        return 0;
    int err = esp_policy_send(plane->policy, record->child,
                              child_of(plane->control, record->child->replaces));
    plane_garbage_settle(plane);
    return err;
}

static int verb_move(struct data_plane *verbs, esp_child_id child, const struct esp_path *path,
                     bool udp_encap, uint16_t mtu)
{
    struct esp_plane *plane = plane_of(verbs);
    struct plane_record *record = plane_record_find(plane->control, child);
    if (record == NULL)
        return ERR_NOT_FOUND;
    if (!path_valid(path))
        return ERR_INVALID;
    struct plane_record before = *record;
    plane_record_path(plane->control, record, path);
    record->udp_encap = udp_encap;
    record->mtu = record->mtu_now = mtu_clamp(mtu, path);
    record->mtu_until = NANOS_NEVER;
    int err = plane_route_set(plane, record);
    if (err != 0) {
        plane_record_path(plane->control, record, &before.path);
        record->udp_encap = before.udp_encap;
        record->mtu = before.mtu;
        record->mtu_now = before.mtu_now;
        record->mtu_until = before.mtu_until;
    }
    plane_record_due(plane->control, record);
    return err;
}

static int verb_select(struct data_plane *verbs, esp_child_id child,
                       const struct esp_ts_list *local, const struct esp_ts_list *remote)
{
    struct esp_plane *plane = plane_of(verbs);
    struct plane_record *record = plane_record_find(plane->control, child);
    if (record == NULL)
        return ERR_NOT_FOUND;
    if (local->n == 0 || local->n > ESP_TS_MAX || remote->n == 0 || remote->n > ESP_TS_MAX)
        return ERR_INVALID;
    int err = esp_policy_reselect(plane->policy, record->child, local, remote);
    plane_garbage_collect(plane, false);
    return err;
}

static int verb_keepalive(struct data_plane *verbs, esp_child_id child, bool on)
{
    struct esp_plane *plane = plane_of(verbs);
    struct plane_record *record = plane_record_find(plane->control, child);
    if (record == NULL)
        return ERR_NOT_FOUND;
    record->keepalive = on;
    plane_record_due(plane->control, record);
    return 0;
}

static int verb_remove(struct data_plane *verbs, esp_child_id child, nanos linger, nanos now)
{
    struct esp_plane *plane = plane_of(verbs);
    struct plane_record *record = plane_record_find(plane->control, child);
    if (record == NULL)
        return ERR_NOT_FOUND;
    record->removed = true;
    record->gone_at = nanos_after(now, linger);
    if (linger == 0) {
        plane_record_drop(plane, record);
        plane_garbage_collect(plane, false);
        return 0;
    }
    esp_policy_silence(plane->policy, record->child);
    plane_garbage_settle(plane);
    plane_record_due(plane->control, record);
    return 0;
}

static int verb_state(struct data_plane *verbs, esp_child_id child, uint32_t priority,
                      uint32_t weight, bool usable)
{
    struct esp_plane *plane = plane_of(verbs);
    const struct plane_record *record = plane_record_find(plane->control, child);
    if (record == NULL)
        return ERR_NOT_FOUND;
    esp_child_state_set(record->child, priority, weight, usable);
    return 0;
}

static int verb_carries(struct data_plane *verbs, esp_child_id child, uint16_t classes)
{
    struct esp_plane *plane = plane_of(verbs);
    const struct plane_record *record = plane_record_find(plane->control, child);
    if (record == NULL)
        return ERR_NOT_FOUND;
    atomic_store(&record->child->classes, classes);
    return 0;
}

static int verb_mtu(struct data_plane *verbs, esp_child_id child, uint16_t mtu)
{
    struct esp_plane *plane = plane_of(verbs);
    struct plane_record *record = plane_record_find(plane->control, child);
    if (record == NULL)
        return ERR_NOT_FOUND;
    record->mtu = record->mtu_now = mtu_clamp(mtu, &record->path);
    record->mtu_until = NANOS_NEVER;
    plane_inner_max_set(record);
    plane_record_due(plane->control, record);
    return 0;
}

static int verb_mode(struct data_plane *verbs, esp_session_id session, enum esp_mode mode,
                     bool follow)
{
    struct esp_plane *plane = plane_of(verbs);
    return esp_policy_mode(plane->policy, session, mode, follow);
}

static int verb_classes(struct data_plane *verbs, esp_session_id session,
                        const struct traffic_classes *classes)
{
    struct esp_plane *plane = plane_of(verbs);
    int error = esp_policy_classes(plane->policy, session, classes);
    plane_garbage_settle(plane);
    return error;
}

static void verb_session_end(struct data_plane *verbs, esp_session_id session)
{
    struct esp_plane *plane = plane_of(verbs);
    esp_policy_mode_end(plane->policy, session);
}

static int verb_counters(const struct data_plane *verbs, esp_child_id child,
                         struct esp_counters *ret_counters)
{
    const struct esp_plane *plane = plane_of_const(verbs);
    const struct plane_record *record = plane_record_find(plane->control, child);
    if (record == NULL)
        return ERR_NOT_FOUND;
    esp_child_counters(record->child, ret_counters);
    return 0;
}

static const struct data_plane_ops ops = {
    .install = verb_install,
    .send_on = verb_switch,
    .move = verb_move,
    .select = verb_select,
    .keepalive = verb_keepalive,
    .mtu = verb_mtu,
    .state = verb_state,
    .carries = verb_carries,
    .remove = verb_remove,
    .leave = verb_export,
    .enter = verb_import,
    .mode = verb_mode,
    .classes = verb_classes,
    .session_end = verb_session_end,
    .counters = verb_counters,
    .acquire = plane_acquire_set,
    .event = plane_event_next,
    .deadline = plane_deadline,
    .tick = plane_tick,
};

/* --- the rest --- */

int esp_plane_child_lane(const struct esp_plane *plane, esp_child_id child,
                         struct esp_plane_lane *ret_lane)
{
    const struct plane_record *record = plane_record_find(plane->control, child);
    bool found = record != NULL && plane_space_lane(record->child, ret_lane);
    return found ? 0 : ERR_NOT_FOUND;
}

void esp_plane_stats_get(const struct esp_plane *plane, struct esp_plane_stats *ret)
{
    uint64_t n[STAT_ALL] = {0};
    for (unsigned i = 0; i < plane->n_workers; i++)
        for (unsigned k = 0; k < STAT_ALL; k++)
            n[k] += atomic_load_explicit(&plane->workers[i].stats[k], memory_order_relaxed);
    *ret = (struct esp_plane_stats){
        .auth_failed = n[STAT_AUTH_FAILED],
        .replayed = n[STAT_REPLAYED],
        .malformed = n[STAT_MALFORMED],
        .wrong_selector = n[STAT_WRONG_SELECTOR],
        .no_policy = n[STAT_NO_POLICY],
        .shunted = n[STAT_SHUNTED],
        .bad_inner = n[STAT_BAD_INNER],
        .not_usable = n[STAT_NOT_USABLE],
        .unknown_spi = n[STAT_UNKNOWN_SPI],
        .runt = n[STAT_RUNT],
        .queue_full = n[STAT_QUEUE_FULL],
        .tun_errors = n[STAT_TUN_ERRORS],
        .send_errors = n[STAT_SEND_ERRORS],
        .keepalives_in = n[STAT_KEEPALIVES_IN],
        .ike_in = n[STAT_IKE_IN],
        .too_big_sent = n[STAT_TOO_BIG_SENT],
        .tun_reads = n[STAT_TUN_READS],
        .tun_writes = n[STAT_TUN_WRITES],
        .sends = n[STAT_SENDS],
        .recvs = n[STAT_RECVS],
    };
}
