/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_MOBIKE_H
#define IKE_MOBIKE_H

/* RFC 4555: the address lists and the two roles. The roles are those of the session: the End User
 * decides about addresses, whichever end began this IKE SA (section 1.3, A-09 of the draft). */

#include "ike/core/answer.h"
#include "ike/core/nat_detection.h"

/* mobike_add_addresses - adds ADDITIONAL_IP*_ADDRESS for our addresses except that of `path`. If we
 * have no others, NO_ADDITIONAL_ADDRESSES with `empty_too` (section 3.6). */
void mobike_add_addresses(const struct sa *sa, const struct ike_path *path, bool empty_too,
                          struct wire_builder *message);

/* mobike_read_addresses - replaces the peer's list if the message has one; unusable addresses are
 * left out (M9). Emits IKE_EV_PEER_ADDRESSES on a change. */
void mobike_read_addresses(struct sa *sa, const struct wire_message *message,
                           const struct ike_path *path);

/* mobike_refusal - checks whether the peer may use the path of `request`. 0, or a notify of
 * sections 3.5 and 3.9: UNEXPECTED_NAT_DETECTED, or with `update` UNACCEPTABLE_ADDRESSES. */
uint16_t mobike_refusal(const struct sa *sa, const struct wire_message *request,
                        const struct ike_path *path, bool update);

/* mobike_mapping_changed - remembers our address as the Gateway sees it, from
 * NAT_DETECTION_DESTINATION_IP of a response (section 3.8). true: it differs from the last one. */
bool mobike_mapping_changed(struct sa *sa, const struct wire_message *response);
bool mobike_watches_nat(const struct sa *sa);

/* mobike_too_often - the session sent too many UPDATE_SA_ADDRESSES: `request` is dropped, and the
 * peer repeats it. Each one costs data-plane work and log lines. */
bool mobike_too_often(struct sa *sa, const struct wire_message *request, nanos now);

/* mobike_answer - the MOBIKE part of an INFORMATIONAL request: writes NAT_DETECTION and COOKIE2.
 * false: the request is refused, and the reply is complete. *ret_move: commit with
 * mobike_moved(). */
bool mobike_answer(struct sa *sa, struct answering *answering, bool *ret_move);

/* mobike_moved - the peer moved to `path`, over which its request came. */
void mobike_moved(struct sa *sa, const struct ike_path *path, const struct nat_seen *nat,
                  nanos now);

/* mobike_answered_over - the path on which the peer received our UPDATE_SA_ADDRESSES. Its response
 * takes the path of the copy that it answers, and copies may have left over several paths. */
struct ike_path mobike_answered_over(const struct asking *asking, const struct ike_path *from);

/* mobike_say_again - sends UPDATE_SA_ADDRESSES once more, over one path, if copies left from
 * several of our addresses. The peer may have read a later copy than the one that it answered (RFC
 * 4555 section 3.5). */
void mobike_say_again(struct sa *sa, const struct asking *asking, const struct ike_path *there);

/* mobike_apply_pending - the peer has proven its new address: moves the IKE SA and its Child SAs
 * there. */
void mobike_apply_pending(struct sa *sa);

#endif
