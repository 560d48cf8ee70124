/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MULTIPATH_PATH_MANAGER_H
#define MULTIPATH_PATH_MANAGER_H

/*
 * The path manager: decides which IKE SAs a session has, on which path each lives and which of them
 * carries traffic. Sans-I/O, like the IKE core: links, IKE events and time come in, IKE commands,
 * data-plane orders and news are pulled out. One manager serves all sessions of the daemon.
 *
 *      path_manager_links_set / _connect / _event / _tick
 *          while (path_manager_command(pm, &command))    ike_command(), and its error back
 *          while (path_manager_order(pm, &order))        data_plane_state() and others
 *          while (path_manager_news(pm, &news))          log, answer the command that waits
 *          while (path_manager_question(pm, &question))  resolve a name, path_manager_resolved()
 *          wait until path_manager_deadline() or the next input
 *
 * End User: a path is a pair (interface, remote address) that the connection wants. Each path gets
 * an IKE SA. The first comes from a login, which is tried over all paths at once. The others are
 * clones of it, moved to their paths by MOBIKE and given Child SAs. When a path dies, its IKE SA is
 * parked: moved to a path that works, with its Child SAs. It moves back when its own path has
 * answered for `stable_for`. An IKE SA that was lost is cloned again from any other. Without
 * clones (peer or configuration) one IKE SA moves between the paths, as in RFC 4555. Gateway: the
 * manager judges the health of each IKE SA, so that downstream traffic leaves a silent path.
 */

#include "base/random.h"
#include "base/writer.h"
#include "esp/esp.h"
#include "ike/ike.h"

struct path_manager;

/* struct path_view - what the IKE core knows. The path manager looks during path_manager_* calls only. The functions
 * answer as the functions ike_session_get, ike_sa_get, ike_line_get, ike_child_get, ike_sa_next, ike_child_next. */
struct path_view {
    const void *context; /* borrowed, handed to each function */
    bool (*session)(const void *context, ike_session_id id, struct ike_session_info *ret_info);
    bool (*sa)(const void *context, ike_sa_id id, struct ike_sa_info *ret_info);
    bool (*line)(const void *context, ike_session_id session, ike_sa_id line,
                 struct ike_sa_info *ret_info);
    bool (*child)(const void *context, ike_child_id id, struct ike_child_info *ret_info);
    bool (*sa_next)(const void *context, ike_sa_id after, struct ike_sa_info *ret_info);
    bool (*child_next)(const void *context, ike_child_id after, struct ike_child_info *ret_info);
};

/* path_view_of - the view of an IKE core. Borrows it. */
struct path_view path_view_of(const struct ike *ike);

/* struct path_traffic - what the data plane knows. `child` tells when the Child SA last got an authentic packet and
 * last sent one; 0: never. false: there is no such Child SA. NULL: the data plane cannot tell. Then paths are probed
 * as if they were idle. */
struct path_traffic {
    const void *context; /* borrowed */
    bool (*child)(const void *context, ike_child_id id, nanos *ret_in_ns, nanos *ret_out_ns);
};

/* struct path_options - `random` is borrowed: jitter of retries. The rest is copied. */
struct path_options {
    const struct random *random;
    struct path_view view;
    struct path_traffic traffic;
};

struct path_manager *path_manager_new(const struct path_options *options); /* NULL: no memory */
struct path_manager *path_manager_free(struct path_manager *pm); /* takes NULL; returns NULL */

/* path_manager_view_set - another IKE core has all sessions now, under the numbers that they had
 * (ike/session_export.h). */
void path_manager_view_set(struct path_manager *pm, const struct path_view *view);

/* --- input: the host's links --- */

#define PATH_LINKS          32
#define PATH_LINK_ADDRESSES 8
#define PATH_LINK_ROUTES    16

/* struct path_link - one interface and where it leads. `up`: administratively up and with carrier.
 * Routes include the on-link prefixes; a default route is 0.0.0.0-255.255.255.255. Inner devices
 * (TUN) and addresses leased to us must be left out. */
struct path_link {
    uint32_t index;
    uint32_t mtu; /* octets of an IP packet; 0: unknown */
    char name[16];
    bool up;
    uint8_t n_addresses, n_routes;
    struct address addresses[PATH_LINK_ADDRESSES];
    struct path_route {
        struct address_range destination;
        /* lower is better; chooses between links of equal rank whose routes are equally narrow */
        uint32_t metric;
    } routes[PATH_LINK_ROUTES];
};

/* path_manager_links_set - replaces the list of all links. Call it after every change. At most
 * PATH_LINKS are used. Copies. */
void path_manager_links_set(struct path_manager *pm, const struct path_link *links, size_t n,
                            nanos now);

/* --- input: wishes --- */

struct path_connect {
    struct ike_conn *conn;    /* a reference is taken */
    const char *child;        /* name; NULL or empty: the first of the connection */
    bool alone;               /* the IKE SA only, without a child: `child` is not looked at */
    struct ike_packet packet; /* for which it is wanted, if it is for one */
    uint64_t tag;             /* comes back in news of kind CONNECTED and CONNECT_FAILED */
    /* resolved remote_addrs, preferred first; 0: those of the connection that are single addresses */
    uint8_t n_remotes;
    struct address remotes[POLICY_ADDRESSES];
    /* beside - for a packet to the host remotes[0]: a session with this host only, beside others of
     * the connection. At most LIMIT_TRAP_HOSTS such sessions and logins exist. At most
     * LIMIT_TRAP_LOGINS of them have no answer yet: a further one ends the first. */
    bool beside;
    /* the path manager logs in again when the session is lost, and creates this child again (start_action = start,
     * dpd_action = restart). keyingtries bounds the rounds of each login */
    bool keep;
};

/*
 * path_manager_connect - wants a session of the connection. The login is tried over all its paths;
 * the first answer wins. If the connection has a session, the child is created on each of its
 * paths, and CONNECTED comes with the first. While no session exists, wishes for several children
 * share one login. It asks for the child of the last wish, and the other children follow. Only the
 * tag of the last wish gets news. ERR_NO_MEMORY; ERR_FULL, with `beside`: LIMIT_TRAP_HOSTS have a
 * session, or LIMIT_TRAP_LOGINS are kept without one; ERR_INVALID: no remote address;
 * ERR_WRONG_STATE: the configuration of the session has no such child.
 */
int path_manager_connect(struct path_manager *pm, const struct path_connect *wish,
                         nanos now) MUST_USE;

/* path_manager_remotes - the names of the connection were resolved anew, after a round of its login
 * failed: the next round tries these addresses. A connection with a session keeps its own. */
void path_manager_remotes(struct path_manager *pm, const struct path_connect *resolved, nanos now);

/* path_manager_conn_loaded - the connection was loaded anew under the same name. A login under way
 * begins again with the new configuration. A session keeps the old one. Its next login uses the new
 * one, if that has any of its children. */
void path_manager_conn_loaded(struct path_manager *pm, struct ike_conn *conn, nanos now);

/* path_manager_disconnect - forgets the wish: running logins are cancelled, and a session that ends
 * is not started again. Ends no session by itself (IKE_CMD_DELETE_SESSION does). */
void path_manager_disconnect(struct path_manager *pm, const char *conn_name, nanos now);

/* path_manager_session_release - call it before the daemon deletes a whole session because a user
 * asked for it. The manager repairs nothing of the session, and does not log in again. Do not call
 * it to delete one of several IKE SAs. */
void path_manager_session_release(struct path_manager *pm, ike_session_id session);

/* path_manager_child_release - the same for one child of the session: the manager no longer creates
 * it on paths that lack it, until path_manager_connect asks for it again. */
void path_manager_child_release(struct path_manager *pm, ike_session_id session, const char *child);

/* --- input: what happened --- */

/* path_manager_event - every event of ike_event(), after the daemon has acted on it; others than
 * news about sessions, SAs, Child SAs and commands are ignored. Sessions that others logged in
 * (Gateway) are adopted here. */
void path_manager_event(struct path_manager *pm, const struct ike_event *event, nanos now);

/* path_manager_refused - ike_command() returned `error` for the command with this tag. */
void path_manager_refused(struct path_manager *pm, uint64_t tag, int error, nanos now);

nanos path_manager_deadline(const struct path_manager *pm); /* NANOS_NEVER: idle */
void path_manager_tick(struct path_manager *pm, nanos now);

/* --- a session leaves, and comes into another path manager (ARCHITECTURE.md) --- */

/* the most octets of a section */
#define PATH_EXPORT (64 * 1024)

/*
 * path_manager_export - appends the session's section: the wish, the addresses of the Gateway, the paths, and how each
 * IKE SA does. Nothing changes here. This section is written before the one of the IKE core, and once all sessions have
 * left this path manager is freed. Whoever waits for news of a wish does not get them. ERR_NOT_FOUND; ERR_AGAIN: a
 * login goes on that made the session or is to replace it; ERR_WRONG_STATE: it is ending; ERR_TRUNCATED: no room.
 */
int path_manager_export(struct path_manager *pm, ike_session_id session, struct writer *w,
                        nanos now) MUST_USE;

/*
 * path_manager_import - the session goes on as it is. Its section of the IKE core was imported before, links are set,
 * and no wish for its connection was made. ERR_INVALID: the octets make no sense, are of an unknown version, or
 * do not fit the session; ERR_NOT_FOUND: the IKE core has no such session; ERR_WRONG_STATE: the path manager has the
 * session, or a wish for its connection; ERR_NO_MEMORY. After an error nothing has changed here.
 */
int path_manager_import(struct path_manager *pm, struct span octets, nanos now) MUST_USE;

/* --- output --- */

/* Tags of the manager have this bit; the daemon's own commands must not. */
#define PATH_TAG (UINT64_C(1) << 63)

/* path_manager_command - the next command for the IKE core. Its strings live until the next
 * path_manager_* call. false: none. */
bool path_manager_command(struct path_manager *pm, struct ike_command *ret_command);

enum path_order_kind {
    PATH_ORDER_MODE,    /* session, mode, follow */
    PATH_ORDER_CLASSES, /* session, classes */
    PATH_ORDER_CHILD,   /* child, usable, priority, weight, carries */
};
struct path_order {
    enum path_order_kind kind;
    ike_session_id session;
    ike_child_id child;
    enum esp_mode mode;
    bool follow;                    /* Gateway: answer a flow on the Child SA on which it came in */
    struct traffic_classes classes; /* borrowed until the next path_manager_* call */
    bool usable;
    uint32_t priority, weight;
    uint16_t carries; /* bits: the classes of traffic that may take its path */
};
bool path_manager_order(struct path_manager *pm, struct path_order *ret_order);

enum path_state {
    PATH_DOWN,       /* no link, address or route */
    PATH_IDLE,       /* could be used, no session is wanted, or no child of it */
    PATH_CONNECTING, /* the login is tried over it */
    PATH_CLONING,    /* an IKE SA is being cloned for it */
    PATH_MOVING,     /* its IKE SA is on its way to it */
    PATH_CREATING,   /* Child SAs are being created */
    PATH_UP,         /* carries traffic, or could; without a child: an IKE SA wanted alone */
    PATH_SUSPECT,    /* unanswered for too long, not yet given up */
    PATH_DEAD,       /* link there, but nothing comes back; probed */
    PATH_RETURNING,  /* answers again, not yet for `stable_for` */
    PATH_BACKOFF,    /* an attempt failed; the next one waits */
};
const char *path_state_name(enum path_state state); /* "up", "suspect", ... stable */

enum path_news_kind {
    PATH_NEWS_STATE,          /* a path changed: from -> to, because of `reason` */
    PATH_NEWS_CONNECTED,      /* tag, session, sa */
    PATH_NEWS_CONNECT_FAILED, /* tag, outcome: given up, nothing more is tried for this wish */
    PATH_NEWS_CONNECT_RETRY,  /* outcome: a round over all paths failed, the next one comes */
};
struct path_news {
    enum path_news_kind kind;
    uint64_t tag;
    ike_session_id session; /* 0: not yet */
    ike_sa_id sa;           /* 0: none */
    char conn[LIMIT_NAME], path[LIMIT_NAME];
    enum path_state from, to;
    enum ike_outcome outcome;
    char reason[64]; /* for a person; empty: nothing to add */
};
/* path_manager_news - bounded: when nobody pulls, the oldest are lost. */
bool path_manager_news(struct path_manager *pm, struct path_news *ret_news);

/*
 * Names of Gateways to which an End User was sent (RFC 5685): a question, and the answer to its tag.
 * The name has `n` addresses; 0 stands for every kind of failure. The path manager waits 20 s for the
 * answer, and then goes on as with 0.
 */
struct path_question {
    uint64_t tag;
    const char *conn, *name; /* borrowed until the next call */
};
bool path_manager_question(struct path_manager *pm, struct path_question *ret_question);
void path_manager_resolved(struct path_manager *pm, uint64_t tag, const struct address *addresses,
                           size_t n, nanos now);

/* --- looking in --- */

#define LOSS_UNKNOWN (-1)
struct path_status {
    char conn[LIMIT_NAME];
    char path[LIMIT_NAME];  /* Gateway: "gateway-<sa>" */
    ike_session_id session; /* 0: not connected */
    enum ike_session_role role;
    ike_sa_id sa;       /* 0: none */
    ike_child_id child; /* the first active one; 0: none */
    enum path_state state;
    /* of the path; ports 0 until an SA was there. Gateway: where the SA is */
    struct ike_path wanted;
    struct ike_path at; /* where its IKE SA lives now */
    bool parked;        /* the SA waits on a survivor's path */
    bool usable;        /* its Child SAs may carry traffic */
    uint32_t priority, weight;
    bool metered;
    /* classes of traffic of the connection (borrowed until the next path_manager_* call), and bits for those that may
     * take the path */
    uint8_t n_classes;
    uint16_t classes;
    const struct ike_class_paths
        *class_names;    /* NULL: the classes of a Gateway have numbers, from 1 on */
    nanos rtt_ns;        /* smoothed; 0: unknown */
    nanos jitter_ns;     /* mean deviation of the round-trip time */
    nanos last_heard_ns; /* 0: never */
    /* share of the probes of which the request or the response was lost, of 1,000,000. LOSS_UNKNOWN: an End User has
     * probed too little; a Gateway does not measure it */
    int32_t loss_ppm;
    nanos since_ns;    /* of the state */
    uint32_t failures; /* attempts in a row that failed */
    uint64_t losses;   /* how often it died */
};

/* path_manager_status - the index-th path of all sessions and wishes; false: no more. The order is
 * stable between two inputs. */
bool path_manager_status(struct path_manager *pm, size_t index, struct path_status *ret_status);

/* struct path_failovers - how often a path that carried traffic failed and another path took over; End User only. The
 * gap of a failover begins with the last sign of life of the failed path, or when the link went down. */
struct path_failovers {
    uint64_t n;
    nanos gaps_ns, longest_ns; /* the sum of all */
};
struct path_failovers path_manager_failovers(const struct path_manager *pm);

/* path_manager_check_invariants - asserts what must hold between calls: for tests. */
void path_manager_check_invariants(const struct path_manager *pm);

#endif
