/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/half_open.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"

struct half_open_failure {
    struct half_open_bucket *buckets[HALF_OPEN_WIDTHS];
    nanos until_ns;
    bool blamed;
};

#define KNOWN_WAYS 8 /* slots of one source in the table */
struct half_open_known {
    uint64_t key; /* 0: free */
    nanos used_ns;
};

static uint64_t key_of(const struct half_open_table *table, const struct address *source,
                       unsigned width)
{
    static const uint8_t v4[HALF_OPEN_WIDTHS] = {4, 3, 3}, v6[HALF_OPEN_WIDTHS] = {8, 7, 6};
    uint8_t octets[10] = {source->family, (uint8_t)width};
    size_t len = source->family == ADDRESS_V6 ? v6[width] : v4[width];
    memcpy(octets + 2, source->octets, len);
    return siphash(table->key, span_of(octets, 2 + len));
}

/* --- buckets --- */

static struct half_open_bucket *bucket_find(const struct half_open_table *table,
                                            const struct address *source, unsigned width)
{
    return map_get(&table->buckets, key_of(table, source, width));
}

static void bucket_leave(struct half_open_table *table, struct half_open_bucket *bucket)
{
    if (bucket->live + bucket->failed > 0)
        return;
    (void)map_take(&table->buckets, bucket->key);
    free(bucket);
}

static struct half_open_bucket *bucket_enter(struct half_open_table *table, uint64_t key)
{
    struct half_open_bucket *bucket = map_get(&table->buckets, key);
    if (bucket != NULL)
        return bucket;
    bucket = calloc(1, sizeof(*bucket));
    if (bucket == NULL)
        return NULL;
    bucket->key = key;
    if (map_put(&table->buckets, key, bucket) == 0)
        return bucket;
    free(bucket);
    return NULL;
}

/* buckets_enter - finds or creates the buckets of a source. false: no memory. */
static bool buckets_enter(struct half_open_table *table, const struct address *source,
                          struct half_open_bucket *buckets[HALF_OPEN_WIDTHS])
{
    for (unsigned width = 0; width < HALF_OPEN_WIDTHS; width++) {
        buckets[width] = bucket_enter(table, key_of(table, source, width));
        if (buckets[width] != NULL)
            continue;
        while (width-- > 0)
            bucket_leave(table, buckets[width]);
        return false;
    }
    return true;
}

/* --- failures --- */

static void failure_forget(struct half_open_table *table)
{
    struct half_open_failure *failure = &table->failures[table->failures_at];
    for (unsigned width = 0; width < HALF_OPEN_WIDTHS; width++) {
        struct half_open_bucket *bucket = failure->buckets[width];
        bucket->failed--;
        bucket->blamed -= failure->blamed;
        bucket_leave(table, bucket);
    }
    table->failures_at = (table->failures_at + 1) % LIMIT_KE_FAILURES;
    table->n_failures--;
}

static void failures_expire(struct half_open_table *table, nanos now)
{
    while (table->n_failures > 0 && table->failures[table->failures_at].until_ns <= now)
        failure_forget(table);
}

void half_open_failed(struct half_open_table *table, const struct address *source, bool proven,
                      nanos now)
{
    if (table->failures == NULL)
        table->failures = calloc(LIMIT_KE_FAILURES, sizeof(table->failures[0]));
    if (table->failures == NULL)
        return;
    if (table->n_failures == LIMIT_KE_FAILURES)
        failure_forget(table);
    struct half_open_failure failure = {.until_ns = nanos_after(now, LIMIT_KE_FAILURE_NS),
                                        .blamed = proven};
    if (!buckets_enter(table, source, failure.buckets))
        return;
    for (unsigned width = 0; width < HALF_OPEN_WIDTHS; width++) {
        failure.buckets[width]->failed++;
        failure.buckets[width]->blamed += proven;
    }
    table->failures[(table->failures_at + table->n_failures++) % LIMIT_KE_FAILURES] = failure;
}

/* --- known sources --- */

static struct half_open_known *known_set(const struct half_open_table *table, uint64_t key)
{
    return &table->known[key % (LIMIT_KNOWN_SOURCES / KNOWN_WAYS) * KNOWN_WAYS];
}

void half_open_know(struct half_open_table *table, const struct address *source, nanos now)
{
    if (table->known == NULL)
        table->known = calloc(LIMIT_KNOWN_SOURCES, sizeof(table->known[0]));
    if (table->known == NULL)
        return;
    uint64_t key = key_of(table, source, 0) | 1;
    struct half_open_known *set = known_set(table, key), *oldest = set;
    for (unsigned i = 0; i < KNOWN_WAYS && oldest->key != key; i++)
        if (set[i].key == key || set[i].used_ns < oldest->used_ns)
            oldest = &set[i];
    *oldest = (struct half_open_known){key, now};
}

bool half_open_knows(const struct half_open_table *table, const struct address *source)
{
    if (table->known == NULL)
        return false;
    uint64_t key = key_of(table, source, 0) | 1;
    const struct half_open_known *set = known_set(table, key);
    for (unsigned i = 0; i < KNOWN_WAYS; i++)
        if (set[i].key == key)
            return true;
    return false;
}

/* --- the table --- */

void half_open_init(struct half_open_table *table, const struct half_open_limits *limits,
                    const struct random *random)
{
    *table = (struct half_open_table){.limits = *limits, .random = random};
    random_fill(random, table->key, sizeof(table->key));
}

void half_open_done(struct half_open_table *table)
{
    while (table->n_failures > 0)
        failure_forget(table);
    free(table->failures);
    free(table->known);
    map_done(&table->buckets);
    table->failures = NULL;
    table->known = NULL;
}

enum half_open_verdict half_open_judge(struct half_open_table *table, const struct address *source,
                                       bool proven, nanos now)
{
    const struct half_open_limits *limits = &table->limits;
    failures_expire(table, now);
    bool cookie = table->n + table->n_failures >= limits->cookie_total, over = false;
    uint64_t wider = 1;
    for (unsigned width = 0; width < HALF_OPEN_WIDTHS; width++, wider *= HALF_OPEN_WIDER) {
        const struct half_open_bucket *bucket = bucket_find(table, source, width);
        uint32_t live = bucket == NULL ? 0 : bucket->live;
        uint32_t failed = bucket == NULL ? 0 : bucket->failed;
        cookie |= live + failed >= limits->cookie_source * wider;
        over |= live + (bucket == NULL ? 0 : bucket->blamed) >= limits->source * wider;
    }
    if (!cookie)
        return HALF_OPEN_WELCOME;
    if (!proven)
        return HALF_OPEN_COOKIE;
    if (over)
        return HALF_OPEN_REFUSED;
    uint32_t room =
        half_open_knows(table, source) ? limits->total : limits->total - limits->reserved;
    return table->n >= room ? HALF_OPEN_FULL : HALF_OPEN_WELCOME;
}

bool half_open_add(struct half_open_table *table, struct half_open *entry,
                   const struct address *source, nanos now)
{
    failures_expire(table, now);
    if (!buckets_enter(table, source, entry->buckets)) {
        memset(entry->buckets, 0, sizeof(entry->buckets));
        return false;
    }
    for (unsigned width = 0; width < HALF_OPEN_WIDTHS; width++)
        entry->buckets[width]->live++;
    entry->known = half_open_knows(table, source);
    entry->previous = NULL;
    entry->next = table->first;
    if (entry->next != NULL)
        entry->next->previous = entry;
    table->first = entry;
    table->n++;
    return true;
}

void half_open_remove(struct half_open_table *table, struct half_open *entry)
{
    if (entry->buckets[0] == NULL)
        return;
    for (unsigned width = 0; width < HALF_OPEN_WIDTHS; width++) {
        ASSERT(entry->buckets[width]->live > 0);
        entry->buckets[width]->live--;
        bucket_leave(table, entry->buckets[width]);
        entry->buckets[width] = NULL;
    }
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        table->first = entry->next;
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    table->n--;
}

struct half_open *half_open_victim(struct half_open_table *table)
{
    struct half_open *victim = NULL;
    uint32_t largest = 0, seen = 0;
    for (struct half_open *entry = table->first; entry != NULL; entry = entry->next) {
        uint32_t live = entry->buckets[HALF_OPEN_WIDTHS - 1]->live;
        if (entry->busy || entry->known || live < largest)
            continue;
        if (live > largest)
            seen = 0;
        largest = live;
        /* Reservoir sampling with one place: each of the largest is equally likely. */
        if (random_below(table->random, ++seen) == 0)
            victim = entry;
    }
    return victim;
}

nanos half_open_patience(const struct half_open_table *table)
{
    uint32_t total = table->limits.total, half = total / 2;
    if (table->n <= half || total < 2)
        return LIMIT_HALF_OPEN_NS;
    uint32_t over = table->n >= total ? total - half : table->n - half;
    return LIMIT_HALF_OPEN_NS -
           (LIMIT_HALF_OPEN_NS - LIMIT_HALF_OPEN_FULL_NS) / (nanos)(total - half) * (nanos)over;
}
