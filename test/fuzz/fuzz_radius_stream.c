/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream of octets that a server with RADIUS/TLS sends inside of TLS. Octet 0: the size of the
 * pieces. However the stream is cut, the same packets come out of it, each as long as its Length says.
 */
#include "base/assert.h"
#include "radius/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    size_t packets, octets;
    uint32_t digest;
    bool malformed;
};

static void packet_add(struct sum *sum, const struct radius_packet *packet)
{
    struct reader r = reader_of(packet->attributes);
    struct span value;
    uint8_t type;
    ASSERT(packet->octets.len >= RADIUS_HEADER && packet->octets.len <= RADIUS_PACKET);
    ASSERT(packet->octets.len == ((size_t)packet->octets.ptr[2] << 8 | packet->octets.ptr[3]));
    while (radius_next(&r, &type, &value))
        ASSERT(value.len <= RADIUS_VALUE);
    for (size_t i = 0; i < packet->octets.len; i++)
        sum->digest = sum->digest * 31 + packet->octets.ptr[i];
    sum->packets++;
    sum->octets += packet->octets.len;
}

static struct sum read_in_pieces(struct span input, size_t piece)
{
    static struct radius_frames frames;
    struct sum sum = {0};
    struct radius_packet packet;
    frames.len = 0;
    for (size_t at = 0; at < input.len;) {
        struct buffer room = radius_frames_room(&frames);
        size_t n = input.len - at < piece ? input.len - at : piece;
        n = n < room.len ? n : room.len;
        ASSERT(room.len > 0);
        memcpy(room.ptr, input.ptr + at, n);
        at += n;
        enum radius_frame frame = radius_frames_took(&frames, n, &packet);
        if (frame == FRAME_WHOLE)
            packet_add(&sum, &packet);
        sum.malformed = frame == FRAME_MALFORMED;
        if (sum.malformed)
            break;
    }
    ASSERT(sum.octets <= input.len);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct span input = span_of(data + 1, size - 1);
    struct sum whole = read_in_pieces(input, input.len),
               cut = read_in_pieces(input, data[0] % 64 + 1u);
    ASSERT(whole.packets == cut.packets && whole.digest == cut.digest);
    ASSERT(whole.malformed == cut.malformed);
    return 0;
}
