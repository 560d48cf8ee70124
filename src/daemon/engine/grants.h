/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_GRANTS_H
#define DAEMON_GRANTS_H

/*
 * The grants of RADIUS servers to logins and their sessions. A login gets a number for its grant
 * (struct ike_proof), and its session claims the grant by that number. The grant of a failed login
 * is never claimed. It is dropped after GRANTS_UNCLAIMED_NS, or when more than GRANTS_UNCLAIMED
 * wait. A session that logged in without RADIUS gets an empty grant.
 */

#include "base/deadline_heap.h"
#include "daemon/common/aaa_channel.h"
#include "ike/ike.h"

#define GRANTS_UNCLAIMED    (2 * (LIMIT_HALF_OPEN + LIMIT_PATIENT))
#define GRANTS_UNCLAIMED_NS (600 * NANOS_PER_SEC) /* longer than any login takes */

struct grants;

struct grant {
    uint64_t number;          /* 0: the session has none */
    ike_session_id session;   /* 0: not claimed yet */
    nanos born_ns, up_ns;     /* of the login; of the session */
    struct deadline deadline; /* of the session; for use by the owner of the table */
    struct aaa_grant what;
    struct aaa_account *account; /* owned; NULL: no accounting */
    nanos interval_ns;           /* between interim records; 0: none */
    nanos interim_at_ns;         /* NANOS_NEVER: none */
    /* the reason for which we end the session; 0: we do not end it */
    enum aaa_cause cause;
    struct grant *next, *previous; /* unclaimed grants, oldest first; used by the table */
};

struct grants *grants_new(void);                   /* NULL: no memory */
struct grants *grants_free(struct grants *grants); /* takes NULL; returns NULL */

/* grants_add - a login succeeded. Returns the number of its grant; 0: no memory. */
uint64_t grants_add(struct grants *grants, const struct aaa_grant *what, nanos now);

/* grants_join - adds the grant of a later round of the same login. The shorter times count. Groups,
 * name servers and Class attributes of both rounds count, while there is room. Any other value of
 * the later round replaces the earlier one. */
void grants_join(struct grant *grant, const struct aaa_grant *more);

/* grants_find - NULL: there is none with that number. Borrowed until it is dropped. */
struct grant *grants_find(const struct grants *grants, uint64_t number);

/* grants_claim - the grant belongs to the session until grants_drop(). `number` 0: an empty grant.
 * NULL: it is gone, it is another session's, or no memory. */
struct grant *grants_claim(struct grants *grants, uint64_t number, ike_session_id session);
/* grants_keep - the grant of a session that came from another engine, with the number that it had there. NULL: no
 * memory, or the number or session has one. */
struct grant *grants_keep(struct grants *grants, uint64_t number, ike_session_id session);
struct grant *grants_of(const struct grants *grants, ike_session_id session); /* NULL: none */
void grants_drop(struct grants *grants, struct grant *grant);

/* grants_wake - sets the time when the session is due; NANOS_NEVER: never. grants_due - the next
 * session that is due, NULL: none; it stays due until its time is changed. */
void grants_wake(struct grants *grants, struct grant *grant, nanos at);
struct grant *grants_due(const struct grants *grants, nanos now);
nanos grants_deadline(const struct grants *grants);

#endif
