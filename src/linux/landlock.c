/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: file access that even root cannot get back. Best effort: old kernels do not have it,
 * and the other restrictions of the process do not depend on it. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "linux/sandbox.h"
#include "linux/tun.h"

/* The rights of the running kernel's ABI, also those that the header lacks. Bits 0 to 12 are of ABI
 * 1, REFER is of ABI 2, TRUNCATE of ABI 3, IOCTL_DEV of ABI 5. */
static uint64_t rights_of(long abi)
{
    unsigned bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
    return (UINT64_C(1) << bits) - 1;
}

static int allow(int ruleset, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr beneath = {.allowed_access = rights,
                                                 .parent_fd = open(path, O_PATH | O_CLOEXEC)};
    if (beneath.parent_fd < 0)
        return ERR_SYSTEM;
    long done = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    close(beneath.parent_fd);
    return done < 0 ? ERR_SYSTEM : 0;
}

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/* all but executing, and making devices and sockets; truncating came with ABI 3 */
#define CHANGING                                                                                   \
    (READING | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                    \
     LANDLOCK_ACCESS_FS_MAKE_REG | UINT64_C(1) << 14)

/* ruleset_make - a ruleset that handles all rights of the running kernel, so that it refuses
 * whatever no rule allows. *ret_abi 0: the kernel has no Landlock, or it is off, and there is no
 * ruleset. */
static int ruleset_make(int *ret_ruleset, int *ret_abi)
{
    *ret_abi = 0;
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return 0;
    struct landlock_ruleset_attr attr = {.handled_access_fs = rights_of(abi)};
    *ret_ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (*ret_ruleset < 0)
        return ERR_SYSTEM;
    *ret_abi = (int)abi;
    return 0;
}

/* ruleset_enter - applies the ruleset and closes it. `error`: of the rules that were added to it. */
static int ruleset_enter(int ruleset, int error)
{
    if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        error = ERR_SYSTEM;
    close(ruleset);
    return error;
}

int sandbox_files(enum sandbox_files files, int *ret_abi)
{
    int ruleset, error = ruleset_make(&ruleset, ret_abi);
    if (error != 0 || *ret_abi == 0)
        return error;
    if (files != SANDBOX_FILES_NONE)
        error = allow(ruleset, "/",
                      files == SANDBOX_FILES_OWN ? CHANGING & rights_of(*ret_abi) : READING);
    return ruleset_enter(ruleset, error);
}

/* allow_tuns - devices that the configuration asks for later. */
static int allow_tuns(int ruleset, int abi)
{
    const uint64_t ioctl_dev = UINT64_C(1) << 15;
    return access(TUN_DRIVER, F_OK) != 0
               ? 0
               : allow(ruleset, TUN_DRIVER,
                       LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                           (rights_of(abi) & ioctl_dev));
}

/* allow_folder - for the folder that `file` is in. */
static int allow_folder(int ruleset, const char *file, uint64_t rights)
{
    char folder[PATH_MAX];
    if (strlen(file) >= sizeof(folder)) {
        errno = ENAMETOOLONG;
        return ERR_SYSTEM;
    }
    memcpy(folder, file, strlen(file) + 1);
    return allow(ruleset, dirname(folder), rights);
}

int sandbox_supervisor_files(const char *socket, const char *audit, int *ret_abi)
{
    int ruleset, error = ruleset_make(&ruleset, ret_abi);
    if (error != 0 || *ret_abi == 0)
        return error;
    error = allow(ruleset, "/", READING | LANDLOCK_ACCESS_FS_EXECUTE);
    if (error == 0)
        error = allow_folder(ruleset, socket, LANDLOCK_ACCESS_FS_REMOVE_FILE);
    if (error == 0 && audit != NULL)
        error = allow_folder(ruleset, audit,
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_WRITE_FILE);
    if (error == 0)
        error = allow_tuns(ruleset, *ret_abi);
    return ruleset_enter(ruleset, error);
}
