/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_GATEWAYS_H
#define CTL_GATEWAYS_H

/* Asks UDP ports 500 and 4500 of the gateways of connections, and says in words what answers. */

#include "control/tree.h"

struct gateways_question {
    const struct tree *conns; /* of list-conns */
    const struct tree *paths; /* of list-paths */
    const char *only;         /* the name of one connection; NULL: all */
};

/* gateways_tell - called for each thing that is found. `trouble`: it can keep a VPN from working. */
typedef void gateways_tell(void *context, bool trouble, const char *text);

/* gateways_ask - over each path that is not up; of a connection without a path, as the routes say.
 * It takes about two seconds, and none if every path is up. */
void gateways_ask(const struct gateways_question *question, gateways_tell *tell, void *context);

#endif
