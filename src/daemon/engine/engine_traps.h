/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_TRAPS_H
#define DAEMON_ENGINE_TRAPS_H

/*
 * Functions that the files of traps share:
 *
 *   engine_traps.c         which children are traps
 *   engine_hold.c          the holds for them, and for children that block on failure
 *   engine_trap_acquire.c  a packet asks for a session, with which host
 *   engine_trap_rest.c     the peer agreed to a part of a trap
 */
#include "daemon/engine/engine_state.h"

/* engine_trap_selectors - the remote selectors for which packets are caught. `dynamic` is the peer, if its address
 * is known, or the networks of all possible peers. */
struct ike_ts_list engine_trap_selectors(const struct ike_conn *conn,
                                         const struct ike_child_policy *child);

/* engine_trap_named - the trap of that name. NULL: none, or `conn` is NULL. */
const struct ike_child_policy *engine_trap_named(const struct engine *e,
                                                 const struct ike_conn *conn, const char *child);

/* engine_trap_is_up - the connection has the child. `to`: with that host; family NONE: with any. */
bool engine_trap_is_up(struct engine *e, const struct ike_conn *conn, const char *name,
                       const struct address *to);

/* engine_trapped_of - the entry of that trap and host. If it has none, the entry whose pause ends
 * first, for reuse. */
struct trapped *engine_trapped_of(struct engine *e, const char *conn, const char *child,
                                  const struct address *to);

/* engine_trap_asks - the trap of `child` may ask that host now, and this call counts as asking.
 * false: it asked the host a moment ago, or too many hosts were asked in this second. `to` of
 * family NONE: the only peer. */
bool engine_trap_asks(struct engine *e, const struct ike_conn *conn,
                      const struct ike_child_policy *child, const struct address *to) MUST_USE;

/* engine_trap_rest - the peer agreed to a part of the trap, and the packet belongs to the rest:
 * asks for a further Child SA. The request begins with the selectors of the packet (RFC 7296
 * section 2.9), so the peer knows the wanted part. One request at a time. */
void engine_trap_rest(struct engine *e, const struct ike_conn *conn,
                      const struct ike_child_policy *child, const struct esp_acquire *wanted);

#endif
