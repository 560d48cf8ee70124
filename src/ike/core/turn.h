/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_TURN_H
#define IKE_TURN_H

/*
 * Whose turn the window of one is (RFC 7296 section 2.3). Pure: no clock, no memory, no IKE SA.
 *
 * No second request may leave before the first is answered. A probe, a path test or a move gives up
 * long before the peer must answer. Its caller is told so, and the request stays outstanding.
 * An intent that needs the window then borrows it: the outstanding request is sent again, the same
 * octets, over the path of that intent. Any response shows that this path works, and frees the
 * window.
 *
 *              SEND             GIVE_UP, of a question
 *      NONE ---------> OWN ------------------------------> ABANDONED
 *        ^              |                                    |   ^
 *        |              | LEND, HASTEN                  LEND |   | GIVE_UP, of a question
 *        |              v                                    v   |
 *        |             LENT <--------------------------------+---+
 *        |              |
 *        |              +---> OWN   GIVE_UP, of a change: the request is never abandoned
 *        |
 *        +---- the response, in each state; CALLING and JOB lie between it and the next request
 *
 * A question (probe, path test, move) is abandoned: its caller asks again. A change of state is
 * never abandoned: without a response we cannot know whether the peer acted.
 */

#include "ike/core/intent.h"
#include "ike/core/window.h"

enum turn_holder {
    HOLDER_NONE,      /* the window is free, and no exchange of ours is under way */
    HOLDER_CALLING,   /* inside ops->ask or ops->answered */
    HOLDER_JOB,       /* the window is free; the exchange waits for a job */
    HOLDER_OWN,       /* the outstanding request is sent for its own intent */
    HOLDER_LENT,      /* it is sent for an intent in the queue */
    HOLDER_ABANDONED, /* it is not sent; its own intent has ended */
    TURN_HOLDERS
};

/* enum turn - the next step of exchange.c. */
enum turn {
    TURN_WAIT,
    TURN_SEND,      /* the next intent becomes the outstanding request */
    TURN_RESEND,    /* retransmit the outstanding request */
    TURN_LEND,      /* send the outstanding request for the next intent, over its path */
    TURN_HASTEN,    /* the same at the pace of the next intent, without another copy now */
    TURN_GIVE_UP,   /* the intent for which the request is sent ends with a time-out */
    TURN_PEER_DEAD, /* no response in the time of RFC 7296 section 2.4: the IKE SA ends */
};

/* struct turn_state - the outstanding request. The other members have meaning only if `holder` is
 * OWN or LENT. */
struct turn_state {
    enum turn_holder holder;
    enum intent_kind kind;    /* of its own intent */
    enum intent_kind lent_to; /* LENT: for an intent of this kind */
    enum window_pace pace;
    uint8_t tries;     /* how often it was sent at this pace */
    bool established;  /* life of the IKE SA: ESTABLISHED */
    bool replaced;     /* life of the IKE SA: REPLACED */
    bool gateway;      /* our role in the session */
    bool current_path; /* it goes over the path on which the IKE SA is */
};

/* struct turn_intent - the first intent in the queue that may run. */
struct turn_intent {
    enum intent_kind kind;
    bool patient;    /* its caller set no time limit (intent->give_up_ns is 0) */
    bool other_path; /* a move: it leaves the path of the outstanding request */
};

/* turn_decide - `next` is NULL if no intent may run. */
enum turn turn_decide(const struct turn_state *state, const struct turn_intent *next,
                      enum window_time time);

/* turn_question - the kind only asks about a path, and changes no state that both ends share. Its
 * caller repeats it, or asks over another path. */
bool turn_question(enum intent_kind kind);

#endif
