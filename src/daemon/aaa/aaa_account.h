/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_ACCOUNT_H
#define DAEMON_AAA_ACCOUNT_H

/* The attributes of an Accounting-Request (RFC 2866). */

#include "daemon/common/aaa_channel.h"

/* A vendor's attribute with the traffic of one path; a session has one for each path:
 *     if=wan0 local=192.0.2.1 remote=198.51.100.7 in=OCTETS/PACKETS out=OCTETS/PACKETS
 * ikat has no enterprise number of IANA yet. This number is the one for examples (RFC 5612). */
#define AAA_VENDOR      32473
#define AAA_VENDOR_PATH 1

/* aaa_account_write - `wall_s`: seconds since 1970, for Acct-Delay-Time. */
void aaa_account_write(const struct aaa_account *account, int64_t wall_s, struct writer *w);

#endif
