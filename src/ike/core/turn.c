/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/turn.h"

bool turn_question(enum intent_kind kind)
{
    return kind == INTENT_PROBE || kind == INTENT_PATH_TEST || kind == INTENT_MOVE;
}

/* only_question_failed - the caller's time-out ended, not ours: it says nothing about the peer.
 * A replaced IKE SA stays, since the peer may still ask for our response. */
static bool only_question_failed(const struct turn_state *state)
{
    /* Message M13 of the draft: the End User may not have received it, and is still reachable at
     * its old address. */
    bool offer = state->kind == INTENT_CREATE_MOVED && state->gateway;
    return (state->established || state->replaced) && state->pace == WINDOW_CALLER &&
           (state->holder == HOLDER_LENT || turn_question(state->kind) || offer);
}

/* blocks_probe - an unanswered path test blocks the probe of the current path, because the window
 * holds one request. */
static bool blocks_probe(const struct turn_state *state, const struct turn_intent *next)
{
    return state->holder == HOLDER_OWN && state->kind == INTENT_PATH_TEST && state->tries > 2 &&
           next->kind == INTENT_PROBE && !next->patient;
}

/* left_behind - the next intent moves the IKE SA away from the path of the outstanding request. The
 * request takes the new path too (RFC 4555 section 3.5), since the move cannot be sent before it is
 * answered. A request with a caller's deadline keeps its path: the move may wait for that deadline.
 * A probe is the exception. */
static bool left_behind(const struct turn_state *state, const struct turn_intent *next)
{
    bool probed = state->holder == HOLDER_LENT && state->lent_to == INTENT_PROBE;
    bool moves = next->kind == INTENT_MOVE || next->kind == INTENT_CREATE_MOVED;
    return (state->pace == WINDOW_TRIES || probed) && state->established &&
           state->kind != INTENT_LOGIN && moves && !next->patient && next->other_path;
}

/* probes_path - the outstanding request already tests the current path: its response proves
 * liveness as well as a probe would. */
static bool probes_path(const struct turn_state *state, const struct turn_intent *next)
{
    bool slow = state->pace == WINDOW_TRIES ||
                (state->holder == HOLDER_LENT && state->pace == WINDOW_UNTIL);
    return next->kind == INTENT_PROBE && !next->patient && slow && state->established &&
           state->current_path;
}

static enum turn outstanding_decide(const struct turn_state *state, const struct turn_intent *next,
                                    enum window_time time)
{
    if (time == WINDOW_OVER)
        return only_question_failed(state) ? TURN_GIVE_UP : TURN_PEER_DEAD;
    if (next != NULL && blocks_probe(state, next))
        return TURN_GIVE_UP;
    if (next != NULL && left_behind(state, next) && (state->tries > 1 || time == WINDOW_DUE))
        return TURN_LEND;
    if (time == WINDOW_DUE)
        return TURN_RESEND;
    return next != NULL && probes_path(state, next) ? TURN_HASTEN : TURN_WAIT;
}

enum turn turn_decide(const struct turn_state *state, const struct turn_intent *next,
                      enum window_time time)
{
    switch (state->holder) {
    case HOLDER_NONE: return next == NULL ? TURN_WAIT : TURN_SEND;
    case HOLDER_CALLING:
    case HOLDER_JOB: return TURN_WAIT;
    case HOLDER_OWN:
    case HOLDER_LENT: return outstanding_decide(state, next, time);
    case HOLDER_ABANDONED: return next == NULL ? TURN_WAIT : TURN_LEND;
    case TURN_HOLDERS: break;
    }
    return TURN_WAIT;
}
