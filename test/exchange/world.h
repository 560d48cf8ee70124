/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_WORLD_H
#define TEST_EXCHANGE_WORLD_H

/*
 * Two IKE endpoints, an End User `a` and a Gateway `b`, on virtual time, with a network between
 * them that a test can look into, delay, reorder and cut. Nothing sleeps; the same seed makes the
 * same octets.
 */

#include "base/unit_test.h"
#include "exchange/party_eap.h"
#include "exchange/party_ticket.h"
#include "ike/ike.h"

#define WORLD_EVENTS     512
#define WORLD_KE_DICE    4 /* the first one counts; the seeds of found faults draw as many */
#define WORLD_LATENCY_NS (10 * NANOS_PER_MS) /* one way */

struct datagram {
    struct datagram *next;
    nanos due_ns;
    bool to_b;
    struct ike_datagram d;
};

struct scenario;

struct peer {
    struct world *world;
    const char *name;
    struct ike *ike;
    struct crypto_provider *crypto;
    uint64_t dice;
    struct random random;
    const char *psk;              /* NULL: no key for the peer */
    const char *ppk_id, *ppk;     /* ppk NULL: no PPK is loaded */
    bool ppk_fails;               /* its keyholder fails to mix the PPK */
    struct party_tickets tickets; /* as Gateway; they outlive world_restart */
    bool refuse_lease, refuse_install;
    struct party_eap eap;     /* the script of the EAP method */
    bool hold_eap;            /* its results wait for world_eap_release */
    bool hold_verify;         /* results of AUTH wait, too */
    bool hold_install;        /* results of Child SAs in the data plane wait, too */
    enum ike_event_kind hold; /* results of this kind wait: a ticket or a lease; 0: none */
    /* number of the other end's certificate chain; 0: it cannot be revoked */
    uint64_t chain;
    struct ike_result held; /* the one that waits */
    ike_job_id held_job;    /* 0: none */
    bool hold_ke;           /* with ke_jobs: key exchanges wait for world_ke_run */
    unsigned n_ke;
    struct {
        ike_job_id job;
        struct ke_job step;
        uint64_t dice[WORLD_KE_DICE]; /* from those of the peer: private_value_from */
    } ke[8];
    size_t n_events;
    char notices[WORLD_EVENTS][256];
    struct ike_event events[WORLD_EVENTS]; /* keys wiped; a ring that keeps the last ones */
    unsigned counts[64];                   /* by kind */
    unsigned n_leases;                     /* given and not released */
    struct ike_config *lease;              /* the lease to give; NULL: 10.9.0.<session> */
    unsigned installed;                    /* Child SAs in the data plane */
    struct proofs *proofs;                 /* owned: the daemon's second opinion on each login */
    bool believes;     /* the core is told that each AUTH of the peer is right; `proofs` is not */
    bool admits;       /* the core is told that each session is admitted; `proofs` may say no */
    unsigned unproven; /* sessions without a proof; world_free asserts 0 unless it believes */
};

struct world {
    nanos now;
    struct peer a, b;
    struct datagram *wire; /* by due_ns */
    uint64_t dice;
    unsigned loss_percent, duplicate_percent;
    nanos jitter_ns;
    /* hook - sees each datagram as it leaves; false: lost. NULL: all pass. */
    bool (*hook)(struct world *world, bool to_b, struct ike_datagram *d);
    void *hook_context;
    /* inspect - as hook, but before it, and it may change the datagram (scenario.c). */
    bool (*inspect)(struct world *world, bool to_b, struct ike_datagram *d);
    struct scenario *scenario;
    uint16_t nat_port; /* not 0: a NAT in front of `a`: its ports 500 and 4500 are this and the next
                          one of 203.0.113.7 */
    struct address nat_inside;
    unsigned n_sent, n_lost;
    struct ike_conn *conn_a, *conn_b; /* the connections to load; change them before world_start */
};

struct world *world_new(uint64_t seed);
/* world_restart - starts the endpoint of `peer` again with these options, as after a crash. It sets
 * crypto and random; the connection is not loaded. */
void world_restart(struct peer *peer, struct ike_options options);
void world_start(struct world *world); /* loads the connections */
void world_free(struct world *world);

/* world_eap_release - gives the held result: the user has typed, or the CA has answered. */
void world_eap_release(struct peer *peer);

/* world_run - delivers and ticks for `duration_ns`. world_settle - runs until no datagram is in
 * flight and no event came for `quiet_ns`. */
void world_run(struct world *world, nanos duration_ns);
void world_drain(struct world *world);

/* world_ke_run - the waiting key exchanges end with this error; 0: they succeed. */
void world_ke_run(struct peer *peer, int error);

/* world_deliver_raw - delivers a datagram from elsewhere, now. */
void world_deliver_raw(struct world *world, bool to_b, const struct ike_path *path,
                       struct span octets);

/* world_connect - runs CONNECT over path 0; returns the outcome. */
enum ike_outcome world_connect(struct world *world);
enum ike_outcome world_command(struct peer *peer, struct ike_command command);
/* world_post - starts a command and returns its tag. */
uint64_t world_post(struct peer *peer, struct ike_command command);
const struct ike_event *world_done(const struct peer *peer, uint64_t tag); /* NULL: not yet */

/* paths 0.. : 192.0.2.(1+i) of `a` to 198.51.100.1 of `b` */
struct ike_path world_path(unsigned i);
struct ike_path world_path6(unsigned i); /* 2001:db8:a::(1+i) to 2001:db8:b::1 */

ike_sa_id world_sa(const struct peer *peer, unsigned index); /* established, by age; 0: none */
ike_child_id world_child(const struct peer *peer,
                         unsigned index); /* not replaced; by age; 0: none */
unsigned world_n_sas(const struct peer *peer);
unsigned world_n_children(const struct peer *peer);
/* world_check - both ends have the same IKE SAs and Child SAs, crosswise; asserts. */
void world_check(struct world *world);

#endif
