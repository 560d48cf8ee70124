/* SPDX-License-Identifier: Apache-2.0 */
/* The order buffer against a plain record of what came and what was handed on. */
#include "esp/order_buffer.h"

#include <stdlib.h>
#include <time.h>

#include "base/unit_test.h"

#define PACKETS 20000
#define MS(n)   ((n)*NANOS_PER_MS)

struct bench {
    struct order_buffer *buffer;
    nanos now;
    uint64_t random;
    /* the record, by identity */
    nanos came[PACKETS], left[PACKETS];
    uint32_t n_left, last, backwards;
    bool any;
};

static uint64_t chance(struct bench *b, uint64_t n)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random % n;
}

static struct bench *bench_new(uint64_t seed)
{
    struct bench *b = calloc(1, sizeof(*b));
    b->buffer = order_buffer_new();
    b->random = seed;
    b->now = NANOS_PER_SEC;
    return b;
}

static void bench_free(struct bench *b)
{
    order_buffer_free(b->buffer);
    free(b);
}

static void hand_on(struct bench *b, const struct order_packet *p)
{
    uint32_t id;
    memcpy(&id, p->octets, sizeof(id));
    assert_true(id < PACKETS && b->came[id] != 0); /* nothing is invented */
    assert_int_equal(b->left[id], 0);              /* nothing comes twice */
    b->left[id] = b->now;
    b->n_left++;
    b->backwards += b->any && id < b->last;
    b->last = id;
    b->any = true;
}

static void drain(struct bench *b)
{
    struct order_packet p;
    while (order_buffer_next(b->buffer, b->now, &p))
        hand_on(b, &p);
    order_buffer_recycle(b->buffer);
}

/* put_undrained - one of several packets that came at once. */
static void put_undrained(struct bench *b, uint32_t id, const struct esp_order *order)
{
    struct order_packet p = {.octets = (uint8_t *)&id, .len = sizeof(id)};
    enum order_fate fate;
    b->came[id] = b->came[id] != 0 ? b->came[id] : b->now;
    while ((fate = order_buffer_put(b->buffer, order, &p, b->now)) == ORDER_RETRY)
        drain(b);
    if (fate == ORDER_DELIVER)
        hand_on(b, &p);
}

static void put(struct bench *b, uint32_t id, const struct esp_order *order)
{
    put_undrained(b, id, order);
    drain(b);
}

static void put_number(struct bench *b, uint32_t id, uint32_t start, bool copy)
{
    put(b, id, &(struct esp_order){.present = true, .copy = copy, .number = start + id});
}

struct row {
    const char *what;
    uint32_t ids[8]; /* in the order of arrival; + 100: a copy */
    uint32_t left[8];
    nanos pause; /* at the end */
};

static const struct row rows[] = {
    {"in order", {1, 2, 3, 4}, {1, 2, 3, 4}, 0},
    {"one is early", {1, 3, 2, 4}, {1, 2, 3, 4}, 0},
    {"the last comes first", {1, 5, 4, 3, 2}, {1, 2, 3, 4, 5}, 0},
    {"a gap stays", {1, 3, 4}, {1}, 0},
    {"a gap is given up", {1, 3, 4}, {1, 3, 4}, MS(150)},
    {"a copy closes the gap", {1, 3, 102, 4}, {1, 2, 3, 4}, 0},
    {"a copy of a packet that came", {1, 2, 102, 3}, {1, 2, 3}, 0},
    {"a copy of a packet that is held", {1, 3, 103, 2}, {1, 2, 3}, 0},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (uint32_t start = UINT32_MAX - 6; start != 3; start++) { /* over the wrap, too */
            struct bench *b = bench_new(1);
            uint32_t expected = 0;
            for (size_t k = 0; k < 8 && rows[i].ids[k] != 0; k++, b->now += MS(1))
                put_number(b, rows[i].ids[k] % 100, start, rows[i].ids[k] > 100);
            b->now += rows[i].pause;
            drain(b);
            for (size_t k = 0; k < 8 && rows[i].left[k] != 0; k++, expected++)
                assert_true(b->left[rows[i].left[k]] != 0);
            assert_int_equal(b->n_left, expected);
            assert_int_equal(b->backwards, 0);
            bench_free(b);
        }
}

/* What comes late within the wait is put in order; each packet leaves once and in time. */
static void restores_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct bench *b = bench_new(seed);
        uint32_t span = 2 + (uint32_t)chance(b, 60), order[PACKETS];
        for (uint32_t i = 0; i < PACKETS; i++)
            order[i] = i;
        for (uint32_t i = 1; i + span < PACKETS; i += span) /* shuffled within spans */
            for (uint32_t k = span; k-- > 1;) {
                uint32_t j = (uint32_t)chance(b, k + 1), swap = order[i + j];
                order[i + j] = order[i + k];
                order[i + k] = swap;
            }
        for (uint32_t i = 0; i < PACKETS; i++, b->now += MS(1) / 4) {
            put_number(b, order[i], 7, false);
            if (chance(b, 50) == 0)
                put_number(b, order[i], 7, true); /* and its copy */
        }
        assert_int_equal(b->n_left, PACKETS);
        assert_int_equal(b->backwards, 0);
        bench_free(b);
    }
}

/* With losses: nothing waits longer than the longest wait, and the order stays. */
static void waits_are_bounded(void **state)
{
    (void)state;
    struct bench *b = bench_new(99);
    for (uint32_t i = 0; i < PACKETS; i++, b->now += MS(1) / 4) {
        drain(b);
        if (chance(b, 20) != 0)
            put_number(b, i, 0, false);
        assert_true(order_buffer_deadline(b->buffer) > b->now);
    }
    b->now += ORDER_WAIT_MAX;
    drain(b);
    assert_int_equal(b->backwards, 0);
    for (uint32_t i = 0; i < PACKETS; i++)
        if (b->came[i] != 0) {
            assert_true(b->left[i] != 0);
            assert_true(b->left[i] - b->came[i] <= ORDER_WAIT_MAX);
        }
    bench_free(b);
}

/* One flow's gap does not hold another. */
static void buckets_are_apart(void **state)
{
    (void)state;
    struct bench *b = bench_new(5);
    put(b, 1, &(struct esp_order){.present = true, .bucket = 1, .number = 1});
    put(b, 3, &(struct esp_order){.present = true, .bucket = 1, .number = 3});
    put(b, 4, &(struct esp_order){.present = true, .bucket = 2, .number = 3});
    put(b, 5, &(struct esp_order){.present = true, .bucket = 1, .no_hold = true});
    put(b, 6, &(struct esp_order){.present = false});
    assert_int_equal(b->left[3], 0);
    assert_true(b->left[4] != 0 && b->left[5] != 0 && b->left[6] != 0);
    bench_free(b);
}

/* A sender that begins anew says so, and is believed when its numbers are far away. */
static void reset(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct bench *b = bench_new(5);
        struct esp_order order = {.present = true, .number = 1000000};
        put(b, 1, &order);
        order.number = i == 0 ? 500 : 2000000;
        order.reset = true;
        put(b, 2, &order);
        order.number++;
        put(b, 3, &order);
        assert_int_equal(b->n_left, 3);
        assert_int_equal(b->buffer->buckets[0].next, order.number + 1);
        bench_free(b);
    }
}

/* A peer may send whatever numbers it likes: it disturbs its own flows only. */
static void lying_numbers(void **state)
{
    (void)state;
    struct bench *b = bench_new(3);
    for (uint32_t i = 0; i < PACKETS; i++, b->now += MS(1) / 20) {
        uint32_t near = (uint32_t)chance(b, 2 * ORDER_WINDOW),
                 far = (uint32_t)chance(b, UINT32_MAX);
        struct esp_order order = {.present = true,
                                  .copy = chance(b, 8) == 0,
                                  .no_hold = chance(b, 16) == 0,
                                  .reset = chance(b, 16) == 0,
                                  .bucket = (uint8_t)chance(b, 3),
                                  .number = chance(b, 8) == 0 ? far : near};
        put(b, i, &order);
    }
    b->now += ORDER_WAIT_MAX;
    drain(b);
    assert_true(order_buffer_deadline(b->buffer) == NANOS_NEVER);
    bench_free(b);
}

/* More packets than there is room for: the oldest gaps are given up. */
static void full(void **state)
{
    (void)state;
    struct bench *b = bench_new(3);
    for (uint32_t i = 0; i < PACKETS; i++)
        put(b, i,
            &(struct esp_order){
                .present = true, .bucket = (uint8_t)(i % 4), .number = i / 4 + (i >= 4)});
    b->now += ORDER_WAIT_MAX;
    drain(b);
    assert_int_equal(b->n_left, PACKETS);
    bench_free(b);
}

/* A copy comes at once with the packet that the held original waited for: it is a duplicate. */
static void copy_of_what_is_due(void **state)
{
    (void)state;
    struct bench *b = bench_new(1);
    put(b, 1, &(struct esp_order){.present = true, .number = 1});
    put(b, 3, &(struct esp_order){.present = true, .number = 3});
    put_undrained(b, 2, &(struct esp_order){.present = true, .number = 2});
    put_undrained(b, 3, &(struct esp_order){.present = true, .number = 3, .copy = true});
    put_undrained(b, 4, &(struct esp_order){.present = true, .number = 4});
    drain(b);
    assert_int_equal(b->n_left, 4);
    assert_int_equal(b->backwards, 0);
    assert_int_equal(b->buffer->counters.duplicates, 1);
    assert_int_equal(order_buffer_deadline(b->buffer), NANOS_NEVER);
    bench_free(b);
}

/* --- work that a peer with a valid login can cause --- */

#define WORKS 20000
#define RUNS  3

/* struct work - a pattern of numbers; `prepare` fills the buffer. `times`: what a packet may cost, in packets in order;
 * a walk over all that is held costs 10 to 100 times more. */
struct work {
    const char *what;
    void (*prepare)(struct bench *b);
    struct esp_order (*next)(uint32_t i);
    int times;
};

static void put_plain(struct bench *b, struct esp_order order)
{
    static uint8_t octets[40];
    struct order_packet p = {.octets = octets, .len = sizeof(octets)}, out;
    order.present = true;
    while (order_buffer_put(b->buffer, &order, &p, b->now) == ORDER_RETRY)
        while (order_buffer_next(b->buffer, b->now, &out))
            ;
    while (order_buffer_next(b->buffer, b->now, &out))
        ;
    order_buffer_recycle(b->buffer);
}

static void nothing_prepared(struct bench *b)
{
    (void)b;
}

static struct esp_order in_order(uint32_t i)
{
    return (struct esp_order){.number = i};
}

/* one_far - a packet is held at the far end of the window, so each gap before it is long. */
static void one_far(struct bench *b)
{
    put_plain(b, (struct esp_order){.number = UINT32_MAX});
}

static struct esp_order before_the_far_one(uint32_t i)
{
    uint32_t at = i % (ORDER_WINDOW - 1), round = i / (ORDER_WINDOW - 1) * ORDER_WINDOW;
    return (struct esp_order){.number = at == 0 ? round + ORDER_WINDOW - 1 : round + at - 1};
}

/* few_chains - all buckets wait, and what they hold and wait for has 16 places of the hash. */
static void few_chains(struct bench *b)
{
    for (uint32_t k = 0; k < ORDER_BUCKETS; k++)
        put_plain(b, (struct esp_order){.bucket = (uint8_t)k, .number = k % 16 - k * 257 - 1});
    for (uint32_t k = 0; k < ORDER_BUCKETS; k++)
        for (uint32_t i = 1; i < 16; i++) {
            uint32_t ahead = k % 16 + i < 16 ? i : i + ORDER_WINDOW - 16;
            put_plain(b,
                      (struct esp_order){.bucket = (uint8_t)k, .number = k % 16 + ahead - k * 257});
        }
}

static struct esp_order out_of_order(uint32_t i)
{
    (void)i;
    return (struct esp_order){.no_hold = true};
}

/* each_gives_up - each packet is ahead of a gap as long as the window, and the next one ends the wait for it. */
static struct esp_order each_gives_up(uint32_t i)
{
    return (struct esp_order){.number = i * (ORDER_WINDOW - 1)};
}

static const struct work works[] = {
    {"in order", nothing_prepared, in_order, 1},
    {"before a far one", one_far, before_the_far_one, 30},
    {"all buckets wait", few_chains, out_of_order, 400},
    {"gaps", nothing_prepared, each_gives_up, 60},
};

static nanos cpu_time(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return t.tv_sec * NANOS_PER_SEC + t.tv_nsec;
}

/* cost - the least time of a packet in some runs: others use the processor as well. */
static nanos cost(const struct work *work)
{
    nanos least = NANOS_NEVER;
    for (int run = 0; run < RUNS; run++) {
        struct bench *b = bench_new(1);
        work->prepare(b);
        nanos began = cpu_time();
        for (uint32_t i = 0; i < WORKS; i++)
            put_plain(b, work->next(i));
        least = nanos_min(least, (cpu_time() - began) / WORKS);
        bench_free(b);
    }
    return least;
}

/* The numbers of a peer with a valid login cause no more work than its packets are worth. */
static void work_is_bounded(void **state)
{
    (void)state;
    nanos plain = cost(&works[0]) + 1;
    for (size_t k = 1; k < sizeof(works) / sizeof(works[0]); k++) {
        nanos each = cost(&works[k]);
        if (each > works[k].times * plain)
            fail_msg("%s: %lld ns, in order %lld ns", works[k].what, (long long)each,
                     (long long)plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(copy_of_what_is_due),
        cmocka_unit_test(restores_order),
        cmocka_unit_test(waits_are_bounded),
        cmocka_unit_test(buckets_are_apart),
        cmocka_unit_test(reset),
        cmocka_unit_test(lying_numbers),
        cmocka_unit_test(full),
        cmocka_unit_test(work_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
