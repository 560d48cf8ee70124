/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_SIM_H
#define TEST_SIM_SIM_H

/*
 * The simulator: the real IKE, path manager and ESP cores of several hosts in one process, on
 * virtual time, from one seed. Nothing in it looks at a clock or at the addresses of memory, so a
 * seed always makes the same run, and the hash over all that happened proves it.
 *
 *      scenario.h   what is played: named ones, or random ones from a seed
 *      host.c       a machine: cores, jobs, crash       plane.c    its ESP
 *      network.c    interfaces, links, NATs             hostile.c  who sits on the path
 *      traffic.c    inner packets                       lease.c    inner addresses
 *      checker_*    what must hold, after each event
 *
 * Everything lives in one struct sim; sim_free gives back what it took.
 */

#include "base/error.h"
#include "exchange/party_eap.h"
#include "ike/ike.h"
#include "multipath/path_manager.h"

#define SIM_HOSTS      6
#define SIM_INTERFACES 4
#define SIM_NATS       6
#define SIM_LEASES     64
#define SIM_CHILDREN   3
#define SIM_REFUSED    16
#define SIM_RECENT     32 /* datagrams that the one on the path remembers */
#define SIM_FAMILIES   2  /* inner addresses of one lease */

#define SIM_SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define SIM_MS(n)      ((nanos)(n)*NANOS_PER_MS)

struct sim;
struct sim_host;
struct sim_plane;
struct pools;

/* --- network --- */

/* struct sim_link - between an interface and the middle of the network, both directions. Chances
 * are per mille of the packets. */
struct sim_link {
    nanos delay, jitter;
    unsigned loss, burst, duplicate, reorder, corrupt; /* burst: chance that eight in a row go */
    unsigned burst_left;
    nanos burst_ns; /* when the last burst began; 0: there was none */
    unsigned mtu;   /* octets of an IP packet; larger ones are lost */
    bool up;        /* carrier: the host knows */
    bool hole_out, hole_in;
};

struct sim_mapping {
    struct endpoint inside, remote; /* remote: of a symmetric NAT */
    uint16_t port;                  /* 0: free */
    nanos used;
};

struct sim_nat {
    struct address address;
    bool symmetric; /* a mapping for each remote endpoint, which admits only that endpoint */
    nanos timeout;
    struct sim_mapping mappings[64];
};

struct sim_interface {
    struct address address; /* NONE: it has none now */
    struct sim_link link;
    struct sim_nat *nat; /* NULL: no NAT in front of it */
    nanos bad_ns;        /* when it was last impaired; 0: never */
};

struct sim_packet {
    struct endpoint src, dst; /* ports 0 with `raw` */
    bool raw;                 /* IP protocol 50; else UDP */
    size_t len;
    uint8_t octets[]; /* the payload of UDP, or ESP */
};

/* --- hosts --- */

struct sim_faults {
    nanos sign_delay;
    unsigned sign_fail, install_fail, lease_fail, memory_fail; /* per mille */
    unsigned memory_skip, memory_run; /* so many allocations that succeed, then so many that fail */
};

struct sim_lease {
    ike_session_id owner; /* a session, or a clone with its own addresses; 0: free */
    struct sim_host *user;
    uint8_t n;
    struct address addresses[SIM_FAMILIES];
};

#define SIM_SESSIONS          64 /* of one host that leave together */
#define SIM_EAP_CONVERSATIONS 64 /* of one host at a time */

struct sim_host {
    struct sim *sim;
    char name[8];
    bool gateway, running;
    bool wanted;           /* End User: it is told to connect */
    char only[LIMIT_NAME]; /* ... with this child; empty: with all of its connection */
    /* one of its logins or all reauthenticate: the number of logins means nothing */
    bool logs_in_anew;
    bool impostor;   /* has another secret: must never log in */
    const char *psk; /* of an impostor: another one */
    /* by number of the conversation, because logins at a Gateway interleave. The key is that
     * secret. */
    struct party_eap eap[SIM_EAP_CONVERSATIONS];
    unsigned incarnation; /* counts restarts: events of an earlier run do not concern it */
    uint64_t dice;
    struct random random;
    struct ike_options options;
    struct ike_conn *conn;
    unsigned n_interfaces;
    struct sim_interface interfaces[SIM_INTERFACES];
    struct sim_faults faults;
    struct ike *ike;
    struct path_manager *paths;
    struct sim_plane *plane;
    struct pools *pools;                 /* Gateway */
    struct sim_lease leases[SIM_LEASES]; /* what they gave out */
    ike_child_id refused[SIM_REFUSED];   /* installations, the last ones */
    unsigned n_refused;
    struct address inner; /* End User: the address leased to it last */
    nanos deadline;
    nanos traffic_interval; /* of its own packets; 0: silent */
    unsigned logins;        /* sessions that came up */
    unsigned excused;       /* ... of which this many are explained */
    unsigned replaced;      /* its IKE core, by another one with the same sessions */
};

/* --- events of the world --- */

enum sim_event_kind { SIM_DELIVER, SIM_JOB, SIM_TRAFFIC, SIM_ACTION };

/* An action changes the world at some moment, for a scenario or at random. */
typedef void (*sim_action)(struct sim *sim, uint64_t argument);

struct sim_event {
    nanos at;
    uint64_t serial; /* of two at the same moment, the one that was made first comes first */
    enum sim_event_kind kind;
    unsigned host, incarnation;
    struct sim_packet *packet; /* owned */
    ike_job_id job;
    int error;
    uint8_t auth_method;
    size_t auth_len;
    uint8_t auth[64];
    sim_action action;
    uint64_t argument;
};

struct sim_checks; /* checker.h */

struct sim_counts {
    uint64_t events, datagrams, esp_sealed, esp_delivered, esp_refused, esp_rejected, lost,
        replayed, mutated;
    uint64_t failed_allocations, crashes, replaced, paths_replaced, logins, clones, moves;
    uint64_t inner_v6, inner_own; /* packets delivered over IPv6; leases of clones */
};

struct sim {
    uint64_t seed, dice, private_dice;
    struct random private_values; /* what libcrypto draws, from private_dice */
    nanos now;
    bool trace, healed;
    nanos replace; /* random runs: how often the IKE core of each host is replaced; 0: never */
    uint64_t hash;
    struct crypto_provider *crypto;
    unsigned n_hosts, n_nats;
    struct sim_host hosts[SIM_HOSTS];
    struct sim_nat nats[SIM_NATS];
    struct sim_event **heap;
    size_t n_heap, heap_room;
    uint64_t serial;
    /* rates of the attacker, per mille of the packets that it sees */
    unsigned replay, mutate, spoof;
    struct sim_packet *recent[SIM_RECENT];
    uint64_t n_recent;
    struct sim_checks *checks;
    struct sim_counts counts;
    unsigned n_violations;
    char violation[512]; /* the first one */
    struct ike_datagram datagram;
};

struct sim *sim_new(uint64_t seed, bool trace);
void sim_free(struct sim *sim);

/* sim_run - until `duration` has passed, or a check failed. */
void sim_run(struct sim *sim, nanos duration);
/* sim_until - until the condition holds; a violation that says `what` after `limit`. */
void sim_until(struct sim *sim, bool (*condition)(struct sim *sim), nanos limit, const char *what);

/* sim_at - the action, `wait` from now. */
void sim_at(struct sim *sim, nanos wait, sim_action action, uint64_t argument);
struct sim_event *sim_event_new(struct sim *sim, enum sim_event_kind kind, nanos wait,
                                const struct sim_host *host);

/* sim_chance - true in `per_mille` of a thousand cases. sim_below - uniform in [0, bound). */
bool sim_chance(struct sim *sim, unsigned per_mille);
uint64_t sim_below(struct sim *sim, uint64_t bound);

/* sim_mix - mixes `value` into the hash of the run. sim_log - prints a line with TRACE=1. */
void sim_mix(struct sim *sim, uint64_t value);
void sim_mix_octets(struct sim *sim, const uint8_t *octets, size_t len);
void sim_log(const struct sim *sim, const struct sim_host *host, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* sim_violation - a condition is broken; ends the run. */
void sim_violation(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint64_t sim_hash(const uint8_t *octets, size_t len, uint64_t start);

#endif
