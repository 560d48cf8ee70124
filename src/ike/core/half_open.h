/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_HALF_OPEN_H
#define IKE_HALF_OPEN_H

/*
 * Responder IKE SAs that are not authenticated yet, and key exchanges that failed a moment ago,
 * counted per source (RFC 7296 section 2.6). A source is counted at three widths, IPv6 /64, /56 and
 * /48, IPv4 /32 and /24 (twice), because one subscriber often owns a whole /56. Each width has its
 * own limits: HALF_OPEN_WIDER times those of the width below.
 *
 * A failed key exchange counts towards the demand for cookies only, unless its source had returned
 * one: a spoofed source must not shut out its owner.
 *
 * A source from which a peer has logged in is known. Known sources share the reserved part of the
 * table and go first when key exchanges are scarce.
 */

#include "base/address.h"
#include "base/error.h"
#include "base/map.h"
#include "base/random.h"
#include "base/siphash.h"
#include "base/time.h"

#define HALF_OPEN_WIDTHS 3
#define HALF_OPEN_WIDER  4 /* the limits of a /56 are this many times those of a /64, and so on */

struct half_open_bucket {
    uint64_t key;
    uint32_t live, failed, blamed; /* blamed: failures of a source that had returned a cookie */
};

/* struct half_open - lies inside of the object that is counted, `owner`. */
struct half_open {
    void *owner;
    struct half_open *next, *previous;
    struct half_open_bucket *buckets[HALF_OPEN_WIDTHS]; /* NULL: not counted */
    bool busy; /* it answers a request now and must not be evicted */
    bool known;
};

struct half_open_limits {
    uint32_t total, reserved;       /* reserved: the part of the total for known sources */
    uint32_t cookie_total;          /* from this number on every request needs a cookie */
    uint32_t cookie_source, source; /* limits of one /64 or IPv4 address */
};

struct half_open_failure;
struct half_open_known;

struct half_open_table {
    struct half_open_limits limits;
    const struct random *random; /* borrowed */
    uint8_t key[SIPHASH_KEY_LEN];
    struct map buckets;
    struct half_open *first;
    uint32_t n, n_failures;
    struct half_open_failure *failures; /* owned; a ring */
    uint32_t failures_at;
    struct half_open_known *known; /* owned; NULL: no source is known yet */
};

void half_open_init(struct half_open_table *table, const struct half_open_limits *limits,
                    const struct random *random);
/* the caller owns the objects that are still counted */
void half_open_done(struct half_open_table *table);

enum half_open_verdict {
    HALF_OPEN_WELCOME,
    HALF_OPEN_COOKIE, /* welcome only with a cookie (`proven`) */
    HALF_OPEN_FULL,   /* the table is full: half_open_victim() has to be evicted first */
    HALF_OPEN_REFUSED,
};
/* half_open_judge - `proven`: the source has returned a cookie. */
enum half_open_verdict half_open_judge(struct half_open_table *table, const struct address *source,
                                       bool proven, nanos now);

/* half_open_add - false: no memory, and nothing was counted. */
bool half_open_add(struct half_open_table *table, struct half_open *entry,
                   const struct address *source, nanos now) MUST_USE;
void half_open_remove(struct half_open_table *table, struct half_open *entry);

/* half_open_victim - a random one of the largest /48 or IPv4 /24. NULL: all are busy. */
struct half_open *half_open_victim(struct half_open_table *table);

/* half_open_patience - the time that a login gets now. A fuller table gives less. */
nanos half_open_patience(const struct half_open_table *table);

/* half_open_failed - a key exchange with this source failed: counts it for a while. */
void half_open_failed(struct half_open_table *table, const struct address *source, bool proven,
                      nanos now);

/* half_open_know - the source has logged in: it is known. */
void half_open_know(struct half_open_table *table, const struct address *source, nanos now);
bool half_open_knows(const struct half_open_table *table, const struct address *source);

#endif
