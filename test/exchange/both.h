/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_BOTH_H
#define TEST_EXCHANGE_BOTH_H

/*
 * The path manager on both ends of real IKE endpoints: real messages race logins, and clone, move,
 * park and return IKE SAs, over links that fail or lose packets.
 */

#include "exchange/world.h"
#include "multipath/path_manager.h"

#define SECONDS(n)    ((nanos)(n)*NANOS_PER_SEC)
#define MS(n)         ((nanos)(n)*NANOS_PER_MS)
#define BOTH_LINKS    8
#define BOTH_CHILDREN 256 /* ids of one run */

struct end {
    struct peer *peer;
    struct path_manager *pm;
    size_t seen; /* events that the manager got */
    struct {
        bool usable;
        uint32_t priority;
        nanos in, out;
    } child[BOTH_CHILDREN];
};

struct both {
    struct world *world;
    struct end a, b;
    bool up[BOTH_LINKS], hole[BOTH_LINKS];
    unsigned n_links, n_remotes; /* interfaces of the End User, addresses of the Gateway */
    unsigned n_paths;            /* paths to come up; 0: one per interface */
    bool announce;               /* both ends tell the other one their addresses */
    nanos step;                  /* the interval at which the managers run */
    unsigned connected, failed;
    enum ike_outcome outcome;      /* of the last login that failed */
    nanos flow_ok, worst_gap;      /* upstream packets, each answered */
    nanos down_ok, worst_down_gap; /* a downstream flow without an answer */
    bool flow, down_flow;
};

/* both_new - with a path section p0, p1, ... for each interface, in this order of priority. */
struct both *both_new(unsigned n_links, uint64_t seed);
struct address both_remote(unsigned i); /* of the Gateway */
void both_connect(struct both *both);
void both_free(struct both *both);
void both_run(struct both *both, nanos duration);
bool both_all_up(const struct both *both);
void both_until_all_up(struct both *both, nanos limit);
void both_link_set(struct both *both, unsigned link, bool up);
void both_links_tell(struct both *both);
/* both_pull - passes the commands of a manager to the IKE core, and the events back. */
void both_pull(struct both *both, struct end *end);
unsigned both_logins(const struct both *both);
int both_carrier_link(const struct both *both); /* the interface that new flows leave by; -1 */

#endif
