/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MULTIPATH_INSTALL_H
#define MULTIPATH_INSTALL_H

/* What the IKE core wants of the data plane, in the data plane's words: the two do not know each
 * other. */

#include "esp/esp.h"
#include "ike/ike.h"

struct esp_ts_list install_selectors(const struct ike_ts_list *from);
struct esp_path install_path(const struct ike_path *path);

/* install_config - keys are borrowed from `install`; `mtu` and `keepalive` are left to the caller,
 * who knows the links and whether a NAT is in front of us. */
void install_config(const struct ike_child_install *install, struct esp_child_config *ret_config);

#endif
