/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_SEAL_H
#define IKE_SEAL_H

/* From a payload chain to datagrams, and back: SK, or SKF for a message larger than a fragment, if
 * RFC 7383 was negotiated. */

#include "ike/core/ike_state.h"
#include "wire/builder.h"

enum seal_direction { SEAL_REQUEST, SEAL_RESPONSE };

/*
 * seal_message - seals the payloads in `chain` as datagrams. They are encrypted once the SA has
 * keys (life is not HALF_OPEN). NULL: no memory, the chain overflowed, or too many fragments.
 */
struct packet *seal_message(struct sa *sa, const struct wire_builder *chain, uint8_t exchange,
                            enum seal_direction direction, uint32_t message_id);

/* open_message - verifies and decrypts `octets` with the peer's keys, in ike->scratch. `outer` is
 * the parsed outer chain that ends with SK or SKF. ERR_AUTH. *ret_plain is borrowed until the next
 * message. */
int open_message(struct sa *sa, const struct wire_message *outer, struct span *ret_plain) MUST_USE;

#endif
