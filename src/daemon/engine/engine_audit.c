/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records for the audit file. They wait in an outbox while the audit process is slow. Each kind of
 * record that unauthenticated peers can cause has its own limit, so failed logins hide no change of
 * address. The next record of the kind has the number of omitted ones.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "base/rate.h"
#include "control/tree.h"
#include "daemon/common/audit_channel.h"
#include "daemon/common/log.h"
#include "daemon/engine/accounts.h"
#include "daemon/engine/engine_state.h"
#include "eap/eap.h"

#define STRANGERS_PER_SECOND 100 /* refused logins; and as many changes of address */

static void on_audit(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    if (events & EVENT_WRITE)
        engine_helper_flush(e, e->to_audit, fd);
}

int engine_audit_add(struct engine *e)
{
    int fd = e->start->audit_fd;
    if (fd < 0)
        return 0;
    int flags = fcntl(fd, F_GETFL); /* a new audit process reads the same channel */
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return ERR_SYSTEM;
    e->to_audit = outbox_new(fd);
    return e->to_audit == NULL ? ERR_NO_MEMORY
                               : event_loop_add(e->loop, fd, EVENT_READ, on_audit, e);
}

/* engine_audit_done - waits for the audit process to take the remaining records, a second at
 * most. */
void engine_audit_done(struct engine *e)
{
    struct pollfd ready = {.fd = e->start->audit_fd, .events = POLLOUT};
    for (int i = 0; i < 20 && e->to_audit != NULL && outbox_waiting(e->to_audit) > 0; i++)
        if (poll(&ready, 1, 50) < 0 || outbox_flush(e->to_audit) == ERR_SYSTEM)
            break;
    e->to_audit = outbox_free(e->to_audit);
}

/* record_send - sends a record. A lost record is counted in the next one of its kind. */
static void record_send(struct engine *e, struct audit_record *record)
{
    uint32_t *left_out = &e->audits_left_out[record->kind];
    record->left_out = *left_out;
    int error = outbox_send(e->to_audit, span_of(record, sizeof(*record)), (struct span){0});
    *left_out = error == 0 ? 0 : *left_out + 1;
    if (error == 0 && outbox_waiting(e->to_audit) > 0)
        error = event_loop_change(e->loop, e->start->audit_fd, EVENT_READ | EVENT_WRITE);
    if (error != 0 && !e->audit_lost)
        log_line(LOG_LEVEL_ERROR, "event=audit-record-lost error=\"%s\"", error_text(error));
    e->audit_lost = error != 0;
}

/* stranger_send - sends a record that a peer can cause without a login, or at any rate. */
static void stranger_send(struct engine *e, struct audit_record *record)
{
    if (!rate_second(&e->audits_ns[record->kind], STRANGERS_PER_SECOND, e->now)) {
        e->audits_left_out[record->kind]++;
        return;
    }
    record_send(e, record);
}

/* --- facts --- */

static void put_text(char *out, size_t cap, const char *text)
{
    (void)snprintf(out, cap, "%s", text);
}

#define PUT(record, member, text) put_text((record)->member, sizeof((record)->member), text)

static void put_path(struct audit_record *record, const struct ike_path *path)
{
    (void)endpoint_print(&path->local, record->local);
    (void)endpoint_print(&path->remote, record->remote);
}

static void put_who(struct audit_record *record, const struct account_who *who)
{
    record->role = who->role == IKE_GATEWAY ? AUDIT_GATEWAY : AUDIT_END_USER;
    PUT(record, conn, who->conn);
    PUT(record, local_id, who->local_id);
    PUT(record, remote_id, who->remote_id);
}

/* put_method - writes the rounds that the peer has proven, unless a ticket replaced them. EAP has
 * its method, if this host or its RADIUS server knows it. */
static void put_method(struct audit_record *record, const struct ike_session_info *session,
                       bool resumed)
{
    static const char *const names[] = {
        [IKE_AUTH_PSK] = "psk", [IKE_AUTH_PUBKEY] = "pubkey", [IKE_AUTH_EAP] = "eap"};
    const struct ike_conn *conn = session->conn;
    size_t at = 0;
    if (resumed) {
        PUT(record, method, "ticket");
        return;
    }
    for (uint8_t i = 0; i < conn->n_remote_rounds && at < sizeof(record->method); i++)
        at += (size_t)snprintf(
            record->method + at, sizeof(record->method) - at, "%s%s%s%s", i == 0 ? "" : "+",
            names[conn->remote[i].method], session->eap_types[i] == 0 ? "" : "-",
            session->eap_types[i] == 0 ? "" : eap_type_name(session->eap_types[i]));
}

static void put_addresses(struct audit_record *record, const struct ike_config *config)
{
    for (uint8_t i = 0; i < config->n_addresses && i < IKE_LEASE_ADDRESSES; i++)
        (void)address_print(&config->addresses[i], record->addresses[record->n_addresses++]);
}

/* --- sessions --- */

void engine_audit_login(struct engine *e, const struct ike_event *event)
{
    struct audit_record record = {.kind = AUDIT_LOGIN, .session = event->session, .sa = event->sa};
    struct ike_session_info session;
    struct account_who who;
    struct ike_sa_info sa = {.path = event->path};
    nanos began;
    if (e->to_audit == NULL || !ike_session_get(e->ike, event->session, &session) ||
        !accounts_who(e->accounts, event->session, &who, &began))
        return;
    (void)ike_sa_get(e->ike, event->sa, &sa);
    put_who(&record, &who);
    put_path(&record, &sa.path);
    put_method(&record, &session, who.resumed);
    put_addresses(&record, &session.config);
    (void)identity_print(&session.claimed_id, record.claimed_id);
    if (session.role != IKE_GATEWAY || strcmp(record.claimed_id, record.remote_id) == 0)
        record.claimed_id[0] = '\0';
    record_send(e, &record);
}

void engine_audit_end(struct engine *e, const struct ike_event *event,
                      const struct engine_child_traffic *traffic)
{
    struct audit_record record = {.kind = AUDIT_END,
                                  .session = event->session,
                                  .traffic = {traffic->octets_in, traffic->octets_out,
                                              traffic->packets_in, traffic->packets_out}};
    struct account_who who;
    nanos began;
    if (e->to_audit == NULL || !accounts_who(e->accounts, event->session, &who, &began))
        return;
    put_who(&record, &who);
    record.duration_ns = (uint64_t)(e->now - began);
    PUT(&record, reason, ike_outcome_name(event->outcome));
    record_send(e, &record);
}

void engine_audit_moved(struct engine *e, const struct ike_event *event)
{
    struct audit_record record = {.kind = AUDIT_MOVED, .session = event->session, .sa = event->sa};
    struct account_who who;
    nanos began;
    if (e->to_audit == NULL || !accounts_who(e->accounts, event->session, &who, &began))
        return;
    put_who(&record, &who);
    put_path(&record, &event->path);
    (void)endpoint_print(&event->path_old.local, record.local_old);
    (void)endpoint_print(&event->path_old.remote, record.remote_old);
    stranger_send(e, &record);
}

/* --- logins that fail --- */

void engine_audit_refused(struct engine *e, const struct ike_event *event)
{
    struct audit_record record = {.kind = AUDIT_REFUSED, .role = AUDIT_GATEWAY};
    if (e->to_audit == NULL || event->outcome != IKE_PEER_AUTH_FAILED)
        return;
    put_path(&record, &event->path);
    PUT(&record, remote_id, event->what);
    PUT(&record, reason, event->notice);
    stranger_send(e, &record);
}

/* is_refusal - the outcome refuses the identity or its proof. */
static bool is_refusal(enum ike_outcome outcome)
{
    return outcome == IKE_AUTH_FAILED || outcome == IKE_PEER_AUTH_FAILED ||
           outcome == IKE_NO_SECRET || outcome == IKE_ID_MISMATCH || outcome == IKE_NO_PPK;
}

void engine_audit_failed(struct engine *e, const struct path_news *news)
{
    struct audit_record record = {.kind = AUDIT_REFUSED, .role = AUDIT_END_USER};
    bool round = news->kind == PATH_NEWS_CONNECT_FAILED || news->kind == PATH_NEWS_CONNECT_RETRY;
    if (e->to_audit == NULL || !round || !is_refusal(news->outcome))
        return;
    PUT(&record, conn, news->conn);
    PUT(&record, reason, ike_outcome_name(news->outcome));
    record_send(e, &record);
}

/* --- commands --- */

/* argument_add - the value may be long, or not text at all: it is cut. */
static void argument_add(struct audit_record *record, size_t *n, const char *key, const char *value)
{
    if (*n == AUDIT_ARGUMENTS)
        return;
    PUT(&record->arguments[*n], key, key);
    PUT(&record->arguments[*n], value, value);
    (*n)++;
}

/* arguments_add - the keys that say what a command is about. No other value of the message is looked
 * at, since it may be a secret. The name of a section is the name of what is loaded. */
static void arguments_add(struct audit_record *record, const struct tree *message)
{
    static const char *const keys[] = {"ike",       "child",   "ike-id",  "child-id", "session-id",
                                       "remote-id", "peer-id", "peer-ip", "gateway",  "name",
                                       "id",        "force",   "reauth"};
    size_t n = 0;
    for (const struct tree *one = message->first; one != NULL; one = one->next)
        if (one->kind == TREE_SECTION)
            argument_add(record, &n, "section", one->name);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *value = tree_text(message, keys[i]);
        if (value != NULL)
            argument_add(record, &n, keys[i], value);
    }
}

void engine_audit_command(struct engine *e, const struct engine_asked *asked)
{
    struct audit_record record = {.kind = AUDIT_COMMAND, .user = asked->uid};
    if (e->to_audit == NULL)
        return;
    PUT(&record, command, asked->command);
    if (asked->result != NULL) {
        record.kind = AUDIT_RESULT;
        PUT(&record, reason, asked->result);
    } else {
        arguments_add(&record, asked->message);
    }
    record_send(e, &record);
}
