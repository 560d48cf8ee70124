/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_RESOLV_CONF_H
#define DAEMON_RESOLV_CONF_H

/*
 * The text of /etc/resolv.conf with our name servers. Each line of ours ends with a mark, so that
 * the file itself says what to take back, after a crash too, and whatever others wrote meanwhile
 * stays. Pure.
 */

#include "base/address.h"
#include "base/error.h"
#include "base/span.h"

#define RESOLV_CONF_MAX  65536
#define RESOLV_CONF_MARK " # by ikatd"

/* resolv_conf_edit - `before` without our lines, and with a line for each server in front. Returns
 * the octets written to `out`; ERR_TRUNCATED. */
int resolv_conf_edit(struct span before, const struct address *servers, size_t n,
                     struct buffer out) MUST_USE;

#endif
