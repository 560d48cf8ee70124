/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/token/token_queue.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

void token_queue_init(struct token_queue *queue)
{
    *queue = (struct token_queue){.n = 0};
    for (int i = 0; i < TOKEN_ASKERS; i++)
        queue->lines[i].last = &queue->lines[i].first;
}

void token_queue_clear(struct token_queue *queue)
{
    struct token_job *job;
    while ((job = token_queue_take(queue)) != NULL)
        token_job_free(job);
}

int token_queue_add(struct token_queue *queue, const struct token_request *request,
                    struct span octets, nanos deadline)
{
    struct token_line *line = &queue->lines[request->asker];
    if (line->n >= TOKEN_WAITING)
        return ERR_FULL;
    struct token_job *job = calloc(1, sizeof(*job) + octets.len);
    if (job == NULL)
        return ERR_NO_MEMORY;
    job->deadline = deadline;
    job->request = *request;
    job->request.n_octets = (uint32_t)octets.len;
    if (octets.len > 0)
        memcpy(job->octets, octets.ptr, octets.len);
    *line->last = job;
    line->last = &job->next;
    line->n++;
    queue->n++;
    return 0;
}

static struct token_job *line_take(struct token_queue *queue, struct token_line *line)
{
    struct token_job *job = line->first;
    line->first = job->next;
    if (line->first == NULL)
        line->last = &line->first;
    line->n--;
    queue->n--;
    job->next = NULL;
    return job;
}

struct token_job *token_queue_take(struct token_queue *queue)
{
    for (int i = 0; i < TOKEN_ASKERS; i++) {
        struct token_line *line = &queue->lines[queue->turn++ % TOKEN_ASKERS];
        if (line->first != NULL)
            return line_take(queue, line);
    }
    return NULL;
}

struct token_job *token_queue_late(struct token_queue *queue, nanos now)
{
    for (int i = 0; i < TOKEN_ASKERS; i++) {
        struct token_line *line = &queue->lines[i];
        if (line->first != NULL && line->first->deadline <= now)
            return line_take(queue, line);
    }
    return NULL;
}

nanos token_queue_deadline(const struct token_queue *queue)
{
    nanos deadline = NANOS_NEVER;
    for (int i = 0; i < TOKEN_ASKERS; i++)
        if (queue->lines[i].first != NULL)
            deadline = nanos_min(deadline, queue->lines[i].first->deadline);
    return deadline;
}

void token_job_free(struct token_job *job)
{
    if (job != NULL)
        wipe(job, sizeof(*job) + job->request.n_octets);
    free(job);
}

/* --- refused PINs --- */

static void digest_of(const struct token_ref *ref, uint8_t ret[32])
{
    struct token_ref like = {.slot = ref->slot, .pin_len = ref->pin_len};
    memcpy(like.module, ref->module, sizeof(like.module));
    memcpy(like.pin, ref->pin, sizeof(like.pin));
    SHA256((const uint8_t *)&like, sizeof(like), ret);
    wipe(&like, sizeof(like));
}

static unsigned place_of(const struct token_refusals *refusals, const struct token_ref *ref)
{
    uint8_t digest[32];
    unsigned i = 0, n = refusals->n < TOKEN_REFUSED ? refusals->n : TOKEN_REFUSED;
    digest_of(ref, digest);
    while (i < n && memcmp(refusals->digests[i], digest, sizeof(digest)) != 0)
        i++;
    return i < n ? i : TOKEN_REFUSED;
}

void token_refusals_add(struct token_refusals *refusals, const struct token_ref *ref, uint64_t load)
{
    if (token_refusals_has(refusals, ref))
        return;
    unsigned place = refusals->n++ % TOKEN_REFUSED;
    digest_of(ref, refusals->digests[place]);
    refusals->loads[place] = load;
}

bool token_refusals_has(const struct token_refusals *refusals, const struct token_ref *ref)
{
    return place_of(refusals, ref) < TOKEN_REFUSED;
}

void token_refusals_forget(struct token_refusals *refusals, const struct token_ref *ref,
                           uint64_t load)
{
    unsigned place = place_of(refusals, ref);
    if (place < TOKEN_REFUSED && (load == 0 || refusals->loads[place] != load))
        memset(refusals->digests[place], 0, sizeof(refusals->digests[place]));
}
