/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MULTIPATH_WHOLE_SESSION_H
#define MULTIPATH_WHOLE_SESSION_H

/*
 * A session with all that its layers know of it, as one string of octets: the sections of path manager, IKE core and
 * data plane, in the order in which they must be written and read (ARCHITECTURE.md: "A session leaves and comes
 * back").
 */

#include "esp/data_plane.h"
#include "ike/session_export.h"
#include "multipath/path_manager.h"

/* struct session_home - where a session lives. All are borrowed. */
struct session_home {
    struct ike *ike;
    struct path_manager *paths; /* import: NULL: the session's section of it is left out */
    struct data_plane *plane;
};

/*
 * whole_session_export - the session was frozen (ike_session_freeze), and leaves. The path manager keeps its record,
 * which is of no use any more: whoever exports frees the path manager, or imports the session again with `paths` NULL.
 * Errors: those of path_manager_export and ike_session_export; then the session is here as it was.
 */
int whole_session_export(const struct session_home *from, ike_session_id id,
                         struct ike_exported *ret_exported, nanos now) MUST_USE;

/*
 * whole_session_import - the session goes on here. ERR_INVALID: the octets make no sense; nothing has changed. Other
 * errors: those of the three layers. *ret_id is the session if the IKE core has it, else 0. With an error and *ret_id,
 * a part of the session is missing: the caller ends it (IKE_CMD_DELETE_SESSION), and a login follows.
 */
int whole_session_import(const struct session_home *into, struct span octets,
                         ike_session_id *ret_id, nanos now) MUST_USE;

#endif
