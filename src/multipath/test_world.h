/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MULTIPATH_TEST_WORLD_H
#define MULTIPATH_TEST_WORLD_H

/*
 * A world for the path manager, on virtual time: links that come, go and swallow packets, an IKE
 * core with windows of one and retransmissions, a Gateway that counts logins, and one flow of
 * packets in each direction that uses whichever Child SA it is told to.
 */

#include "base/unit_test.h"
#include "multipath/path_manager.h"

#define WORLD_STEP  (5 * NANOS_PER_MS)
#define WORLD_LINKS 4
#define WORLD_SAS   64

struct world_link {
    bool up, no_route;
    bool near; /* its route leads to the network of the peer, and not to everywhere */
    bool hole; /* carrier, but nothing comes through */
    nanos rtt;
    unsigned loss_percent; /* of requests with their responses, and of packets of the flow */
    unsigned probes;       /* that were ordered from the IKE SA on this link */
};

struct world_intent {
    struct ike_command command;
    char child[LIMIT_NAME];
};

struct world_sa {
    ike_sa_id id; /* 0: free */
    ike_sa_id parent;
    ike_session_id session; /* 0: not yet */
    nanos up;               /* established */
    enum ike_sa_life life;
    enum ike_sa_role role;
    struct ike_path path;
    nanos last_heard;
    ike_child_id child; /* at most one */
    nanos child_in, child_out;
    bool child_usable;
    uint32_t child_priority;
    uint16_t child_carries; /* classes of traffic */
    /* intents; the first one is asked */
    unsigned n;
    struct world_intent intents[16];
    unsigned step; /* CONNECT: answered exchanges */
    bool parked;   /* an unanswered request blocks the window */
    nanos asked, next_try, answer_at, interval;
    unsigned tries, answers; /* copies of the request that were sent, and that arrived */
    uint8_t unanswered;      /* copies of the last answered request without a response */
};

struct world {
    struct path_manager *pm;
    struct ike_conn *conn;
    struct random random;
    uint64_t seed;
    nanos now;
    struct world_link links[WORLD_LINKS];
    unsigned n_links;
    bool peer_up, peer_clones, peer_mobike;
    bool childless;     /* logins bring no Child SA (RFC 6023) */
    bool refuses;       /* the peer refuses each Child SA (TS_UNACCEPTABLE) */
    bool no_routes;     /* the host is not asked for its routes: Child SAs do not come up */
    bool chaos;         /* links change too fast to find out whether the old session lives */
    nanos peer_started; /* the peer knows nothing older than that */
    struct address dead_remote; /* no packet returns from this address */
    unsigned peer_max_sas, n_remotes;
    struct world_sa sas[WORLD_SAS];
    ike_session_id session;
    uint32_t last_id;
    struct ike_event events[256], taken[256];
    unsigned n_events;
    /* the flow */
    bool flow, upstream_only; /* upstream_only: no packet returns */
    nanos flow_ok, worst_gap;
    ike_child_id carrier; /* the Child SA that carries it */
    /* what was seen */
    unsigned for_packets; /* commands for a packet */
    unsigned early;       /* attempts that ask the Gateway more often at first */
    unsigned timeouts;    /* commands that end something by force, because the peer is silent */
    unsigned logins, connects, clones, moves, creates, probes, tests, deletes, commands;
    unsigned commands_this_second, worst_second;
    nanos second;
    unsigned connected, failed, retries;
    unsigned classes_told; /* to the data plane */
    unsigned ups;          /* news of a path that is up */
    enum ike_outcome outcome;
};

struct world *world_new(unsigned n_links, uint64_t seed);
/* world_up - a world whose user has logged in once, has all its VPNs, and has sent for 2 s. */
struct world *world_up(unsigned n_links, uint64_t seed);
void world_free(struct world *world);
void world_start(struct world *world); /* makes the manager, shows it the links */
void world_connect(struct world *world, bool keep);
void world_link_set(struct world *world, unsigned link, bool up);
void world_run(struct world *world, nanos duration);
/* world_until - runs until the condition holds; fails the test after `limit`. */
void world_until(struct world *world, bool (*condition)(const struct world *world), nanos limit);
void world_sa_kill(struct world *world, unsigned link, enum ike_outcome outcome);

/* world_redirect - somebody answers the login on a link with a REDIRECT to that Gateway. */
void world_redirect(struct world *world, unsigned link, const struct ike_gateway *to);
void world_child_kill(struct world *world); /* all of them, by us */

void world_child_rekey(struct world *world); /* all of them */

/* world_child_routed - the host has the routes of all: no_routes ends. */
void world_child_routed(struct world *world);

bool world_all_up(const struct world *world); /* each wanted path is up */
struct path_status world_path(const struct world *world, const char *name);
int world_carrier_link(const struct world *world); /* link that the flow takes; -1: none */
unsigned world_established(const struct world *world);

#endif
