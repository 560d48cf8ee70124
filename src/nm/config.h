/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NM_CONFIG_H
#define NM_CONFIG_H

/*
 * What NetworkManager learns of a connection that is up. NetworkManager gives the inner addresses
 * to the connection's device, and the name servers to the host. ikatd sets the routes, so
 * NetworkManager learns of none.
 */

#include <gio/gio.h>

#include "nm/grant.h"

/* All return floating references. */
GVariant *nm_config_general(const struct nm_grant *grant, const char *device, bool persists);
/* nm_config_ip - Ip4Config or Ip6Config. */
GVariant *nm_config_ip(const struct nm_grant *grant, enum address_family family);

#endif
