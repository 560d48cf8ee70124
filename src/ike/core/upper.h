/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_UPPER_H
#define IKE_UPPER_H

/*
 * The functions of ike/exchanges and ike/login that the core calls. The core declares them here, so
 * no file of the core includes a header of the folders above it. The tables of functions for each
 * exchange are in exchange.h.
 */

#include "ike/core/exchange.h"

struct job;

/* --- ike/exchanges --- */

/*
 * rekey_ike_adopt - the peer uses Child SAs on an IKE SA that its rekey made. If our rekey crossed
 * and has no response yet, only the peer knows which SA inherits. Its use of them shows that this
 * SA does: the Child SAs move to it.
 */
void rekey_ike_adopt(struct sa *sa);

/* auth_lifetime_begin - the session was authenticated: sets the deadline of our configuration. */
void auth_lifetime_begin(struct session *session, nanos now);
/* auth_lifetime_set - Gateway: the authentication is valid for `lifetime` from now on.
 * `reauth_time` and the end of a certificate of the peer may shorten it. */
void auth_lifetime_set(struct session *session, nanos lifetime, nanos now);
/* auth_lifetime_due - End User: emits IKE_EV_REAUTH, once for each deadline. */
void auth_lifetime_due(struct session *session);

/* --- ike/login: our side --- */

/* login_start - IKE_CMD_CONNECT. */
int login_start(struct ike *ike, const struct ike_command *command, nanos now) MUST_USE;
/* login_cancel_sa - cancels a login. If IKE_AUTH is outstanding, the Gateway may already have a
 * session. Then we wait for the response and delete the IKE SA. */
void login_cancel_sa(struct sa *sa, nanos now);
/*
 * login_is_hint - an IKE_SA_INIT response only refuses, or lacks USE_PPK where a PPK is required.
 * Anyone can forge it, so we only remember it. For LOGIN_HINT_NS another response may contradict it
 * (RFC 7296 section 2.21.1, RFC 8784 section 6).
 */
bool login_is_hint(struct sa *sa, const struct wire_message *response, nanos now);
/* login_sent - a request of the login has left for the first time. */
void login_sent(struct sa *sa, nanos now);
/* login_tries_again - the Gateway leaves the login with a session ticket unanswered (RFC 5723).
 * true: another login without the ticket has taken over the caller's intent, and this IKE SA
 * ends. */
bool login_tries_again(struct sa *sa, nanos now);
/* login_hint - the outcome that the remembered response stands for; false: there was no such
 * response. */
bool login_hint(const struct sa *sa, struct verdict *ret_verdict);

/* --- ike/login: their side --- */

/* login_answer_init - an IKE_SA_INIT or IKE_SESSION_RESUME request. */
void login_answer_init(struct ike *ike, const struct ike_path *path,
                       const struct wire_message *request, nanos now);
/* ticket_refuse - answers TICKET_NACK to a request for a session ticket on an established IKE SA
 * (RFC 5723 section 4.1). ikat gives tickets in IKE_AUTH alone. */
void ticket_refuse(const struct sa *sa, const struct wire_message *request,
                   struct wire_builder *reply);
/* login_ticket_opened - the job of an IKE_SESSION_RESUME request has ended. */
void login_ticket_opened(struct sa *sa, const struct ike_result *result, nanos now);
/* login_tickets_ended - all tickets of the family are revoked: refuses the logins under way with
 * one. */
void login_tickets_ended(struct ike *ike, uint64_t family);
/* login_init_agreed - the key exchange of a half-open IKE SA has ended. */
void login_init_agreed(struct sa *sa, nanos now);
/* login_request_fits - the payloads of an IKE_AUTH request are sound. Malformed payloads of the
 * Child SA end the login: the peer reads INVALID_SYNTAX as the end of the IKE SA (RFC 7296 section
 * 2.21.2). */
bool login_request_fits(const struct sa *sa, const struct answering *answering);
/* login_is_refused - the refusal was sent, and the IKE SA stays only to repeat it. */
bool login_is_refused(const struct sa *sa);
/* login_refusal_at - when the refusal of AUTH is due; NANOS_NEVER: none is. login_refusal_due -
 * sends it. */
nanos login_refusal_at(const struct sa *sa);
void login_refusal_due(struct sa *sa, nanos now);

/* --- ike/login: both --- */

/* login_conn - the connection of a login that has no session yet. A Gateway guesses it by addresses
 * until IKE_AUTH. */
const struct ike_conn *login_conn(const struct sa *sa);

/* login_count_failure - the IKE SA ends: counts its login as failed, unless the login has made a session, or goes on
 * in another IKE SA. */
void login_count_failure(struct sa *sa, enum ike_outcome outcome);

void login_job_done(struct sa *sa, enum ike_event_kind kind, const struct ike_result *result,
                    nanos now);
/* login_lease_orphaned - releases a lease that came after the end of its IKE SA. */
void login_lease_orphaned(struct ike *ike, const struct job *job);
/* login_fragmentation - the peer may send SKF before a session exists. login_sends_fragments - we
 * may send fragments to the peer. */
bool login_fragmentation(const struct sa *sa);
bool login_sends_fragments(const struct sa *sa);
struct login *login_free(struct ike *ike, struct login *login); /* takes NULL; returns NULL */

/* --- ike/login: early_request.h --- */

struct early;
/* early_request - true: the request was kept, or dropped because one is kept already. On an IKE SA
 * in IKE_AUTH it is authentic. On one that a rekey or clone makes, it is not authenticated yet. */
bool early_request(struct sa *sa, const struct ike_path *path, const struct wire_message *outer);
/* early_on_clone - the same for a request to an SPI that we offered for a clone. Its octets are not
 * authenticated yet. */
bool early_on_clone(struct ike *ike, const struct ike_path *path, const struct wire_message *outer);
/* early_due - the IKE SA is established and knows its inner addresses: early_replay() reads its
 * request. */
void early_due(struct sa *sa);
void early_replay(struct ike *ike, nanos now);
struct early *early_free(struct early *early); /* takes NULL; returns NULL */

/* --- ike/login: redirect.h --- */

/* redirect_found - the message has a REDIRECT that we may follow. `init`: the message is not
 * protected, and must return our nonce. */
bool redirect_found(const struct sa *sa, const struct wire_message *message, bool init);
/* redirect_follow - emits IKE_EV_REDIRECT for the REDIRECT that redirect_found has found. */
void redirect_follow(struct sa *sa, const struct wire_message *message);

#endif
