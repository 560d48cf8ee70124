/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CONFIG_LOAD_H
#define DAEMON_CONFIG_LOAD_H

/* The configuration file, and its way into the engine: the VICI load commands, as swanctl sends
 * them. */

#include "control/settings.h"
#include "control/vici.h"
#include "daemon/config/conn_build.h"

/* config_load - reads and checks; the caller owns *ret_settings if it succeeds, there is nothing to
 * free if it fails. ERR_INVALID with error->text, one line, and all the others if error->all is
 * there; ERR_NO_MEMORY. */
int config_load(const char *path, struct settings *ret_settings,
                struct build_error *error) MUST_USE;

/* config_send - over a connected VICI socket: secrets, pools and connections as one load, which
 * takes the place of all that was loaded before. On an error nothing has changed. Blocking: for a
 * process of its own. ERR_INVALID. */
int config_send(int fd, const struct settings *settings, struct build_error *error) MUST_USE;

#endif
