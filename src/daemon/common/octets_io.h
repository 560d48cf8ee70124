/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_OCTETS_IO_H
#define DAEMON_OCTETS_IO_H

/* Reads and writes of a stream or a file that go on until all octets are through. They block. */

#include "base/error.h"
#include "base/span.h"

/* octets_write, octets_read - ERR_SYSTEM: an error, or the end of the stream; a part may be through. */
int octets_write(int fd, struct span octets) MUST_USE;
int octets_read(int fd, uint8_t *ret_octets, size_t len) MUST_USE;

#endif
