/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_FRAGMENT_H
#define IKE_FRAGMENT_H

/* Reassembly of RFC 7383 fragments. Only verified and decrypted fragments enter. So only the peer
 * itself can fill this memory, with at most one message per IKE SA. */

#include "base/span.h"
#include "ike/core/sa.h"
#include "wire/message.h"

struct fragment {
    uint32_t message_id;
    bool response;
    uint16_t number, total; /* from 1 */
    uint8_t first_payload;  /* of fragment 1 */
    struct span plain;
    nanos until_ns; /* the first fragment of a message decides when all of them are discarded */
};

enum fragment_verdict { FRAGMENT_WAIT, FRAGMENT_COMPLETE, FRAGMENT_BAD };

/* fragment_add - FRAGMENT_COMPLETE: *ret_plain (owned by the SA until the next fragment) and
 * *ret_first are the whole chain. Duplicates are ignored; a fragment of another message or with a
 * larger total starts anew, one with a smaller total is dropped (RFC 7383 section 2.6). */
enum fragment_verdict fragment_add(struct sa *sa, const struct fragment *fragment,
                                   struct span *ret_plain, uint8_t *ret_first);
/* fragment_traffic - the number of fragments and the sum of their payloads, of the message that
 * fragment_add has just completed. Another message: writes nothing. */
void fragment_traffic(const struct sa *sa, const struct ike_header *header, uint16_t *ret_datagrams,
                      uint32_t *ret_octets);
struct reassembly *reassembly_free(struct reassembly *reassembly); /* takes NULL; returns NULL */
/* reassembly_until - the time at which the fragments are discarded. NANOS_NEVER if there are none (NULL). */
nanos reassembly_until(const struct reassembly *reassembly);

#endif
