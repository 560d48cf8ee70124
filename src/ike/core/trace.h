/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_TRACE_H
#define IKE_TRACE_H

/* Adds messages to the trace (ike/message_trace.h). Without memory for its rings, nothing is
 * traced. */

#include "ike/core/sa.h"
#include "ike/message_trace.h"
#include "wire/builder.h"
#include "wire/message.h"

struct trace; /* the rings */

struct trace *trace_new(void);                 /* NULL: no memory */
struct trace *trace_free(struct trace *trace); /* takes NULL; returns NULL */

/* trace_sealed - our message is ready for its first sending; packet->trace names its entry. */
void trace_sealed(struct sa *sa, const struct wire_builder *chain, struct packet *packet);
/* trace_sent - the packet leaves over that path, for the first time or again. */
void trace_sent(struct sa *sa, struct packet *packet, const struct ike_path *path);

/* trace_received - a message arrived; its chain is decrypted. */
void trace_received(struct sa *sa, const struct ike_path *path, const struct wire_message *message);
/* trace_repeated - the peer repeated a request. */
void trace_repeated(struct sa *sa, const struct ike_path *path, const struct wire_message *message);
/* trace_init_repeated - the peer repeated an IKE_SA_INIT request, and got the same response of
 * `octets`. */
void trace_init_repeated(struct sa *sa, const struct ike_path *path,
                         const struct wire_message *message, size_t octets);
/* trace_refused - an IKE_SA_INIT request was refused with this notify, without an IKE SA. */
void trace_refused(struct ike *ike, const struct ike_path *path, const struct wire_message *request,
                   uint16_t notify, size_t octets);
/* trace_ended - the IKE SA or login has ended. */
void trace_ended(struct sa *sa, enum ike_outcome outcome);

#endif
