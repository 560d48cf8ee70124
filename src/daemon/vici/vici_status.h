/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VICI_STATUS_H
#define DAEMON_VICI_STATUS_H

/* IKE SAs, Child SAs, sessions, paths and connections as VICI sections. */

#include "control/vici.h"
#include "daemon/vici/engine_ops.h"

/* struct vici_child_filter - selects the Child SAs that are shown. */
struct vici_child_filter {
    ike_child_id id;  /* 0: any */
    const char *name; /* NULL: any */
};
/* vici_status_sa - writes `<conn> { ... child-sas { ... } }` with the Child SAs that the filter
 * selects. */
void vici_status_sa(struct vici_writer *w, const struct engine_ops *ops,
                    const struct ike_sa_info *sa, const struct vici_child_filter *filter);
void vici_status_conn(struct vici_writer *w, const struct engine_ops *ops,
                      const struct ike_conn *conn);
/* the mode as list-sa shows it: TUNNEL, PASS, DROP */
const char *vici_mode_name(enum ike_child_mode mode);
/* vici_status_ts_policy - a list of configured selectors. */
void vici_status_ts_policy(struct vici_writer *w, const char *name,
                           const struct ike_ts_policy *policy);
/* vici_status_policy - the body of list-policy. */
void vici_status_policy(struct vici_writer *w, const char *conn,
                        const struct ike_child_policy *child);

/* vici_status_algorithms - the response to get-algorithms. */
void vici_status_algorithms(struct vici_writer *w);
/* sections of ikat's own: `<conn> { id role local-id remote-id logins ... }` and `<path> { conn
 * session interface ... }` */
void vici_status_session(struct vici_writer *w, const struct engine_ops *ops,
                         const struct ike_session_info *session);
void vici_status_path(struct vici_writer *w, const struct engine_ops *ops,
                      const struct path_status *path);
/* parts of the above: keys without a section, and a Child SA in its section. `state` NULL: its
 * current state */
void vici_status_sa_keys(struct vici_writer *w, const struct engine_ops *ops,
                         const struct ike_sa_info *sa, const struct ike_session_info *session);
void vici_status_child_keys(struct vici_writer *w, const struct engine_ops *ops,
                            const struct ike_child_info *child, const char *state);
void vici_status_child(struct vici_writer *w, const struct engine_ops *ops,
                       const struct ike_child_info *child, const char *state);

#endif
