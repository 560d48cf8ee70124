/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_RAW_ESP_H
#define LINUX_RAW_ESP_H

#include "base/address.h"
#include "base/error.h"

/* raw_esp_open - a raw socket for protocol 50, non-blocking, with the same control messages as a
 * UDP socket. IPv4 packets come with their IP header, IPv6 packets without. Needs CAP_NET_RAW.
 * Returns the descriptor. ERR_SYSTEM (errno kept). */
int raw_esp_open(enum address_family family, uint32_t mark) MUST_USE;

#endif
