/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COALESCE_H
#define ESP_COALESCE_H

/*
 * Makes frames for the TUN device from decrypted packets. Consecutive segments of a TCP connection
 * become one super-packet, and so do UDP datagrams of one flow and size. A super-packet is written
 * as its header and a list of payloads, which are not copied. The order within a flow is kept.
 *
 * A segment with PSH does not end its super-packet: the frame waits for no further packet anyway. The
 * super-packet has PSH then, and so its last segment. PSH marks no record, and may be moved (RFC 9293
 * section 3.9.1.2).
 */

#include <sys/uio.h>

#include "esp/segment.h"

#define ESP_FRAME_PARTS 64  /* packets in one frame */
#define ESP_FRAMES      128 /* frames in one batch */

/* struct esp_frame - one write to the TUN device. iov[0] is the vnet header. */
struct esp_frame {
    struct esp_vnet vnet;
    struct iovec iov[1 + ESP_FRAME_PARTS];
    unsigned parts;
    /* of the first packet */
    uint8_t *packet;
    struct esp_inner inner;
    size_t header_len;      /* IP and transport header */
    size_t chunk;           /* its payload */
    size_t total_len;       /* of the super-packet */
    uint32_t next_sequence; /* TCP */
    bool open;              /* may grow */
    bool verified;          /* the checksum of the first packet was checked */
};

struct esp_coalesce {
    unsigned n;
    bool uso; /* the device takes UDP super-packets */
    struct esp_frame frames[ESP_FRAMES];
};

void esp_coalesce_reset(struct esp_coalesce *coalesce);

/* esp_coalesce_add - `packet` has inner->total_len octets, is borrowed until the reset, and may be
 * changed. false: no room, so write the frames and reset first. */
bool esp_coalesce_add(struct esp_coalesce *coalesce, uint8_t *packet,
                      const struct esp_inner *inner);

/* esp_coalesce_finish - completes the headers of all frames; they are then ready to be written. */
void esp_coalesce_finish(struct esp_coalesce *coalesce);

#endif
