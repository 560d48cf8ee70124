/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_STATUS_H
#define CTL_STATUS_H

/* `ikat status` and `ikat paths`: the daemon's state as a table or as JSON. The numbers of sessions
 * and IKE SAs join the lists. */

#include "ctl/client.h"

struct status {
    struct tree *sessions, *sas, *paths, *stats; /* owned */
};

bool status_fetch(struct client *client, struct status *ret_status);
void status_done(struct status *status);

/* status_warn - prints to standard error that the configuration is not that of the files, if so. */
void status_warn(const struct status *status);

/* status_json - the document that ikat(1) describes; the caller frees it with free(). */
char *status_json(const struct status *status);
void status_print(const struct status *status, bool colour);
void status_print_paths(const struct status *status, bool colour);

/* status_paths_settled - each path of the connection has a VPN or is down. */
bool status_paths_settled(const struct status *status, const char *conn);

#endif
