/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PRIVILEGED_WORLD_H
#define DAEMON_PRIVILEGED_WORLD_H

/* The privileged part of the supervisor with a TUN device of its own, in a network namespace: for its tests. */

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/supervisor/privileged.h"

static struct engine_start start;
static struct privileged *privileged;

static int setup(void **state)
{
    (void)state;
    start = (struct engine_start){.n_workers = 2};
    if (tun_open("test%d", 2, start.tun_fds, start.tun_name, &start.tun_uso) != 0 ||
        tun_up(start.tun_name, TUN_MTU) != 0)
        return 1;
    start.tun_index = if_nametoindex(start.tun_name);
    if (privileged_new(&start, &privileged) != 0)
        return 1;
    privileged_permission(privileged)->now.all = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    privileged = privileged_free(privileged, false);
    close(start.tun_fds[0]), close(start.tun_fds[1]);
    return 0;
}

/* namespace_enter - false: it cannot be had, so the tests are skipped (status 77). */
static bool namespace_enter(void)
{
    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
        access("/dev/net/tun", R_OK | W_OK) == 0 && system("ip link set lo up") == 0)
        return true;
    perror("needs namespaces and /dev/net/tun");
    return false;
}

#endif
