/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_FLOW_TABLE_H
#define ESP_FLOW_TABLE_H

/*
 * Remembers the Child SA on which a flow arrived, so that its answers take the same one. One table
 * of fixed size serves all workers without a lock: an entry is a 64-bit word, a bucket is a cache
 * line, and the oldest entry makes room. A lost entry, or two flows with the same 45 bits of keyed
 * hash, cost a change of path and nothing else: the tag is only looked up within the policy's
 * group.
 */

#include "esp/esp.h"
#include "esp/inner_packet.h"

struct flow_table;

struct flow_table *flow_table_new(void); /* NULL: no memory */
struct flow_table *flow_table_free(struct flow_table *table);

/* esp_flow_hash - the hash of a flow, the same in both directions; `reversed`: the packet is
 * inbound. It has a secret key, so that an attacker cannot choose collisions. */
uint64_t esp_flow_hash(uint64_t key, const struct esp_inner *inner, bool reversed);

/* flow_table_learn - the flow came in over `tag` (not 0) at `now`. */
void flow_table_learn(struct flow_table *table, uint64_t hash, uint16_t tag, nanos now);

/* struct flow_origin - where a flow last came in. */
struct flow_origin {
    uint16_t tag; /* 0: unknown, or silent for more than 5 minutes */
    bool recent;  /* within the last 5 seconds */
};

struct flow_origin flow_table_find(const struct flow_table *table, uint64_t hash, nanos now);

#endif
