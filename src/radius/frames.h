/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RADIUS_FRAMES_H
#define RADIUS_FRAMES_H

/*
 * RADIUS packets in a stream (RFC 6613 section 2.6.4). They follow each other without a separator:
 * the Length field of a packet says where it ends.
 */

#include "radius/radius.h"

struct radius_frames {
    size_t len;
    uint8_t octets[RADIUS_PACKET];
};

/* radius_frames_room - where the caller puts the next octets of the stream. The room ends with the
 * current packet, so that no octet of the next packet is read early. Its size is 0 only after
 * FRAME_MALFORMED. */
struct buffer radius_frames_room(struct radius_frames *frames);

/*
 * radius_frames_took - the caller has put `n` octets into the room.
 * FRAME_WHOLE: *ret_packet is the next packet, borrowed until the next octets are put.
 * FRAME_MALFORMED: a Length below 20 or above 4096, or attributes that do not fill the packet. The
 * end of such a packet is unknown, so the connection must be closed.
 */
enum radius_frame { FRAME_MORE, FRAME_WHOLE, FRAME_MALFORMED };
enum radius_frame radius_frames_took(struct radius_frames *frames, size_t n,
                                     struct radius_packet *ret_packet);

#endif
