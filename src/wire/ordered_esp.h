/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_ORDERED_ESP_H
#define WIRE_ORDERED_ESP_H

/*
 * ORDERED_ESP: the private notify beside an ESP SA payload that offers order trailers for the Child
 * SA (docs/protocol.md section 11). Its data are 4 octets: version, flags (0), and two reserved.
 */

#include "base/span.h"

#define ORDERED_ESP_NOTIFY  47792
#define ORDERED_ESP_VERSION 1
#define ORDERED_ESP_LEN     4

void ordered_esp_write(uint8_t out[ORDERED_ESP_LEN]);

/* ordered_esp_read - true: our version, which is the only one, in 2 octets or more. */
bool ordered_esp_read(struct span data);

#endif
