/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VICI_TRACE_H
#define DAEMON_VICI_TRACE_H

/* The trace of IKE messages for clients. */

#include "daemon/vici/vici_server.h"
#include "ike/message_trace.h"

/* vici_list_trace - the command: streams what is kept. */
void vici_list_trace(struct vici_client *client, const struct tree *message);
/* vici_trace_event - the event, to one client. */
void vici_trace_event(struct vici_client *client, const struct ike_trace_entry *entry);

#endif
