/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_GRANT_OCTETS_H
#define DAEMON_GRANT_OCTETS_H

#include "base/writer.h"
#include "daemon/common/aaa_channel.h"

/* grant_octets_write - writes the grant for a ticket; NULL: no RADIUS server granted anything.
 * Session-Timeout is left out: the ticket has the end of the authentication. false: it does not
 * fit. */
bool grant_octets_write(const struct aaa_grant *grant, struct writer *w);

/* grant_octets_read - reads the grant of a ticket. false: malformed. *ret_granted false: no
 * grant. */
bool grant_octets_read(struct span octets, struct aaa_grant *ret_grant, bool *ret_granted);

#endif
