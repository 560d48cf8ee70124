/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/hand_over.h"

#include <string.h>

#include "base/writer.h"
#include "daemon/common/octets_io.h"

static const uint8_t magic[8] = {'i', 'k', 'a', 't', 'h', 'a', 'n', 'd'};

int hand_over_begin(int fd)
{
    const uint8_t version = HAND_OVER_VERSION;
    int error = octets_write(fd, span_of(magic, sizeof(magic)));
    return error != 0 ? error : octets_write(fd, span_of(&version, 1));
}

static int part_write(int fd, struct span part)
{
    uint8_t head[4];
    struct writer w = writer_of(head, sizeof(head));
    write_u32(&w, (uint32_t)part.len);
    int error = octets_write(fd, span_of(head, sizeof(head)));
    return error != 0 ? error : octets_write(fd, part);
}

int hand_over_add(int fd, const struct handed_session *session)
{
    int error = part_write(fd, session->cores);
    return error != 0 ? error : part_write(fd, session->engine);
}

int hand_over_open(struct reader *ret_file, struct span octets)
{
    struct reader r = reader_of(octets);
    struct span begin = read_bytes(&r, sizeof(magic));
    uint8_t version = read_u8(&r);
    if (reader_failed(&r) || memcmp(begin.ptr, magic, sizeof(magic)) != 0 ||
        version != HAND_OVER_VERSION)
        return ERR_INVALID;
    *ret_file = r;
    return 0;
}

bool hand_over_next(struct reader *file, struct handed_session *ret)
{
    if (reader_done(file))
        return false;
    ret->cores = read_bytes(file, read_u32(file));
    ret->engine = read_bytes(file, read_u32(file));
    return !reader_failed(file);
}
