/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_SESSION_OCTETS_H
#define IKE_SESSION_OCTETS_H

/*
 * A session as octets, between session_export.c and session_import.c:
 *
 *      "ikSE", version, number of the export, session { IKE SAs { Child SAs } }, SHA-256
 *
 * The digest covers all octets in front of it. The number is drawn at random for each export.
 *
 * Once a release has a version, a change of the carried fields needs a new one: EXPORT_VERSION
 * grows, the function asks for carrier->version, and the octets of the last release stay readable
 * (test/exchange/export_hostile_test.c). No release has version 1 yet. The values of the enums that
 * travel are part of the version, too.
 */

#include "base/carrier.h"
#include "ike/core/ike_state.h"
#include "ike/core/intent.h"

#define EXPORT_MAGIC   "ikSE"
#define EXPORT_VERSION 1
#define EXPORT_OLDEST  1 /* the oldest version that is read: the one before EXPORT_VERSION */
#define EXPORT_DIGEST  32

/* session_carry - carries the session, its IKE SAs and its Child SAs. A carrier that reads fills in
 * a `session` whose members are zero, except `ike`; the session, its IKE SAs and its Child SAs stay
 * out of all tables. session_carried_free frees them. */
void session_carry(struct carrier *c, struct session *session);
void session_carried_free(struct session *session); /* takes NULL */

/* session_octets_most - an upper bound of the octets of the session. */
size_t session_octets_most(const struct session *session);

/* export_carries - an outstanding request of this kind may leave with its IKE SA: its response
 * changes no state. */
bool export_carries(enum intent_kind kind);

#endif
