/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_SESSION_EXPORT_H
#define IKE_SESSION_EXPORT_H

/*
 * A session leaves this process and goes on in another one; the peer notices nothing. This is the IKE
 * core's section of it: the session, its IKE SAs with their keys and windows, its Child SAs without
 * their keys, which the data plane carries. ARCHITECTURE.md has the whole: "A session leaves and comes
 * back".
 *
 *      ike_session_freeze     nothing new is begun; what is under way comes to its end
 *      ike_session_export     until it does not say ERR_AGAIN any more: then the session is gone here
 *      ike_session_import     in the other process
 *
 * Export moves. From then on the source sends nothing for the session: the keys of two processes would
 * repeat a nonce, and two windows would differ. That includes unprotected answers: once a session left,
 * a message or ESP with an SPI that nothing has here is not answered. Octets are imported once.
 *
 * The source answers requests of the peer until the session leaves. The last response leaves with the session, for a
 * repeated request (RFC 7296 section 2.1). The source does not answer a request that comes later: the peer repeats it,
 * and the importer answers.
 *
 * A login that is under way may be meant to take the place of a session. Whoever exports sessions waits for the end of
 * such logins, or ends them, and lets no other begin. Otherwise both processes would have a session with the same inner
 * address.
 */

#include "ike/ike.h"

/* struct ike_exported - octets with keys; to be wiped by ike_exported_done. Zeroed: none. */
struct ike_exported {
    uint8_t *octets; /* owned */
    size_t len;
};
void ike_exported_done(struct ike_exported *exported);

/* ike_silence - IKE_SA_INIT requests get no answer any more. Logins that have begun go on. */
void ike_silence(struct ike *ike);

/*
 * ike_session_freeze - prepares an established session to leave. Commands for it are refused, except
 * Deletes. Rekeys by lifetime and liveness checks wait. A question that has no response yet is
 * abandoned, and its command ends with IKE_CANCELLED. ERR_NOT_FOUND; ERR_WRONG_STATE: it is not
 * established, or it is ending.
 */
int ike_session_freeze(struct ike *ike, ike_session_id id, nanos now) MUST_USE;
/* ike_session_thaw - it stays after all. Takes a session that is gone, or not frozen. */
void ike_session_thaw(struct ike *ike, ike_session_id id, nanos now);

/* ike_session_quiet - the frozen session could leave now: ike_session_export would not say ERR_AGAIN. */
bool ike_session_quiet(struct ike *ike, ike_session_id id, nanos now);

/*
 * ike_session_export - takes the frozen session out of this process, without a word to the peer and
 * without an event. ERR_AGAIN: an exchange or a job is under way, or events and datagrams wait to be
 * pulled. ERR_NOT_FOUND: there is no such session; or its connection, or a child of it, is not loaded any
 * more, and no importer would take it; ERR_WRONG_STATE: it is not frozen, or it is ending; ERR_FULL: it has
 * more than an importer takes; ERR_NO_MEMORY; ERR_CRYPTO. After an error the session is as it was.
 */
int ike_session_export(struct ike *ike, ike_session_id id, struct ike_exported *ret_exported,
                       nanos now) MUST_USE;

/* ike_session_export_most - no more octets leave with the session now. 0: there is no such session. */
size_t ike_session_export_most(const struct ike *ike, ike_session_id id);

/*
 * ike_session_import - the session goes on here, with the numbers that it had: of the session, its IKE
 * SAs and its Child SAs. Other layers name it by them. No event announces it. Everything is checked
 * before anything changes. ERR_INVALID: octets that are cut, changed, or of a version that is not
 * known; ERR_NOT_FOUND: its connection, or a child of it, is not loaded; ERR_WRONG_STATE: these octets
 * were imported before, or a number or SPI is in use; ERR_FULL; ERR_NO_MEMORY; ERR_CRYPTO.
 */
int ike_session_import(struct ike *ike, struct span octets, ike_session_id *ret_id,
                       nanos now) MUST_USE;

#endif
