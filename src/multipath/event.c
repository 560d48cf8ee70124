/* SPDX-License-Identifier: Apache-2.0 */
/* Input: links, and events of the IKE core. */
#include <stdio.h>

#include "base/assert.h"
#include "multipath/vpn.h"

/* a session that ends sooner counts as a failed login */
#define SHORT_LIFE_NS (10 * NANOS_PER_SEC)

/* legs_look - looks up in the core at which IKE SA each line is now. */
static void legs_look(struct vpn *vpn, nanos now)
{
    const struct path_view *view = &vpn->pm->options.view;
    struct ike_sa_info sa;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        if (!view->line(view->context, vpn->session.id, leg->line, &sa) || sa.id == leg->id)
            continue;
        leg->id = sa.id;
        leg->terms = sa.terms;
        if (!leg_stands(leg, &sa.path))
            health_moved(vpn, leg, &sa.path, now);
    }
}

static nanos wish_settle(struct vpn *vpn, nanos now)
{
    login_settle(vpn, now);
    return login_deadline(vpn, now);
}

static nanos session_settle(struct vpn *vpn, nanos now)
{
    nanos at = NANOS_NEVER;
    bool login_over = !vpn->wish.clone_comes || vpn->session.login_tag == 0;
    legs_look(vpn, now);
    health_settle(vpn, now);
    nanos choice_at = choice_settle(vpn, now);
    if (vpn_end_user(vpn) && !vpn_released(vpn) && login_over) {
        at = repair_settle(vpn, now);
        at = nanos_min(at, home_settle(vpn, now));
        at = nanos_min(at, beside_settle(vpn, now));
        at = nanos_min(at, terms_settle(vpn, now));
    } else if (!vpn_end_user(vpn) && !vpn_released(vpn)) {
        gateway_settle(vpn, now);
    }
    if (vpn_end_user(vpn))
        at = nanos_min(at, reauth_settle(vpn, now));
    reauth_progress(vpn, now);
    if (!vpn_released(vpn))
        at = nanos_min(at, idle_settle(vpn, now));
    return nanos_min(nanos_min(at, choice_at), health_deadline(vpn, now));
}

/* settle - brings one vpn into line with what is known. */
static void settle(struct vpn *vpn, nanos now)
{
    nanos at = vpn->session.id == 0 ? wish_settle(vpn, now) : session_settle(vpn, now);
    if (vpn->session.id == 0 && vpn->wish.phase == WISH_OVER) {
        vpn_free(vpn);
        return;
    }
    deadline_heap_set(&vpn->pm->deadlines, &vpn->deadline, at);
    orders_settle(vpn, now);
    if (!vpn->ordering) {
        vpn->ordering = true;
        vpn->orders = vpn->pm->orders;
        vpn->pm->orders = vpn;
    }
}

void manager_settle(struct path_manager *pm, nanos now)
{
    while (pm->touched != NULL) {
        struct vpn *vpn = pm->touched;
        pm->touched = vpn->touched_next;
        vpn->touched = false;
        settle(vpn, now);
    }
}

void path_manager_links_set(struct path_manager *pm, const struct path_link *links, size_t n,
                            nanos now)
{
    manager_input(pm, now);
    pm->n_links = n < PATH_LINKS ? n : PATH_LINKS;
    memcpy(pm->links, links, pm->n_links * sizeof(*links));
    for (struct vpn *vpn = pm->vpns; vpn != NULL; vpn = vpn->next) {
        if (!vpn_end_user(vpn))
            continue;
        wanted_plan(vpn, now);
        for (unsigned i = 0; i < vpn->session.n_legs; i++) {
            struct leg *leg = &vpn->legs[i];
            if (leg->health == HEALTH_DEAD && !leg->link_gone && leg->probe_tag == 0)
                leg->probe_at_ns = now; /* the link may have come back: ask at once */
        }
        vpn_touch(vpn);
    }
    manager_settle(pm, now);
}

/* --- news of the IKE core --- */

static void abilities(struct vpn *vpn)
{
    struct ike_session_info info;
    const struct path_view *view = &vpn->pm->options.view;
    if (!view->session(view->context, vpn->session.id, &info))
        return;
    vpn->session.mobike = info.mobike;
    vpn->session.path_terms = info.path_terms;
    enum clones *clones = &vpn->session.clones;
    if (*clones == CLONES_NEVER)
        return;
    if (info.dialect == IKE_DIALECT_NONE)
        *clones = CLONES_NO;
    else if (*clones != CLONES_FULL)
        *clones = CLONES_YES;
}

/* inherit - a session that a command began, not this manager: it takes over the wish. */
static struct vpn *inherit(struct path_manager *pm, const struct ike_session_info *info)
{
    static const struct address everywhere;
    struct vpn *old = wish_of(pm, info->conn->name, &everywhere);
    if (old != NULL && old->session.id == 0)
        return old;
    struct vpn *vpn = vpn_new(pm, (struct ike_conn *)info->conn, IKE_END_USER);
    if (vpn == NULL || old == NULL)
        return vpn;
    *vpn->gateway = *old->gateway;
    memcpy(vpn->wish.child, old->wish.child, sizeof(old->wish.child));
    vpn->n_own_remotes = vpn->n_remotes = old->n_own_remotes;
    vpn->wish.phase = old->wish.phase;
    vpn->wish.children = wish_children_in(vpn->conn, old->conn, old->wish.children);
    vpn->wish.kept = wish_children_in(vpn->conn, old->conn, old->wish.kept);
    old->wish.phase = WISH_OVER;
    vpn_release(old); /* its session is ending */
    return vpn;
}

static struct vpn *logged_in(struct path_manager *pm, ike_sa_id sa)
{
    struct vpn *vpn = pm->wishes;
    while (vpn != NULL && login_path_of(vpn, sa) == NULL)
        vpn = vpn->wish_next;
    return vpn;
}

static void login_over(struct vpn *vpn, ike_sa_id sa)
{
    struct path *path = login_path_of(vpn, sa);
    vpn->session.login_tag = path == NULL ? 0 : path->login.tag;
    if (path != NULL)
        path->login.tag = 0;
    login_cancel(vpn);
    for (unsigned i = 0; i < vpn->n_paths; i++)
        vpn->paths[i].login.failed = false;
}

/* session_known - the vpn of a session; a new session gets one. */
static struct vpn *session_known(struct path_manager *pm, ike_session_id id, ike_sa_id sa,
                                 nanos now)
{
    struct vpn *vpn = vpn_find(pm, id);
    struct ike_session_info info;
    const struct path_view *view = &pm->options.view;
    if (vpn != NULL || id == 0 || !view->session(view->context, id, &info) || !info.established)
        return vpn;
    if (info.role == IKE_GATEWAY) {
        vpn = vpn_new(pm, (struct ike_conn *)info.conn, IKE_GATEWAY);
    } else {
        vpn = logged_in(pm, sa);
        if (vpn == NULL)
            vpn = inherit(pm, &info);
    }
    if (vpn == NULL) {
        vpn_behind(pm);
        return NULL;
    }
    login_over(vpn, sa);
    beside_logged_in(vpn, now);
    vpn_id_set(vpn, id);
    vpn->session.up_ns = now;
    abilities(vpn);
    return vpn;
}

static void peer_addresses(struct vpn *vpn, ike_sa_id sa, nanos now)
{
    struct ike_sa_info info;
    if (!vpn_end_user(vpn) || !vpn->pm->options.view.sa(vpn->pm->options.view.context, sa, &info))
        return;
    if (vpn->n_own_remotes == 0) { /* this manager did not begin the login: only the address that it
                                    * reached is known */
        vpn->gateway->remotes[0] = info.path.remote.address;
        vpn->n_own_remotes = vpn->n_remotes = 1;
    }
    size_t n =
        info.n_peer_addresses < LIMIT_ADDITIONAL + 1 ? info.n_peer_addresses : LIMIT_ADDITIONAL + 1;
    wanted_remotes(vpn, info.peer_addresses, n);
    wanted_plan(vpn, now);
}

/* serve_there - the leg serves the path on which it is, if that path is free. */
static void serve_there(struct vpn *vpn, struct leg *leg)
{
    for (unsigned i = 0; leg->path < 0 && i < vpn->n_paths; i++)
        if (vpn->paths[i].use.line == 0 && wanted_at_home(&vpn->paths[i], &leg->at))
            leg_assign(vpn, leg, (int)i);
}

static void sa_up(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    const struct path_view *view = &vpn->pm->options.view;
    struct ike_sa_info info;
    abilities(vpn);
    legs_look(vpn, now);
    if (view->sa(view->context, event->sa, &info) && leg_of(vpn, info.line) != NULL)
        return; /* a rekey */
    struct leg *leg = leg_add(vpn, event->sa, now);
    const struct leg *parent = leg == NULL ? NULL : leg_find(vpn, leg->parent);
    if (parent != NULL && vpn_end_user(vpn) &&
        !address_equal(&parent->at.local.address, &leg->at.local.address))
        home_chosen(vpn, leg, now); /* it moved before this event */
    if (leg != NULL && event->tag != 0)
        repair_cloned(vpn, leg, event->tag);
    if (leg == NULL || event->sa_old != 0 || !vpn_end_user(vpn))
        return;
    /* The new plan may lack the path of the login: serve that first. Otherwise serve a path of the
     * new plan. */
    serve_there(vpn, leg);
    peer_addresses(vpn, event->sa, now);
    serve_there(vpn, leg);
}

static void sa_down(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    legs_look(vpn, now); /* the line may continue on another IKE SA */
    struct leg *leg = leg_find(vpn, event->sa);
    if (vpn->session.clones == CLONES_FULL)
        vpn->session.clones = CLONES_YES;
    if (leg == NULL)
        return;
    if (leg->path >= 0) {
        struct path *path = &vpn->paths[leg->path];
        /* a path whose IKE SA died must answer for stable_for */
        path->use.lost |= event->outcome == IKE_TIMEOUT || leg->health == HEALTH_DEAD;
    }
    leg_remove(vpn, leg);
}

static void child_down(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    const struct bearer *bearer = bearer_find(vpn, event->child);
    if (bearer == NULL)
        return;
    uint8_t policy = bearer->policy;
    const struct path_view *view = &vpn->pm->options.view;
    struct leg *leg = leg_of(vpn, bearer->line);
    struct ike_sa_info sa;
    /* true: the Child SA ended, and its IKE SA lives */
    bool by_itself = view->line(view->context, vpn->session.id, bearer->line, &sa);
    bool on_purpose = event->outcome == IKE_CANCELLED || event->outcome == IKE_PEER_DELETED;
    bearer_remove(vpn, event->child);
    if (!by_itself || leg == NULL)
        return;
    bool elsewhere = false;
    for (unsigned i = 0; i < vpn->session.n_bearers; i++)
        elsewhere |= vpn->bearers[i].policy == policy;
    if (on_purpose && !elsewhere && vpn->conn->children[policy].close_action == IKE_START_NONE)
        vpn->wish.children &= ~(UINT32_C(1) << policy);
    if (!leg_has(vpn, leg, policy) && leg->job != JOB_CREATE) {
        leg->job_failures++;
        leg->job_at_ns = retry_after(vpn->pm, leg->job_failures, now);
    }
}

/* session_reset - clears all state of the session, in the vpn and in its paths. */
static void session_reset(struct vpn *vpn)
{
    vpn_id_set(vpn, 0);
    vpn->session = (struct vpn_session){0};
    vpn->replace.reauth_again_ns = 0;
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        vpn->paths[i].use = (struct path_use){0};
        vpn->paths[i].login = (struct path_login){0};
    }
}

/* login_again - the wish outlives its session: the next login asks for the children that are kept. */
static void login_again(struct vpn *vpn, nanos now)
{
    struct vpn_wish *wish = &vpn->wish;
    wish->later = (wish->children | wish->later) & wish->kept;
    wish->children = 0;
    wish_begin_with(vpn, wish->later);
    if (vpn->conn_next != NULL)
        (void)wish_conn_renew(vpn, vpn->conn_next);
    vpn->conn_next = ike_conn_unref(vpn->conn_next);
    wish->packet = (struct ike_packet){0}; /* sent long ago */
    wish->said = IKE_OK;
    redirect_home(vpn);
    vpn->n_remotes = vpn->n_own_remotes;
    wish->round_at_ns = wish->short_lives > 0 ? retry_after(vpn->pm, wish->short_lives, now) : now;
    wanted_plan(vpn, now);
}

static void session_down(struct vpn *vpn, enum ike_outcome outcome, nanos now)
{
    if (vpn->wish.waits)
        login_connected(vpn, outcome == IKE_OK ? IKE_CANCELLED : outcome);
    if (vpn->session.login_tag != 0) /* it ended before its login was complete */
        vpn->wish.later |= wish_login_child(vpn);
    beside_end(vpn);
    if (reauth_lost(vpn, now))
        vpn->wish.phase = WISH_OVER;
    bool again = vpn->wish.phase == WISH_KEPT && !vpn_released(vpn) && vpn_end_user(vpn);
    bool brief = now - vpn->session.up_ns < SHORT_LIFE_NS;
    session_reset(vpn);
    vpn->wish.short_lives = brief ? vpn->wish.short_lives + 1 : 0;
    vpn->wish.deleted = outcome == IKE_PEER_DELETED && !brief;
    if (again)
        login_again(vpn, now);
    else
        vpn->wish.phase = WISH_OVER;
    vpn_touch(vpn);
}

/* without_address - the login brought no inner address, so the session can carry nothing. It is
 * deleted. A wish that is kept logs in again. */
static void without_address(struct vpn *vpn)
{
    struct ike_command command = {.kind = IKE_CMD_DELETE_SESSION, .session = vpn->session.id};
    vpn->wish.later |= wish_login_child(vpn);
    vpn->wish.children = 0;
    (void)command_add(vpn, &command); /* no room: it stays, of no use */
    login_connected(vpn, IKE_ADDRESS_FAILURE);
}

/* login_child_comes - the login was childless (RFC 6023): CREATE_CHILD_SA brings the child that it
 * was for, and the outcome for its caller. */
static bool login_child_comes(const struct vpn *vpn, const struct ike_event *event)
{
    uint32_t child = wish_login_child(vpn);
    if (event->outcome != IKE_OK || child == 0)
        return false;
    for (unsigned i = 0; i < vpn->session.n_bearers; i++)
        if ((child >> vpn->bearers[i].policy & 1) != 0)
            return false;
    return true;
}

static void command_done(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    if (vpn->session.id != 0 && event->tag == vpn->session.login_tag) {
        vpn->session.login_tag = 0;
        vpn->wish.clone_comes = false;
        if (event->outcome == IKE_ADDRESS_FAILURE) {
            without_address(vpn);
            return;
        }
        if (event->outcome == IKE_OK || vpn->wish.phase == WISH_KEPT)
            vpn->wish.children |= wish_login_child(vpn);
        vpn->wish.children |= vpn->wish.later;
        vpn->wish.later = 0;
        if (!login_child_comes(vpn, event))
            login_connected(vpn, event->outcome);
        return;
    }
    if (!health_probe_done(vpn, event, now) && !home_done(vpn, event, now) &&
        !repair_done(vpn, event, now) && !terms_done(vpn, event, now))
        (void)login_done(vpn, event->tag, event->outcome, now);
}

/* exchange_answered - the path works in both directions. Tests of other paths say nothing about the
 * path of the IKE SA. During a move the response says nothing either: the request was sent over
 * both paths (RFC 4555 section 3.5). */
static void exchange_answered(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    struct leg *leg = leg_find(vpn, event->sa);
    if (leg == NULL || leg->job == JOB_MOVE || leg->job == JOB_CREATE_MOVED ||
        !leg_stands(leg, &event->path))
        return;
    health_rtt(leg, event->rtt_ns);
    health_proof(vpn, leg, now);
}

static void vpn_event(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    struct leg *leg = leg_find(vpn, event->sa);
    switch (event->kind) {
    case IKE_EV_COMMAND_DONE: command_done(vpn, event, now); break;
    case IKE_EV_SESSION_UP: abilities(vpn); break;
    case IKE_EV_SESSION_DOWN: session_down(vpn, event->outcome, now); return;
    case IKE_EV_REAUTH: reauth_due(vpn, now); break;
    case IKE_EV_REDIRECT: redirect_session(vpn, event, now); break;
    case IKE_EV_SA_UP: sa_up(vpn, event, now); break;
    case IKE_EV_SA_DOWN: sa_down(vpn, event, now); break;
    case IKE_EV_CHILD_NEW: bearer_add(vpn, event, now); break;
    case IKE_EV_CHILD_UP: bearer_up(vpn, event->child); break;
    case IKE_EV_CHILD_DOWN: child_down(vpn, event, now); break;
    case IKE_EV_PEER_ADDRESSES: peer_addresses(vpn, event->sa, now); break;
    case IKE_EV_PATH_TERMS: terms_known(vpn); break;
    case IKE_EV_EXCHANGE: exchange_answered(vpn, event, now); break;
    case IKE_EV_SA_MOVED:
        if (leg != NULL)
            health_moved(vpn, leg, &event->path, now);
        if (leg != NULL && vpn_end_user(vpn))
            home_chosen(vpn, leg, now);
        if (leg != NULL && !vpn_end_user(vpn))
            leg->offered = true; /* do not offer it again: the End User creates the VPN */
        break;
    case IKE_EV_AUTH_SIGN:
    case IKE_EV_AUTH_VERIFY:
    case IKE_EV_PPK:
    case IKE_EV_EAP:
    case IKE_EV_EAP_END:
    case IKE_EV_KE:
    case IKE_EV_ADMIT:
    case IKE_EV_TICKET_SEAL:
    case IKE_EV_TICKET_OPEN:
    case IKE_EV_TICKET_USE:
    case IKE_EV_TICKET_END:
    case IKE_EV_CHAINS_END:
    case IKE_EV_LEASE:
    case IKE_EV_CHILD_INSTALL:
    case IKE_EV_LEASE_RELEASE:
    case IKE_EV_CHILD_SWITCH:
    case IKE_EV_CHILD_MOVE:
    case IKE_EV_CHILD_REMOVE:
    case IKE_EV_CONFIG:
    case IKE_EV_NOTICE: return;
    }
    vpn_touch(vpn);
}

/* login_news - handles events of login attempts that have no session yet. */
static void login_news(struct path_manager *pm, const struct ike_event *event, nanos now)
{
    for (struct vpn *vpn = pm->wishes; vpn != NULL; vpn = vpn->wish_next) {
        bool ours =
            event->kind == IKE_EV_COMMAND_DONE && login_done(vpn, event->tag, event->outcome, now);
        if (event->kind == IKE_EV_EXCHANGE)
            ours = login_progress(vpn, event, now);
        if (event->kind == IKE_EV_REDIRECT)
            ours = login_redirected(vpn, event, now);
        if (ours) {
            if (event->kind == IKE_EV_COMMAND_DONE && vpn->session.id == 0)
                vpn->wish.again = event->sa;
            vpn_touch(vpn);
            return;
        }
    }
}

static void event_note(struct path_manager *pm, const struct ike_event *event, nanos now)
{
    if (event->kind == IKE_EV_COMMAND_DONE && (event->tag & PATH_TAG) == 0)
        return;
    struct vpn *vpn = vpn_find(pm, event->session);
    if (vpn == NULL && (event->kind == IKE_EV_SESSION_UP || event->kind == IKE_EV_SA_UP ||
                        (event->kind == IKE_EV_COMMAND_DONE && event->outcome == IKE_OK)))
        vpn = session_known(pm, event->session, event->sa, now);
    if (vpn != NULL)
        vpn_event(vpn, event, now);
    else
        login_news(pm, event, now);
}

void path_manager_event(struct path_manager *pm, const struct ike_event *event, nanos now)
{
    manager_input(pm, now);
    event_note(pm, event, now);
    manager_settle(pm, now);
}

void path_manager_refused(struct path_manager *pm, uint64_t tag, int error, nanos now)
{
    /* treated as a temporary failure; an IKE SA that does not exist has an event of its own */
    struct ike_event event = {
        .kind = IKE_EV_COMMAND_DONE,
        .tag = tag,
        .outcome =
            error == ERR_NOT_FOUND || error == ERR_INVALID ? IKE_CANCELLED : IKE_TEMPORARY_FAILURE,
    };
    manager_input(pm, now);
    for (struct vpn *vpn = pm->vpns; vpn != NULL; vpn = vpn->next) {
        if (vpn->session.id == 0
                ? login_done(vpn, tag, event.outcome, now)
                : health_probe_done(vpn, &event, now) || home_done(vpn, &event, now) ||
                      repair_done(vpn, &event, now) || terms_done(vpn, &event, now)) {
            vpn_touch(vpn);
            break;
        }
    }
    manager_settle(pm, now);
}

/* catch_up - notes the events that were missed, from look-ups in the core. */
static void catch_up(struct path_manager *pm, nanos now)
{
    const struct path_view *view = &pm->options.view;
    struct ike_child_info child = {0};
    struct ike_sa_info sa = {0};
    pm->missed = false; /* no repair before all events are noted */
    pm->behind_ns = nanos_after(now, NANOS_PER_SEC);
    for (struct vpn *vpn = pm->vpns; vpn != NULL; vpn = vpn->next) {
        if (!vpn_end_user(vpn) || vpn->paths != NULL)
            continue;
        wanted_plan(vpn, now);
        vpn_touch(vpn);
    }
    while (view->sa_next(view->context, sa.id, &sa)) {
        struct vpn *vpn = vpn_find(pm, sa.session);
        struct ike_event up = {
            .kind = IKE_EV_SA_UP, .session = sa.session, .sa = sa.id, .sa_old = sa.parent};
        if (sa.life == IKE_ESTABLISHED && (vpn == NULL || leg_of(vpn, sa.line) == NULL))
            event_note(pm, &up, now);
    }
    while (view->child_next(view->context, child.id, &child)) {
        struct vpn *vpn = vpn_find(pm, child.session);
        struct ike_event up = {
            .kind = IKE_EV_CHILD_NEW, .session = child.session, .sa = child.sa, .child = child.id};
        if (vpn != NULL && bearer_find(vpn, child.id) == NULL)
            event_note(pm, &up, now);
    }
    if (!pm->missed)
        pm->behind_ns = NANOS_NEVER;
}

nanos path_manager_deadline(const struct path_manager *pm)
{
    const struct deadline *first = deadline_heap_first(&pm->deadlines);
    return first == NULL ? pm->behind_ns : nanos_min(pm->behind_ns, first->at);
}

void path_manager_tick(struct path_manager *pm, nanos now)
{
    manager_input(pm, now);
    if (now >= pm->behind_ns) {
        catch_up(pm, now);
        manager_settle(pm, now);
    }
    for (;;) {
        struct deadline *first = deadline_heap_first(&pm->deadlines);
        if (first == NULL || first->at > now)
            break;
        deadline_heap_remove(&pm->deadlines, first); /* settle() puts it back */
        vpn_touch(first->owner);
        manager_settle(pm, now);
    }
}
