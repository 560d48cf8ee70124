/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_MESSAGE_TRACE_H
#define IKE_MESSAGE_TRACE_H

/*
 * The latest IKE messages of an endpoint, for people who ask what two peers said to each other. An
 * entry names payloads and notifies by their types. It holds no octet of their contents, and no
 * key. Rings of a fixed size keep the entries. One ring has messages of authenticated sessions and
 * our own logins. One has empty INFORMATIONAL exchanges (probes). One has messages of peers that
 * have not authenticated. So neither probes nor a flood of strangers displaces the messages of a
 * session.
 */

#include "ike/ike.h"

#define IKE_TRACE_PARTS 24

/* struct ike_trace_part - a payload; of N: with its notify type (RFC 7296 section 3.10.1). */
struct ike_trace_part {
    uint8_t payload;
    uint16_t notify;
};

enum ike_trace_kind {
    IKE_TRACE_OUT,  /* a message that we sent */
    IKE_TRACE_IN,   /* a message that we received: authentic, or unprotected where the protocol
                     * allows that */
    IKE_TRACE_ENDED /* the IKE SA or login ended: outcome */
};

struct ike_trace_entry {
    uint64_t number; /* grows from entry to entry */
    enum ike_trace_kind kind;
    nanos at_ns;
    ike_sa_id sa; /* 0: a login that was refused before it had one */
    ike_session_id session;
    char conn[LIMIT_NAME]; /* empty: not known yet */
    struct ike_path path;
    enum ike_outcome outcome; /* IKE_TRACE_ENDED */
    /* of a message */
    uint8_t exchange;
    bool response, again; /* again: the same octets once more */
    uint32_t message_id;
    uint16_t datagrams; /* more than one: fragments (RFC 7383) */
    uint32_t octets;    /* of all datagrams, without UDP and IP headers */
    uint8_t n_parts;
    bool more_parts; /* than IKE_TRACE_PARTS */
    struct ike_trace_part parts[IKE_TRACE_PARTS];
};

/* ike_trace_next - the first entry with a number above `after` (0: of all). false: no more. Entries
 * come in the order of their numbers. */
bool ike_trace_next(const struct ike *ike, uint64_t after, struct ike_trace_entry *ret_entry);
/* ike_trace_last - the number of the newest entry; 0: none. */
uint64_t ike_trace_last(const struct ike *ike);

#endif
