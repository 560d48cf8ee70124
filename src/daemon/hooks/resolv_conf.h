/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_RESOLV_CONF_H
#define DAEMON_RESOLV_CONF_H

/*
 * The text of /etc/resolv.conf with our name servers. Each line of ours has a mark, so that the file
 * itself says what to take back, after a crash too, and whatever others wrote meanwhile stays. Pure.
 *
 * Our servers stand in front. Of several search lists the last one counts, so ours stands at the
 * end: our domains, and behind them those of the host. A search list has no room for a mark, which
 * would be read as domains, so the mark is a line of its own before it.
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
    const char *domains; /* blanks between them; empty: no search list of ours */
};

/* resolv_conf_edit - `before` without our lines, and with `ours`. Returns the octets written to `out`;
 * ERR_TRUNCATED. */
int resolv_conf_edit(struct span before, const struct resolv_conf_ours *ours,
                     struct buffer out) MUST_USE;

#endif
