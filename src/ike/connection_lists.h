/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_CONNECTION_LISTS_H
#define IKE_CONNECTION_LISTS_H

/*
 * The lists of a connection, and the lists of their items: one table says where each pointer is, how
 * many items it leads to and how many there may be. Everything that has to follow the pointers uses
 * this table: room for all, copies, comparison. For connection.c only.
 */

#include "ike/connection.h"

/* conn_lists_room_size - octets for the most items of each list. conn_lists_room - makes the lists
 * of `conn` lead there; `memory` is zeroed and aligned as malloc() does. */
size_t conn_lists_room_size(void);
void conn_lists_room(struct ike_conn *conn, void *memory);

/* conn_lists_size - octets for the items that there are. conn_lists_copy - `copy` has the octets of
 * another connection: moves its lists to `memory`, with the items. */
size_t conn_lists_size(const struct ike_conn *conn);
void conn_lists_copy(struct ike_conn *copy, void *memory);

/* conn_lists_fill - copies the fields and the items of `from` to `conn`, which has room for all. */
void conn_lists_fill(struct ike_conn *conn, const struct ike_conn *from);

/* conn_lists_same - compares all behind `name` in the structs, and the items of all lists. */
bool conn_lists_same(const struct ike_conn *a, const struct ike_conn *b);

#endif
