/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_ORDERED_ESP_TERMS_H
#define IKE_ORDERED_ESP_TERMS_H

/*
 * Whether the packets of a Child SA have order trailers (wire/ordered_esp.h). The notify stands
 * beside each ESP SA payload, in IKE_AUTH and CREATE_CHILD_SA. The same notify in the response means
 * yes, for both directions; without it the Child SA is a plain one. Only peers that sent the Vendor
 * ID are asked and answered, and only where the connections of both ends want them (ike_conn_ordered).
 */

#include "wire/builder.h"
#include "wire/message.h"

struct sa;

/* ordered_esp_offer - the notify of a request, where we want trailers. */
void ordered_esp_offer(const struct sa *sa, struct wire_builder *request);

/* ordered_esp_agreed - we want trailers, and the message asks for them. false beside
 * ESP_TFC_PADDING_NOT_SUPPORTED or USE_TRANSPORT_MODE. */
bool ordered_esp_agreed(const struct sa *sa, const struct wire_message *message);

/* ordered_esp_answer - the notify of a response that agrees. */
void ordered_esp_answer(struct wire_builder *reply);

#endif
