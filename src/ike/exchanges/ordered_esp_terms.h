/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_ORDERED_ESP_TERMS_H
#define IKE_ORDERED_ESP_TERMS_H

/*
 * Whether the packets of a Child SA have order trailers (wire/ordered_esp.h). The notify stands
 * beside each ESP SA payload, in IKE_AUTH and CREATE_CHILD_SA. The same notify in the response
 * agrees, for both directions. Without it the packets have no trailers. We send the notify only to
 * peers with the Vendor ID, and only if the connection wants trailers (ike_conn_ordered).
 */

#include "wire/builder.h"
#include "wire/message.h"

struct sa;

/* ordered_esp_offer - adds the notify to a request, if we want trailers. */
void ordered_esp_offer(const struct sa *sa, struct wire_builder *request);

/* ordered_esp_agreed - we want trailers, and the message asks for them. false beside
 * ESP_TFC_PADDING_NOT_SUPPORTED or USE_TRANSPORT_MODE. */
bool ordered_esp_agreed(const struct sa *sa, const struct wire_message *message);

/* ordered_esp_answer - adds the notify to a response that agrees. */
void ordered_esp_answer(struct wire_builder *reply);

#endif
