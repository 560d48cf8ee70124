/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/octets_io.h"

#include <errno.h>
#include <unistd.h>

int octets_write(int fd, struct span octets)
{
    while (octets.len > 0) {
        ssize_t n = write(fd, octets.ptr, octets.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_SYSTEM;
        octets = span_of(octets.ptr + n, octets.len - (size_t)n);
    }
    return 0;
}

int octets_read(int fd, uint8_t *ret_octets, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, ret_octets, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_SYSTEM;
        ret_octets += n;
        len -= (size_t)n;
    }
    return 0;
}
