/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_UPPER_H
#define IKE_UPPER_H

/*
 * What the core asks of the folders above it. The core declares these functions; ike/exchanges and
 * ike/login define them. So no file of the core includes a header of theirs. The rows of functions
 * for each exchange are in exchange.h.
 */

#include "ike/core/exchange.h"

struct job;

/* --- ike/exchanges --- */

/*
 * rekey_ike_adopt - the peer uses Child SAs on an IKE SA that its rekey made. If our rekey crossed
 * and has no response yet, only the peer knows which SA inherits. This request shows it: the Child
 * SAs move.
 */
void rekey_ike_adopt(struct sa *sa);

/* auth_lifetime_begin - the session was authenticated: sets the deadline of our configuration. */
void auth_lifetime_begin(struct session *session, nanos now);
/* auth_lifetime_set - Gateway: the authentication holds so long from now on, less if `reauth_time`
 * says so, or if a certificate of the peer ends before. */
void auth_lifetime_set(struct session *session, nanos lifetime, nanos now);
/* auth_lifetime_due - End User: emits IKE_EV_REAUTH, once for each deadline. */
void auth_lifetime_due(struct session *session);

/* --- ike/login: our side --- */

/* login_start - IKE_CMD_CONNECT. */
int login_start(struct ike *ike, const struct ike_command *command, nanos now) MUST_USE;
/* login_cancel_sa - ends a login that nobody wants any more. If IKE_AUTH is outstanding, the
 * Gateway may already have a session. Then we wait for the response and delete the IKE SA there. */
void login_cancel_sa(struct sa *sa, nanos now);
/*
 * login_is_hint - an IKE_SA_INIT response holds nothing but a refusal, or lacks USE_PPK where a PPK
 * is required. Anyone can forge it, so we only remember it. The responder has LOGIN_HINT_NS to
 * contradict (RFC 7296 section 2.21.1, RFC 8784 section 6).
 */
bool login_is_hint(struct sa *sa, const struct wire_message *response, nanos now);
/* login_sent - a request of the login has left for the first time. */
void login_sent(struct sa *sa, nanos now);
/* login_tries_again - no response comes to the login of a session ticket (RFC 5723). true: another
 * login without it has taken over the caller's intent, and this IKE SA is to end. */
bool login_tries_again(struct sa *sa, nanos now);
/* login_hint - how the login ends by such a response; false: there was none. */
bool login_hint(const struct sa *sa, struct verdict *ret_verdict);

/* --- ike/login: their side --- */

/* login_answer_init - an IKE_SA_INIT or IKE_SESSION_RESUME request. */
void login_answer_init(struct ike *ike, const struct ike_path *path,
                       const struct wire_message *request, nanos now);
/* ticket_refuse - to a request on an established IKE SA that asks for a session ticket: TICKET_NACK
 * (RFC 5723 section 4.1). ikat gives tickets in IKE_AUTH alone. */
void ticket_refuse(const struct sa *sa, const struct wire_message *request,
                   struct wire_builder *reply);
/* login_ticket_opened - the job of an IKE_SESSION_RESUME request has ended. */
void login_ticket_opened(struct sa *sa, const struct ike_result *result, nanos now);
/* login_tickets_ended - refuses the logins that are under way by a ticket of the family: no ticket of
 * it counts any more. */
void login_tickets_ended(struct ike *ike, uint64_t family);
/* login_init_agreed - the key exchange of a half-open IKE SA has ended. */
void login_init_agreed(struct sa *sa, nanos now);
/* login_request_fits - the payloads of an IKE_AUTH request are sound. A Child SA that cannot be read
 * ends the login: to the peer INVALID_SYNTAX says that there is no IKE SA (RFC 7296
 * section 2.21.2). */
bool login_request_fits(const struct sa *sa, const struct answering *answering);
/* login_is_refused - the refusal was sent, and the IKE SA stays only to repeat it. */
bool login_is_refused(const struct sa *sa);
/* login_refusal_at - when the refusal of AUTH is due; NANOS_NEVER: there is none.
 * login_refusal_due - sends it. */
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
/* login_lease_orphaned - a lease came after the end of its IKE SA: releases it. */
void login_lease_orphaned(struct ike *ike, const struct job *job);
/* login_fragmentation - the peer may send SKF before there is a session. login_sends_fragments - we
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

/* redirect_found - the message has a REDIRECT that we may follow. `init`: it is not protected, and
 * brings our nonce back. */
bool redirect_found(const struct sa *sa, const struct wire_message *message, bool init);
/* redirect_follow - emits IKE_EV_REDIRECT for what redirect_found has found. */
void redirect_follow(struct sa *sa, const struct wire_message *message);

#endif
