/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RADIUS_FRAMES_H
#define RADIUS_FRAMES_H

/*
 * RADIUS packets in a stream (RFC 6613 section 2.6.4): one after the other, without anything
 * between them. The Length field of each says where it ends.
 */

#include "radius/radius.h"

struct radius_frames {
    size_t len;
    uint8_t octets[RADIUS_PACKET];
};

/* radius_frames_room - where the next octets go. There is never room for more than the packet that
 * is being read, and always for one octet, unless the stream is malformed. */
struct buffer radius_frames_room(struct radius_frames *frames);

/*
 * radius_frames_took - `n` octets were put there.
 * FRAME_WHOLE: *ret_packet is the next packet, borrowed until the next octets are put.
 * FRAME_MALFORMED: a Length below 20 or above 4096, or attributes that do not fill the packet. The
 * end of such a packet is unknown, so the connection must be closed.
 */
enum radius_frame { FRAME_MORE, FRAME_WHOLE, FRAME_MALFORMED };
enum radius_frame radius_frames_took(struct radius_frames *frames, size_t n,
                                     struct radius_packet *ret_packet);

#endif
