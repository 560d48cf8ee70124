/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_ENTROPY_H
#define LINUX_ENTROPY_H

#include "base/random.h"

/* entropy_random - the kernel's generator (getrandom(2)), thread-safe, never freed. It waits for
 * the kernel's pool at boot. If the kernel refuses, the process ends. */
const struct random *entropy_random(void);

#endif
