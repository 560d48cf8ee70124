/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_SERVICE_H
#define DAEMON_AAA_SERVICE_H

/*
 * Passes EAP packets between a peer and a RADIUS server (RFC 3579), and sends accounting records
 * (RFC 2866). It is the part of the aaa process without sockets.
 */

#include "daemon/aaa/account_queue.h"
#include "daemon/aaa/change_requests.h"
#include "daemon/common/aaa_channel.h"
#include "radius/radius_client.h"

struct aaa_service;

/* aaa_service_new - `accounts_fd`, `handed`: of account_queue.h; -1: none. `random` is borrowed. NULL: no
 * memory. */
struct aaa_service *aaa_service_new(const struct random *random, int accounts_fd, bool handed);
struct aaa_service *aaa_service_free(struct aaa_service *service); /* wipes; takes NULL */

/* aaa_service_client - the RADIUS client, for datagrams and deadlines. */
struct radius_client *aaa_service_client(struct aaa_service *service);

/* aaa_service_server - server `index` (below RADIUS_SERVERS), borrowed; NULL: no server is
 * there. */
const struct aaa_server *aaa_service_server(const struct aaa_service *service, unsigned index);

/* aaa_service_load - handles AAA_SERVER_LOAD of an engine that may be hostile; wipes the secret in
 * the request. ERR_INVALID; ERR_FULL. *ret_changed: as in aaa_service_ask(). */
int aaa_service_load(struct aaa_service *service, struct aaa_server *server,
                     uint32_t *ret_changed) MUST_USE;

/*
 * aaa_service_ask - handles any other request of an engine that may be hostile. true: send
 * *ret_answer now. false: no answer yet, or none at all. *ret_changed: bits 1 << index of the
 * servers that were replaced or removed.
 */
bool aaa_service_ask(struct aaa_service *service, const struct aaa_request *request, nanos now,
                     struct aaa_answer *ret_answer, uint32_t *ret_changed);

/* aaa_service_stage_begin - the loader with this number begins. aaa_service_stage_load - handles
 * its AAA_SERVER_LOAD: keeps the server aside until AAA_STAGE_COMMIT of the engine, and wipes the
 * secret in the request. ERR_INVALID; ERR_FULL. */
void aaa_service_stage_begin(struct aaa_service *service, uint64_t number);
int aaa_service_stage_load(struct aaa_service *service, struct aaa_server *server) MUST_USE;

/* aaa_service_why_set - the reason, for a person, why a server with RADIUS/TLS has no connection;
 * empty: it has one. */
void aaa_service_why_set(struct aaa_service *service, unsigned index, const char *why);

/* aaa_service_change - a datagram from `from->source` arrived at our port, or, with from->stream, a
 * packet over a connection of from->server; the rest of `from` is filled in here. CHANGE_ASK: the
 * change goes to the engine, whose AAA_CHANGED goes to aaa_service_changed(); true: send *ret_reply. */
enum change_verdict aaa_service_change(struct aaa_service *service, struct change_from *from,
                                       uint16_t port, const struct change_when *when,
                                       struct change_result *ret);
bool aaa_service_changed(struct aaa_service *service, const struct aaa_request *request,
                         struct change_reply *ret_reply);

/* aaa_service_tick - hands accounting records that are due to the client. `wall_s`: seconds since
 * 1970. */
void aaa_service_tick(struct aaa_service *service, nanos now, int64_t wall_s);
nanos aaa_service_deadline(const struct aaa_service *service);
const struct account_queue *aaa_service_accounts(const struct aaa_service *service);

/* aaa_service_outcome - the outcome of a RADIUS request. true: send *ret_answer. */
bool aaa_service_outcome(struct aaa_service *service, const struct radius_outcome *outcome,
                         nanos now, struct aaa_answer *ret_answer);

#endif
