/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_CONN_INDEX_H
#define IKE_CONN_INDEX_H

/*
 * Finds the connection for an IKE_SA_INIT, at a cost that does not grow with the number of
 * connections. Connections with equal addresses and proposals form a class; its first one stands
 * for all. A request that no class can serve is refused before any class is looked at. Thousands of
 * connections usually form a handful of classes. If each names an address of its peer, the classes
 * are sorted by address.
 */

#include "ike/ike.h"
#include "ike/terms/proposal.h"

struct conn_index;

/* conn_index_find - the connection that fits the path best. Among equals the one that was loaded
 * first. `offer` NULL: proposals do not matter. *ret_choice is written only with an offer. Builds
 * the index if it is missing. NULL: no connection fits, or no memory for the index. */
struct ike_conn *conn_index_find(struct ike *ike, const struct ike_path *path,
                                 const struct wire_sa *offer, uint16_t ke_sent,
                                 struct proposal_choice *ret_choice);
/* conn_index_drop - the connections changed: frees the index, and the next search builds a new one.
 * Takes NULL. */
struct conn_index *conn_index_drop(struct conn_index *index);

/* conn_rank - how well a connection fits the addresses of a path. 0: it does not fit. */
unsigned conn_rank(const struct ike_conn *conn, const struct ike_path *path);

#endif
