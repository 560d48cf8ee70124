/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CHILD_OCTETS_H
#define ESP_CHILD_OCTETS_H

/*
 * A Child SA leaves this process, and goes on in another one: keys, sequence numbers, replay window,
 * selectors, limits, counters. Path and route are of the layer above.
 *
 * Export takes all sequence numbers that are left. A worker that still has the Child SA gets none any
 * more, so the importer can begin with the next one: no number comes twice, and none is left out. The
 * replay window closes here in the same way. There is no way back: the IKE core's section
 * (ike/session_export.h) is exported first, since that one may have to wait. Afterwards the core no longer knows the
 * Child SA, and what a worker says of it, such as a hard limit, sends no Delete to the peer.
 */

#include "base/carrier.h"
#include "esp/esp_child.h"

/* esp_child_octets_most - so many octets are enough for the Child SA. */
size_t esp_child_octets_most(const struct esp_child *child);

/* esp_child_export - appends to `w`, which has that room: otherwise ERR_TRUNCATED, and nothing has
 * changed. The octets have keys: their owner wipes them. Afterwards the Child SA sends nothing, and
 * with a replay window it receives nothing. */
int esp_child_export(struct esp_child *child, struct writer *w, nanos now) MUST_USE;

/* esp_child_import - of all `octets`. ERR_INVALID: they are cut, make no sense, or are of an unknown
 * version; ERR_NO_MEMORY. */
int esp_child_import(struct esp_crypto *crypto, struct span octets, nanos now,
                     struct esp_child **ret_child) MUST_USE;

#endif
