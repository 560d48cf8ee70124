/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/jobs.h"

#include <stdlib.h>

#include "base/assert.h"

ike_job_id job_add(const struct sa *sa, enum ike_event_kind kind, ike_child_id child)
{
    struct ike *ike = sa->ike;
    struct job *job = calloc(1, sizeof(*job));
    ASSERT(job != NULL);
    job->id = ++ike->last_job;
    job->kind = kind;
    job->sa = sa->id;
    job->session = sa->session == NULL ? 0 : sa->session->id;
    job->child = child;
    HASH_ADD(hh, ike->jobs, id, sizeof(job->id), job);
    return job->id;
}

bool job_take(struct ike *ike, ike_job_id id, struct job *ret_job)
{
    struct job *job;
    HASH_FIND(hh, ike->jobs, &id, sizeof(id), job);
    if (job == NULL)
        return false;
    HASH_DEL(ike->jobs, job);
    *ret_job = *job;
    free(job);
    return true;
}

void jobs_done(struct ike *ike)
{
    struct job *job, *next;
    HASH_ITER(hh, ike->jobs, job, next)
    {
        HASH_DEL(ike->jobs, job);
        free(job);
    }
}
