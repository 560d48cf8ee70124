/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SUPERVISOR_STATE_H
#define DAEMON_SUPERVISOR_STATE_H

/* Inside of the supervisor: one struct, one thread. */

#include "daemon/supervisor/audit_sender.h"
#include "daemon/supervisor/pace.h"
#include "daemon/supervisor/privileged.h"
#include "daemon/supervisor/processes.h"
#include "daemon/supervisor/service_manager.h"
#include "daemon/supervisor/upgrade.h"
#include "linux/event_loop.h"

struct supervisor {
    const struct supervisor_options *options;
    struct engine_start devices; /* they outlive every engine */
    struct privileged *privileged;
    struct event_loop *loop;
    struct processes processes;
    struct engine_ends engine;
    struct audit_sender audit;
    struct watchdog watchdog;
    struct upgrade upgrade;
    int signal_fd;
    int permit_fd;          /* permits of the files, from the loader */
    struct permits permits; /* so far */
    int permission_fd;      /* questions of the hooks process */
    bool listening;         /* we have to remove the VICI socket */
    /* an engine has started well: from now on it is restarted after its end */
    bool served;
    bool loading_ahead; /* the loader of an upgrade was started before its engine served */
    bool stopping, done, reload_again;
    nanos stop_by;
    struct pace all, fetcher, resolver, auditor;
    int status;
};

/* supervisor.c. supervisor_loader_join - serves a loader that was started, with that error. supervisor_engine_join -
 * serves the engine. ERR_SYSTEM. */
void supervisor_loader_join(struct supervisor *s, int error, const struct loader_ends *ends);
int supervisor_engine_join(struct supervisor *s) MUST_USE;

/* supervisor_upgrade.c. supervisor_upgrade_ask - the engine asks for one. supervisor_probe_ended, _next_ended - a
 * process of it has ended. supervisor_upgrade_due - the time of a phase is over. supervisor_next_take - all processes
 * that serve permanently have ended in LEAVING. supervisor_upgrade_refuse - the processes that wait end. */
void supervisor_upgrade_ask(struct supervisor *s);
void supervisor_probe_ended(struct supervisor *s, int status);
void supervisor_next_ended(struct supervisor *s, int status);
void supervisor_upgrade_due(struct supervisor *s, nanos now);
void supervisor_next_take(struct supervisor *s);
void supervisor_upgrade_refuse(struct supervisor *s, enum upgrade_answer answer);

#endif
