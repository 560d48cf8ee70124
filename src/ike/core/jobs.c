/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/jobs.h"

#include <stdlib.h>

#include "ike/core/sa.h"
#include "ike/core/session.h"

ike_job_id job_add(const struct sa *sa, enum ike_event_kind kind, ike_child_id child)
{
    struct ike *ike = sa->ike;
    struct job *job = malloc(sizeof(*job));
    if (job == NULL)
        return 0;
    *job = (struct job){.kind = kind,
                        .sa = sa->id,
                        .session = sa->session == NULL ? 0 : sa->session->id,
                        .child = child};
    if (map_put(&ike->jobs, ike->last_job + 1, job) != 0) {
        free(job);
        return 0;
    }
    return ++ike->last_job;
}

bool job_take(struct ike *ike, ike_job_id id, struct job *ret_job)
{
    struct job *job = map_take(&ike->jobs, id);
    if (job == NULL)
        return false;
    *ret_job = *job;
    free(job);
    return true;
}

struct sa *job_sa(const struct ike *ike, const struct job *job)
{
    struct sa *sa = sa_find(ike, job->sa);
    bool other =
        sa != NULL && job->session != 0 && (sa->session == NULL || sa->session->id != job->session);
    return other ? NULL : sa;
}

void jobs_done(struct ike *ike)
{
    for (size_t i = 0; i < ike->jobs.cap; i++)
        free(map_at(&ike->jobs, i));
    map_done(&ike->jobs);
}
