/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CONFIG_LOAD_H
#define DAEMON_CONFIG_LOAD_H

/* The configuration file, and its way into the engine: the VICI load commands, as swanctl sends
 * them. */

#include "control/settings.h"
#include "control/vici.h"
#include "daemon/config/conn_build.h"
#include "daemon/config/secret_doors.h"

/* config_load - reads and checks; the caller owns *ret_settings if it succeeds, there is nothing to
 * free if it fails. ERR_INVALID with error->text, one line; with error->all all further errors;
 * ERR_NO_MEMORY. */
int config_load(const char *path, struct settings *ret_settings,
                struct build_error *error) MUST_USE;

/* struct config_channels - the channels of the loader: a connected VICI socket, and the processes
 * that keep secrets. */
struct config_channels {
    int vici_fd;
    struct secret_doors doors;
};

/* config_send - sends secrets to the processes that keep them, and the rest to the engine, as one
 * load: it replaces everything that was loaded before. On an error nothing has changed. Blocking:
 * for a process of its own. ERR_INVALID. */
int config_send(const struct config_channels *channels, const struct settings *settings,
                struct build_error *error) MUST_USE;

/* config_say - the engine keeps a line of the loader's log for `ikat log`. Without an answer, only
 * the log has the line. */
void config_say(int vici_fd, unsigned level, const char *text);

#endif
