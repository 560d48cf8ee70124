/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"
#include "wire/iana.h"

/* --- the keyholder --- */

static void on_key(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    struct key_answer answer;
    (void)events;
    int error;
    while ((error = channel_recv(fd, &answer, sizeof(answer), NULL, NULL)) == 0) {
        if (answer.job == 0) {
            if (answer.error != 0)
                log_line(LOG_LEVEL_WARNING, "event=secret-refused error=%s",
                         error_text(answer.error));
            continue;
        }
        struct ike_result result = {.error = answer.error};
        if (answer.auth_len <= sizeof(answer.auth))
            result.auth = span_of(answer.auth, answer.auth_len);
        ike_complete(e->ike, answer.job, &result, e->now);
        engine_pump(e);
    }
    if (error != ERR_AGAIN) {
        log_line(LOG_LEVEL_ERROR, "event=keyholder-gone");
        event_loop_remove(e->loop, fd); /* the supervisor ends us */
    }
}

static int key_send(struct engine *e)
{
    int error = channel_send(e->start->key_fd, &e->key_request, sizeof(e->key_request), NULL, 0);
    if (e->key_request.kind == KEY_LOAD)
        wipe(&e->key_request, sizeof(e->key_request));
    return error;
}

static bool part_copy(void *to, size_t cap, uint32_t *ret_len, struct span from)
{
    if (from.len > cap)
        return false;
    if (from.len > 0)
        memcpy(to, from.ptr, from.len);
    *ret_len = (uint32_t)from.len;
    return true;
}

void engine_auth(struct engine *e, const struct ike_event *event)
{
    const struct ike_auth_job *job = &event->auth;
    struct key_request *r = &e->key_request;
    struct key_auth *a = &r->auth;
    struct ike_result result = {0};
    memset(r, 0, offsetof(struct key_request, auth.message));
    r->kind = event->kind == IKE_EV_AUTH_SIGN ? KEY_SIGN : KEY_VERIFY;
    r->job = event->job;
    a->prf = job->octets.prf;
    a->local = job->local_id;
    a->remote = job->remote_id;
    struct span auth = event->kind == IKE_EV_AUTH_SIGN ? (struct span){0} : job->auth;
    if (job->method != IKE_AUTH_PSK)
        result.error = ERR_NOT_FOUND; /* no key of that kind is here */
    else if (!part_copy(a->message, sizeof(a->message), &a->message_len, job->octets.message) ||
             !part_copy(a->nonce, sizeof(a->nonce), &a->nonce_len, job->octets.nonce) ||
             !part_copy(a->sk_p, sizeof(a->sk_p), &a->sk_p_len, job->octets.sk_p) ||
             !part_copy(a->id_body, sizeof(a->id_body), &a->id_body_len, job->octets.id_body) ||
             !part_copy(a->auth, sizeof(a->auth), &a->auth_len, auth))
        result.error = ERR_AUTH;
    else
        result.error = key_send(e); /* ERR_AGAIN: more logins at once than the channel holds */
    if (result.error != 0)
        ike_complete(e->ike, event->job, &result, e->now);
}

void engine_eap(struct engine *e, const struct ike_event *event)
{
    struct ike_result result = {.error = ERR_NOT_FOUND}; /* no connection can ask for EAP yet */
    ike_complete(e->ike, event->job, &result, e->now);
}

static size_t secret_index(const struct engine *e, const char *id)
{
    size_t i = 0;
    while (i < e->n_secrets && strcmp(e->secrets[i], id) != 0)
        i++;
    return i;
}

int engine_secret_load(struct engine *e, const struct engine_secret *secret)
{
    struct key_load *load = &e->key_request.load;
    char name[LIMIT_NAME];
    memset(&e->key_request, 0, sizeof(e->key_request));
    e->key_request.kind = KEY_LOAD;
    memcpy(name, secret->id, sizeof(name));
    if (name[0] == '\0') /* one that nobody asks for by name; a NUL-free name cannot begin so */
        snprintf(name, sizeof(name), "\x01%llu", (unsigned long long)engine_number(e));
    if (secret->n_octets == 0 || secret->n_octets > sizeof(load->secret) ||
        secret->n_owners > KEY_OWNERS || strnlen(name, LIMIT_NAME) == LIMIT_NAME)
        return ERR_INVALID;
    size_t index = secret_index(e, name);
    if (index == ENGINE_SECRETS)
        return ERR_FULL;
    memcpy(load->name, name, sizeof(load->name));
    memcpy(load->secret, secret->octets, secret->n_octets);
    load->secret_len = (uint32_t)secret->n_octets;
    load->n_owners = secret->n_owners;
    memcpy(load->owners, secret->owners, secret->n_owners * sizeof(load->owners[0]));
    int error = key_send(e);
    if (error == 0 && index == e->n_secrets)
        memcpy(e->secrets[e->n_secrets++], name, sizeof(name));
    return error;
}

int engine_secret_unload(struct engine *e, const char *id)
{
    size_t index = secret_index(e, id);
    if (index == e->n_secrets)
        return ERR_NOT_FOUND;
    memset(&e->key_request, 0, sizeof(e->key_request));
    e->key_request.kind = KEY_UNLOAD;
    memcpy(e->key_request.load.name, e->secrets[index], LIMIT_NAME);
    int error = key_send(e);
    if (error == 0)
        memmove(e->secrets[index], e->secrets[index + 1],
                (--e->n_secrets - index) * sizeof(e->secrets[0]));
    return error;
}

/* --- names of peers --- */

/* a name that is not known may be so at the next boot stage */
#define RETRY_NS (10 * NANOS_PER_SEC)

static const char *name_of(const struct ike_conn *conn)
{
    for (size_t i = 0; i < conn->n_remote_addrs; i++)
        if (conn->remote_addrs[i].name[0] != '\0')
            return conn->remote_addrs[i].name;
    return NULL;
}

static int resolver_ask(struct engine *e, struct resolving *r)
{
    struct resolve_request request = {.job = r->job};
    const char *name = name_of(r->wish.conn);
    memcpy(request.name, name, strnlen(name, sizeof(request.name) - 1));
    r->retry_at = NANOS_NEVER;
    return channel_send(e->start->resolver_fd, &request, sizeof(request), NULL, 0);
}

static void resolving_end(struct resolving *r)
{
    r->wish.conn = ike_conn_unref(r->wish.conn);
    r->job = 0;
}

static void resolved(struct engine *e, struct resolving *r)
{
    struct path_connect wish = r->wish;
    if (r->child[0] != '\0')
        wish.child = r->child;
    int error = path_manager_connect(e->paths, &wish, e->now);
    if (error == ERR_INVALID && wish.keep) {
        r->wish.n_remotes = 0;
        r->retry_at = nanos_after(e->now, RETRY_NS);
        return;
    }
    if (error != 0)
        engine_watch_failed(e, wish.tag, "the peer's address is unknown");
    resolving_end(r);
    engine_pump(e);
}

static void on_resolved(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    struct resolve_answer answer;
    (void)events;
    int error;
    while ((error = channel_recv(fd, &answer, sizeof(answer), NULL, NULL)) == 0)
        for (size_t i = 0; i < ENGINE_RESOLVING; i++) {
            struct resolving *r = &e->resolving[i];
            if (answer.job == 0 || r->job != answer.job)
                continue;
            for (size_t j = 0; j < answer.n && j < POLICY_ADDRESSES; j++)
                if (r->wish.n_remotes < POLICY_ADDRESSES)
                    r->wish.remotes[r->wish.n_remotes++] = answer.addresses[j];
            if (answer.error != 0)
                log_line(LOG_LEVEL_WARNING, "event=name-unresolved conn=%s error=%s",
                         r->wish.conn->name, error_text(answer.error));
            resolved(e, r);
        }
    if (error != ERR_AGAIN)
        event_loop_remove(e->loop, fd);
}

int engine_connect(struct engine *e, const struct path_connect *wish)
{
    if (name_of(wish->conn) == NULL)
        return path_manager_connect(e->paths, wish, e->now);
    for (size_t i = 0; i < ENGINE_RESOLVING; i++) {
        struct resolving *r = &e->resolving[i];
        if (r->job != 0)
            continue;
        *r = (struct resolving){.job = engine_number(e), .wish = *wish};
        r->wish.conn = ike_conn_ref(wish->conn);
        r->wish.child = NULL;
        if (wish->child != NULL)
            memcpy(r->child, wish->child, strnlen(wish->child, LIMIT_NAME - 1));
        if (resolver_ask(e, r) == 0)
            return 0;
        resolving_end(r);
        return ERR_FULL;
    }
    return ERR_FULL;
}

void engine_connect_forget(struct engine *e, const char *conn_name)
{
    for (size_t i = 0; i < ENGINE_RESOLVING; i++) {
        struct resolving *r = &e->resolving[i];
        if (r->job == 0 || strcmp(r->wish.conn->name, conn_name) != 0)
            continue;
        engine_watch_failed(e, r->wish.tag, "cancelled");
        resolving_end(r);
    }
}

void engine_connect_tick(struct engine *e)
{
    for (size_t i = 0; i < ENGINE_RESOLVING; i++) {
        struct resolving *r = &e->resolving[i];
        if (r->job != 0 && r->retry_at <= e->now && resolver_ask(e, r) != 0)
            r->retry_at = nanos_after(e->now, RETRY_NS);
    }
}

nanos engine_connect_deadline(const struct engine *e)
{
    nanos deadline = NANOS_NEVER;
    for (size_t i = 0; i < ENGINE_RESOLVING; i++)
        if (e->resolving[i].job != 0)
            deadline = nanos_min(deadline, e->resolving[i].retry_at);
    return deadline;
}

int engine_jobs_add(struct engine *e)
{
    int error = event_loop_add(e->loop, e->start->key_fd, EVENT_READ, on_key, e);
    return error != 0 ? error
                      : event_loop_add(e->loop, e->start->resolver_fd, EVENT_READ, on_resolved, e);
}
