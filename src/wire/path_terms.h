/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_PATH_TERMS_H
#define WIRE_PATH_TERMS_H

/*
 * PATH_TERMS: the private notify by which an End User tells the terms of an IKE SA's path
 * (docs/protocol.md section 7). Its data are 12 octets: version, flags, classes, rank, weight.
 */

#include "base/span.h"

#define PATH_TERMS_NOTIFY  47793
#define PATH_TERMS_VERSION 1
#define PATH_TERMS_LEN     12

/* struct path_terms - all zero: no terms were told, and those of PATH_TERMS_UNSAID hold. */
struct path_terms {
    uint32_t rank;   /* `priority` of the path: lower is better */
    uint32_t weight; /* its share among paths of equal rank; never 0 in a notify */
    bool metered;
    uint16_t
        classes; /* bits: the classes of traffic that may take the path (wire/traffic_classes.h) */
};

#define PATH_TERMS_UNSAID ((struct path_terms){.rank = 1, .weight = 1})

static inline struct path_terms path_terms_meant(struct path_terms said)
{
    return said.weight == 0 ? PATH_TERMS_UNSAID : said;
}

static inline bool path_terms_equal(struct path_terms a, struct path_terms b)
{
    return a.rank == b.rank && a.weight == b.weight && a.metered == b.metered &&
           a.classes == b.classes;
}

static inline bool path_terms_better(struct path_terms a, struct path_terms b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.metered < b.metered;
}

void path_terms_write(struct path_terms terms, uint8_t out[PATH_TERMS_LEN]);

/* path_terms_read - false: another version, too short, or a weight of 0. */
bool path_terms_read(struct span data, struct path_terms *ret_terms);

#endif
