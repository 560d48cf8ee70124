/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VICI_ALERT_H
#define DAEMON_VICI_ALERT_H

/* The event `alert`: what went wrong, by the names of charon. */

#include "control/vici.h"
#include "daemon/engine/engine_ops.h"

/* vici_alert_of - the type of the alert that the event is; NULL: it is none. */
const char *vici_alert_of(const struct engine_ops *ops, const struct ike_event *event);
/* vici_alert_body - `type`, and the IKE SA that it is about as far as it is known. */
void vici_alert_body(struct vici_writer *w, const struct engine_ops *ops,
                     const struct ike_event *event, const char *type);

#endif
