/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_MOBIKE_H
#define IKE_MOBIKE_H

/* RFC 4555: the address lists, and the two roles, which are those of the session: the End User
 * decides about addresses, whoever began this IKE SA (section 1.3, A-09 of the draft). */

#include "ike/core/answer.h"
#include "ike/exchanges/nat_detection.h"

/* mobike_add_addresses - ADDITIONAL_IP*_ADDRESS for our addresses other than that of `path`, or
 * NO_ADDITIONAL_ADDRESSES if `empty_too` and there are none (section 3.6). */
void mobike_add_addresses(const struct sa *sa, const struct ike_path *path, bool empty_too,
                          struct wire_builder *message);

/* mobike_read_addresses - replaces the peer's list if the message has one; unusable addresses are
 * left out (M9). Emits IKE_EV_PEER_ADDRESSES on a change. */
void mobike_read_addresses(struct sa *sa, const struct wire_message *message,
                           const struct ike_path *path);

/* mobike_refusal - may the peer be where `request` came from? 0, or UNACCEPTABLE_ADDRESSES (asked
 * only if `update`) or UNEXPECTED_NAT_DETECTED (sections 3.5, 3.9). */
uint16_t mobike_refusal(const struct sa *sa, const struct wire_message *request,
                        const struct ike_path *path, bool update);

/* mobike_mapping_changed - remembers how the Gateway sees our address, out of a response with
 * NAT_DETECTION_DESTINATION_IP (section 3.8). true: otherwise than the last time. */
bool mobike_mapping_changed(struct sa *sa, const struct wire_message *response);
bool mobike_watches_nat(const struct sa *sa);

/* mobike_too_often - so many UPDATE_SA_ADDRESSES came in this session that one more, which is
 * `request`, is not heard: the peer repeats it. Each is work in the data plane, and log lines. */
bool mobike_too_often(struct sa *sa, const struct wire_message *request, nanos now);

/* mobike_answer - the part of an INFORMATIONAL request that is MOBIKE's: writes the reply's
 * NAT_DETECTION and COOKIE2. false: refused, and the reply is complete. `ret_move`: commit with
 * mobike_moved(). */
bool mobike_answer(struct sa *sa, struct answering *answering, bool *ret_move);

/* mobike_moved - the peer moved to the path that the request came over. */
void mobike_moved(struct sa *sa, const struct ike_path *path, const struct nat_seen *nat,
                  nanos now);

/* mobike_fill_path - ports that a command left open: those of NAT traversal. */
struct ike_path mobike_fill_path(const struct sa *sa, const struct ike_path *wanted);

/* mobike_answered_over - the path on which the peer saw our UPDATE_SA_ADDRESSES: an answer goes
 * back where its request came from, and a request that was outstanding for long may have been sent
 * over other paths. */
struct ike_path mobike_answered_over(const struct asking *asking, const struct ike_path *from);

/* mobike_say_again - copies of an UPDATE_SA_ADDRESSES came from more than one of our addresses, and
 * the peer may have seen another one first than the one whose answer we saw: once more, over one
 * path (RFC 4555 section 3.5). */
void mobike_say_again(struct sa *sa, const struct asking *asking, const struct ike_path *there);

/* mobike_apply_pending - the new address proved itself: IKE SA and Child SAs go there. */
void mobike_apply_pending(struct sa *sa);

#endif
