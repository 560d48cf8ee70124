/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_TRACE_H
#define IKE_TRACE_H

/* How messages get into the trace (ike/message_trace.h). Without memory for its rings there is none. */

#include "ike/core/sa.h"
#include "ike/message_trace.h"
#include "wire/builder.h"
#include "wire/message.h"

struct trace; /* the rings */

struct trace *trace_new(void);                 /* NULL: no memory */
struct trace *trace_free(struct trace *trace); /* takes NULL; returns NULL */

/* trace_sealed - a message of ours is ready to be sent for the first time; packet->trace names it. */
void trace_sealed(struct sa *sa, const struct wire_builder *chain, struct packet *packet);
/* trace_sent - the packet leaves by that path: for the first time, or again. */
void trace_sent(struct sa *sa, struct packet *packet, const struct ike_path *path);

/* trace_received - a message with its decrypted chain. */
void trace_received(struct sa *sa, const struct ike_path *path, const struct wire_message *message);
/* trace_repeated - a request of the peer came again. */
void trace_repeated(struct sa *sa, const struct ike_path *path, const struct wire_message *message);
/* trace_init_repeated - an IKE_SA_INIT request came again, and got the same response of so many
 * octets. */
void trace_init_repeated(struct sa *sa, const struct ike_path *path,
                         const struct wire_message *message, size_t octets);
/* trace_refused - an IKE_SA_INIT request got no IKE SA but this notify. */
void trace_refused(struct ike *ike, const struct ike_path *path, const struct wire_message *request,
                   uint16_t notify, size_t octets);
/* trace_ended - the IKE SA or login is over. */
void trace_ended(struct sa *sa, enum ike_outcome outcome);

#endif
