/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CHAIN_WATCH_H
#define DAEMON_CHAIN_WATCH_H

/*
 * The certificate chains of logged-in peers. A later revocation ends the sessions of that
 * certificate. A chain is checked again when lists of revocations or CAs have changed, when one of
 * its statuses has expired, and every CHAIN_WATCH_MOST.
 *
 *      chain_watch_add      a login is verified: its chain gets a number
 *      chain_watch_claim    the login became that session
 *      chain_watch_pass     another session goes on with the chains (RFC 5723: it resumed)
 *      chain_watch_forget   the session is over
 *      chain_watch_export   the session goes on in another engine, with another verifier
 *      chain_watch_step     checks a few of the chains that are due
 *      chain_watch_revoked  the next session that must end
 *
 * Only "revoked" ends a session. An unknown status does not, for all values of `revocation`:
 * otherwise an attacker who blocks a server could end all sessions. Chains of failed logins are
 * never claimed. They are dropped like grants (engine/grants.h).
 */

#include "base/time.h"
#include "daemon/verifier/cert_check.h"

#define CHAIN_WATCH_LOGINS       262144
#define CHAIN_WATCH_UNCLAIMED    (2 * (LIMIT_HALF_OPEN + LIMIT_PATIENT))
#define CHAIN_WATCH_UNCLAIMED_NS (600 * NANOS_PER_SEC) /* longer than any login takes */
/* chains that one step checks: other requests are served in between */
#define CHAIN_WATCH_STEP      8
#define CHAIN_WATCH_SETTLE    (200 * NANOS_PER_MS) /* several lists often come together */
#define CHAIN_WATCH_FETCHING  NANOS_PER_SEC        /* a status is being fetched; doubles */
#define CHAIN_WATCH_DOUBLINGS 6
#define CHAIN_WATCH_RETRY     (60 * NANOS_PER_SEC)   /* no server answered */
#define CHAIN_WATCH_MOST      (3600 * NANOS_PER_SEC) /* clocks may jump */

struct chain_watch;

struct chain_watch *chain_watch_new(void);                       /* NULL: no memory */
struct chain_watch *chain_watch_free(struct chain_watch *watch); /* takes NULL; returns NULL */

/* struct chain_watched - a chain as libcrypto verified it, the peer's first. Borrowed. */
struct chain_watched {
    STACK_OF(X509) * chain;
    bool of_gateway;
};

/* chain_watch_add - 0 and *ret_number 0: no CA can revoke any of it. ERR_NO_MEMORY; ERR_FULL. */
int chain_watch_add(struct chain_watch *watch, const struct chain_watched *what, nanos now,
                    uint64_t *ret_number) MUST_USE;

/* chain_watch_claim - ERR_NOT_FOUND: the number is not known, or another session has it;
 * ERR_NO_MEMORY. The session must then end: no watch would report a revocation of its
 * certificate. */
int chain_watch_claim(struct chain_watch *watch, uint64_t number, uint32_t session) MUST_USE;

/* chain_watch_pass - gives all chains of session `from` to session `to`, which has none. If one was
 * revoked, `to` must end. ERR_NOT_FOUND, ERR_NO_MEMORY: as chain_watch_claim. */
int chain_watch_pass(struct chain_watch *watch, uint32_t from, uint32_t to) MUST_USE;
void chain_watch_forget(struct chain_watch *watch, uint32_t session);

/* chain_watch_export - writes the chains of the session, and keeps them. ERR_NOT_FOUND: it has
 * none; ERR_TRUNCATED: no room. chain_watch_import - adds these chains for the session.
 * ERR_INVALID: malformed octets; other errors: as chain_watch_add and chain_watch_claim. After an
 * error the session must end. */
int chain_watch_export(const struct chain_watch *watch, uint32_t session,
                       struct writer *w) MUST_USE;
int chain_watch_import(struct chain_watch *watch, uint32_t session, struct span octets,
                       nanos now) MUST_USE;

/* chain_watch_step - checks chains that are due, with the store and the current revocation
 * statuses. */
void chain_watch_step(struct chain_watch *watch, struct cert_store *store,
                      struct revocation *revocation, nanos now);
nanos chain_watch_deadline(const struct chain_watch *watch);

/* chain_watch_revoked - the next session that must end; false: none. A session comes once for each
 * of its chains. */
bool chain_watch_revoked(struct chain_watch *watch, uint32_t *ret_session,
                         char ret_reason[VERIFIER_REASON]);

#endif
