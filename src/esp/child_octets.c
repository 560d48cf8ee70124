/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/child_octets.h"

#include <stdlib.h>

#include "base/secret.h"

#define VERSION     1 /* an importer reads this one, and the one before once there is one */
#define SECTION     1
#define KEY_MOST    64 /* octets of the longest key */
#define WORDS_MOST  (2 * LIMIT_REPLAY_WINDOW / 64)
#define OCTETS_BASE 1024 /* more than all but selectors and window take */

/* The words of a window are a power of two with room for 64 packets more (replay_window_new). */
_Static_assert((LIMIT_REPLAY_WINDOW & (LIMIT_REPLAY_WINDOW - 1)) == 0 && LIMIT_REPLAY_WINDOW >= 64,
               "the largest window has WORDS_MOST words");

/* struct state - the exported state, between the octets and a Child SA. */
struct state {
    struct esp_child_config config; /* its spans point to `keys` */
    uint8_t keys[4][KEY_MOST];
    uint64_t sent, top;
    uint64_t counts[ESP_COUNT_ALL];
    uint32_t n_words;
    uint64_t words[WORDS_MOST];
};

static void carry_key(struct carrier *c, struct span *key, uint8_t room[KEY_MOST])
{
    size_t len = carry_within(c, (uint32_t)key->len, 0, KEY_MOST);
    if (!carrier_is_reader(c) && key->ptr != NULL)
        memcpy(room, key->ptr, len);
    carry_octets(c, room, len);
    *key = span_of(room, len);
}

static void carry_ts_list(struct carrier *c, struct esp_ts_list *list)
{
    list->n = carry_within(c, (uint32_t)list->n, 1, ESP_TS_MAX);
    for (size_t i = 0; i < list->n; i++) {
        struct esp_ts *ts = &list->ts[i];
        ts->protocol = carry_u8(c, ts->protocol);
        ts->start_port = carry_u16(c, ts->start_port);
        ts->end_port = carry_u16(c, ts->end_port);
        carry_range(c, &ts->range);
    }
}

static void carry_terms(struct carrier *c, struct state *state)
{
    struct esp_child_config *config = &state->config;
    config->child = carry_u32(c, config->child);
    config->session = carry_u32(c, config->session);
    config->replaces = carry_u32(c, config->replaces);
    config->spi_in = carry_u32(c, config->spi_in);
    config->spi_out = carry_u32(c, config->spi_out);
    config->encr = carry_u16(c, config->encr);
    config->encr_key_bits = carry_u16(c, config->encr_key_bits);
    config->integ = carry_u16(c, config->integ);
    carry_key(c, &config->encr_in, state->keys[0]);
    carry_key(c, &config->integ_in, state->keys[1]);
    carry_key(c, &config->encr_out, state->keys[2]);
    carry_key(c, &config->integ_out, state->keys[3]);
    config->esn = carry_bool(c, config->esn);
    config->icmp = carry_bool(c, config->icmp);
    config->transport = carry_bool(c, config->transport);
    config->order = carry_bool(c, config->order);
    config->copy_ecn = carry_bool(c, config->copy_ecn);
    config->copy_dscp_out = carry_bool(c, config->copy_dscp_out);
    config->copy_dscp_in = carry_bool(c, config->copy_dscp_in);
    config->soft_packets = carry_u64(c, config->soft_packets);
    config->hard_packets = carry_u64(c, config->hard_packets);
    config->soft_octets = carry_u64(c, config->soft_octets);
    config->hard_octets = carry_u64(c, config->hard_octets);
    config->rank = carry_u32(c, config->rank);
    config->device_out = carry_u16(c, config->device_out);
    config->device_in = carry_u16(c, config->device_in);
    carry_ts_list(c, &config->local_ts);
    carry_ts_list(c, &config->remote_ts);
}

static void carry_place(struct carrier *c, struct esp_child_config *config)
{
    carry_endpoint(c, &config->path.local);
    carry_endpoint(c, &config->path.remote);
    config->path.interface = carry_u32(c, config->path.interface);
    config->udp_encap = carry_bool(c, config->udp_encap);
    config->keepalive = carry_bool(c, config->keepalive);
    config->outbound_now = carry_bool(c, config->outbound_now);
    config->keepalive_ns = (nanos)carry_u64(c, (uint64_t)config->keepalive_ns);
    carrier_check(c, config->keepalive_ns >= 0);
    config->mtu = carry_u16(c, config->mtu);
    config->priority = carry_u32(c, config->priority);
    config->weight = carry_u32(c, config->weight);
    config->usable = carry_bool(c, config->usable);
}

static void carry_numbers(struct carrier *c, struct state *state)
{
    state->sent = carry_u64(c, state->sent);
    state->config.replay_window =
        carry_within(c, state->config.replay_window, 0, LIMIT_REPLAY_WINDOW);
    state->top = carry_u64(c, state->top);
    state->n_words = carry_within(c, state->n_words, 1, WORDS_MOST);
    for (uint32_t i = 0; i < state->n_words; i++)
        state->words[i] = carry_u64(c, state->words[i]);
    for (unsigned i = 0; i < ESP_COUNT_ALL; i++)
        if (i == ESP_COUNT_LAST_IN_NS || i == ESP_COUNT_LAST_OUT_NS)
            state->counts[i] = (uint64_t)carry_stamp(c, (nanos)state->counts[i]);
        else
            state->counts[i] = carry_u64(c, state->counts[i]);
}

static void carry_state(struct carrier *c, struct state *state)
{
    struct carrier_section section = carry_begin(c, SECTION);
    carry_terms(c, state);
    carry_place(c, &state->config);
    carry_numbers(c, state);
    carry_end(c, &section);
}

/* --- export --- */

size_t esp_child_octets_most(const struct esp_child *child)
{
    const struct esp_selectors *selectors = atomic_load(&child->selectors);
    return OCTETS_BASE + (selectors->local.n + selectors->remote.n) * sizeof(struct esp_ts) +
           (child->replay->mask + 1) * sizeof(uint64_t);
}

/* numbers_take - closes both directions, and returns where they stand. A worker that reserves a number
 * afterwards finds that it is beyond the hard limit. */
static void numbers_take(struct esp_child *child, struct state *state)
{
    state->sent = atomic_fetch_add(&child->sent, child->hard_packets);
    if (state->sent > child->hard_packets)
        state->sent = child->hard_packets;
    atomic_store(&child->exhausted, true);
    esp_child_lock(child);
    state->config.replay_window = child->replay->window;
    state->top = child->replay->top;
    state->n_words = child->replay->mask + 1;
    memcpy(state->words, child->replay->words, state->n_words * sizeof(state->words[0]));
    child->replay->top = UINT64_MAX; /* each number is too old */
    esp_child_unlock(child);
}

static void terms_take(const struct esp_child *child, struct esp_child_config *config)
{
    const struct esp_selectors *selectors = atomic_load(&child->selectors);
    struct esp_algorithms algorithms = esp_key_algorithms(child->key_out);
    *config = (struct esp_child_config){
        .child = child->id,
        .session = child->session,
        .replaces = child->replaces,
        .spi_in = child->spi_in,
        .spi_out = child->spi_out,
        .encr = algorithms.encr,
        .encr_key_bits = algorithms.key_bits,
        .integ = algorithms.integ,
        .encr_in = esp_key_encr(child->key_in),
        .integ_in = esp_key_integ(child->key_in),
        .encr_out = esp_key_encr(child->key_out),
        .integ_out = esp_key_integ(child->key_out),
        .esn = child->esn,
        .icmp = child->icmp,
        .transport = child->transport,
        .order = child->order,
        .copy_ecn = child->copy_ecn,
        .copy_dscp_out = child->copy_dscp_out,
        .copy_dscp_in = child->copy_dscp_in,
        .soft_packets = child->soft_packets,
        .hard_packets = child->hard_packets,
        .soft_octets = child->soft_octets,
        .hard_octets = child->hard_octets,
        .rank = child->rank,
        .device_out = child->device_out,
        .device_in = child->device_in,
        .local_ts = selectors->local,
        .remote_ts = selectors->remote,
    };
}

static void place_take(const struct esp_child *child, const struct esp_child_place *place,
                       struct esp_child_config *config)
{
    config->path = place->path;
    config->udp_encap = place->udp_encap;
    config->keepalive = place->keepalive;
    config->keepalive_ns = place->keepalive_ns;
    config->outbound_now = place->sends;
    config->mtu = place->mtu;
    config->priority = atomic_load(&child->priority);
    config->weight = atomic_load(&child->weight);
    config->usable = atomic_load(&child->usable);
}

int esp_child_export(struct esp_child *child, const struct esp_child_place *place, struct writer *w,
                     nanos now)
{
    if (writer_failed(w) || w->cap - w->len < esp_child_octets_most(child))
        return ERR_TRUNCATED;
    struct state state = {0};
    struct carrier c = carrier_writes(w, VERSION, now);
    terms_take(child, &state.config);
    place_take(child, place, &state.config);
    numbers_take(child, &state);
    for (unsigned i = 0; i < ESP_COUNT_ALL; i++)
        state.counts[i] = atomic_load(&child->counts[i]);
    write_u8(w, VERSION);
    carry_state(&c, &state);
    wipe(&state, sizeof(state));
    return carrier_done(&c);
}

/* --- import --- */

/* limits_renew - a limit is told when a packet crosses it, and the source may have left before anybody read the news. A
 * hard limit that was reached stays reached. A soft one is crossed again by the next packet. */
static void limits_renew(struct esp_child *child, const struct state *state)
{
    uint64_t octets = state->counts[ESP_COUNT_OCTETS_OUT];
    if (octets >= child->hard_octets || state->sent >= child->hard_packets)
        atomic_store(&child->exhausted, true);
    if (octets >= child->soft_octets)
        child->soft_octets = octets + 1;
    if (state->sent >= child->soft_packets)
        child->soft_packets = state->sent + 1;
}

static int child_make(struct esp_crypto *crypto, const struct state *state,
                      struct esp_child **ret_child)
{
    struct esp_child *child;
    int err = esp_child_new(crypto, &state->config, &child);
    if (err != 0)
        return err;
    if (state->n_words != child->replay->mask + 1 || state->sent > child->hard_packets) {
        esp_child_free(child);
        return ERR_INVALID;
    }
    /* The limit at which the source asked for a rekey; esp_child_new() would choose another one. */
    child->soft_packets = state->config.soft_packets;
    child->replay->top = state->top;
    memcpy(child->replay->words, state->words, state->n_words * sizeof(state->words[0]));
    atomic_store(&child->sent, state->sent);
    for (unsigned i = 0; i < ESP_COUNT_ALL; i++)
        atomic_store(&child->counts[i], state->counts[i]);
    limits_renew(child, state);
    *ret_child = child;
    return 0;
}

int esp_child_import(struct esp_crypto *crypto, struct span octets, nanos now,
                     struct esp_child_config *ret_config, struct esp_child **ret_child)
{
    if (octets.len == 0 || octets.ptr[0] != VERSION)
        return ERR_INVALID;
    struct state state = {0};
    struct carrier c = carrier_reads(span_of(octets.ptr + 1, octets.len - 1), VERSION, now);
    carry_state(&c, &state);
    int err = carrier_done(&c);
    if (err == 0)
        err = child_make(crypto, &state, ret_child);
    state.config.encr_in = state.config.integ_in = (struct span){0};
    state.config.encr_out = state.config.integ_out = (struct span){0};
    *ret_config = state.config;
    wipe(&state, sizeof(state));
    return err;
}
