/* SPDX-License-Identifier: Apache-2.0 */
/* The view that the path manager has of an IKE core. */
#include "multipath/path_manager.h"

static bool session(const void *ike, ike_session_id id, struct ike_session_info *ret_info)
{
    return ike_session_get(ike, id, ret_info);
}

static bool sa(const void *ike, ike_sa_id id, struct ike_sa_info *ret_info)
{
    return ike_sa_get(ike, id, ret_info);
}

static bool line(const void *ike, ike_session_id session_id, ike_sa_id line_id,
                 struct ike_sa_info *ret_info)
{
    return ike_line_get(ike, session_id, line_id, ret_info);
}

static bool child(const void *ike, ike_child_id id, struct ike_child_info *ret_info)
{
    return ike_child_get(ike, id, ret_info);
}

static bool sa_next(const void *ike, ike_sa_id after, struct ike_sa_info *ret_info)
{
    return ike_sa_next(ike, after, ret_info);
}

static bool child_next(const void *ike, ike_child_id after, struct ike_child_info *ret_info)
{
    return ike_child_next(ike, after, ret_info);
}

struct path_view path_view_of(const struct ike *ike)
{
    return (struct path_view){.context = ike,
                              .session = session,
                              .sa = sa,
                              .line = line,
                              .child = child,
                              .sa_next = sa_next,
                              .child_next = child_next};
}
