/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MULTIPATH_INSTALL_H
#define MULTIPATH_INSTALL_H

/*
 * Between the two cores and a data plane, which do not know each other: events of the IKE core and
 * orders of the path manager as verbs of esp/data_plane.h, and news of the data plane for the IKE core.
 */

#include "esp/data_plane.h"
#include "ike/ike.h"
#include "multipath/path_manager.h"

struct esp_ts_list install_selectors(const struct ike_ts_list *from);
struct esp_path install_path(const struct ike_path *path);

/* install_config - of IKE_EV_CHILD_INSTALL. Keys are borrowed from `install`; `mtu` is left to the
 * caller, who knows the links. Keepalives are sent if a NAT is in front of us. */
void install_config(const struct ike *ike, const struct ike_child_install *install,
                    struct esp_child_config *ret_config);

/* install_move - IKE_EV_CHILD_MOVE: addresses, keepalives, and the selectors that follow an address.
 * `mtu`: of the new link. Errors as of those verbs; ERR_NOT_FOUND also if the IKE core lost the child. */
int install_move(const struct ike *ike, struct data_plane *plane, const struct ike_event *event,
                 uint16_t mtu) MUST_USE;

/* install_order - errors as of the verb. ERR_NOT_FOUND: the child has ended meanwhile. */
int install_order(struct data_plane *plane, const struct path_order *order) MUST_USE;

/* install_tell - tells the IKE core what concerns it. */
void install_tell(struct ike *ike, const struct esp_event *event, nanos now);

#endif
