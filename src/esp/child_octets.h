/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CHILD_OCTETS_H
#define ESP_CHILD_OCTETS_H

/*
 * Moves a Child SA to another process: its keys, sequence numbers, replay window, selectors,
 * limits, counters, path, and whether it sends. Callers use data_plane_export and
 * data_plane_import. The socket of its path, the mode of its session and the state of an order
 * space are not moved.
 *
 * The export takes all sequence numbers that are left, so a worker that still has the Child SA gets
 * no more. The importer begins with the next number: no number is used twice, and none is left out.
 * The replay window closes here in the same way. An export cannot be undone. So the IKE core's
 * section (ike/session_export.h) is exported first, since that one may have to wait. Afterwards the
 * core no longer knows the Child SA, and what a worker says of it, such as a hard limit, sends no
 * Delete to the peer.
 */

#include "base/carrier.h"
#include "esp/esp_child.h"

/* struct esp_child_place - where a Child SA is, as its data plane knows it. */
struct esp_child_place {
    struct esp_path path;
    bool udp_encap, keepalive;
    bool sends; /* otherwise it only receives */
    nanos keepalive_ns;
    uint16_t mtu;
};

/* esp_child_octets_most - so many octets are enough for the Child SA. */
size_t esp_child_octets_most(const struct esp_child *child);

/* esp_child_export - appends to `w`, which has that room: otherwise ERR_TRUNCATED, and nothing has
 * changed. The octets have keys: their owner wipes them. Afterwards the Child SA sends nothing, and
 * with a replay window it receives nothing. */
int esp_child_export(struct esp_child *child, const struct esp_child_place *place, struct writer *w,
                     nanos now) MUST_USE;

/* esp_child_import - makes a Child SA from all `octets`. *ret_config: its configuration, without
 * the keys. The data plane checks the path. ERR_INVALID: the octets are cut, malformed, or of an
 * unknown version; ERR_NO_MEMORY. */
int esp_child_import(struct esp_crypto *crypto, struct span octets, nanos now,
                     struct esp_child_config *ret_config, struct esp_child **ret_child) MUST_USE;

#endif
