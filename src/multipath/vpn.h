/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MULTIPATH_VPN_H
#define MULTIPATH_VPN_H

/*
 * The state of the path manager. Internal to multipath/.
 *
 *   struct vpn     one wish (a connection is to be up) and, once logged in, its session
 *   struct path    a path that the connection wants: (interface, local address, remote address)
 *   struct leg     the record of an IKE SA: where it is, its health, its job
 *   struct bearer  the record of a Child SA on a leg
 *
 * event.c notes here what happened and touches the vpn. manager_settle() then brings each touched
 * vpn into line: path_plan.c (which paths exist), connect.c (logins), health.c (which IKE SAs are
 * alive), path_choice.c (the best of equal paths), path_setup.c (clones, Child SAs), placement.c
 * (moves), plane_orders.c (the data plane).
 * Deadlines are computed from this state, never armed. A time of 0 means "not".
 */

#include "base/deadline_heap.h"
#include "base/map.h"
#include "multipath/path_manager.h"

/* legs of a session: one for each path, and those of rekeys */
#define LEGS_MAX        (LIMIT_SESSION_PATHS + 8)
#define BEARERS_MAX     (LIMIT_CHILD_SAS_SESSION + 8)
#define OWN_REMOTES_MAX (POLICY_ADDRESSES + LIMIT_SESSION_PATHS)
#define REMOTES_MAX     (OWN_REMOTES_MAX + LIMIT_ADDITIONAL + 1)
#define COMMANDS_MAX    4096
#define NEWS_MAX        512
#define STAGGER_NS      (250 * NANOS_PER_MS) /* RFC 8305 section 5: Connection Attempt Delay */
/* an answered login without progress for that long is given up for another path */
#define LOGIN_IDLE_NS          (20 * NANOS_PER_SEC)
#define RETRY_MIN_NS           NANOS_PER_SEC /* back-off of attempts: doubles from here ... */
#define RETRY_MAX_NS           (60 * NANOS_PER_SEC) /* ... up to here, less a random quarter */
#define LOST_NS                (60 * NANOS_PER_SEC) /* a dead IKE SA is kept so long while others live */
#define TOTAL_LOSS_NS          (300 * NANOS_PER_SEC) /* no IKE SA answers: the session is given up */
#define TOTAL_LOSS_RELEASED_NS (165 * NANOS_PER_SEC) /* the same for a session that is not kept */
#define FAR_RTT_NS             (2 * NANOS_PER_SEC)   /* an upper bound on measured round trips */

enum health {
    HEALTH_GOOD,
    HEALTH_SUSPECT,   /* a probe is unanswered for half of the time that it has */
    HEALTH_DEAD,      /* a probe was not answered in time, or the link is gone */
    HEALTH_RETURNING, /* it answers again, for less than stable_for */
};

enum job { JOB_NONE, JOB_MOVE, JOB_CREATE, JOB_CREATE_MOVED, JOB_DELETE };

struct bearer {
    ike_child_id id;
    ike_sa_id line;      /* of the leg */
    uint8_t policy;      /* index in conn->children */
    bool up;             /* IKE_EV_CHILD_UP has come */
    uint32_t selectors;  /* hash: Child SAs with equal selectors carry traffic for each other */
    nanos in_ns, out_ns; /* last packet received and sent, as last read */
    nanos since_ns;      /* created, or last use of the Child SA that it replaced */
    bool ending;         /* its deletion was ordered because it was idle */
    bool renewed;        /* of an elder: the successor has asked for its traffic (reauth_further) */
    /* as last ordered from the data plane */
    bool told, usable;
    uint32_t priority, weight;
    uint16_t carries;
};

/* struct failure - of a leg that carried traffic: its path failed at `since_ns`, when it was at
 * `at`. */
struct failure {
    enum {
        FAILURE_NONE,
        FAILURE_OPEN,    /* no other leg carries the traffic yet */
        FAILURE_COUNTED, /* as a failover */
    } phase;
    nanos since_ns;
    struct ike_path at;
};

struct leg {
    ike_sa_id line; /* of the IKE SA and of all that it is rekeyed to: names the leg */
    ike_sa_id id;   /* the IKE SA at which the line is now */
    struct ike_path at;
    int path;       /* index of the path that it serves; -1: none, the leg is spare */
    bool link_gone; /* the interface or address of `at` does not exist any more */
    enum health health;
    nanos up_ns;                 /* its record was made then */
    nanos heard_ns;              /* last authentic packet, IKE or ESP */
    nanos esp_in_ns, esp_out_ns; /* last ESP packet over its bearers */
    nanos asked_ns;              /* the outstanding probe was sent then; 0: none */
    nanos grant_ns;              /* ... and may take so long */
    nanos probe_at_ns;           /* DEAD: next probe */
    nanos good_since_ns;         /* RETURNING: first response */
    nanos dead_since_ns;
    bool fell_silent;        /* DEAD: the peer had spoken shortly before it was asked */
    nanos rtt_ns, jitter_ns; /* smoothed; jitter: mean deviation from rtt_ns */
    struct failure failure;
    uint64_t probe_tag; /* 0: none outstanding */
    nanos probed_ns;    /* the last probe was sent then; 0: none was */
    /* the responses to all copies of the answered probe have come then; 0: judged */
    nanos judge_ns;
    ike_sa_id parent;        /* cloned from it; 0: logged in */
    uint64_t clone_tag;      /* of a clone of it that the core still makes; 0: none */
    struct path_terms terms; /* of its path, as both ends know them */
    uint64_t terms_tag;      /* End User: it is telling them; 0: it is not */
    nanos terms_at_ns;       /* after a failure: not before */
    bool classes_told;       /* End User: it told the classes of traffic as they are now */
    bool chosen;             /* the Gateway moved it and is about to create its VPN (D-08 b) */
    bool theirs;             /* the peer cloned it */
    bool offered;            /* Gateway: its VPN was offered ... */
    struct address offer;    /* ... at this address of the End User */
    nanos proof_ns;          /* last response to a request of ours: both directions work */
    bool strict;             /* the outstanding probe needs a response; an arrival is no proof */
    enum job job;
    uint64_t job_tag;
    uint64_t loose_tag; /* of a creation that the core still runs, and no job waits for; 0: none */
    int job_path;       /* MOVE: index of the path to which it moves */
    uint8_t job_policy; /* CREATE: which child */
    bool job_further;   /* CREATE: beside another one of that child (reauth_further) */
    nanos job_at_ns;    /* back-off: no new job before */
    uint32_t job_failures;
};

/* struct path_use - how a session uses a path. Zero: not yet. */
struct path_use {
    ike_sa_id line;     /* of the leg that serves it; 0: none */
    bool lost;          /* it failed: it must answer for stable_for before it carries traffic */
    uint64_t clone_tag; /* of the clone for it; 0: none under way */
    nanos clone_ns;     /* the clone was ordered then */
    uint64_t test_tag;  /* of the path test; 0: none under way */
    uint32_t test_failures;
    nanos test_at_ns;       /* next test */
    nanos answers_since_ns; /* all tests since then succeeded; 0: the last one did not */
    nanos retry_ns;         /* no clone or move before */
    uint32_t failures;
};

/* struct path_login - a login attempt over a path. Zero: none. */
struct path_login {
    uint64_t tag;   /* 0: none under way */
    ike_sa_id sa;   /* its IKE_SA_INIT was answered; 0: not yet */
    nanos begun_ns; /* or last progress */
    bool failed;    /* in this round */
    bool later;     /* its link has a path to an earlier address of the peer */
};

/* struct path_quality - of the probes of the IKE SA that is at home on the path. */
struct path_quality {
    int32_t loss;        /* share of the probes of which a message was lost, of 65,536 */
    int32_t recent_loss; /* the same of about the last eight */
    unsigned samples;    /* that `loss` has seen */
    nanos rtt_ns,
        before_ns; /* the least of the span since `since_ns` and of the one before; 0: none */
    nanos since_ns;
};

struct path {
    char name[LIMIT_NAME];
    int policy;         /* index in conn->paths; -1: the connection has none */
    char interface[16]; /* name; empty: none was seen yet */
    uint32_t link;      /* index of the interface; 0: it does not exist */
    bool present;       /* link up; address and route exist */
    struct address local, remote;
    uint64_t cost; /* of its route */
    uint32_t priority, weight;
    bool metered;
    nanos present_ns;  /* since when */
    nanos test_rtt_ns; /* of the last path test that was answered; 0: none was */
    uint64_t losses;
    struct path_quality quality;
    enum path_state state; /* as last told */
    nanos since_ns;        /* of `state` */
    struct path_use use;
    struct path_login login;
};

enum wish_phase {
    WISH_OVER, /* no wish: a vpn without a session is freed */
    WISH_ONCE, /* until the session ends */
    WISH_KEPT, /* a session that ends is followed by another login */
};

/* struct vpn_wish - the wish. It outlives sessions. */
struct vpn_wish {
    enum wish_phase phase;
    uint32_t children; /* bit i: conn->children[i] is wanted on each path */
    uint32_t kept;     /* bit i: the next login asks for conn->children[i] again */
    uint32_t later;    /* bit i: conn->children[i] joins `children` when the login is complete */
    char child[LIMIT_NAME]; /* the one that the login asks for */
    /* the session is to this host, beside others of the connection; family NONE: it is the session
     * of the connection */
    struct address only;
    bool alone;               /* the login asks for no child */
    struct ike_packet packet; /* the packet that needs `child` */
    uint64_t tag;             /* of CONNECTED or CONNECT_FAILED ... */
    bool waits;               /* ... if a caller waits for that */
    bool clone_comes; /* the login asks for a clone: no other is ordered before its outcome */
    uint32_t round;   /* rounds of login attempts that failed */
    enum ike_outcome
        said; /* of this round: what a peer said to an attempt that failed; IKE_OK: nothing */
    nanos round_at_ns, last_start_ns;
    ike_sa_id again;      /* the number of an attempt that ended: the next one has it; 0: none */
    uint32_t short_lives; /* sessions in a row that ended soon after their login */
    bool
        deleted; /* the Gateway deleted the last session: it may be starting anew, and serve at any moment */
};

enum session_phase {
    SESSION_UP,       /* or no session yet: then `id` is 0 */
    SESSION_RELEASED, /* it is on its way out: nothing is repaired, and it carries no traffic */
    SESSION_DRAINS,   /* its successor carries the traffic; it still receives, since drained_ns */
    SESSION_LEAVES,   /* its deletion was ordered */
};

enum clones {
    CLONES_NO,    /* no dialect was agreed on */
    CLONES_YES,   /* the peer understands clones */
    CLONES_FULL,  /* NO_ADDITIONAL_SAS: until an IKE SA of the session ends */
    CLONES_NEVER, /* the peer did a plain rekey instead */
};

/* struct vpn_choice - which of several paths of equal rank carries the traffic (path_choice.c). */
struct vpn_choice {
    /* of the leg; 0: none was chosen yet. It stays when no path takes part any more. */
    ike_sa_id line;
    nanos worse_ns;   /* another one has been better since then; 0: none is */
    nanos changed_ns; /* another one was chosen then for being better; 0: never */
    unsigned changes; /* successive changes, each soon after the last one */
};

/* struct vpn_session - the session. Zero: there is none; session_down() resets it as a whole. */
struct vpn_session {
    ike_session_id id; /* 0: not logged in */
    enum session_phase phase;
    enum clones clones;
    bool mobike;              /* agreed on */
    bool path_terms;          /* End User: the Gateway takes the terms of paths */
    bool separate;            /* create-and-move failed: separate exchanges from now on */
    bool mode_told;           /* to the data plane */
    bool classes_told;        /* the same */
    bool classes_some;        /* ... which has some */
    bool classes_spoken;      /* End User: it told the Gateway some */
    uint32_t classes_changes; /* Gateway: as last read */
    bool first_clone_decided; /* Gateway: whether to begin the first clone */
    ike_sa_id favourite;      /* Gateway, failover: the End User sends on this line */
    struct vpn_choice choice; /* End User, failover */
    uint64_t login_tag;       /* of the login that made it, until its outcome is known */
    nanos up_ns;              /* logged in at */
    nanos some_alive_ns;      /* the last loss of all IKE SAs was over then */
    nanos all_dead_ns;        /* since when no IKE SA answers; 0: one does */
    nanos drained_ns;         /* SESSION_DRAINS: since when */
    unsigned n_legs, n_bearers;
};

enum replace_phase {
    REPLACES_NONE,     /* an ordinary wish */
    REPLACES_KNOCK,    /* no path of the elder answers: does the Gateway? Does not authenticate */
    REPLACES_LOST,     /* the Gateway answers: logs in unless the elder does until doubt_until_ns */
    REPLACES_LIVING,   /* reauthentication: logs in while the elder lives */
    REPLACES_HANDOVER, /* logged in; the elder goes when this session carries its traffic */
};

/* struct vpn_replace - a session (the elder) and the wish that is to replace it (the successor). */
struct vpn_replace {
    struct vpn *successor, *elder; /* NULL: none */
    enum replace_phase phase;      /* of this vpn as a successor */
    nanos doubt_until_ns;
    nanos reauth_again_ns; /* the elder tries to begin its reauthentication then; 0: not */
    uint32_t replacements; /* sessions in a row that were replaced soon after their login */
};

/* struct vpn_redirect - a Gateway sent us to another one (redirect.c). */
struct vpn_redirect {
    unsigned n; /* redirections since `since_ns` */
    nanos since_ns;
    struct address from; /* the Gateway that did it last; family NONE: none did */
    uint8_t n_home;      /* > 0: gateway->home holds the configured addresses */
    bool only; /* this login has no other cause: it ends if it fails at the other Gateway */
};

/* struct vpn_gateway - the Gateway's addresses, as an End User knows them. vpn->n_remotes and
 * redirect.n_home count them. A Gateway with many sessions spends no memory on them. */
struct vpn_gateway {
    struct address remotes[REMOTES_MAX]; /* the configured ones, then those that it announced */
    struct address home[REMOTES_MAX];    /* the configured ones during a redirection */
    /* a login was sent to another Gateway, without proof: followed at `until_ns`, or when no other
     * path may answer any more */
    struct {
        nanos until_ns; /* 0: none was */
        struct address from;
        struct ike_gateway to;
    } heard;
    /* a Gateway sent us to a name: the login waits until the name is resolved */
    struct {
        uint64_t tag; /* 0: no name is asked for */
        bool pulled;
        nanos until_ns; /* without an answer the login has failed */
        char name[GATEWAY_NAME];
    } question;
};

struct vpn {
    struct vpn *next, *previous;
    struct vpn *wish_next, *wish_previous; /* in pm->wishes; only without a session */
    struct vpn *touched_next;
    bool touched; /* in pm->touched */
    struct path_manager *pm;
    struct ike_conn *conn;
    struct ike_conn *conn_next; /* loaded in its place: for the next login; NULL: none */
    enum ike_session_role role;
    struct vpn_wish wish;
    struct vpn_session session;
    struct vpn_replace replace;
    struct vpn_redirect redirect;
    struct deadline deadline; /* of all this; set by manager_settle */
    struct vpn *orders;       /* in pm->orders: the next one that may have an order */
    bool ordering;

    uint8_t n_remotes, n_own_remotes; /* of gateway->remotes: all, and the configured ones */
    struct vpn_gateway *gateway;      /* owned; NULL in a session whose Gateway we are */

    /* owned; allocated when needed: a Gateway's session has no paths, one leg, one bearer */
    unsigned n_paths, legs_room, bearers_room;
    struct path *paths;
    struct leg *legs;       /* session.n_legs */
    struct bearer *bearers; /* session.n_bearers */
};

struct command_node {
    struct command_node *next;
    struct ike_command command;
    char conn[LIMIT_NAME], child[LIMIT_NAME];
};

struct path_manager {
    struct path_options options;
    struct vpn *vpns, *vpns_last; /* in order of coming */
    struct deadline_heap deadlines;
    struct vpn *touched, *touched_last; /* to be settled, by touched_next */
    struct vpn *orders;                 /* those that changed, by vpn->orders */
    struct vpn *wishes;                 /* those without a session */
    struct map by_id;
    struct vpn *status_at; /* the last vpn of path_manager_status; NULL: begin anew */
    size_t status_before;  /* paths of those before it */
    struct path_failovers failovers;
    size_t n_links;
    struct path_link links[PATH_LINKS];
    uint64_t last_tag;
    struct command_node *commands, *commands_last, *command_taken, *commands_free;
    size_t n_commands, n_nodes; /* nodes that were ever used */
    bool missed;
    nanos behind_ns; /* an event was not noted, for want of memory: event.c catches up then */
    struct path_news news[NEWS_MAX]; /* ring */
    size_t news_first, n_news;
    nanos now;                                   /* of the last input */
    struct command_node nodes[COMMANDS_MAX + 1]; /* those queued and the one taken */
};

/* --- manager.c --- */
/* vpn_new - NULL: no memory. */
struct vpn *vpn_new(struct path_manager *pm, struct ike_conn *conn, enum ike_session_role role);
void vpn_free(struct vpn *vpn);
struct vpn *vpn_find(const struct path_manager *pm, ike_session_id id);
void vpn_id_set(struct vpn *vpn, ike_session_id id); /* 0: out of the table */
/* vpn_behind - an event was not noted, for want of memory. */
void vpn_behind(struct path_manager *pm);
/* command_add - gives the command a tag and returns it. 0: no room; treat it as a failed
 * attempt. */
uint64_t command_add(struct vpn *vpn, const struct ike_command *command);
/* command_cancel - orders IKE_CMD_CANCEL for a login. */
void command_cancel(struct vpn *vpn, uint64_t tag);
void news_add(struct path_manager *pm, const struct path_news *news);
nanos retry_after(const struct path_manager *pm, uint32_t failures, nanos now);

static inline bool vpn_end_user(const struct vpn *vpn)
{
    return vpn->role == IKE_END_USER;
}
/* moment - `now` as a time that is not 0, since 0 means "not". */
static inline nanos moment(nanos now)
{
    return now > 0 ? now : 1;
}
/* vpn_released - the session is ending. */
static inline bool vpn_released(const struct vpn *vpn)
{
    return vpn->session.phase != SESSION_UP;
}
static inline void vpn_release(struct vpn *vpn)
{
    if (vpn->session.phase == SESSION_UP)
        vpn->session.phase = SESSION_RELEASED;
}
/* vpn_hidden - a login beside a session: it is not shown before it has a session. */
static inline bool vpn_hidden(const struct vpn *vpn)
{
    enum replace_phase phase = vpn->replace.phase;
    return phase == REPLACES_KNOCK || phase == REPLACES_LOST || phase == REPLACES_LIVING;
}
static inline bool vpn_reauthenticates(const struct vpn *vpn)
{
    return vpn->replace.phase == REPLACES_LIVING || vpn->replace.phase == REPLACES_HANDOVER;
}
/* vpn_touch - something changed: manager_settle() looks at it. Idempotent. */
static inline void vpn_touch(struct vpn *vpn)
{
    struct path_manager *pm = vpn->pm;
    if (vpn->touched)
        return;
    vpn->touched = true;
    vpn->touched_next = NULL;
    *(pm->touched == NULL ? &pm->touched : &pm->touched_last->touched_next) = vpn;
    pm->touched_last = vpn;
}
/* vpn_single - the session has one IKE SA that is moved, not one for each path. */
bool vpn_single(const struct vpn *vpn);

/* manager_input - begins every input. */
static inline void manager_input(struct path_manager *pm, nanos now)
{
    pm->now = now;
    pm->status_at = NULL;
}

/* --- redirect.c --- */
/* redirect_login - a login of this path was sent to another Gateway: the next round goes there.
 * false: too often; the login has failed. */
bool redirect_login(struct vpn *vpn, const struct address *from, const struct ike_gateway *to,
                    nanos now);
/* redirect_target - where the event IKE_EV_REDIRECT leads. */
struct ike_gateway redirect_target(const struct ike_event *event);
/* redirect_session - the same of a session that is up: a login there begins beside it. */
void redirect_session(struct vpn *vpn, const struct ike_event *event, nanos now);
/* redirect_home - the next login uses the configured addresses. */
void redirect_home(struct vpn *vpn);
/* redirect_configured - replaces the configured addresses. A redirected session stays where it is. */
void redirect_configured(struct vpn *vpn, const struct address remotes[REMOTES_MAX], uint8_t n);
/* redirect_waits - until when the login waits for addresses; 0: it does not. */
nanos redirect_waits(const struct vpn *vpn);
/* redirect_over - the login at the other Gateway failed. true: the redirection was its only cause,
 * so it ends, and the session stays where it is. */
bool redirect_over(struct vpn *vpn);

/* --- connect_wish.c --- */
/* wish_of - the vpn that has the session of a connection, or tries to get one; NULL: none. `only`:
 * the one to that host (vpn_wish); family NONE: the session of the connection. */
struct vpn *wish_of(const struct path_manager *pm, const char *conn_name,
                    const struct address *only);
/* wish_child - the bit of a child. NULL and empty name the first one. 0: no such child. */
uint32_t wish_child(const struct ike_conn *conn, const char *name);
/* wish_login_child - the bit of the child that the login asks for; 0: it asks for none. */
uint32_t wish_login_child(const struct vpn *vpn);
/* wish_children_in - the bits of children of `old` as bits of `conn`, matched by name. Children
 * that `conn` does not have are left out. */
uint32_t wish_children_in(const struct ike_conn *conn, const struct ike_conn *old,
                          uint32_t children);
/* wish_begin_with - the login asks for one of `children`: the one that it asked for already, or the
 * first. 0: changes nothing. */
void wish_begin_with(struct vpn *vpn, uint32_t children);
/* wish_conn_renew - a vpn without a session gets another configuration; wanted_plan is due. false:
 * `conn` has none of its children, and nothing changed. */
bool wish_conn_renew(struct vpn *vpn, struct ike_conn *conn);

/* --- path_plan.c --- */
/* wanted_plan - plans the paths of an End User anew, after links or remote addresses changed. */
void wanted_plan(struct vpn *vpn, nanos now);
void wanted_remotes(struct vpn *vpn, const struct address *more, size_t n);
/* wanted_path - a path of this policy (-1: of none) over the interface; nothing is known of it yet. */
struct path wanted_path(const struct vpn *vpn, int policy_index, const char *interface,
                        const struct address *remote);
/* wanted_place_there - interface, local address and route of `at` still exist. */
bool wanted_place_there(const struct path_manager *pm, const struct ike_path *at);
/* wanted_at_home - `at` is the place of the path; ports do not matter. */
bool wanted_at_home(const struct path *path, const struct ike_path *at);
/* wanted_rotate - the path gets the next remote address, after an attempt failed. */
void wanted_rotate(struct vpn *vpn, struct path *path);
/* wanted_turn - the Gateway answers at this address: all paths lead there. With mesh = full there
 * are paths to each address already. */
void wanted_turn(struct vpn *vpn, const struct address *remote);

/* --- connect.c --- */
void login_settle(struct vpn *vpn, nanos now);
nanos login_deadline(const struct vpn *vpn, nanos now);
/* login_progress - an exchange of an attempt was answered: this attempt wins. false: the event is
 * not of an attempt. */
bool login_progress(struct vpn *vpn, const struct ike_event *event, nanos now);
bool login_done(struct vpn *vpn, uint64_t tag, enum ike_outcome outcome, nanos now);
void login_cancel(struct vpn *vpn);
/* login_redirected - the login with the tag of the event was redirected. false: not ours. */
bool login_redirected(struct vpn *vpn, const struct ike_event *event, nanos now);
/* login_connected - tells the caller that waits for the wish. */
void login_connected(struct vpn *vpn, enum ike_outcome outcome);
struct path *login_path_of(struct vpn *vpn, ike_sa_id sa);

/* --- health.c --- */
struct timing {
    nanos probe_ns;       /* silence after which an idle IKE SA is probed */
    nanos quick_ns;       /* the same after packets of ours */
    nanos grant_ns;       /* unanswered for so long: the IKE SA is dead */
    nanos quick_grant_ns; /* the same within a conversation (failover_busy_ns) */
    nanos resend_ns;      /* interval of retransmissions within grant_ns */
};
struct timing health_timing(const struct vpn *vpn, const struct leg *leg);
void health_settle(struct vpn *vpn, nanos now);
nanos health_deadline(const struct vpn *vpn, nanos now);
void health_heard(struct vpn *vpn, struct leg *leg, nanos at, nanos now);
/* health_last_heard - the last evidence as of now: packets that arrived in this turn count
 * already. */
nanos health_last_heard(const struct vpn *vpn, const struct leg *leg);
/* health_proof - an exchange that we began was answered: both directions work. */
void health_proof(struct vpn *vpn, struct leg *leg, nanos now);
/* health_moved - the IKE SA is on another path now. */
void health_moved(struct vpn *vpn, struct leg *leg, const struct ike_path *at, nanos now);
bool health_probe_done(struct vpn *vpn, const struct ike_event *event, nanos now);
void health_rtt(struct leg *leg, nanos rtt_ns);
static inline bool leg_alive(const struct leg *leg)
{
    return leg->health != HEALTH_DEAD;
}
static inline bool leg_usable(const struct leg *leg)
{
    return leg->health == HEALTH_GOOD || leg->health == HEALTH_SUSPECT;
}

/* --- path_choice.c --- */
/* choice_settle - chooses the path that carries the traffic, among paths of equal rank. Returns
 * when to call it again. */
nanos choice_settle(struct vpn *vpn, nanos now);
/* choice_made - one path at a time carries the traffic of the session, and we choose it. */
bool choice_made(const struct vpn *vpn);
/* choice_compares - the leg is at home on a path that could be left for another one of its rank. */
bool choice_compares(const struct vpn *vpn, const struct leg *leg);
void choice_loss(struct path_quality *quality, bool lost);
void choice_rtt(struct path_quality *quality, nanos rtt_ns, nanos now);
/* choice_loss_ppm - the loss of the probes, in millionths. LOSS_UNKNOWN: too few probes have counted, because the
 * estimate begins without loss. */
int32_t choice_loss_ppm(const struct path_quality *quality);

/* --- path_setup.c, placement.c --- */
/* repair_settle, home_settle - return when to call them again, if nothing happens before. */
nanos repair_settle(struct vpn *vpn, nanos now);
void repair_clone_forget(struct path *path);
/* repair_cloned - the clone that was ordered with `tag` exists: it serves the path of that
 * order. */
void repair_cloned(struct vpn *vpn, struct leg *leg, uint64_t tag);
/* repair_done - the outcome of a command. false: the command is not of this file. home_done
 * likewise. */
bool repair_done(struct vpn *vpn, const struct ike_event *event, nanos now);
/* repair_job - orders `command`; the leg is busy until its outcome. false: no room. */
bool repair_job(struct vpn *vpn, struct leg *leg, enum job job, const struct ike_command *command);
/* repair_creates - prepares `command` to create a Child SA of this policy on the leg. */
void repair_creates(const struct vpn *vpn, struct leg *leg, uint8_t policy,
                    struct ike_command *command);
/* repair_cloning - the time until which other exchanges on the leg wait for its clone; 0: no
 * wait. */
nanos repair_cloning(const struct vpn *vpn, const struct leg *leg, nanos now);
nanos home_settle(struct vpn *vpn, nanos now);
/* home_gateway_moves - until when the Gateway may move this new clone and create its VPN (D-08 b);
 * 0: we do it. */
nanos home_gateway_moves(struct vpn *vpn, const struct leg *leg, nanos now);
/* home_chosen - the Gateway moved the leg: it serves the path on which it is now. */
void home_chosen(struct vpn *vpn, struct leg *leg, nanos now);
bool home_done(struct vpn *vpn, const struct ike_event *event, nanos now);

/* repair_lost_at - when no IKE SA will have answered for `patience`, although a link existed. */
nanos repair_lost_at(const struct vpn *vpn, nanos patience);

/* --- inactivity.c --- */
/* idle_settle - ends children that were idle for too long. Returns when to look again. */
nanos idle_settle(struct vpn *vpn, nanos now);
/* idle_since - when the bearer was last in use. */
nanos idle_since(const struct vpn *vpn, const struct bearer *bearer);

/* --- replacement_login.c --- */
/* beside_settle - begins and ends the login beside the session of an End User. */
nanos beside_settle(struct vpn *vpn, nanos now);
void beside_end(struct vpn *vpn);
/* beside_knock_time - how long an attempt of this vpn lasts; 0: the usual time. */
nanos beside_knock_time(const struct vpn *vpn);
/* beside_answered - the attempt on a path was answered. true: it was a knock and is over. */
bool beside_answered(struct vpn *successor, const struct path *path, nanos now);
/* beside_waits - the login waits: an IKE SA of the elder may still answer. */
bool beside_waits(struct vpn *successor, nanos now);
/* beside_failed - a round of attempts failed. Returns when the next one begins. */
nanos beside_failed(struct vpn *successor, enum ike_outcome outcome, nanos now);
/* beside_children - the successor wants the children of the session. */
void beside_children(struct vpn *successor, const struct vpn *vpn);
/* beside_logged_in - the successor has a session: the old one ends, or hands over. */
void beside_logged_in(struct vpn *successor, nanos now);

/* beside_begin - begins a login beside this session; `reauth`: without a knock, as the session
 * lives. false: no memory. */
bool beside_begin(struct vpn *vpn, bool reauth, nanos now);

/* --- reauth.c --- */
/* reauth_due - IKE_EV_REAUTH for a session of an End User. */
void reauth_due(struct vpn *vpn, nanos now);
/* reauth_logged_in - the successor has a session and takes over the wish. The elder stays for
 * now. */
void reauth_logged_in(struct vpn *successor);
/* reauth_pass_on - the session ends; its successor replaces the elder that this session was to
 * replace. */
void reauth_pass_on(struct vpn *vpn, struct vpn *successor);
/* reauth_settle - of the elder: hands over when the successor carries as much, and ends. */
nanos reauth_settle(struct vpn *vpn, nanos now);
/* reauth_further - which child the successor asks for once more, and for which packet. The peer of
 * the elder narrowed the selectors of that child for packets, so the elder has several Child SAs of
 * it. false: there is none. */
bool reauth_further(const struct vpn *successor, uint8_t *ret_policy,
                    struct ike_packet *ret_packet);
/* reauth_further_asked - the request has begun: reauth_further() does not name that Child SA
 * again. */
void reauth_further_asked(const struct vpn *successor);
/* reauth_further_done - the Child SA exists. A peer that does not give its selectors any more may
 * repeat those of another Child SA on the same IKE SA. Then the new Child SA carries nothing, and
 * is deleted. */
void reauth_further_done(struct vpn *successor, const struct leg *leg);
/* reauth_progress - of the successor: touches the elder when it can hand over. */
void reauth_progress(const struct vpn *successor, nanos now);
/* reauth_lost - the successor's session ended. true: the elder continues, and the successor is
 * over. */
bool reauth_lost(struct vpn *successor, nanos now);

/* --- gateway.c --- */
void gateway_settle(struct vpn *vpn, nanos now);

/* --- classes.c --- */
/* classes_order - the order that tells the data plane the classes of traffic. false: it has them. */
bool classes_order(struct vpn *vpn, struct path_order *ret_order);
/* classes_of_path - bits: the classes that may take the path. classes_on - those that may use the leg where it is. */
uint16_t classes_of_path(const struct vpn *vpn, const struct path *path);
uint16_t classes_on(const struct vpn *vpn, const struct leg *leg);
/* classes_to_tell - an End User has classes of traffic, or once told some in this session. */
bool classes_to_tell(const struct vpn *vpn);
/* classes_loaded - the connection may have other classes. */
void classes_loaded(struct vpn *vpn);
/* classes_status - `on`: bits of the classes that may take the path. */
void classes_status(const struct vpn *vpn, uint16_t on, struct path_status *status);

/* --- path_terms.c --- */
/* terms_settle - an End User tells its Gateway what its paths are worth, where that changed. Returns when to look
 * again. */
nanos terms_settle(struct vpn *vpn, nanos now);
/* terms_known - both ends know other terms of an IKE SA, or other classes of traffic. */
void terms_known(struct vpn *vpn);
/* terms_done - the outcome of a command. false: the command is not of this file. */
bool terms_done(struct vpn *vpn, const struct ike_event *event, nanos now);

/* --- vpn_sas.c --- */
struct leg *leg_find(struct vpn *vpn, ike_sa_id id);       /* by its IKE SA; NULL: none */
struct leg *leg_of(const struct vpn *vpn, ike_sa_id line); /* NULL: none */
/* leg_cloned_for - the leg that is being cloned for the path. NULL: none. */
struct leg *leg_cloned_for(const struct vpn *vpn, const struct path *path);
struct leg *leg_add(struct vpn *vpn, ike_sa_id id, nanos now); /* NULL: no room */
void leg_remove(struct vpn *vpn, struct leg *leg);
void leg_assign(struct vpn *vpn, struct leg *leg, int path); /* -1: spare */
bool leg_home(const struct vpn *vpn, const struct leg *leg);
/* leg_stands - the leg is at this place; ports do not matter. */
bool leg_stands(const struct leg *leg, const struct ike_path *place);
/* leg_has - a Child SA of this policy is on the leg. */
bool leg_has(const struct vpn *vpn, const struct leg *leg, uint8_t policy);
bool leg_bears(const struct vpn *vpn, const struct leg *leg);
/* leg_carries - a Child SA on the leg is up. */
bool leg_carries(const struct vpn *vpn, const struct leg *leg);
struct bearer *bearer_find(struct vpn *vpn, ike_child_id id);
void bearer_add(struct vpn *vpn, const struct ike_event *event, nanos now);
void bearer_up(struct vpn *vpn, ike_child_id id);
void bearer_remove(struct vpn *vpn, ike_child_id id);

/* --- failovers.c --- */
/* failovers_settle - counts the failovers since the last call. Call it before the data plane gets
 * new orders. */
void failovers_settle(struct vpn *vpn, nanos now);

/* --- plane_orders.c --- */
enum path_state orders_path_state(const struct vpn *vpn, const struct path *path, nanos now);
void orders_settle(struct vpn *vpn, nanos now); /* news of states; the favourite */
bool orders_next(struct vpn *vpn, struct path_order *ret_order);

/* --- event.c --- */
/* manager_settle - the end of every input: brings each touched vpn into line with what is known,
 * and frees those that are over. */
void manager_settle(struct path_manager *pm, nanos now);

#endif
