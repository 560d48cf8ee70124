/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/flow_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/unit_test.h"

#define MS(n)  ((nanos)(n)*NANOS_PER_MS)
#define PACKET 1400

static void put(struct flow_queue *q, unsigned line, uint32_t number, uint8_t tos, nanos now)
{
    uint8_t *octets = flow_queue_put(q, line, PACKET, now);
    memset(octets, 0, PACKET);
    octets[0] = 0x45;
    octets[1] = tos;
    memcpy(octets + 20, &number, sizeof(number));
}

/* next - the number of the next packet, 0: none. */
static uint32_t next(struct flow_queue *q, nanos now, unsigned *ret_line)
{
    struct span packet;
    uint32_t number;
    if (!flow_queue_next(q, now, &packet, ret_line))
        return 0;
    assert_int_equal(packet.len, PACKET);
    memcpy(&number, packet.ptr + 20, sizeof(number));
    return number;
}

/* Lines take turns. A new flow does not wait for the packets of another one. */
static void turns(void **state)
{
    (void)state;
    struct flow_queue *q = flow_queue_new();
    unsigned line;
    for (uint32_t i = 1; i <= 10; i++)
        put(q, 1, i, 0, MS(1));
    assert_int_equal(next(q, MS(1), &line), 1);
    put(q, 2, 101, 0, MS(1));
    put(q, 2, 102, 0, MS(1));
    uint32_t got[6], expected[6] = {2, 101, 102, 3, 4, 5};
    for (int i = 0; i < 6; i++)
        got[i] = next(q, MS(1), &line);
    assert_memory_equal(got, expected, sizeof(got));
    flow_queue_free(q);
}

/* A flow that always finds its line empty gets no more than its turn. */
static void comes_back(void **state)
{
    (void)state;
    struct flow_queue *q = flow_queue_new();
    unsigned line, bulk = 0;
    for (uint32_t i = 1; i <= 100; i++)
        put(q, 1, i, 0, MS(1));
    for (int i = 0; i < 100; i++) {
        if (q->lines[2].n == 0)
            put(q, 2, 1000, 0, MS(1));
        assert_true(next(q, MS(1), &line) != 0);
        bulk += line == 1;
    }
    assert_in_range(bulk, 40, 60);
    flow_queue_free(q);
}

/* The limit in octets holds. The longest line loses its oldest packet. */
static void limit(void **state)
{
    (void)state;
    struct flow_queue *q = flow_queue_new();
    unsigned line;
    q->limit = 10 * PACKET;
    put(q, 1, 101, 0, MS(1));
    for (uint32_t i = 1; i <= 30; i++) {
        put(q, 2, i, 0, MS(1));
        assert_true(q->octets <= q->limit);
    }
    assert_int_equal(q->dropped, 21);
    assert_int_equal(next(q, MS(1), &line), 101);
    assert_int_equal(next(q, MS(1), &line), 22);
    flow_queue_free(q);
}

/* standing - packets of one line that each wait 20 ms, for half a second. */
static struct flow_queue *standing(uint8_t tos)
{
    struct flow_queue *q = flow_queue_new();
    unsigned line;
    uint32_t number = 0;
    for (int i = 0; i < 20; i++)
        put(q, 1, ++number, tos, MS(1));
    for (nanos now = MS(21); now < MS(521); now += MS(1)) {
        put(q, 1, ++number, tos, now);
        (void)next(q, now, &line);
    }
    return q;
}

/* A standing queue is signalled to the flow: by drops, or by marks if it understands ECN. */
static void controlled_delay(void **state)
{
    (void)state;
    struct flow_queue *q = standing(0);
    assert_in_range(q->dropped, 3, 50);
    assert_int_equal(q->marked, 0);
    flow_queue_free(q);
    q = standing(2);
    assert_in_range(q->marked, 3, 50);
    assert_int_equal(q->dropped, 0);
    flow_queue_free(q);
}

/* The mark is CE (RFC 3168). */
static void marks(void **state)
{
    (void)state;
    struct flow_queue *q = standing(1);
    struct span packet;
    unsigned line;
    bool marked = false;
    for (nanos now = MS(521); !marked && now < MS(2000); now += MS(20)) {
        assert_true(flow_queue_next(q, now, &packet, &line));
        marked = packet.ptr[1] == 3;
        put(q, 1, 9, 1, now);
        put(q, 1, 9, 1, now);
    }
    assert_true(marked);
    flow_queue_free(q);
}

/* A packet that waited too long for a path is not sent when the path comes back. */
static void stale(void **state)
{
    (void)state;
    struct flow_queue *q = flow_queue_new();
    unsigned line;
    put(q, 1, 1, 0, MS(1));
    put(q, 1, 2, 0, MS(400));
    assert_int_equal(next(q, MS(502), &line), 2);
    assert_int_equal(q->dropped, 1);
    flow_queue_free(q);
}

/* struct naive - the expected packets of a line, the oldest first. */
struct naive {
    uint32_t first, end;
};

/* Compared with a list for each line: each packet leaves once, in the order of its line, or is
 * counted. */
static void random_against_naive(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < 30; seed++) {
        struct flow_queue *q = flow_queue_new();
        struct naive lines[FLOW_QUEUE_LINES] = {0};
        uint64_t in = 0, out = 0;
        nanos now = MS(1);
        srand(seed);
        q->limit = (unsigned)(20 + rand() % 3000) * PACKET;
        for (int step = 0; step < 20000; step++, now += rand() % 400000) {
            unsigned line = (unsigned)(rand() % (int)(1 + seed * 2));
            if (rand() % 100 < (step / 4000 % 2 == 0 ? 60 : 40)) {
                put(q, line, ++lines[line].end, 0, now);
                in++;
                continue;
            }
            uint32_t number = next(q, now, &line);
            if (number == 0)
                continue;
            assert_in_range(number, lines[line].first + 1, lines[line].end);
            lines[line].first = number;
            out++;
        }
        unsigned line;
        while (next(q, now, &line) != 0)
            out++;
        assert_int_equal(q->octets, 0);
        assert_int_equal(in, out + q->dropped);
        flow_queue_free(q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns),
        cmocka_unit_test(comes_back),
        cmocka_unit_test(limit),
        cmocka_unit_test(marks),
        cmocka_unit_test(controlled_delay),
        cmocka_unit_test(stale),
        cmocka_unit_test(random_against_naive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
