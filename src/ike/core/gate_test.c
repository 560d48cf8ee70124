/* SPDX-License-Identifier: Apache-2.0 */
/* Which Message IDs an IKE SA accepts: RFC 7296 sections 2.1 to 2.3, a window of one. */
#include "ike/core/gate.h"

#include "base/unit_test.h"

#define REQUEST  0
#define RESPONSE IKE_FLAG_RESPONSE

/* the next request is 7; our request 3 is outstanding, an INFORMATIONAL */
static const struct gate asks = {
    .request = 7, .response = 3, .exchange = WIRE_INFORMATIONAL, .known = true};
static const struct gate idle = {.request = 7, .response = 3, .known = true};
static const struct gate kept = {.request = 7, .response = 3, .known = true, .kept = true};
static const struct gate job = {.request = 7, .response = 3, .known = true, .later = true};
static const struct gate echoes = {
    .request = 7, .response = 3, .unanswered = 2, .exchange = WIRE_INFORMATIONAL, .known = true};
static const struct gate first = {.request = 0, .known = true};

static const struct {
    const struct gate *gate;
    uint8_t flags, exchange;
    uint32_t message_id;
    enum gate_verdict verdict;
} rows[] = {
    /* requests */
    {&idle, REQUEST, WIRE_INFORMATIONAL, 7, GATE_NEW},
    {&idle, REQUEST, WIRE_CREATE_CHILD_SA, 7, GATE_NEW},
    {&idle, REQUEST, WIRE_INFORMATIONAL, 8, GATE_NOT}, /* outside of the window */
    {&idle, REQUEST, WIRE_INFORMATIONAL, 6, GATE_NOT}, /* its response is not kept */
    {&kept, REQUEST, WIRE_INFORMATIONAL, 6, GATE_REPEATED},
    {&kept, REQUEST, WIRE_CREATE_CHILD_SA, 6, GATE_REPEATED},
    {&kept, REQUEST, WIRE_INFORMATIONAL, 5, GATE_NOT}, /* only the last response is kept */
    {&kept, REQUEST, WIRE_INFORMATIONAL, 7, GATE_NEW},
    {&kept, REQUEST, WIRE_INFORMATIONAL, UINT32_MAX, GATE_NOT},
    {&job, REQUEST, WIRE_INFORMATIONAL, 7, GATE_NOT}, /* the answer to it is being made */
    {&job, REQUEST, WIRE_INFORMATIONAL, 6, GATE_NOT},
    {&asks, REQUEST, WIRE_INFORMATIONAL, 3, GATE_NOT}, /* the number of our own request */
    {&asks, REQUEST, WIRE_INFORMATIONAL, 7, GATE_NEW}, /* both ends may ask at once */
    {&first, REQUEST, WIRE_INFORMATIONAL, 0, GATE_NEW},
    {&first, REQUEST, WIRE_INFORMATIONAL, UINT32_MAX, GATE_NOT},
    /* responses */
    {&asks, RESPONSE, WIRE_INFORMATIONAL, 3, GATE_NEW},
    {&asks, RESPONSE, WIRE_CREATE_CHILD_SA, 3, GATE_NOT}, /* to another exchange */
    {&asks, RESPONSE, WIRE_INFORMATIONAL, 2, GATE_NOT},
    {&asks, RESPONSE, WIRE_INFORMATIONAL, 4, GATE_NOT},
    {&asks, RESPONSE, WIRE_INFORMATIONAL, 7, GATE_NOT},
    {&idle, RESPONSE, WIRE_INFORMATIONAL, 3, GATE_NOT}, /* no request is outstanding */
    {&idle, RESPONSE, 0, 3, GATE_NOT},
    {&kept, RESPONSE, WIRE_INFORMATIONAL, 6, GATE_NOT},
    /* responses to further copies of the last request, while some have none */
    {&echoes, RESPONSE, WIRE_INFORMATIONAL, 2, GATE_ECHO},
    {&echoes, RESPONSE, WIRE_CREATE_CHILD_SA, 2, GATE_ECHO}, /* of any exchange */
    {&echoes, RESPONSE, WIRE_INFORMATIONAL, 3, GATE_NEW},
    {&echoes, RESPONSE, WIRE_INFORMATIONAL, 1, GATE_NOT},
    {&echoes, REQUEST, WIRE_INFORMATIONAL, 2, GATE_NOT},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct ike_header header = {
            .flags = rows[i].flags, .exchange = rows[i].exchange, .message_id = rows[i].message_id};
        if (gate_judge(rows[i].gate, &header) != rows[i].verdict)
            fail_msg("row %zu", i);
    }
}

/* At most two requests and one response pass, whatever their Message IDs. */
static void at_most_three(void **state)
{
    static const struct gate gate = {
        .request = 40, .response = 20, .exchange = WIRE_INFORMATIONAL, .known = true, .kept = true};
    unsigned requests = 0, responses = 0;
    (void)state;
    for (uint32_t id = 0; id < 100; id++) {
        struct ike_header header = {.exchange = WIRE_INFORMATIONAL, .message_id = id};
        requests += gate_judge(&gate, &header) != GATE_NOT;
        header.flags = RESPONSE;
        responses += gate_judge(&gate, &header) != GATE_NOT;
    }
    assert_int_equal(requests, 2);
    assert_int_equal(responses, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(at_most_three),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
