/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NM_NO_CORE_H
#define NM_NO_CORE_H

#include <sys/prctl.h>
#include <sys/resource.h>

/* no_core - keeps secrets in memory out of core files, and from debuggers of other users. */
static inline void no_core(void)
{
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

#endif
