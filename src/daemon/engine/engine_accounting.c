/* SPDX-License-Identifier: Apache-2.0 */
/* Accounting records of sessions of a Gateway: one account for all paths of a session. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/common/log.h"
#include "daemon/engine/accounts.h"
#include "daemon/engine/engine_aaa.h"
#include "ike/terms/identity.h"

#define INTERVAL_LEAST_S 60 /* RFC 2869 section 5.16 */

/* server_of - the server for accounting records, if it answers; NULL: none is configured. */
static const struct engine_radius *server_of(const struct engine *e)
{
    const struct engine_radius *best = NULL;
    for (size_t i = 0; i < e->n_radius; i++)
        if (e->radius[i].accounting && (best == NULL || e->radius[i].preference > best->preference))
            best = &e->radius[i];
    return best;
}

bool engine_accounts(const struct engine *e)
{
    return server_of(e) != NULL;
}

void engine_accounting_id(const struct engine *e, ike_session_id session, char ret[AAA_SESSION_ID])
{
    const struct grant *grant = grants_of(e->grants, session);
    if (grant != NULL && grant->account != NULL) /* another engine may have given it */
        memcpy(ret, grant->account->session_id, AAA_SESSION_ID);
    else
        (void)snprintf(ret, AAA_SESSION_ID, "%016llx-%u", (unsigned long long)e->boot, session);
}

/* interval_of - our configuration counts more than the server's value. */
static nanos interval_of(const struct engine *e, const struct grant *grant)
{
    nanos own = server_of(e)->interval_ns;
    if (own > 0 || grant->what.interim_s == 0)
        return own;
    uint32_t seconds = grant->what.interim_s;
    return (seconds < INTERVAL_LEAST_S ? INTERVAL_LEAST_S : seconds) * NANOS_PER_SEC;
}

size_t engine_accounting_user(const struct ike_session_info *session, uint8_t ret[RADIUS_VALUE])
{
    char text[IDENTITY_TEXT_MAX];
    uint8_t octets[IDENTITY_TEXT_MAX];
    const char *user = session->eap_identity[0] != '\0' ? session->eap_identity
                                                        : identity_print(&session->remote_id, text);
    size_t n = identity_octets(user, octets);
    n = n < RADIUS_VALUE ? n : RADIUS_VALUE;
    memcpy(ret, octets, n);
    return n;
}

static void addresses_set(const struct ike_config *config, struct aaa_account *account)
{
    for (uint8_t i = 0; i < config->n_addresses; i++)
        *(config->addresses[i].family == ADDRESS_V6 ? &account->framed6 : &account->framed4) =
            config->addresses[i];
}

static void path_set(const struct engine *e, ike_session_id id, struct aaa_account *account)
{
    struct ike_sa_info sa = {0};
    while (ike_sa_next(e->ike, sa.id, &sa)) {
        if (sa.session != id)
            continue;
        (void)endpoint_print(&sa.path.local, account->called);
        (void)endpoint_print(&sa.path.remote, account->calling);
        account->nas_address = sa.path.local.address;
        return;
    }
}

/* account_begin - false: no memory. */
static bool account_begin(struct engine *e, struct grant *grant,
                          const struct ike_session_info *session)
{
    char text[IDENTITY_TEXT_MAX];
    struct aaa_account *account = calloc(1, sizeof(*account));
    if (account == NULL) {
        log_line(LOG_LEVEL_WARNING, "event=accounting-lost session=%u", session->id);
        return false;
    }
    account->port = session->id;
    account->by_server = grant->number != 0;
    engine_accounting_id(e, session->id, account->session_id);
    (void)snprintf(account->conn, sizeof(account->conn), "%s", session->conn->name);
    (void)snprintf(account->nas, sizeof(account->nas), "%.*s", RADIUS_VALUE,
                   identity_print(&session->local_id, text));
    account->user_len = (uint32_t)engine_accounting_user(session, account->user);
    addresses_set(&session->config, account);
    path_set(e, session->id, account);
    account->n_classes = grant->what.n_classes;
    memcpy(account->classes, grant->what.classes, sizeof(account->classes));
    grant->account = account;
    grant->interval_ns = interval_of(e, grant);
    grant->interim_at_ns =
        grant->interval_ns == 0 ? NANOS_NEVER : nanos_after(e->now, grant->interval_ns);
    return true;
}

void engine_accounting_begin(struct engine *e, struct grant *grant,
                             const struct ike_session_info *session)
{
    if (account_begin(e, grant, session))
        engine_accounting_send(e, grant, AAA_ACCOUNT_START, 0);
}

void engine_accounting_keep(struct engine *e, struct grant *grant,
                            const struct ike_session_info *session, const struct aaa_account *begun)
{
    if (!account_begin(e, grant, session))
        return;
    struct aaa_account *account = grant->account;
    memcpy(account->session_id, begun->session_id, sizeof(account->session_id));
    memcpy(account->called, begun->called, sizeof(account->called));
    memcpy(account->calling, begun->calling, sizeof(account->calling));
    account->nas_address = begun->nas_address;
}

static void traffic_add(struct aaa_traffic *to, const struct engine_child_traffic *t)
{
    to->octets_in += t->octets_in;
    to->octets_out += t->octets_out;
    to->packets_in += t->packets_in;
    to->packets_out += t->packets_out;
}

static void paths_set(struct engine *e, ike_session_id id, struct aaa_account *account)
{
    struct account one;
    account->n_paths = 0;
    account->traffic = (struct aaa_traffic){0};
    for (size_t i = 0; accounts_at(e->accounts, id, i, &one); i++) {
        struct aaa_path *path = &account->paths[i < AAA_PATHS ? i : AAA_PATHS - 1];
        traffic_add(&account->traffic, &one.traffic);
        if (i < AAA_PATHS) {
            *path = (struct aaa_path){.local = one.path.local.address,
                                      .remote = one.path.remote.address};
            (void)e->ops.interface_name(e, one.path.interface, path->interface);
            account->n_paths++;
        } else {
            path->local = path->remote = (struct address){0};
            path->interface[0] = '\0';
        }
        traffic_add(&path->traffic, &one.traffic);
    }
}

/* account_send - the state of the session now. */
static void account_send(struct engine *e, struct grant *grant, enum aaa_request_kind kind)
{
    static struct aaa_request request;
    struct aaa_account *account = grant->account;
    account->at_s = (int64_t)time(NULL);
    account->duration_s = (uint32_t)((e->now - grant->up_ns) / NANOS_PER_SEC);
    if (account->kind != AAA_ACCOUNT_START)
        paths_set(e, grant->session, account);
    request = (struct aaa_request){.kind = kind, .account = *account};
    if (engine_aaa_send(e, &request) != 0)
        log_line(LOG_LEVEL_WARNING, "event=accounting-lost session=%u", grant->session);
}

void engine_accounting_send(struct engine *e, struct grant *grant, enum aaa_account_kind kind,
                            enum aaa_cause cause)
{
    grant->account->kind = kind;
    grant->account->cause = cause;
    account_send(e, grant, AAA_ACCOUNT);
}

void engine_accounting_arrived(struct engine *e, struct grant *grant)
{
    grant->account->kind = AAA_ACCOUNT_INTERIM;
    account_send(e, grant, AAA_ACCOUNT_KEEP);
}

/* nas_of - the NAS name for the sessions of a connection. NULL: an earlier connection has the same
 * name, no name is known before a login, or this host is the End User. */
static const struct ike_id *nas_of(const struct engine *e, size_t index)
{
    const struct ike_conn *conn = ike_conn_at(e->ike, index);
    const struct ike_id *id = &conn->local[0].id;
    if (id->type == ID_ANY || conn->n_remote_addrs > 0)
        return NULL;
    for (size_t i = 0; i < index; i++) {
        const struct ike_conn *other = ike_conn_at(e->ike, i);
        if (other->n_remote_addrs == 0 && identity_equal(&other->local[0].id, id))
            return NULL;
    }
    return id;
}

/* RFC 2866 section 5.1: at the start, and at an end that is asked for. */
void engine_accounting_nas(struct engine *e, enum aaa_account_kind kind)
{
    static struct aaa_request request;
    char text[IDENTITY_TEXT_MAX];
    for (size_t i = 0; engine_accounts(e) && ike_conn_at(e->ike, i) != NULL; i++) {
        const struct ike_id *id = nas_of(e, i);
        if (id == NULL)
            continue;
        request = (struct aaa_request){.kind = AAA_ACCOUNT,
                                       .account = {.kind = kind, .at_s = (int64_t)time(NULL)}};
        struct aaa_account *account = &request.account;
        (void)snprintf(account->session_id, AAA_SESSION_ID, "%016llx-%s-%zu",
                       (unsigned long long)e->boot, kind == AAA_ACCOUNT_ON ? "on" : "off", i);
        (void)snprintf(account->nas, sizeof(account->nas), "%.*s", RADIUS_VALUE,
                       identity_print(id, text));
        if (engine_aaa_send(e, &request) != 0)
            log_line(LOG_LEVEL_WARNING, "event=accounting-lost nas=\"%s\"", account->nas);
    }
}

enum aaa_cause engine_accounting_cause(const struct engine *e, enum ike_outcome outcome)
{
    if (e->done && !e->stopping)
        return AAA_CAUSE_NAS_REBOOT; /* the engine fails, or its supervisor has ended */
    switch (outcome) {
    case IKE_PEER_DELETED:
    case IKE_REPLACED: return AAA_CAUSE_USER_REQUEST;
    case IKE_TIMEOUT:
    case IKE_NO_PATH:
    case IKE_REDIRECTED: return AAA_CAUSE_LOST_CARRIER;
    case IKE_EXPIRED: return AAA_CAUSE_SESSION_TIMEOUT;
    case IKE_OK:
    case IKE_CANCELLED: return e->stopping ? AAA_CAUSE_ADMIN_REBOOT : AAA_CAUSE_ADMIN_RESET;
    case IKE_AUTH_FAILED:
    case IKE_PEER_AUTH_FAILED:
    case IKE_NO_SECRET:
    case IKE_NO_PPK:
    case IKE_ID_MISMATCH:
    case IKE_NO_PROPOSAL:
    case IKE_KE_REFUSED:
    case IKE_TS_REFUSED:
    case IKE_ADDRESS_FAILURE:
    case IKE_NO_ADDITIONAL_SAS:
    case IKE_TEMPORARY_FAILURE:
    case IKE_CLONE_UNSUPPORTED:
    case IKE_UNACCEPTABLE_ADDRESSES:
    case IKE_UNEXPECTED_NAT:
    case IKE_ROUTABILITY_FAILED:
    case IKE_INVALID_SYNTAX:
    case IKE_PROTOCOL_ERROR:
    case IKE_INSTALL_FAILED:
    case IKE_LIMIT: break;
    }
    return AAA_CAUSE_NAS_ERROR;
}
