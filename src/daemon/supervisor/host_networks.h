/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HOST_NETWORKS_H
#define DAEMON_HOST_NETWORKS_H

/* The networks of this host, which stay reachable beside a tunnel for all addresses (`lan =
 * bypass`): "throw" routes in our table lead packets for them on to the main table. */

#include "daemon/supervisor/privileged.h"

/* host_networks_concern - a request of this kind can change the set of networks in the tunnel. */
bool host_networks_concern(uint32_t kind);

/* host_networks_settle - updates the routes after a change of the host's addresses or of our
 * entries. An error: the addresses could not be read. */
int host_networks_settle(struct privileged *p) MUST_USE;

/* host_networks_forget - at start: removes the routes of a killed daemon. */
int host_networks_forget(struct privileged *p) MUST_USE;

#endif
