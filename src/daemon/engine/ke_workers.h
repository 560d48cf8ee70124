/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_KE_WORKERS_H
#define DAEMON_KE_WORKERS_H

/*
 * Key exchanges of the IKE core (IKE_EV_KE) on threads of their own, one a core, below the priority
 * of all other threads. Jobs wait in one bounded queue per class. A worker takes the first job of
 * the first class that has one, so that established IKE SAs wait for one step at most, and strangers get
 * the time that nobody else wants.
 */

#include "ike/ike.h"

struct ke_workers;

struct ke_workers *ke_workers_new(void); /* NULL: no memory or descriptors */
/* ke_workers_start - call it before the system call filter; ERR_SYSTEM. */
int ke_workers_start(struct ke_workers *workers, unsigned n) MUST_USE;
/* ke_workers_free - ends the threads, wipes waiting jobs. Takes NULL, returns NULL. */
struct ke_workers *ke_workers_free(struct ke_workers *workers);

/* ke_workers_add - copies the job. ERR_AGAIN: the queue of its class is full. */
int ke_workers_add(struct ke_workers *workers, ike_job_id job,
                   const struct ike_ke_job *ke) MUST_USE;

/* ke_workers_fd - readable while ke_workers_next has something. */
int ke_workers_fd(const struct ke_workers *workers);
/* ke_workers_next - a finished job, which the caller wipes. false: none. */
bool ke_workers_next(struct ke_workers *workers, ike_job_id *ret_job, struct ke_job *ret_step);

#endif
