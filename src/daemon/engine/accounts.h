/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ACCOUNTS_H
#define DAEMON_ACCOUNTS_H

/*
 * The traffic of a session, path by path, from its login to its end. Each octet is charged to the
 * path that its Child SA had at that time. A path is a pair of outer addresses and, if known, our
 * interface; ports do not matter.
 */

#include "base/carrier.h"
#include "daemon/vici/engine_ops.h"

struct accounts;

/* accounts_read - reads the current counters of a Child SA; false: it has none. */
typedef bool (*accounts_read)(void *context, ike_child_id child,
                              struct engine_child_traffic *ret_traffic);

struct accounts *accounts_new(accounts_read read, void *context); /* NULL: no memory */
struct accounts *accounts_free(struct accounts *accounts);        /* takes NULL; returns NULL */

/* struct account_who - the parties of a session; the identities as identity_print writes them. */
struct account_who {
    enum ike_session_role role;
    bool resumed; /* by a ticket (RFC 5723) */
    const char *conn, *local_id, *remote_id;
};

/* accounts_begin - the session is up. A copy of `who` is kept for its end, when the core may have
 * forgotten the session. */
void accounts_begin(struct accounts *accounts, ike_session_id session,
                    const struct account_who *who, nanos now);

/* accounts_child - the Child SA carries packets from now on. Without memory its traffic is not
 * counted. accounts_moved - the Child SA moved to this path. accounts_child_gone - call it before
 * its counters disappear. */
void accounts_child(struct accounts *accounts, ike_session_id session, ike_child_id child,
                    const struct ike_path *path);
void accounts_moved(struct accounts *accounts, ike_child_id child, const struct ike_path *path);
void accounts_child_gone(struct accounts *accounts, ike_child_id child);

/* accounts_who - the parties given to accounts_begin, and the time of that call; false: the session
 * was never up. Borrowed until accounts_end. */
bool accounts_who(const struct accounts *accounts, ike_session_id session,
                  struct account_who *ret_who, nanos *ret_began_ns);

/* accounts_end - the session has ended: forgets its account. */
void accounts_end(struct accounts *accounts, ike_session_id session);

struct account {
    struct ike_path path; /* ports 0 */
    struct engine_child_traffic traffic;
};

/* accounts_at - the index-th path of a session, in order of first use; false: no more. */
bool accounts_at(struct accounts *accounts, ike_session_id session, size_t index,
                 struct account *ret_account);

/* accounts_path - the traffic of that path; zero if it carried none. */
struct engine_child_traffic accounts_path(struct accounts *accounts, ike_session_id session,
                                          const struct ike_path *path);

/* accounts_carry - the traffic of the session so far goes to another engine, path by path (base/carrier.h).
 * accounts_child_counted - the Child SA arrived in the same way: its counters up to now are in that traffic. */
void accounts_carry(struct accounts *accounts, ike_session_id session, struct carrier *c);
void accounts_child_counted(struct accounts *accounts, ike_child_id child);

#endif
