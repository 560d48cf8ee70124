/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_WINDOW_H
#define IKE_WINDOW_H

/*
 * One direction of requests on an IKE SA, with a window of one (RFC 7296 section 2.3): the next
 * Message ID and the sealed datagrams that may have to be sent again. It knows nothing of payloads.
 * In `mine` the datagrams are our outstanding request, in `theirs` our last response.
 */

#include "base/span.h"
#include "base/time.h"
#include "ike/ike.h"

/* struct packet - one sealed IKE message: one datagram, or several RFC 7383 fragments. */
struct packet {
    size_t n;
    /* Section 2.2: Message IDs do not wrap. From this one on the IKE SA is rekeyed; with the last
     * one it is closed. */
#define MESSAGE_ID_REKEY (UINT32_MAX - 1000)

    struct packet_part {
        uint32_t offset, len;
    } * parts; /* into octets; inside the same allocation */
    uint8_t *octets;
    uint64_t trace; /* number of its entry in the trace; 0: none */
    bool sent;      /* at least once */
};

struct packet *packet_new(size_t n_parts, size_t octets); /* NULL: no memory */
struct packet *packet_free(struct packet *packet);        /* takes NULL; returns NULL */
struct span packet_part(const struct packet *packet, size_t index);

/* enum window_pace - when the retransmissions of the outstanding request end. */
enum window_pace {
    WINDOW_TRIES,  /* ends with the endpoint's last retransmission: then the peer is dead */
    WINDOW_UNTIL,  /* ends at end_ns: then the peer is dead */
    WINDOW_CALLER, /* ends at end_ns, which a caller chose: then its question has no answer */
    WINDOW_PACES
};

/* enum window_time - the state of the outstanding request's times. */
enum window_time {
    WINDOW_EARLY, /* nothing is due */
    WINDOW_DUE,   /* a retransmission is due */
    WINDOW_OVER,  /* its time or its retransmissions are used up */
    WINDOW_TIMES
};

struct window {
    uint32_t next_id; /* mine: of the next request; theirs: of the next request that we expect */
    struct packet *packet; /* owned; mine: NULL: nothing outstanding; theirs: the last response */
    /* mine only: */
    struct ike_path path;
    uint8_t tries; /* how often sent */
    /* copies of the last answered request without a response: lost on the way there or back */
    uint8_t unanswered;
    enum window_pace pace;
    nanos paced_ns; /* when the first copy at this pace left */
    nanos resend_at_ns;
    nanos end_ns;      /* unless pace is WINDOW_TRIES */
    nanos interval_ns; /* constant interval, 0: back-off of the endpoint */
    /* until the next early copy, which does not count as a try; doubles up to the first interval; 0: none */
    nanos early_ns;
};

static inline bool window_busy(const struct window *mine)
{
    return mine->packet != NULL;
}

/* struct retransmit_policy - exponential back-off: initial, initial*base, ... (RFC 7296 section 2.1
 * leaves it to us); `tries` retransmissions after the first sending. */
struct retransmit_policy {
    nanos initial_ns;
    uint32_t base_percent, tries;
    const struct random *random;
};

/* retransmit_total - the time from the first copy of a request until it is given up. */
nanos retransmit_total(const struct retransmit_policy *policy);

/* window_sent - the request was sent at `now`, for the first time or again: sets resend_at_ns. */
void window_sent(struct window *mine, const struct retransmit_policy *policy, nanos now);
enum window_time window_time(const struct window *mine, const struct retransmit_policy *policy,
                             nanos now);
/* window_end_by - gives up the request at `at` at the latest. */
void window_end_by(struct window *mine, nanos at);

/* window_take - the response arrived: advances the Message ID. The caller now owns the request. */
struct packet *window_take(struct window *mine);
void window_clear(struct window *window);

#endif
