/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_REQIDS_H
#define DAEMON_REQIDS_H

/*
 * The numbers that VICI shows as reqid. Child SAs with the same selectors, marks and interface
 * ids have the same number: on all paths of a session, before and after a rekey, and in the session
 * that replaces another one (a mark of %unique belongs to one session, and so does its number). A
 * number without a Child SA is given out again; the number that became free last comes first.
 */

#include "ike/ike.h"

struct reqids;

struct reqids *reqids_new(void);                   /* NULL: no memory */
struct reqids *reqids_free(struct reqids *reqids); /* takes NULL; returns NULL */

/* reqids_take - the Child SA, which has no number yet, is installed. Without memory it stays without
 * a number. reqids_drop - the Child SA has ended. */
void reqids_take(struct reqids *reqids, const struct ike_child_install *install);
void reqids_drop(struct reqids *reqids, ike_child_id child);

uint32_t reqids_get(const struct reqids *reqids, ike_child_id child); /* from 1; 0: none */

#endif
