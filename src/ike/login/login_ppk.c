/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/login_ppk.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/algorithm.h"
#include "ike/terms/identity.h"
#include "ike/terms/ppk.h"

_Static_assert(sizeof(((struct login_ppk *)0)->keys) == PPK_KEYS_MAX, "the keys of each PRF fit");

/* --- both roles --- */

static int ppk_job_emit(struct sa *sa, const struct ike_id *id)
{
    size_t len = crypto_prf_find(sa->prf)->len;
    uint8_t *keys = malloc(PPK_KEYS * len);
    if (keys == NULL)
        return ERR_NO_MEMORY;
    memcpy(keys, sa->keys.sk_d, len);
    memcpy(keys + len, sa->keys.sk_pi, len);
    memcpy(keys + 2 * len, sa->keys.sk_pr, len);
    struct ike_event *event = event_job(sa, IKE_EV_PPK, 0, span_of(keys, PPK_KEYS * len));
    if (event == NULL)
        return ERR_NO_MEMORY;
    event->ppk =
        (struct ike_ppk_job){.id = *id, .prf = sa->prf, .keys = span_of(keys, PPK_KEYS * len)};
    return 0;
}

bool login_ppk_mixed(struct sa *sa, const struct ike_result *result)
{
    if (result->error != 0 ||
        result->ppk_keys.len != PPK_KEYS * (size_t)crypto_prf_find(sa->prf)->len)
        return false;
    memcpy(sa->login->ppk.keys, result->ppk_keys.ptr, result->ppk_keys.len);
    return true;
}

void login_ppk_apply(struct sa *sa)
{
    struct login_ppk *ppk = &sa->login->ppk;
    size_t len = crypto_prf_find(sa->prf)->len;
    ASSERT(!ppk->mixed);
    memcpy(sa->keys.sk_d, ppk->keys, len);
    memcpy(sa->keys.sk_pi, ppk->keys + len, len);
    memcpy(sa->keys.sk_pr, ppk->keys + 2 * len, len);
    wipe(ppk->keys, sizeof(ppk->keys));
    ppk->mixed = true;
}

void login_ppk_audit(struct sa *sa)
{
    const struct login_ppk *ppk = &sa->login->ppk;
    char peer[IDENTITY_TEXT_MAX];
    if (!ppk->mixed && ppk->why != NULL)
        event_notice(sa, "no PPK protects the session with %s: %s",
                     identity_print(&sa->login->remote_id, peer), ppk->why);
}

void login_ppk_done(struct login *login)
{
    free(login->ppk.plain_auth);
    login->ppk.plain_auth = NULL;
}

/* --- initiator --- */

void login_ppk_begin(struct login *login, bool without)
{
    const struct ike_conn *conn = login->conn;
    struct login_ppk *ppk = &login->ppk;
    bool configured = conn->ppk_id->type != 0 || conn->ppk_pattern[0] != '\0';
    ppk->wanted = conn->ppk_id->type != 0 && login->sa->ike->ppk && !without;
    if (ppk->wanted)
        ppk->why = "the peer does not use PPKs";
    else if (conn->ppk_id->type == 0 && (configured || conn->ppk_required))
        ppk->why = "'ppk_id' names no PPK";
    else if (configured)
        ppk->why = "the PPK of 'ppk_id' is not loaded";
}

bool login_ppk_due(const struct login *login)
{
    return login->ppk.agreed && !login->ppk.settled;
}

int login_ppk_ask(struct sa *sa)
{
    sa->login->ppk.settled = true;
    return ppk_job_emit(sa, sa->login->conn->ppk_id);
}

bool login_ppk_plain(struct login *login)
{
    struct login_ppk *ppk = &login->ppk;
    ppk->plain = ppk->offered && ppk->plain_auth == NULL && !login->conn->ppk_required;
    return ppk->plain;
}

bool login_ppk_keep_plain(struct login *login)
{
    struct login_ppk *ppk = &login->ppk;
    struct span auth = login->proof.auth;
    ppk->plain = false;
    ppk->plain_method = login->proof.method;
    ppk->plain_auth = malloc(auth.len);
    if (ppk->plain_auth == NULL)
        return false;
    memcpy(ppk->plain_auth, auth.ptr, auth.len);
    ppk->n_plain_auth = auth.len;
    return true;
}

void login_ppk_add(const struct login *login, struct wire_builder *request)
{
    const struct login_ppk *ppk = &login->ppk;
    uint8_t octets[PPK_IDENTITY_MAX];
    struct writer w = writer_of(octets, sizeof(octets));
    ppk_identity_write(login->conn->ppk_id, &w);
    wire_add_notify(request, N_PPK_IDENTITY, writer_span(&w));
    if (ppk->plain_auth != NULL)
        wire_add_notify(request, N_NO_PPK_AUTH, span_of(ppk->plain_auth, ppk->n_plain_auth));
}

bool login_ppk_answered(struct sa *sa, const struct wire_message *response)
{
    struct login_ppk *ppk = &sa->login->ppk;
    ppk->offered = false;
    if (wire_notify_has(response, N_PPK_IDENTITY)) { /* its contents MUST be ignored */
        login_ppk_apply(sa);
        return true;
    }
    ppk->why = "the peer does not have the PPK of 'ppk_id'";
    return !sa->login->conn->ppk_required;
}

/* --- responder --- */

static enum login_ppk_next ppk_refused(struct login *login, const char *why)
{
    login->ppk.why = why;
    return LOGIN_PPK_REFUSED;
}

enum login_ppk_next login_ppk_unknown(struct sa *sa)
{
    struct login *login = sa->login;
    struct wire_message request;
    kept_message_get(&login->message, &request);
    if (login->conn->ppk_required || !wire_notify_has(&request, N_NO_PPK_AUTH))
        return ppk_refused(login, "its PPK is not one of the connection");
    login->ppk.why = "its PPK is not one of the connection";
    login->ppk.plain = true;
    return LOGIN_PPK_NONE;
}

enum login_ppk_next login_ppk_read(struct sa *sa)
{
    struct login *login = sa->login;
    struct wire_message request;
    struct wire_notify notify;
    struct ike_id *id = &login->ppk.id;
    if (!login->ppk.agreed || login->ppk.settled)
        return LOGIN_PPK_NONE;
    kept_message_get(&login->message, &request);
    if (!wire_notify_find(&request, N_PPK_IDENTITY, &notify))
        return ppk_refused(login, "it announced PPKs and names none");
    login->ppk.settled = true;
    if (!ppk_identity_read(notify.data, id) || !ppk_id_fits(login->conn, id))
        return login_ppk_unknown(sa);
    if (ppk_job_emit(sa, id) == 0)
        return LOGIN_PPK_ASKED;
    login->ppk.settled = false;
    return LOGIN_PPK_FAILED;
}

bool login_ppk_fits(const struct login *login, const struct ike_conn *conn)
{
    const struct login_ppk *ppk = &login->ppk;
    if (ppk->mixed)
        return ppk_id_fits(conn, &ppk->id);
    return !conn->ppk_required || (ppk->agreed && !ppk->settled);
}

struct span login_ppk_auth(const struct login *login, const struct wire_message *request,
                           struct span auth)
{
    struct wire_notify notify;
    if (!login->ppk.plain || !wire_notify_find(request, N_NO_PPK_AUTH, &notify))
        return auth;
    return notify.data;
}
