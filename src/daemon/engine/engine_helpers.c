/* SPDX-License-Identifier: Apache-2.0 */
/* The channels to keyholder and verifier. Requests wait in an outbox while a channel is full. Each
 * answer goes to the file that sent the request. */
#include <poll.h>
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/engine/engine_eap.h"

/* struct loading - a request about a secret, key or certificate, not about an AUTH job. */
struct loading {
    UT_hash_handle hh;
    uint64_t job;
    struct engine_reply reply;
    uint64_t whole;         /* job of which this one is a part; 0: none */
    bool adds_key;          /* a private key, for longer than a check */
    uint64_t keys_switched; /* of the engine, when it was asked for */
};

static int helper_send(struct engine *e, struct outbox *outbox, int fd, struct span message,
                       struct span tail)
{
    int error = outbox_send(outbox, message, tail);
    if (error == 0 && outbox_waiting(outbox) > 0)
        error = event_loop_change(e->loop, fd, EVENT_READ | EVENT_WRITE);
    return error;
}

int engine_key_send(struct engine *e, struct key_request *request, struct span octets)
{
    request->n_octets = (uint32_t)octets.len;
    return helper_send(e, e->to_keyholder, e->start->key_fd, span_of(request, sizeof(*request)),
                       octets);
}

int engine_verifier_send(struct engine *e, struct verifier_request *request, struct span octets)
{
    request->n_octets = (uint32_t)octets.len;
    return helper_send(e, e->to_verifier, e->start->verifier_fd, span_of(request, sizeof(*request)),
                       octets);
}

int engine_eap_send(struct engine *e, struct eap_request *request, struct span octets)
{
    request->n_octets = (uint32_t)octets.len;
    return helper_send(e, e->to_eap, e->start->eap_fd, span_of(request, sizeof(*request)), octets);
}

int engine_aaa_send_server(struct engine *e, struct aaa_request *request,
                           const struct aaa_server *server)
{
    request->n_octets = sizeof(*server);
    return helper_send(e, e->to_aaa, e->start->aaa_fd, span_of(request, sizeof(*request)),
                       span_of(server, sizeof(*server)));
}

int engine_aaa_send(struct engine *e, const struct aaa_request *request)
{
    return helper_send(e, e->to_aaa, e->start->aaa_fd, span_of(request, sizeof(*request)),
                       (struct span){0});
}

void engine_aaa_farewell(struct engine *e)
{
    struct pollfd ready = {.fd = e->start->aaa_fd, .events = POLLOUT};
    for (int i = 0; i < 20 && e->to_aaa != NULL && outbox_waiting(e->to_aaa) > 0; i++)
        if (poll(&ready, 1, 50) < 0 || outbox_flush(e->to_aaa) == ERR_SYSTEM)
            return;
}

/* --- the client that waits for an answer --- */

int engine_loading_add(struct engine *e, const struct engine_reply *reply, uint64_t *ret_job)
{
    struct loading *loading = calloc(1, sizeof(*loading));
    if (loading == NULL)
        return ERR_NO_MEMORY;
    loading->job = engine_number(e) | ENGINE_LOAD_JOB;
    if (reply != NULL)
        loading->reply = *reply;
    HASH_ADD(hh, e->loading, job, sizeof(loading->job), loading);
    if (!TABLE_HAS(loading)) {
        free(loading);
        return ERR_NO_MEMORY;
    }
    *ret_job = loading->job;
    return 0;
}

static struct loading *loading_find(const struct engine *e, uint64_t job)
{
    struct loading *loading;
    HASH_FIND(hh, e->loading, &job, sizeof(job), loading);
    return loading;
}

int engine_loading_add_part(struct engine *e, const struct engine_reply *reply, uint64_t whole,
                            uint64_t *ret_job)
{
    int error = engine_loading_add(e, reply, ret_job);
    if (error == 0)
        loading_find(e, *ret_job)->whole = whole;
    return error;
}

int engine_loading_add_key(struct engine *e, const struct engine_reply *reply, uint64_t *ret_job)
{
    int error = engine_loading_add(e, reply, ret_job);
    if (error != 0)
        return error;
    struct loading *loading = loading_find(e, *ret_job);
    loading->adds_key = true;
    loading->keys_switched = e->keys_switched;
    return 0;
}

static bool has_parts(const struct engine *e, uint64_t whole)
{
    const struct loading *loading = e->loading;
    while (loading != NULL && loading->whole != whole)
        loading = loading->hh.next;
    return loading != NULL;
}

/* loading_item - the answer has octets. */
static void loading_item(struct engine *e, uint64_t job, struct span octets)
{
    const struct loading *loading = loading_find(e, job);
    if (loading != NULL && loading->reply.item != NULL && octets.len > 0)
        loading->reply.item(loading->reply.context, octets);
}

void engine_loading_end(struct engine *e, uint64_t job, int error, const char *reason,
                        const uint8_t *key_id)
{
    struct loading *loading = loading_find(e, job);
    if (loading == NULL)
        return;
    struct engine_reply reply = loading->reply;
    uint64_t whole = loading->whole;
    if (loading->adds_key && error == 0 && key_id != NULL)
        error = engine_key_loaded(e, key_id, loading->keys_switched, &reason);
    HASH_DEL(e->loading, loading);
    free(loading);
    if (reply.done != NULL)
        reply.done(reply.context, error, reason, key_id);
    else if (error != 0)
        log_line(LOG_LEVEL_WARNING, "event=credential-refused error=\"%s\" reason=\"%s\"",
                 error_text(error), reason);
    if (whole != 0 && (error != 0 || !has_parts(e, whole)))
        engine_loading_end(e, whole, error, reason, NULL);
}

void engine_loading_forget(struct engine *e, void *context)
{
    struct loading *loading, *next;
    HASH_ITER(hh, e->loading, loading, next)
    if (loading->reply.context == context)
        loading->reply = (struct engine_reply){0};
}

static void loading_free(struct engine *e)
{
    struct loading *loading, *next;
    HASH_ITER(hh, e->loading, loading, next)
    {
        HASH_DEL(e->loading, loading);
        free(loading);
    }
}

/* --- answers --- */

void engine_helper_flush(struct engine *e, struct outbox *outbox, int fd)
{
    int error = outbox_flush(outbox);
    if (error == 0)
        error = event_loop_change(e->loop, fd, EVENT_READ);
    if (error != 0 && error != ERR_AGAIN)
        log_line(LOG_LEVEL_ERROR, "event=helper-unreachable error=\"%s\"", error_text(error));
}

void engine_helper_gone(struct engine *e, int fd, const char *name, int error)
{
    if (error == ERR_AGAIN)
        return;
    log_line(LOG_LEVEL_ERROR, "event=%s-gone", name);
    event_loop_remove(e->loop, fd); /* the supervisor ends us */
}

static void key_answered(struct engine *e, struct key_answer *answer, struct span octets)
{
    answer->reason[sizeof(answer->reason) - 1] = '\0';
    if (answer->job & ENGINE_LOAD_JOB)
        engine_loading_end(e, answer->job, answer->error, answer->reason, answer->key_id);
    else
        engine_key_answered(e, answer, octets);
}

static void on_keyholder(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    struct key_answer answer;
    uint8_t octets[KEY_ANSWER];
    size_t n;
    int error;
    if (events & EVENT_WRITE)
        engine_helper_flush(e, e->to_keyholder, fd);
    while ((error = channel_recv_tail(fd, &answer, sizeof(answer),
                                      (struct buffer){octets, sizeof(octets)}, &n)) == 0) {
        key_answered(e, &answer, span_of(octets, n));
        wipe(octets, n); /* keys with a PPK in them */
        engine_pump(e);
    }
    engine_helper_gone(e, fd, "keyholder", error);
}

static void on_verifier(void *context, int fd, unsigned events)
{
    static uint8_t octets[VERIFIER_CHAIN * VERIFIER_CERT_MAX];
    struct engine *e = context;
    struct verifier_answer answer;
    size_t n;
    int error;
    if (events & EVENT_WRITE)
        engine_helper_flush(e, e->to_verifier, fd);
    while ((error = channel_recv_tail(fd, &answer, sizeof(answer),
                                      (struct buffer){octets, sizeof(octets)}, &n)) == 0) {
        answer.reason[sizeof(answer.reason) - 1] = '\0';
        if (answer.job & ENGINE_LOAD_JOB) {
            loading_item(e, answer.job, span_of(octets, n));
            engine_loading_end(e, answer.job, answer.error, answer.reason, NULL);
        } else if (answer.job & ENGINE_CHAINS_JOB) {
            engine_chains_answered(e, &answer, span_of(octets, n));
        } else if (answer.job == 0) {
            engine_session_revoked(e, answer.session, answer.reason);
        } else {
            engine_verifier_answered(e, &answer, span_of(octets, n));
        }
        engine_pump(e);
    }
    engine_helper_gone(e, fd, "verifier", error);
}

int engine_helpers_add(struct engine *e)
{
    e->to_keyholder = outbox_new(e->start->key_fd);
    e->to_verifier = outbox_new(e->start->verifier_fd);
    e->to_eap = outbox_new(e->start->eap_fd);
    e->to_aaa = outbox_new(e->start->aaa_fd);
    if (e->to_keyholder == NULL || e->to_verifier == NULL || e->to_eap == NULL || e->to_aaa == NULL)
        return ERR_NO_MEMORY;
    int error = event_loop_add(e->loop, e->start->key_fd, EVENT_READ, on_keyholder, e);
    return error != 0 ? error
                      : event_loop_add(e->loop, e->start->verifier_fd, EVENT_READ, on_verifier, e);
}

void engine_helpers_done(struct engine *e)
{
    e->to_keyholder = outbox_free(e->to_keyholder);
    e->to_verifier = outbox_free(e->to_verifier);
    e->to_eap = outbox_free(e->to_eap);
    e->to_aaa = outbox_free(e->to_aaa);
    loading_free(e);
    engine_eap_done(e);
}
