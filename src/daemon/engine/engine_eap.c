/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/engine_eap.h"

#include <stdio.h>

#include "base/secret.h"
#include "daemon/common/eap_methods.h"
#include "daemon/common/log.h"
#include "daemon/config/secret_requests.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/tables/credentials.h"
#include "ike/terms/identity.h"
#include "wire/iana.h"

/* --- answers --- */

static enum ike_eap_state state_of(uint32_t verdict)
{
    return verdict == EAP_REPLY       ? IKE_EAP_GOES_ON
           : verdict == EAP_SUCCEEDED ? IKE_EAP_SUCCESS
                                      : IKE_EAP_FAILURE;
}

/* name_print - a distinguished name in DER. false: its text is not that of this name alone. */
static bool name_print(const struct ike_id *name, char out[LIMIT_ID / 2])
{
    struct ike_id again;
    char text[IDENTITY_TEXT_MAX];
    (void)snprintf(out, LIMIT_ID / 2, "%s", identity_print(name, text));
    return identity_parse(out, &again) == 0 && identity_equal(&again, name);
}

/* The identity of an EAP conversation is octets of the peer; octets that are not printable are
 * escaped. false: the text is too long. It is not cut, because its beginning could be the identity
 * of another user. */
static bool identity_print_octets(struct span octets, char out[LIMIT_ID / 2])
{
    struct ike_id id;
    char text[IDENTITY_TEXT_MAX];
    uint8_t again[IDENTITY_TEXT_MAX];
    if (octets.len == 0)
        return true;
    if (!identity_from_eap(octets, &id))
        return false;
    if (id.type == ID_DER_ASN1_DN)
        return name_print(&id, out);
    id.type = ID_FQDN;
    (void)snprintf(out, LIMIT_ID / 2, "%s", identity_print(&id, text));
    return span_equal(span_of(again, identity_octets(out, again)), octets);
}

static bool result_sound(const struct eap_result *r)
{
    return r->packet_len <= sizeof(r->packet) && r->msk_len <= sizeof(r->msk) &&
           r->identity_len <= sizeof(r->identity) &&
           memchr(r->reason, 0, sizeof(r->reason)) != NULL;
}

/* reason_print - escaped, because it may contain text of the peer. NULL: no reason. */
static const char *reason_print(const char *reason, char *out, size_t cap)
{
    if (reason[0] == '\0')
        return NULL;
    log_text(reason, out, cap);
    out[strlen(out) - 1] = '\0'; /* the quotes */
    return out + 1;
}

static void news_take(struct engine *e, const struct eap_news *news)
{
    const struct eap_result *r = news->result;
    struct ike_result result = {.error = news->error};
    char reason[2 * EAP_REASON];
    if (news->error == 0 && !result_sound(r))
        result.error = ERR_INVALID;
    if (result.error == 0) {
        result.eap_state = state_of(news->verdict);
        result.unfit = news->unfit && result.eap_state == IKE_EAP_FAILURE;
        result.eap_packet = span_of(r->packet, r->packet_len);
        result.msk = span_of(r->msk, r->msk_len);
        result.proof.valid_ns = news->valid_ns;
        result.proof.grant = news->grant;
        result.proof.chain = r->chain;
        result.proof.eap_type = (uint8_t)r->type;
        if (!identity_print_octets(span_of(r->identity, r->identity_len), result.proof.identity))
            result.error = ERR_INVALID;
        result.reason = reason_print(r->reason, reason, sizeof(reason));
    }
    if (result.error == 0 && result.eap_state == IKE_EAP_SUCCESS && r->msk_len == 0)
        log_line(
            LOG_LEVEL_WARNING,
            "event=eap-without-key method=%s text=\"the method does not bind the login to this "
            "IKE SA\"",
            eap_type_name((uint8_t)r->type));
    if (result.reason != NULL)
        log_line(LOG_LEVEL_INFO, "event=eap-failed reason=\"%s\"", result.reason);
    engine_complete(e, news->job, &result);
}

void engine_eap_answered(struct engine *e, const struct eap_news *news)
{
    if (news->job & ENGINE_LOAD_JOB)
        engine_loading_end(e, news->job, news->error, "", NULL);
    else
        news_take(e, news);
    engine_pump(e);
}

static void on_eap(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    struct eap_answer answer;
    int error;
    if (events & EVENT_WRITE)
        engine_helper_flush(e, e->to_eap, fd);
    while ((error = channel_recv(fd, &answer, sizeof(answer), NULL, NULL)) == 0) {
        const struct eap_news news = {.job = answer.job,
                                      .error = answer.error,
                                      .verdict = answer.verdict,
                                      .result = &answer.result,
                                      .unfit = answer.unfit == 1,
                                      .valid_ns = engine_validity(answer.result.not_after)};
        engine_eap_answered(e, &news);
        eap_result_done(&answer.result);
    }
    engine_helper_gone(e, fd, "eap", error);
}

/* --- requests --- */

/* The EAP identity that follows from an ID payload: its octets, if they are text. */
static struct span identity_of(const struct ike_id *id, char text[IDENTITY_TEXT_MAX])
{
    if (id->type == ID_FQDN || id->type == ID_RFC822_ADDR || id->type == ID_KEY_ID)
        return span_of(id->data, id->len);
    return id->type == 0 ? (struct span){0} : span_text(identity_print(id, text));
}

/* The number of a round selects its policy: daemon/tables/credentials.h. */
static uint32_t methods_of(const struct engine *e, uint32_t credentials)
{
    const struct cert_policy *policy = credentials_policy(e->credentials, credentials);
    return policy == NULL ? EAP_CREDENTIALS_ANY : policy->eap;
}

static struct span identity_choose(const struct ike_eap_job *job, char text[IDENTITY_TEXT_MAX])
{
    const char *eap_id = job->policy->eap_id;
    if (eap_id[0] == '\0')
        return identity_of(job->authenticator ? &job->remote_id : &job->local_id, text);
    return job->authenticator ? (struct span){0} : span_text(eap_id);
}

static int step_fill(const struct engine *e, const struct ike_eap_job *job,
                     struct eap_step_request *step)
{
    char text[IDENTITY_TEXT_MAX];
    struct span identity = identity_choose(job, text);
    if (identity.len > EAP_IDENTITY || job->packet.len > EAP_PACKET)
        return ERR_INVALID;
    step->conversation = job->conversation;
    step->authenticator = job->authenticator;
    step->n_methods = (uint32_t)eap_credentials_methods(
        methods_of(e, job->credentials), job->authenticator, job->need_key, step->methods);
    step->identity_len = (uint32_t)identity.len;
    if (identity.len > 0)
        memcpy(step->identity, identity.ptr, identity.len);
    if (job->authenticator)
        (void)snprintf(step->pattern, sizeof(step->pattern), "%s", job->policy->eap_id);
    step->again = job->again;
    step->packet_len = (uint32_t)job->packet.len;
    if (job->packet.len > 0)
        memcpy(step->packet, job->packet.ptr, job->packet.len);
    return 0;
}

static const struct cert_policy *policy_of(const struct engine *e, uint32_t credentials)
{
    static const struct cert_policy nothing;
    const struct cert_policy *policy = credentials_policy(e->credentials, credentials);
    return policy == NULL ? &nothing : policy;
}

/* terms_fill - the conditions that TLS checks at the other side. If the server is the Gateway, the
 * connection's demands on its certificate count. If it is another server (aaa_id), its CA must be
 * in x509ca. */
static void terms_fill(const struct engine *e, const struct ike_eap_job *job,
                       struct eap_tls_terms *terms)
{
    bool elsewhere = !job->authenticator && job->policy->aaa_id->type != ID_ANY;
    terms->policy = *policy_of(e, job->authenticator ? job->credentials : job->other_credentials);
    if (elsewhere)
        terms->policy = (struct cert_policy){.revocation = terms->policy.revocation};
    terms->server = elsewhere ? *job->policy->aaa_id : job->remote_id;
    (void)snprintf(terms->conn, sizeof(terms->conn), "%s", job->conn);
}

/* choose_fill - the identity that our certificate must name. */
static bool choose_fill(const struct engine *e, const struct ike_eap_job *job,
                        struct verifier_choose *choose)
{
    const char *eap_id = job->policy->eap_id;
    *choose = (struct verifier_choose){.local = job->local_id, .ocsp = job->ocsp};
    choose->policy = *policy_of(e, job->authenticator ? job->other_credentials : job->credentials);
    return job->authenticator || eap_id[0] == '\0' || identity_parse(eap_id, &choose->local) == 0;
}

static bool presents(const struct eap_step_request *step)
{
    for (uint32_t i = 0; i < step->n_methods; i++)
        if (eap_type_presents((enum eap_type)step->methods[i], step->authenticator != 0))
            return true;
    return false;
}

static int eap_step(struct engine *e, const struct ike_event *event)
{
    static struct eap_request request; /* the engine has one control thread */
    struct verifier_choose choose;
    const struct ike_eap_job *job = &event->eap;
    bool first = job->conversation > e->last_eap;
    memset(&request, 0, sizeof(request));
    request.kind = EAP_STEP;
    request.job = event->job;
    int error = step_fill(e, job, &request.step);
    if (error == 0 && request.step.n_methods == 0)
        error = ERR_NOT_FOUND;
    if (error != 0)
        return error;
    if (first) {
        e->last_eap = job->conversation;
        terms_fill(e, job, &request.tls);
    }
    if (first && presents(&request.step) && choose_fill(e, job, &choose))
        return engine_eap_open(e, &request, &choose);
    return engine_eap_send(e, &request, (struct span){0});
}

static int aaa_step(struct engine *e, const struct ike_event *event)
{
    static struct aaa_request request;
    const struct cert_policy *policy =
        credentials_policy(e->credentials, event->eap.credentials); /* methods_of() saw it */
    struct ike_sa_info sa;
    char text[IDENTITY_TEXT_MAX];
    memset(&request, 0, sizeof(request));
    request.kind = AAA_STEP;
    request.job = event->job;
    if (ike_sa_get(e->ike, event->sa, &sa)) {
        (void)endpoint_print(&sa.path.local, request.step.called);
        (void)endpoint_print(&sa.path.remote, request.step.calling);
        request.step.nas_address = sa.path.local.address;
    }
    if (event->eap.local_id.type != 0)
        (void)snprintf(request.step.nas, sizeof(request.step.nas), "%.*s", RADIUS_VALUE,
                       identity_print(&event->eap.local_id, text));
    request.step.groups.n = policy->n_groups;
    memcpy(request.step.groups.names, policy->groups, sizeof(policy->groups));
    request.step.earlier = event->eap.grant;
    int error = step_fill(e, &event->eap, &request.step.eap);
    return error != 0 ? error : engine_aaa_send(e, &request);
}

static void conversation_end(struct engine *e, const struct ike_eap_end *end)
{
    struct eap_request eap = {.kind = EAP_END};
    struct aaa_request aaa = {.kind = AAA_END};
    engine_eap_forget(e, end->conversation);
    eap.step.conversation = aaa.step.eap.conversation = end->conversation;
    int error = methods_of(e, end->credentials) == EAP_CREDENTIALS_RADIUS
                    ? engine_aaa_send(e, &aaa)
                    : engine_eap_send(e, &eap, (struct span){0});
    if (error != 0)
        log_line(LOG_LEVEL_WARNING, "event=eap-end-lost");
}

void engine_eap(struct engine *e, const struct ike_event *event)
{
    struct ike_result result = {0};
    if (event->kind == IKE_EV_EAP_END) {
        conversation_end(e, &event->eap_end);
        return;
    }
    bool radius = methods_of(e, event->eap.credentials) == EAP_CREDENTIALS_RADIUS;
    result.error = radius ? aaa_step(e, event) : eap_step(e, event);
    if (result.error == 0)
        return;
    result.reason = result.error == ERR_AGAIN ? "more logins at once than the process takes"
                    : result.error == ERR_NOT_FOUND
                        ? "no EAP method with a key, which EAP alone needs (RFC 5998)"
                        : "the EAP identity or packet is too long";
    engine_complete(e, event->job, &result);
}

int engine_eap_secret_load(struct engine *e, const char *name, const struct engine_secret *secret,
                           const struct engine_reply *reply)
{
    struct eap_request request = {.kind = EAP_LOAD};
    int error = secret_to_eap(secret, &request.load);
    memcpy(request.load.name, name, strnlen(name, LIMIT_NAME - 1) + 1);
    if (error == 0)
        error = engine_loading_add(e, reply, &request.job);
    if (error == 0)
        error = engine_eap_send(e, &request, (struct span){0});
    wipe(&request, sizeof(request));
    return error;
}

int engine_eap_secret_unload(struct engine *e, const char *name)
{
    struct eap_request request = {.kind = name == NULL ? EAP_CLEAR : EAP_UNLOAD};
    if (name != NULL)
        memcpy(request.load.name, name, strnlen(name, LIMIT_NAME - 1));
    int error = engine_loading_add(e, NULL, &request.job);
    return error != 0 ? error : engine_eap_send(e, &request, (struct span){0});
}

int engine_eap_add(struct engine *e)
{
    return event_loop_add(e->loop, e->start->eap_fd, EVENT_READ, on_eap, e);
}
