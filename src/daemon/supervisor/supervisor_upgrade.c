/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor does in each phase of an upgrade (upgrade.h). */
#include <signal.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/supervisor_state.h"

static void upgrade_tell(struct supervisor *s, enum upgrade_answer answer)
{
    const struct order order = {.kind = ORDER_UPGRADE, .upgrade = answer};
    log_line(LOG_LEVEL_INFO, "event=upgrade answer=%s", upgrade_answer_name(answer));
    unsigned n_fds = s->upgrade.sessions_fd >= 0 ? 1 : 0;
    if (channel_send(s->engine.order_fd, &order, sizeof(order), &s->upgrade.sessions_fd, n_fds) !=
        0)
        log_line(LOG_LEVEL_WARNING, "event=order-lost kind=upgrade");
}

void supervisor_upgrade_ask(struct supervisor *s)
{
    bool busy = s->stopping || !s->served || s->processes.pids[PROCESS_LOADER] != 0;
    enum upgrade_answer answer =
        busy ? UPGRADE_BUSY : upgrade_begin(&s->upgrade, &s->processes, clock_now());
    if (answer != 0)
        upgrade_tell(s, answer);
}

void supervisor_upgrade_refuse(struct supervisor *s, enum upgrade_answer answer)
{
    if (s->upgrade.warm_fd >= 0)
        event_loop_remove(s->loop, s->upgrade.warm_fd);
    upgrade_give_up(&s->upgrade);
    if (s->engine.order_fd >= 0)
        upgrade_tell(s, answer);
}

/* on_warm - all processes of the installed program wait at the gate. */
static void on_warm(void *context, int fd, unsigned events)
{
    struct supervisor *s = context;
    (void)events;
    event_loop_remove(s->loop, fd);
    upgrade_warmed(&s->upgrade, clock_now());
    upgrade_tell(s, UPGRADE_GO);
}

static void upgrade_goes_on(struct supervisor *s)
{
    int error = upgrade_warm(&s->upgrade, &s->processes, &s->devices, clock_now());
    if (error == 0)
        error = event_loop_add(s->loop, s->upgrade.warm_fd, EVENT_READ, on_warm, s);
    if (error != 0)
        supervisor_upgrade_refuse(s, UPGRADE_BROKEN);
}

void supervisor_probe_ended(struct supervisor *s, int status)
{
    if (s->upgrade.phase != UPGRADE_PROBING)
        return;
    if (s->stopping || s->engine.order_fd < 0) {
        upgrade_give_up(&s->upgrade);
        return;
    }
    enum upgrade_answer answer = upgrade_probed(&s->upgrade, status);
    if (answer == UPGRADE_GO)
        upgrade_goes_on(s);
    else
        upgrade_tell(s, answer);
}

/* supervisor_next_ended - a process of the installed program has ended. Before LEAVING, nothing has changed. */
void supervisor_next_ended(struct supervisor *s, int status)
{
    if (s->upgrade.phase == UPGRADE_IDLE) /* upgrade_give_up() has ended it */
        return;
    log_line(LOG_LEVEL_WARNING, "event=upgrade-fails status=%d", status);
    if (s->upgrade.phase == UPGRADE_WARMING)
        supervisor_upgrade_refuse(s, UPGRADE_BROKEN);
}

/* supervisor_upgrade_due - ends the processes of a phase whose time is over. SIGCHLD tells when they are gone. */
void supervisor_upgrade_due(struct supervisor *s, nanos now)
{
    if (now < s->upgrade.by)
        return;
    s->upgrade.by = NANOS_NEVER;
    if (s->upgrade.phase == UPGRADE_PROBING)
        (void)kill(s->processes.pids[PROCESS_PROBE], SIGKILL);
    else if (s->upgrade.phase == UPGRADE_WARMING)
        supervisor_upgrade_refuse(s, UPGRADE_BROKEN);
    else
        processes_kill(&s->processes);
}

/* supervisor_next_take - the processes of the installed program take the places of those that have ended. */
void supervisor_next_take(struct supervisor *s)
{
    struct loader_ends loader;
    bool whole = true;
    bool handed = upgrade_take(&s->upgrade, &s->processes, &s->engine, &loader, clock_now());
    s->devices.upgraded = s->upgrade.outcome;
    if (handed)
        privileged_hand_over(s->privileged);
    else
        privileged_reset(s->privileged);
    pace_started(&s->all);
    int error = supervisor_engine_join(s);
    s->loading_ahead = loader.permit_fd >= 0;
    if (s->loading_ahead)
        supervisor_loader_join(s, 0, &loader);
    upgrade_gate_open(&s->upgrade);
    for (int i = 0; i < PROCESS_LOADER; i++)
        whole = whole && s->processes.pids[i] != 0;
    if (error != 0 || !whole)
        processes_kill(&s->processes); /* their end brings the earlier program back */
}
