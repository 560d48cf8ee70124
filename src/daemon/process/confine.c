/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/confine.h"

#define MEMORY (UINT64_C(1) << 30) /* octets of address space, libraries included */

int confine(const struct confinement *what, pid_t parent)
{
    bool same_uid;
    int abi;
    return sandbox_common(parent) != 0 ||
                   sandbox_unprivileged(process_user(what->process), &same_uid) != 0 ||
                   sandbox_files(what->files, &abi) != 0 ||
                   sandbox_limits(what->descriptors, MEMORY, what->threads) != 0 ||
                   sandbox_filter(what->calls) != 0
               ? ERR_SYSTEM
               : 0;
}
