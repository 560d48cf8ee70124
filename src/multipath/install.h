/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MULTIPATH_INSTALL_H
#define MULTIPATH_INSTALL_H

/*
 * Joins the IKE core, the path manager and a data plane, which do not know each other. Events of the IKE
 * core and orders of the path manager become verbs of esp/data_plane.h. Events of the data plane become
 * calls of the IKE core.
 */

#include "esp/data_plane.h"
#include "ike/ike.h"
#include "multipath/path_manager.h"

struct esp_ts_list install_selectors(const struct ike_ts_list *from);
struct esp_path install_path(const struct ike_path *path);

/* install_config - the configuration of a Child SA that IKE_EV_CHILD_INSTALL asks for. Keys are borrowed
 * from `install`. The caller knows the links and sets `mtu`. Keepalives are sent if a NAT is in front of
 * us. */
void install_config(const struct ike *ike, const struct ike_child_install *install,
                    struct esp_child_config *ret_config);

/* install_move - handles IKE_EV_CHILD_MOVE: addresses, keepalives, and the selectors that follow an
 * address. `mtu` is that of the new link. Returns the error of the verb that failed. ERR_NOT_FOUND: the
 * Child SA has ended meanwhile. */
int install_move(const struct ike *ike, struct data_plane *plane, const struct ike_event *event,
                 uint16_t mtu) MUST_USE;

/* install_order - carries out an order. Returns the error of the verb. ERR_NOT_FOUND: the Child SA has
 * ended meanwhile. */
int install_order(struct data_plane *plane, const struct path_order *order) MUST_USE;

/* install_tell - tells the IKE core of an event of the data plane, if the event concerns IKE. */
void install_tell(struct ike *ike, const struct esp_event *event, nanos now);

#endif
