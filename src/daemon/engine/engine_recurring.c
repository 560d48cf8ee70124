/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines that repeat while a peer redirects, or while a name server fails. A fault that lasts
 * for days must not fill the disk. So the first lines are logged, and then one every RECUR_NS.
 */
#include <inttypes.h>

#include "base/rate.h"
#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"

#define RECUR_BURST 32
#define RECUR_NS    (10 * NANOS_PER_SEC) /* some 9,000 lines a day */

static bool recurs(nanos *full_ns, nanos now)
{
    return rate_take(full_ns, RECUR_BURST, RECUR_NS, now);
}

void engine_log_redirected(struct engine *e, const struct ike_event *event)
{
    char to[ADDRESS_TEXT_MAX];
    if (recurs(&e->redirects_ns, e->now))
        log_line(LOG_LEVEL_INFO, "event=redirected sa=%u session=%u conn=%s to=%s", event->sa,
                 event->session, e->about_conn,
                 event->notice[0] != '\0' ? event->notice
                                          : address_print(&event->path.remote.address, to));
}

void engine_log_name_asked(struct engine *e, const struct path_question *question)
{
    if (recurs(&e->names_asked_ns, e->now))
        log_line(LOG_LEVEL_INFO, "event=name-asked conn=%s name=%s job=%" PRIu64, question->conn,
                 question->name, question->tag & ~PATH_TAG);
}

void engine_log_name_failed(struct engine *e, uint64_t job, int error)
{
    if (recurs(&e->names_failed_ns, e->now))
        log_line(LOG_LEVEL_WARNING, "event=name-unresolved job=%" PRIu64 " error=\"%s\"",
                 job & ~PATH_TAG, error_text(error));
}

void engine_log_unresolved(struct engine *e, struct resolving *r, int error)
{
    bool first = !r->said;
    r->said = true;
    if (first || recurs(&e->names_failed_ns, e->now))
        log_line(LOG_LEVEL_WARNING, "event=name-unresolved conn=%s error=%s", r->wish.conn->name,
                 error_text(error));
}
