/* SPDX-License-Identifier: Apache-2.0 */
#include "radius/frames.h"

#include "base/assert.h"

#define PREFIX 4 /* octets with Code, Identifier and Length */

/* length_of - the Length field of the packet; PREFIX until that field has come. */
static size_t length_of(const struct radius_frames *frames)
{
    return frames->len < PREFIX ? PREFIX : (size_t)frames->octets[2] << 8 | frames->octets[3];
}

static bool length_sound(size_t length)
{
    return length >= RADIUS_HEADER && length <= RADIUS_PACKET;
}

struct buffer radius_frames_room(struct radius_frames *frames)
{
    size_t length = length_of(frames);
    if (frames->len >= PREFIX && !length_sound(length))
        return (struct buffer){frames->octets, 0};
    if (frames->len == length) /* the packet is whole, and the caller is done with it */
        frames->len = 0, length = PREFIX;
    return (struct buffer){frames->octets + frames->len, length - frames->len};
}

enum radius_frame radius_frames_took(struct radius_frames *frames, size_t n,
                                     struct radius_packet *ret_packet)
{
    frames->len += n;
    ASSERT(frames->len <= sizeof(frames->octets));
    size_t length = length_of(frames);
    if (frames->len < PREFIX)
        return FRAME_MORE;
    if (!length_sound(length))
        return FRAME_MALFORMED;
    if (frames->len < length)
        return FRAME_MORE;
    return radius_packet_read(span_of(frames->octets, length), ret_packet) ? FRAME_WHOLE
                                                                           : FRAME_MALFORMED;
}
