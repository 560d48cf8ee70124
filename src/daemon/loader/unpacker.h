/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_UNPACKER_H
#define DAEMON_UNPACKER_H

/*
 * The unpacker opens the PKCS#12 containers of one load: a format that is large, old, and decrypted
 * before much of it can be checked. So it has no other keys, no network and no files, and it ends
 * with the loader. The loader believes it no more than the container itself.
 */

#include "daemon/common/unpack_channel.h"
#include "daemon/process/spawn.h"

/* unpacker_run - serves its channel until the loader ends. Returns the exit status. */
int unpacker_run(const struct spawn_start *start);

#endif
