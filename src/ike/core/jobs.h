/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_JOBS_H
#define IKE_JOBS_H

/* Jobs that wait outside of the core, and the IKE SA or Child SA of each. When an IKE SA ends, its
 * jobs are forgotten. */

#include "ike/core/ike_state.h"

struct job {
    enum ike_event_kind kind;
    ike_sa_id sa;
    ike_session_id session;
    uint32_t child; /* CHILD_INSTALL; LEASE of a clone: inner->owner, otherwise 0 */
};

/* job_add - registers the job and returns its number for the event (event_job). 0: no memory. */
ike_job_id job_add(const struct sa *sa, enum ike_event_kind kind, ike_child_id child);
/* job_take - removes the job; false: unknown. */
bool job_take(struct ike *ike, ike_job_id id, struct job *ret_job);
/* job_sa - the IKE SA of the job; NULL if that IKE SA is gone. A later attempt at the same login may have the same
 * number, but it has another session. */
struct sa *job_sa(const struct ike *ike, const struct job *job);
void jobs_done(struct ike *ike);

#endif
