/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_RESOLV_CONF_H
#define DAEMON_RESOLV_CONF_H

/*
 * The text of /etc/resolv.conf with our name servers. Each line of ours has a mark. So we can
 * remove our lines even after a crash, and keep the lines of other programs. Pure.
 *
 * Our servers come first. The last of several search lists counts, so ours is at the end: our
 * domains, and then those of the host. A mark in a search list would be read as a domain, so it is
 * a line of its own before the list.
 */

#include "base/address.h"
#include "base/error.h"
#include "base/span.h"

#define RESOLV_CONF_MAX         65536
#define RESOLV_CONF_MARK        " # by ikatd"
#define RESOLV_CONF_SEARCH_MARK "# by ikatd: the next line"

struct resolv_conf_ours {
    const struct address *servers;
    size_t n;
    const char *domains; /* separated by blanks; empty: no search list of ours */
};

/* resolv_conf_edit - `before` without our lines, and with `ours`. Returns the octets written to `out`;
 * ERR_TRUNCATED. */
int resolv_conf_edit(struct span before, const struct resolv_conf_ours *ours,
                     struct buffer out) MUST_USE;

#endif
