/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/token_queue.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

void token_queue_init(struct token_queue *queue)
{
    *queue = (struct token_queue){.last = &queue->first};
}

int token_queue_add(struct token_queue *queue, const struct token_request *request,
                    struct span octets)
{
    if (queue->n >= TOKEN_WAITING)
        return ERR_FULL;
    struct token_job *job = calloc(1, sizeof(*job) + octets.len);
    if (job == NULL)
        return ERR_NO_MEMORY;
    job->request = *request;
    job->request.n_octets = (uint32_t)octets.len;
    if (octets.len > 0)
        memcpy(job->octets, octets.ptr, octets.len);
    *queue->last = job;
    queue->last = &job->next;
    queue->n++;
    return 0;
}

struct token_job *token_queue_take(struct token_queue *queue)
{
    struct token_job *job = queue->first;
    if (job == NULL)
        return NULL;
    queue->first = job->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    queue->n--;
    job->next = NULL;
    return job;
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

void token_refusals_add(struct token_refusals *refusals, const struct token_ref *ref)
{
    if (!token_refusals_has(refusals, ref))
        digest_of(ref, refusals->digests[refusals->n++ % TOKEN_REFUSED]);
}

bool token_refusals_has(const struct token_refusals *refusals, const struct token_ref *ref)
{
    return place_of(refusals, ref) < TOKEN_REFUSED;
}

void token_refusals_forget(struct token_refusals *refusals, const struct token_ref *ref)
{
    unsigned place = place_of(refusals, ref);
    if (place < TOKEN_REFUSED)
        memset(refusals->digests[place], 0, sizeof(refusals->digests[place]));
}
