/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_CONN_INDEX_H
#define IKE_CONN_INDEX_H

/*
 * Which connection an IKE_SA_INIT is for, at a cost that does not grow with their number: the
 * connections lie in classes of equal addresses and proposals, of which the first one speaks for
 * all, and what none of them offers is refused before any is looked at. A daemon with thousands of
 * connections has a handful of classes, unless each names an address of its peer; these lie in
 * order of address.
 */

#include "ike/ike.h"
#include "ike/terms/proposal.h"

struct conn_index;

/* conn_index_find - the connection that fits the path best, the first loaded of equals. `offer`
 * NULL: whatever it proposes. *ret_choice is written with an offer only. NULL: none. Builds the
 * index if there is none; NULL as well if there is no memory for it. */
struct ike_conn *conn_index_find(struct ike *ike, const struct ike_path *path,
                                 const struct wire_sa *offer, uint16_t ke_sent,
                                 struct proposal_choice *ret_choice);
/* conn_index_drop - connections changed: the next search builds a new index. Takes NULL. */
struct conn_index *conn_index_drop(struct conn_index *index);

#endif
