/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_KEPT_MESSAGE_H
#define IKE_KEPT_MESSAGE_H

#include "wire/message.h"

/* struct kept_message - an owned copy of the payloads of a message, beyond the call in which the
 * message arrived. Zeroed: empty. */
struct kept_message {
    struct ike_header header;
    uint8_t first; /* type of the first payload */
    size_t len;
    uint8_t *octets; /* owned, wiped */
};

/* kept_message_set - replaces the copy. false: no memory, and nothing changed. */
bool kept_message_set(struct kept_message *kept, const struct wire_message *message);

/* kept_message_get - views into the copy; empty if no message is kept. */
void kept_message_get(const struct kept_message *kept, struct wire_message *ret_message);
void kept_message_done(struct kept_message *kept);

#endif
