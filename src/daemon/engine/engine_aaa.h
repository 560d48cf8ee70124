/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_AAA_H
#define DAEMON_ENGINE_AAA_H

/* The engine's side of the aaa process, and the RADIUS state of sessions. It always concerns a
 * session with all its paths, never one IKE SA. */

#include "daemon/common/aaa_channel.h"
#include "daemon/engine/engine_state.h"
#include "daemon/engine/grants.h"

int engine_aaa_add(struct engine *e) MUST_USE;
void engine_aaa_done(struct engine *e);

/* engine_radius_load, engine_radius_unload - see struct engine_ops. */
int engine_radius_load(struct engine *e, const struct aaa_server *server) MUST_USE;
int engine_radius_unload(struct engine *e, const char *name) MUST_USE;
/* engine_radius_switch - switches to the servers of the load, at most RADIUS_SERVERS. */
int engine_radius_switch(struct engine *e, const struct engine_load *load) MUST_USE;
/* engine_radius_keys - the keys of our certificates for RADIUS/TLS may sign for TLS. Call it after
 * servers or private keys have changed. */
int engine_radius_keys(struct engine *e) MUST_USE;

/* engine_grant_add - keeps the grant that came with EAP-Success. `earlier`: the grant of the
 * login's earlier rounds, which it joins, or 0. Returns its number for struct ike_proof; 0: no
 * memory, or malformed. */
uint64_t engine_grant_add(struct engine *e, const struct aaa_grant *what, uint64_t earlier);

/* engine_grant_lease - the addresses granted to the job's login or session. 0 and *ret_lease NULL:
 * none. ERR_NOT_FOUND: its grant is gone, so no lease may be given. */
int engine_grant_lease(const struct engine *e, const struct ike_event *event,
                       struct pools_grant *room, const struct pools_grant **ret_lease) MUST_USE;

/* engine_aaa_up - the session is authenticated. engine_aaa_down - the session has ended; its
 * counters still exist. */
void engine_aaa_up(struct engine *e, ike_session_id session);
void engine_aaa_down(struct engine *e, ike_session_id session, enum ike_outcome outcome);

/* engine_aaa_end - ends the session with all its paths. engine_aaa_settle - does what is due. */
void engine_aaa_end(struct engine *e, ike_session_id session, enum aaa_cause cause,
                    const char *why);
void engine_aaa_settle(struct engine *e, struct grant *grant);

/* engine_change.c: a server asks for a change of sessions; it gets its answer by `job`. */
void engine_change(struct engine *e, uint64_t job, const struct aaa_change *change);

/* engine_change_sound - the message of the aaa process is a well-formed change. */
bool engine_change_sound(const struct aaa_change *change);

/* engine_groups_fit - each round of the login that demands groups has one of them. */
bool engine_groups_fit(const struct engine *e, const struct ike_conn *conn,
                       const struct aaa_groups *groups);

nanos engine_aaa_deadline(const struct engine *e);
void engine_aaa_tick(struct engine *e);

/* engine_accounting.c. engine_accounts - a server takes accounting records.
 * engine_accounting_begin - the session is up: begins its account. engine_accounting_send - sends a
 * record of `grant`, which has an account. engine_accounting_cause - the cause of the end of a
 * session, for its last record. */
bool engine_accounts(const struct engine *e);
/* engine_accounting_user - User-Name, as RADIUS servers know it (RFC 2865 section 5.1). Returns its
 * length. */
size_t engine_accounting_user(const struct ike_session_info *session, uint8_t ret[RADIUS_VALUE]);
/* engine_accounting_id - Acct-Session-Id. */
void engine_accounting_id(const struct engine *e, ike_session_id session, char ret[AAA_SESSION_ID]);
void engine_accounting_begin(struct engine *e, struct grant *grant,
                             const struct ike_session_info *session);
void engine_accounting_send(struct engine *e, struct grant *grant, enum aaa_account_kind kind,
                            enum aaa_cause cause);
/* engine_accounting_keep - a session that came from another engine has an account there: its records go on.
 * engine_accounting_arrived - and its traffic can be read. */
void engine_accounting_keep(struct engine *e, struct grant *grant,
                            const struct ike_session_info *session,
                            const struct aaa_account *begun);
void engine_accounting_arrived(struct engine *e, struct grant *grant);

/* engine_grant.c. engine_grant_carry - to another engine. engine_grant_arrived - of a session, once all of it is here.
 * engine_grants_arrived - of all sessions. */
void engine_grant_carry(struct engine *e, ike_session_id session, struct carrier *c);
void engine_grant_arrived(struct engine *e, ike_session_id session);
void engine_grants_arrived(struct engine *e);

/* engine_accounting_nas - Accounting-On or -Off for each name that we have as a Gateway. */
void engine_accounting_nas(struct engine *e, enum aaa_account_kind kind);
enum aaa_cause engine_accounting_cause(const struct engine *e, enum ike_outcome outcome);

/* engine_helpers.c. engine_aaa_farewell - the engine ends: sends the last records. */
int engine_aaa_send(struct engine *e, const struct aaa_request *request) MUST_USE;
int engine_aaa_send_server(struct engine *e, struct aaa_request *request,
                           const struct aaa_server *server) MUST_USE;
void engine_aaa_farewell(struct engine *e);

#endif
