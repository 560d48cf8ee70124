/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VICI_ALERT_H
#define DAEMON_VICI_ALERT_H

/* The event `alert`: faults, with the names that charon has for them. */

#include "control/vici.h"
#include "daemon/vici/engine_ops.h"

/* vici_alert_of - the alert type of an event; NULL: it is no alert. */
const char *vici_alert_of(const struct engine_ops *ops, const struct ike_event *event);
/* vici_alert_body - writes `type`, and the IKE SA concerned as far as it is known. */
void vici_alert_body(struct vici_writer *w, const struct engine_ops *ops,
                     const struct ike_event *event, const char *type);

#endif
