/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table is total: a column for each kind of the next intent, a row for each kind of state, a
 * string for each time. The next intents of the table have a caller's time and another path.
 */
#include "ike/core/turn.h"

#include "base/unit_test.h"

#define COLUMNS (1 + INTENT_KINDS) /* no intent, then the kinds in the order of their enum */

static const char letter[] = {
    [TURN_WAIT] = '.',   [TURN_SEND] = 'S',    [TURN_RESEND] = 'R',    [TURN_LEND] = 'L',
    [TURN_HASTEN] = 'H', [TURN_GIVE_UP] = 'G', [TURN_PEER_DEAD] = 'D',
};

#define UP .established = true, .current_path = true
#define OWN(k, p, n)                                                                               \
    {                                                                                              \
        .holder = HOLDER_OWN, .kind = (k), .pace = (p), .tries = (n), UP                           \
    }
#define LENT(k, to, p, n)                                                                          \
    {                                                                                              \
        .holder = HOLDER_LENT, .kind = (k), .lent_to = (to), .pace = (p), .tries = (n), UP         \
    }

static const struct {
    const char *what;
    struct turn_state state;
    /* after "no intent": LOGIN, CREATE_CHILD, REKEY_CHILD, REKEY_IKE, CLONE, CREATE_MOVED, MOVE,
     * PATH_TEST, PROBE, ADDRESSES, PATH_TERMS, STRAY, ROUTABILITY, DELETE_CHILD, DELETE_IKE,
     * REDIRECT, AUTH_LIFETIME */
    const char *at[WINDOW_TIMES];
} rows[] = {
    {"free window",
     {.holder = HOLDER_NONE},
     {".SSSSSSSSSSSSSSSSS", ".SSSSSSSSSSSSSSSSS", ".SSSSSSSSSSSSSSSSS"}},
    {"inside ops->ask or ops->answered",
     {.holder = HOLDER_CALLING},
     {"..................", "..................", ".................."}},
    {"waits for a job",
     {.holder = HOLDER_JOB},
     {"..................", "..................", ".................."}},
    {"abandoned question",
     {.holder = HOLDER_ABANDONED, .kind = INTENT_PROBE, .established = true},
     {".LLLLLLLLLLLLLLLLL", ".LLLLLLLLLLLLLLLLL", ".LLLLLLLLLLLLLLLLL"}},
    {"login",
     {.holder = HOLDER_OWN, .kind = INTENT_LOGIN, .tries = 3},
     {"..................", "RRRRRRRRRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
    {"login with the caller's time",
     {.holder = HOLDER_OWN, .kind = INTENT_LOGIN, .pace = WINDOW_CALLER, .tries = 3},
     {"..................", "RRRRRRRRRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
    {"rekey, sent once",
     OWN(INTENT_REKEY_CHILD, WINDOW_TRIES, 1),
     {".........H........", "RRRRRRLLRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
    {"rekey, sent twice",
     OWN(INTENT_REKEY_CHILD, WINDOW_TRIES, 2),
     {"......LL.H........", "RRRRRRLLRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
    {"rekey on a path that the IKE SA has left",
     {.holder = HOLDER_OWN, .kind = INTENT_REKEY_CHILD, .tries = 1, .established = true},
     {"..................", "RRRRRRLLRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
    {"Delete of an IKE SA that ends",
     {.holder = HOLDER_OWN, .kind = INTENT_DELETE_IKE, .tries = 2, .current_path = true},
     {"..................", "RRRRRRRRRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
    {"liveness check",
     OWN(INTENT_PROBE, WINDOW_TRIES, 2),
     {"......LL.H........", "RRRRRRLLRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
    {"liveness check that goes on",
     OWN(INTENT_PROBE, WINDOW_UNTIL, 2),
     {"..................", "RRRRRRRRRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
    {"probe of a caller",
     OWN(INTENT_PROBE, WINDOW_CALLER, 3),
     {"..................", "RRRRRRRRRRRRRRRRRR", "GGGGGGGGGGGGGGGGGG"}},
    {"path test, sent twice",
     OWN(INTENT_PATH_TEST, WINDOW_CALLER, 2),
     {"..................", "RRRRRRRRRRRRRRRRRR", "GGGGGGGGGGGGGGGGGG"}},
    {"path test, sent three times",
     OWN(INTENT_PATH_TEST, WINDOW_CALLER, 3),
     {".........G........", "RRRRRRRRRGRRRRRRRR", "GGGGGGGGGGGGGGGGGG"}},
    {"move of a caller",
     OWN(INTENT_MOVE, WINDOW_CALLER, 3),
     {"..................", "RRRRRRRRRRRRRRRRRR", "GGGGGGGGGGGGGGGGGG"}},
    {"move of a replaced IKE SA",
     {.holder = HOLDER_OWN, .kind = INTENT_MOVE, .pace = WINDOW_CALLER, .replaced = true},
     {"..................", "RRRRRRRRRRRRRRRRRR", "GGGGGGGGGGGGGGGGGG"}},
    {"M13 of the End User",
     OWN(INTENT_CREATE_MOVED, WINDOW_CALLER, 1),
     {"..................", "RRRRRRRRRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
    {"M13 of the Gateway",
     {.holder = HOLDER_OWN,
      .kind = INTENT_CREATE_MOVED,
      .pace = WINDOW_CALLER,
      .gateway = true,
      UP},
     {"..................", "RRRRRRRRRRRRRRRRRR", "GGGGGGGGGGGGGGGGGG"}},
    {"rekey, lent to a probe",
     LENT(INTENT_REKEY_CHILD, INTENT_PROBE, WINDOW_CALLER, 2),
     {"......LL..........", "RRRRRRLLRRRRRRRRRR", "GGGGGGGGGGGGGGGGGG"}},
    {"rekey, lent to the liveness check",
     LENT(INTENT_REKEY_CHILD, INTENT_PROBE, WINDOW_UNTIL, 2),
     {"......LL.H........", "RRRRRRLLRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
    {"probe, lent to a move",
     LENT(INTENT_PROBE, INTENT_MOVE, WINDOW_CALLER, 2),
     {"..................", "RRRRRRRRRRRRRRRRRR", "GGGGGGGGGGGGGGGGGG"}},
    {"probe, lent to a Delete",
     LENT(INTENT_PROBE, INTENT_DELETE_CHILD, WINDOW_TRIES, 2),
     {"......LL.H........", "RRRRRRLLRRRRRRRRRR", "DDDDDDDDDDDDDDDDDD"}},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int time = 0; time < WINDOW_TIMES; time++) {
            char got[COLUMNS + 1] = {0};
            for (int column = 0; column < COLUMNS; column++) {
                struct turn_intent next = {.other_path = true};
                if (column > 0)
                    next.kind = (enum intent_kind)(column - 1);
                got[column] = letter[turn_decide(&rows[i].state, column > 0 ? &next : NULL,
                                                 (enum window_time)time)];
            }
            if (strcmp(got, rows[i].at[time]) != 0)
                fail_msg("%s, time %d: %s instead of %s", rows[i].what, time, got,
                         rows[i].at[time]);
        }
}

/* check - rules for every outstanding request, every next intent and every time. */
static void check(const struct turn_state *state, const struct turn_intent *next,
                  enum window_time time)
{
    enum turn turn = turn_decide(state, next, time);
    enum turn alone = turn_decide(state, NULL, time);
    bool question = turn_question(state->kind), lent = state->holder == HOLDER_LENT;
    assert_int_not_equal(turn, TURN_SEND); /* the window holds one request */
    assert_int_equal(time == WINDOW_OVER, alone == TURN_GIVE_UP || alone == TURN_PEER_DEAD);
    assert_int_equal(time == WINDOW_DUE, alone == TURN_RESEND);
    if (time == WINDOW_OVER)
        assert_int_equal(turn, alone); /* a waiting intent changes nothing */
    if (turn == TURN_PEER_DEAD)
        assert_int_equal(time, WINDOW_OVER);
    if (next->patient)
        assert_int_equal(turn, alone); /* it waits for its turn */
    if (alone == TURN_GIVE_UP)         /* a change may not be given up for its own intent */
        assert_true(state->pace == WINDOW_CALLER &&
                    (question || lent || (state->kind == INTENT_CREATE_MOVED && state->gateway)));
    if (turn == TURN_LEND)
        assert_true(next->other_path && state->kind != INTENT_LOGIN);
    if (turn == TURN_HASTEN)
        assert_true(state->current_path && next->kind == INTENT_PROBE);
}

static void every_combination(void **state)
{
    struct turn_state at = {0};
    (void)state;
    for (unsigned i = 0; i < 2u * 15 * 15 * 3 * 3 * 16; i++) {
        unsigned n = i;
        at.holder = n % 2 == 0 ? HOLDER_OWN : HOLDER_LENT, n /= 2;
        at.kind = (enum intent_kind)(n % INTENT_KINDS), n /= INTENT_KINDS;
        at.lent_to = (enum intent_kind)(n % INTENT_KINDS), n /= INTENT_KINDS;
        at.pace = (enum window_pace)(n % WINDOW_PACES), n /= WINDOW_PACES;
        at.tries = (uint8_t)(n % 3 + 1), n /= 3;
        at.established = n & 1, at.replaced = n & 2, at.gateway = n & 4, at.current_path = n & 8;
        for (unsigned k = 0; k < 4u * INTENT_KINDS * WINDOW_TIMES; k++) {
            const struct turn_intent next = {.kind = (enum intent_kind)(k / 4 % INTENT_KINDS),
                                             .patient = k & 1,
                                             .other_path = k & 2};
            check(&at, &next, (enum window_time)(k / 4 / INTENT_KINDS));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(every_combination),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
