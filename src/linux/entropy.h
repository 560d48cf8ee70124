/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_ENTROPY_H
#define LINUX_ENTROPY_H

#include "base/random.h"

/* entropy_random - the kernel's generator (getrandom(2)), thread-safe, lives for ever. Waits for
 * the kernel's pool at boot; a kernel that refuses ends the process: there is no second best. */
const struct random *entropy_random(void);

#endif
