/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_SELECTOR_H
#define ESP_SELECTOR_H

#include "esp/esp.h"
#include "esp/inner_packet.h"

/* esp_ts_list_equal - the same selectors in the same order: such Child SAs form a group. */
bool esp_ts_list_equal(const struct esp_ts_list *a, const struct esp_ts_list *b);

/* esp_ts_match - matches one end of a packet: its address and port, and the protocol of `inner`. */
bool esp_ts_match(const struct esp_ts *ts, const struct address *address,
                  const struct esp_inner *inner, uint16_t port);

/* esp_selector_out - Child SAs with these selectors may carry a packet from the TUN device. */
bool esp_selector_out(const struct esp_ts_list *local, const struct esp_ts_list *remote,
                      const struct esp_inner *inner);

/*
 * esp_selector_in - whether this Child SA may deliver the decrypted packet (RFC 4301 section 5.2
 * step 4). Whatever the selectors say, it may not if the source is no address of a host (loopback,
 * multicast, unspecified), or if the destination is loopback.
 */
bool esp_selector_in(const struct esp_ts_list *local, const struct esp_ts_list *remote,
                     const struct esp_inner *inner);

#endif
