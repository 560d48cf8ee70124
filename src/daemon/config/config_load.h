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
 * free if it fails. ERR_INVALID with error->text, one line, and all the others if error->all is
 * there; ERR_NO_MEMORY. */
int config_load(const char *path, struct settings *ret_settings,
                struct build_error *error) MUST_USE;

/* struct config_channels - of the loader: a connected VICI socket, and where secrets go. */
struct config_channels {
    int vici_fd;
    struct secret_doors doors;
};

/* config_send - secrets to the processes that keep them, and all else to the engine, as one load: it
 * takes the place of all that was loaded before. On an error nothing has changed. Blocking: for a
 * process of its own. ERR_INVALID. */
int config_send(const struct config_channels *channels, const struct settings *settings,
                struct build_error *error) MUST_USE;

/* config_say - the engine keeps a line of the loader's log for `ikat log`. If it does not answer, the
 * line is in the log alone. */
void config_say(int vici_fd, unsigned level, const char *text);

#endif
