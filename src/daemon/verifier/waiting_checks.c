/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/verifier/waiting_checks.h"

#include <stdlib.h>

#include "base/secret.h"

void waiting_checks_init(struct waiting_checks *checks)
{
    *checks = (struct waiting_checks){.end = &checks->oldest, .deadline = NANOS_NEVER};
}

struct waiting_check *waiting_check_free(struct waiting_check *waiting)
{
    if (waiting != NULL)
        wipe(waiting->octets, waiting->n_octets);
    free(waiting);
    return NULL;
}

void waiting_checks_done(struct waiting_checks *checks)
{
    while (checks->oldest != NULL) {
        struct waiting_check *waiting = checks->oldest;
        checks->oldest = waiting->next;
        waiting_check_free(waiting);
    }
    waiting_checks_init(checks);
}

int waiting_checks_add(struct waiting_checks *checks, const struct verifier_request *request,
                       struct span octets, const struct waiting_for *what)
{
    if (checks->n == WAITING_CHECKS || what->n > CERT_WAITS)
        return ERR_FULL;
    struct waiting_check *waiting = calloc(1, sizeof(*waiting) + octets.len);
    if (waiting == NULL)
        return ERR_NO_MEMORY;
    waiting->deadline = what->deadline;
    waiting->request = *request;
    waiting->n_waits = what->n;
    memcpy(waiting->waits, what->jobs, what->n * sizeof(waiting->waits[0]));
    waiting->n_octets = octets.len;
    if (octets.len > 0)
        memcpy(waiting->octets, octets.ptr, octets.len);
    checks->deadline = nanos_min(checks->deadline, waiting->deadline);
    *checks->end = waiting;
    checks->end = &waiting->next;
    checks->n++;
    return 0;
}

static bool ready(const struct waiting_check *waiting, const struct revocation *revocation,
                  nanos now)
{
    bool ended = now >= waiting->deadline;
    for (size_t i = 0; !ended && i < waiting->n_waits; i++)
        ended = !revocation_running(revocation, waiting->waits[i]);
    return ended;
}

/* scan_done - none is ready: the next scan is due when a fetch has ended, or at a deadline. */
static void scan_done(struct waiting_checks *checks, const struct revocation *revocation)
{
    checks->scanned = revocation_ended(revocation);
    checks->deadline = NANOS_NEVER;
    for (const struct waiting_check *waiting = checks->oldest; waiting != NULL;
         waiting = waiting->next)
        checks->deadline = nanos_min(checks->deadline, waiting->deadline);
}

struct waiting_check *waiting_checks_take(struct waiting_checks *checks,
                                          const struct revocation *revocation, nanos now)
{
    struct waiting_check **at = &checks->oldest;
    if (checks->scanned == revocation_ended(revocation) && now < checks->deadline)
        return NULL;
    while (*at != NULL && !ready(*at, revocation, now))
        at = &(*at)->next;
    struct waiting_check *waiting = *at;
    if (waiting == NULL) {
        scan_done(checks, revocation);
        return NULL;
    }
    *at = waiting->next;
    if (checks->end == &waiting->next)
        checks->end = at;
    checks->n--;
    return waiting;
}

nanos waiting_checks_deadline(const struct waiting_checks *checks)
{
    return checks->deadline;
}
