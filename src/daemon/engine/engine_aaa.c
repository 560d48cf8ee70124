/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/engine_aaa.h"

#include <stdio.h>

#include "base/secret.h"
#include "daemon/common/log.h"
#include "daemon/engine/accounts.h"
#include "daemon/engine/engine_eap.h"
#include "daemon/tables/credentials.h"
#include "linux/entropy.h"

/* --- servers --- */

static size_t radius_index(const struct engine *e, const char *name)
{
    size_t i = 0;
    while (i < e->n_radius && strcmp(e->radius[i].name, name) != 0)
        i++;
    return i;
}

/* radius_known - keeps the engine's part of a server that the aaa process has. ERR_FULL. */
static int radius_known(struct engine *e, const struct aaa_server *server)
{
    size_t index = radius_index(e, server->name);
    if (index == RADIUS_SERVERS)
        return ERR_FULL;
    struct engine_radius *known = &e->radius[index];
    *known = (struct engine_radius){.preference = server->preference,
                                    .accounting = server->accounting,
                                    .stream = server->stream,
                                    .interval_ns = server->interval_ns};
    memcpy(known->name, server->name, LIMIT_NAME);
    memcpy(known->key_id, server->tls.key_id, KEY_ID_SIZE);
    e->n_radius += index == e->n_radius;
    return 0;
}

int engine_radius_keys(struct engine *e)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < e->n_radius; i++) {
        struct key_request request = {.kind = KEY_TLS_ALLOW};
        memcpy(request.private.key_id, e->radius[i].key_id, KEY_ID_SIZE);
        if (!e->radius[i].stream || !credentials_key_known(e->credentials, e->radius[i].key_id))
            continue; /* without the key the connection fails, and logs the reason */
        error = engine_loading_add(e, NULL, &request.job);
        if (error == 0)
            error = engine_key_send(e, &request, (struct span){0});
    }
    return error;
}

/* cas_load - gives the CAs of the section to the verifier. */
static int cas_load(struct engine *e, const struct aaa_tls *tls)
{
    struct reader r = reader_of(span_of(tls->octets, sizeof(tls->octets)));
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < tls->n_certs + tls->n_cas; i++) {
        struct span der = read_bytes(&r, tls->lengths[i]);
        if (i >= tls->n_certs)
            error = engine_cert_load(e, CERT_ROLE_CONN, der, NULL);
    }
    return error;
}

int engine_radius_load(struct engine *e, const struct aaa_server *server)
{
    struct aaa_request request = {.kind = AAA_SERVER_LOAD};
    if (radius_index(e, server->name) == RADIUS_SERVERS)
        return ERR_FULL;
    int error = cas_load(e, &server->tls);
    if (error == 0)
        error = engine_loading_add(e, NULL, &request.job);
    if (error == 0)
        error = engine_aaa_send_server(e, &request, server);
    if (error == 0)
        error = radius_known(e, server);
    return error != 0 ? error : engine_radius_keys(e);
}

static void radius_forget(struct engine *e, size_t index)
{
    memmove(&e->radius[index], &e->radius[index + 1],
            (--e->n_radius - index) * sizeof(e->radius[0]));
}

int engine_radius_unload(struct engine *e, const char *name)
{
    struct aaa_request request = {.kind = AAA_SERVER_UNLOAD};
    size_t index = radius_index(e, name);
    if (index == e->n_radius)
        return ERR_NOT_FOUND;
    memcpy(request.name, e->radius[index].name, LIMIT_NAME);
    int error = engine_loading_add(e, NULL, &request.job);
    if (error == 0)
        error = engine_aaa_send(e, &request);
    if (error == 0)
        radius_forget(e, index);
    return error;
}

static bool radius_in(const struct engine_load *load, const char *name)
{
    for (size_t i = 0; i < load->n_radius; i++)
        if (strcmp(load->radius[i].name, name) == 0)
            return true;
    return false;
}

int engine_radius_switch(struct engine *e, const struct engine_load *load)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < e->n_radius;)
        if (radius_in(load, e->radius[i].name))
            i++;
        else if (load->number != 0)
            radius_forget(e, i);
        else
            error = engine_radius_unload(e, e->radius[i].name);
    for (size_t i = 0; error == 0 && i < load->n_radius; i++)
        error = load->number != 0 ? radius_known(e, &load->radius[i])
                                  : engine_radius_load(e, &load->radius[i]);
    return error;
}

/* --- grants --- */

static bool text_sound(const char text[LIMIT_NAME])
{
    return memchr(text, 0, LIMIT_NAME) != NULL;
}

static bool family_sound(const struct address *a, enum address_family family)
{
    return a->family == ADDRESS_NONE || a->family == (uint8_t)family;
}

static bool grant_sound(const struct aaa_grant *g)
{
    bool sound = g->groups.n <= AAA_GROUPS && g->n_dns <= AAA_DNS && g->n_classes <= AAA_CLASSES &&
                 text_sound(g->pool4) && text_sound(g->pool6) &&
                 family_sound(&g->framed4, ADDRESS_V4) && family_sound(&g->framed6, ADDRESS_V6);
    for (uint32_t i = 0; sound && i < g->groups.n; i++)
        sound = text_sound(g->groups.names[i]);
    for (uint32_t i = 0; sound && i < g->n_dns; i++)
        sound = g->dns[i].family == ADDRESS_V4 || g->dns[i].family == ADDRESS_V6;
    return sound;
}

uint64_t engine_grant_add(struct engine *e, const struct aaa_grant *what, uint64_t earlier)
{
    struct grant *grant = grants_find(e->grants, earlier);
    if (!grant_sound(what) || (earlier != 0 && (grant == NULL || grant->session != 0)))
        return 0;
    if (earlier == 0)
        return grants_add(e->grants, what, e->now);
    grants_join(grant, what);
    return earlier;
}

int engine_grant_lease(const struct engine *e, const struct ike_event *event,
                       struct pools_grant *room, const struct pools_grant **ret_lease)
{
    const struct grant *grant = grants_find(e->grants, event->lease.grant);
    *ret_lease = NULL;
    if (event->lease.grant == 0)
        return 0;
    if (grant == NULL)
        return ERR_NOT_FOUND;
    const struct aaa_grant *what = &grant->what;
    *room = (struct pools_grant){.n_dns = (uint8_t)what->n_dns};
    memcpy(room->dns, what->dns, sizeof(what->dns));
    room->pools[0] = what->pool4[0] == '\0' ? NULL : what->pool4;
    room->pools[1] = what->pool6[0] == '\0' ? NULL : what->pool6;
    if (grant->session == 0) { /* a clone may have other addresses (inner_per_path) */
        room->addresses[0] = what->framed4;
        room->addresses[1] = what->framed6;
    }
    *ret_lease = room;
    return 0;
}

/* --- sessions --- */

void engine_aaa_end(struct engine *e, ike_session_id session, enum aaa_cause cause, const char *why)
{
    const struct engine_filter filter = {.session_id = session};
    struct grant *grant = grants_of(e->grants, session);
    if (grant != NULL)
        grant->cause = cause;
    log_line(LOG_LEVEL_INFO, "event=session-ends session=%u reason=\"%s\"", session, why);
    (void)e->ops.terminate(e, &filter, false, NULL);
}

/* idle_at - when Idle-Timeout ends the session, if no path carries traffic until then. */
static nanos idle_at(struct engine *e, const struct grant *grant)
{
    struct account path;
    nanos used = grant->up_ns;
    if (grant->what.idle_timeout_s == 0)
        return NANOS_NEVER;
    for (size_t i = 0; accounts_at(e->accounts, grant->session, i, &path); i++) {
        used = path.traffic.last_in_ns > used ? path.traffic.last_in_ns : used;
        used = path.traffic.last_out_ns > used ? path.traffic.last_out_ns : used;
    }
    return nanos_after(used, grant->what.idle_timeout_s * NANOS_PER_SEC);
}

void engine_aaa_settle(struct engine *e, struct grant *grant)
{
    nanos idle = idle_at(e, grant);
    if (idle <= e->now) {
        engine_aaa_end(e, grant->session, AAA_CAUSE_IDLE_TIMEOUT, "Idle-Timeout");
        idle = NANOS_NEVER; /* the session is ending, which takes at most SESSION_END_NS */
    }
    if (grant->account != NULL && grant->interim_at_ns <= e->now) {
        engine_accounting_send(e, grant, AAA_ACCOUNT_INTERIM, 0);
        grant->interim_at_ns = nanos_after(e->now, grant->interval_ns);
    }
    grants_wake(e->grants, grant, nanos_min(idle, grant->interim_at_ns));
}

void engine_aaa_up(struct engine *e, ike_session_id id)
{
    struct ike_session_info session;
    if (!ike_session_get(e->ike, id, &session) || session.role != IKE_GATEWAY)
        return;
    bool accounted = engine_accounts(e);
    if (session.grant == 0 && !accounted)
        return;
    struct grant *grant = grants_claim(e->grants, session.grant, id);
    if (grant == NULL && session.grant == 0) {
        log_line(LOG_LEVEL_WARNING, "event=accounting-lost session=%u", id);
        return;
    }
    if (grant == NULL) { /* its limits are unknown, so the session must end */
        engine_aaa_end(e, id, AAA_CAUSE_NAS_ERROR, "what the RADIUS server granted is gone");
        return;
    }
    grant->up_ns = e->now;
    if (accounted)
        engine_accounting_begin(e, grant, &session);
    engine_aaa_settle(e, grant);
}

void engine_aaa_down(struct engine *e, ike_session_id id, enum ike_outcome outcome)
{
    struct grant *grant = grants_of(e->grants, id);
    if (grant == NULL)
        return;
    if (grant->account != NULL)
        engine_accounting_send(e, grant, AAA_ACCOUNT_STOP,
                               grant->cause != 0 ? grant->cause
                                                 : engine_accounting_cause(e, outcome));
    grants_drop(e->grants, grant);
}

nanos engine_aaa_deadline(const struct engine *e)
{
    return grants_deadline(e->grants);
}

void engine_aaa_tick(struct engine *e)
{
    struct grant *grant;
    while ((grant = grants_due(e->grants, e->now)) != NULL)
        engine_aaa_settle(e, grant);
}

/* --- the channel --- */

static void on_aaa(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    struct aaa_answer answer;
    int error;
    if (events & EVENT_WRITE)
        engine_helper_flush(e, e->to_aaa, fd);
    while ((error = channel_recv(fd, &answer, sizeof(answer), NULL, NULL)) == 0) {
        if (answer.kind == AAA_CHANGE) {
            engine_change(e, answer.job, &answer.change);
            engine_pump(e);
            continue;
        }
        struct eap_news news = {.job = answer.job,
                                .error = answer.error,
                                .verdict = answer.verdict,
                                .result = &answer.result,
                                .unfit = answer.unfit == 1};
        if (answer.error == 0 && answer.verdict == EAP_SUCCEEDED) {
            news.valid_ns = answer.grant.session_timeout_s * NANOS_PER_SEC;
            news.grant = engine_grant_add(e, &answer.grant, answer.earlier);
            news.error = news.grant == 0 ? ERR_NO_MEMORY : 0;
        }
        engine_eap_answered(e, &news);
        eap_result_done(&answer.result);
    }
    engine_helper_gone(e, fd, "aaa", error);
}

int engine_aaa_add(struct engine *e)
{
    random_fill(entropy_random(), &e->boot, sizeof(e->boot));
    e->grants = grants_new();
    return e->grants == NULL ? ERR_NO_MEMORY
                             : event_loop_add(e->loop, e->start->aaa_fd, EVENT_READ, on_aaa, e);
}

void engine_aaa_done(struct engine *e)
{
    e->grants = grants_free(e->grants);
}
