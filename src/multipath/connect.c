/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The login is tried over all paths. Attempts begin 250 ms apart (RFC 8305). The first attempt that
 * gets a response wins, and the others are cancelled before they authenticate. So a dead first path
 * costs a quarter of a second, and only one login is made. A further address of the peer may be
 * another Gateway, so it is tried a second later than the first address, if that does not answer.
 *
 * A REDIRECT in the response to IKE_SA_INIT proves nothing: an attacker who reads one link can send
 * it. So it ends the attempt on that path only. It is followed if no other path answers for a
 * while.
 */
#include <stdio.h>

#include "base/assert.h"
#include "multipath/vpn.h"

#define EARLY_NS             (50 * NANOS_PER_MS) /* a Gateway that starts anew is back within half a second */
#define REDIRECT_PATIENCE_NS NANOS_PER_SEC
#define NEXT_ADDRESS_NS      NANOS_PER_SEC

static struct path *attempt_answered(struct vpn *vpn)
{
    for (unsigned i = 0; i < vpn->n_paths; i++)
        if (vpn->paths[i].login.tag != 0 && vpn->paths[i].login.sa != 0)
            return &vpn->paths[i];
    return NULL;
}

static unsigned attempts_running(const struct vpn *vpn)
{
    unsigned n = 0;
    for (unsigned i = 0; i < vpn->n_paths; i++)
        n += vpn->paths[i].login.tag != 0;
    return n;
}

static bool before(const struct path *a, const struct path *b)
{
    if (a->login.later != b->login.later)
        return b->login.later;
    if (a->priority != b->priority)
        return a->priority < b->priority;
    if (a->metered != b->metered)
        return b->metered;
    return a->cost < b->cost;
}

/* attempt_candidate - the best path that was not tried in this round. */
static struct path *attempt_candidate(const struct vpn *vpn)
{
    struct path *best = NULL;
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        struct path *path = &vpn->paths[i];
        if (path->present && path->login.tag == 0 && !path->login.failed &&
            (best == NULL || before(path, best)))
            best = path;
    }
    return best;
}

static void attempt_cancel(struct vpn *vpn, struct path *path)
{
    if (path->login.tag != 0)
        command_cancel(vpn, path->login.tag);
    path->login.tag = 0;
    path->login.sa = 0;
}

void login_cancel(struct vpn *vpn)
{
    for (unsigned i = 0; i < vpn->n_paths; i++)
        attempt_cancel(vpn, &vpn->paths[i]);
}

/* wants_clone - more than one path is up, so a clone may come with the login (draft B.5). A login
 * beside a session that may still live brings none. */
static bool wants_clone(const struct vpn *vpn)
{
    unsigned n = 0;
    for (unsigned i = 0; i < vpn->n_paths; i++)
        n += vpn->paths[i].present && !vpn->paths[i].login.later;
    return n > 1 && vpn->conn->combined_auth && vpn->conn->n_paths > 0 &&
           vpn->replace.phase != REPLACES_KNOCK && vpn->replace.phase != REPLACES_LOST;
}

static void attempt_start(struct vpn *vpn, struct path *path, nanos now)
{
    struct ike_command command = {
        .kind = IKE_CMD_CONNECT,
        .conn = vpn->conn->name,
        .child = vpn->wish.child,
        .packet = vpn->wish.packet,
        .alone = vpn->wish.alone,
        .redirected_from = vpn->redirect.from,
        .clone = wants_clone(vpn),
        .again = vpn->wish.again,
        .early_ns = vpn->wish.deleted ? EARLY_NS : 0,
        .give_up_ns = beside_knock_time(vpn),
        .replaces = vpn->replace.phase == REPLACES_LIVING && vpn->replace.elder != NULL
                        ? vpn->replace.elder->session.id
                        : 0,
        .path = {.local.address = path->local,
                 .remote.address = path->remote,
                 .interface = path->link},
    };
    path->login.tag = command_add(vpn, &command);
    vpn->wish.again = 0;
    vpn->wish.clone_comes |= command.clone;
    path->login.sa = 0;
    path->login.begun_ns = vpn->wish.last_start_ns = now;
    path->login.failed = path->login.tag == 0;
}

static void login_round_begin(struct vpn *vpn)
{
    for (unsigned i = 0; i < vpn->n_paths; i++)
        vpn->paths[i].login.failed = false;
}

static void wish_tell(struct vpn *vpn, enum path_news_kind kind, enum ike_outcome outcome)
{
    struct path_news news = {
        .kind = kind, .tag = vpn->wish.tag, .session = vpn->session.id, .outcome = outcome};
    (void)snprintf(news.conn, sizeof(news.conn), "%s", vpn->conn->name);
    if (kind == PATH_NEWS_CONNECTED && vpn->session.n_legs > 0)
        news.sa = vpn->legs[0].id;
    news_add(vpn->pm, &news);
    if (kind != PATH_NEWS_CONNECT_RETRY)
        vpn->wish.waits = false;
}

/* login_round_failed - each path was tried without success. keyingtries limits the rounds; 0: no
 * limit. */
static void login_round_failed(struct vpn *vpn, enum ike_outcome outcome, nanos now)
{
    login_cancel(vpn);
    vpn->wish.round++;
    vpn->wish.said = IKE_OK;
    vpn->wish.deleted = false;
    if (redirect_over(vpn))
        return;
    bool away = vpn->redirect.n_home > 0;
    redirect_home(vpn);
    if (away)
        wanted_plan(vpn, now);
    if (vpn_hidden(vpn)) {
        vpn->wish.round_at_ns = beside_failed(vpn, outcome, now);
        login_round_begin(vpn);
        return;
    }
    if (vpn->conn->keyingtries != 0 && vpn->wish.round >= vpn->conn->keyingtries) {
        wish_tell(vpn, PATH_NEWS_CONNECT_FAILED, outcome);
        vpn->wish.phase = WISH_OVER;
        return;
    }
    vpn->wish.round_at_ns = retry_after(vpn->pm, vpn->wish.round, now);
    login_round_begin(vpn);
    wish_tell(vpn, PATH_NEWS_CONNECT_RETRY, outcome);
}

static bool tried_one(const struct vpn *vpn)
{
    for (unsigned i = 0; i < vpn->n_paths; i++)
        if (vpn->paths[i].login.failed)
            return true;
    return false;
}

static bool redirect_heard(const struct vpn *vpn)
{
    return vpn->gateway != NULL && vpn->gateway->heard.until_ns != 0;
}

/* redirected - begins all attempts anew, at the other Gateway. false: there were too many
 * redirections. */
static bool redirected(struct vpn *vpn, const struct address *from, const struct ike_gateway *to,
                       nanos now)
{
    if (!redirect_login(vpn, from, to, now))
        return false;
    login_cancel(vpn);
    login_round_begin(vpn);
    vpn->wish.said = IKE_OK; /* by another Gateway */
    vpn->wish.round_at_ns = now;
    wanted_plan(vpn, now);
    return true;
}

/* redirect_due - true: a redirection that was heard is followed now. */
static bool redirect_due(struct vpn *vpn, nanos now)
{
    if (!redirect_heard(vpn) || (now < vpn->gateway->heard.until_ns &&
                                 (attempts_running(vpn) > 0 || attempt_candidate(vpn) != NULL)))
        return false;
    const struct address from = vpn->gateway->heard.from;
    const struct ike_gateway to = vpn->gateway->heard.to;
    vpn->gateway->heard.until_ns = 0;
    if (!redirected(vpn, &from, &to, now))
        login_round_failed(vpn, IKE_REDIRECTED, now);
    return true;
}

/* attempt_at - when the attempt on a path begins, while others run. */
static nanos attempt_at(const struct vpn *vpn, const struct path *path)
{
    return vpn->wish.last_start_ns + (path->login.later ? NEXT_ADDRESS_NS : STAGGER_NS);
}

static void attempts_race(struct vpn *vpn, nanos now)
{
    if (redirect_due(vpn, now))
        return;
    struct path *path = attempt_candidate(vpn);
    if (path != NULL) {
        if (attempts_running(vpn) == 0 || now >= attempt_at(vpn, path))
            attempt_start(vpn, path, now);
        return;
    }
    if (attempts_running(vpn) > 0)
        return;
    if (tried_one(vpn))
        login_round_failed(vpn, vpn->wish.said != IKE_OK ? vpn->wish.said : IKE_TIMEOUT, now);
    else if (vpn->wish.phase != WISH_KEPT || vpn->redirect.n_home > 0)
        /* no path exists, and the wish does not wait for a link; or no path leads to the Gateway to
         * which we were redirected */
        login_round_failed(vpn, IKE_NO_PATH, now);
}

void login_settle(struct vpn *vpn, nanos now)
{
    if (vpn->session.id != 0 || vpn->wish.phase == WISH_OVER)
        return;
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        struct path *path = &vpn->paths[i];
        if (path->login.tag != 0 && !path->present)
            attempt_cancel(vpn, path); /* the path may return within the round */
    }
    struct path *first = attempt_answered(vpn);
    if (first != NULL && now >= first->login.begun_ns + LOGIN_IDLE_NS) {
        attempt_cancel(vpn, first);
        first->login.failed = true;
        first = NULL;
    }
    if (redirect_waits(vpn) != 0) {
        if (now >= redirect_waits(vpn))
            login_round_failed(vpn, IKE_REDIRECTED, now);
        return;
    }
    if (first == NULL && now >= vpn->wish.round_at_ns && !beside_waits(vpn, now))
        attempts_race(vpn, now);
}

nanos login_deadline(const struct vpn *vpn, nanos now)
{
    if (vpn->session.id != 0 || vpn->wish.phase == WISH_OVER)
        return NANOS_NEVER;
    if (redirect_waits(vpn) != 0)
        return redirect_waits(vpn);
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        const struct path *path = &vpn->paths[i];
        if (path->login.sa != 0)
            return path->login.begun_ns + LOGIN_IDLE_NS;
    }
    if (vpn->wish.round_at_ns > now)
        return vpn->wish.round_at_ns;
    nanos heard = redirect_heard(vpn) ? vpn->gateway->heard.until_ns : NANOS_NEVER;
    const struct path *next = attempt_candidate(vpn);
    if (next != NULL)
        return nanos_min(heard, attempt_at(vpn, next));
    if (attempts_running(vpn) == 0 && tried_one(vpn))
        return nanos_min(heard, vpn->wish.last_start_ns + STAGGER_NS);
    return heard;
}

static struct path *path_of_tag(struct vpn *vpn, uint64_t tag)
{
    for (unsigned i = 0; i < vpn->n_paths; i++)
        if (vpn->paths[i].login.tag == tag)
            return &vpn->paths[i];
    return NULL;
}

struct path *login_path_of(struct vpn *vpn, ike_sa_id sa)
{
    for (unsigned i = 0; i < vpn->n_paths; i++)
        if (vpn->paths[i].login.tag != 0 && vpn->paths[i].login.sa == sa)
            return &vpn->paths[i];
    return NULL;
}

/* others_may_answer - an attempt on another path is under way, or has yet to begin. */
static bool others_may_answer(const struct vpn *vpn, const struct path *path)
{
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        const struct path *other = &vpn->paths[i];
        if (other != path && other->present && !other->login.failed)
            return true;
    }
    return false;
}

bool login_redirected(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    struct path *path = event->tag == 0 ? NULL : path_of_tag(vpn, event->tag);
    if (path == NULL)
        return false;
    const struct address from = path->remote;
    const struct ike_gateway to = redirect_target(event);
    bool proven = path->login.sa != 0; /* the REDIRECT came in IKE_AUTH */
    if (proven || !others_may_answer(vpn, path)) {
        (void)redirected(vpn, &from, &to, now);
    } else if (!redirect_heard(vpn)) {
        vpn->gateway->heard.until_ns = now + REDIRECT_PATIENCE_NS;
        vpn->gateway->heard.from = from;
        vpn->gateway->heard.to = to;
    }
    return true;
}

bool login_progress(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    struct path *path = event->tag == 0 ? NULL : path_of_tag(vpn, event->tag);
    if (path == NULL)
        return false;
    if (beside_answered(vpn, path, now)) {
        vpn->wish.again = event->sa;
        return true;
    }
    path->login.sa = event->sa;
    path->login.begun_ns = now;
    /* this Gateway serves us: forget a REDIRECT of another path */
    vpn->gateway->heard.until_ns = 0;
    for (unsigned i = 0; i < vpn->n_paths; i++)
        if (&vpn->paths[i] != path)
            attempt_cancel(vpn, &vpn->paths[i]);
    return true;
}

void login_connected(struct vpn *vpn, enum ike_outcome outcome)
{
    vpn->wish.round = 0;
    vpn->wish.again = 0;
    if (vpn->wish.waits)
        wish_tell(vpn, outcome == IKE_OK ? PATH_NEWS_CONNECTED : PATH_NEWS_CONNECT_FAILED, outcome);
}

/* outcome_final - another path would give the same outcome: the peer, or our own policy,
 * refused. */
static bool outcome_final(enum ike_outcome outcome)
{
    return outcome != IKE_TIMEOUT && outcome != IKE_NO_PATH && outcome != IKE_CANCELLED &&
           outcome != IKE_UNACCEPTABLE_ADDRESSES && outcome != IKE_UNEXPECTED_NAT &&
           outcome != IKE_INVALID_SYNTAX;
}

bool login_done(struct vpn *vpn, uint64_t tag, enum ike_outcome outcome, nanos now)
{
    struct path *path = path_of_tag(vpn, tag);
    if (path == NULL)
        return false;
    path->login.tag = 0;
    path->login.sa = 0;
    if (vpn->session.id != 0) {
        ASSERT(attempts_running(vpn) == 0);
        return true;
    }
    path->login.failed = true;
    if (outcome != IKE_TIMEOUT && outcome != IKE_NO_PATH && outcome != IKE_CANCELLED &&
        outcome != IKE_REDIRECTED)
        vpn->wish.said = outcome; /* a time-out on another path does not replace this outcome */
    vpn->wish.last_start_ns = now - NEXT_ADDRESS_NS; /* the next attempt begins at once */
    bool waits = outcome == IKE_REDIRECTED && redirect_heard(vpn);
    if (outcome_final(outcome) && outcome != IKE_OK && !waits)
        login_round_failed(vpn, outcome, now);
    return true;
}
