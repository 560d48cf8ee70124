/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_GATE_H
#define IKE_GATE_H

/*
 * Message IDs that an IKE SA accepts, checked before any cryptography. A gate lies in the table of
 * SPIs, beside our SPI. Datagrams with another Message ID are dropped there: old, replayed or forged
 * ones. So they never cause a read of the IKE SA: with 200,000 IKE SAs each such read misses the cache.
 */

#include "ike/core/ike_state.h"
#include "ike/core/sa.h"
#include "wire/message.h"

/* struct gate - beside an SPI of ours in ike->sas_by_spi. */
struct gate {
    uint32_t peer;      /* the peer's SPI, folded */
    uint32_t request;   /* Message ID of the next request */
    uint32_t response;  /* Message ID of the outstanding request, or of the last answered one ... */
    uint8_t exchange;   /* ... and its exchange type; 0: no request is outstanding */
    uint8_t unanswered; /* copies of the last answered request that have no response yet */
    bool known : 1;     /* the peer's SPI is known; if not, the gate decides nothing */
    bool initiator : 1;
    bool later : 1; /* request `request` arrived; a job has to end before it is answered */
    bool kept : 1;  /* the response to the previous request is kept */
};

/* GATE_REPEATED - a repeated request: its response is sent once more. GATE_ECHO - the response to a
 * further copy of our last request: it is only counted, after authentication. The verdict itself
 * comes before authentication. So while `unanswered` is not 0, each forged datagram with that
 * Message ID costs one integrity check, as a datagram with the next Message ID does. */
enum gate_verdict { GATE_NEW, GATE_REPEATED, GATE_ECHO, GATE_NOT };

/* gate_judge - whether this message can be the next one of its window (RFC 7296 sections 2.2 and
 * 2.3). */
enum gate_verdict gate_judge(const struct gate *gate, const struct ike_header *header);

struct gate gate_of(const struct sa *sa); /* as it is now */
/* gate_renew - writes the gate of the IKE SA into the table; call it when the IKE SA may have
 * changed. */
void gate_renew(struct sa *sa);
bool gate_current(const struct sa *sa); /* the table agrees with the IKE SA */

/* gate_find - the gate for the SPIs of a message. It was renewed when the last ike_* call ended.
 * NULL: the table has none; look for the IKE SA. */
const struct gate *gate_find(const struct ike *ike, const struct ike_header *header);

/* gate_expect - prefetches the gate of a message that will arrive. */
void gate_expect(const struct ike *ike, struct span message);

#endif
