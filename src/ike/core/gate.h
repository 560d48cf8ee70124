/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_GATE_H
#define IKE_GATE_H

/*
 * Which Message IDs an IKE SA lets in, decided before any cryptography and, for nearly all of what
 * is old, repeated by somebody else or made up, without a look at the IKE SA: the little that it
 * takes lies in the table of SPIs. With 200,000 IKE SAs each one is far away in memory.
 */

#include "ike/core/ike_state.h"
#include "ike/core/sa.h"
#include "wire/message.h"

/* struct gate - beside an SPI of ours in ike->sas_by_spi. */
struct gate {
    uint32_t peer;     /* the peer's SPI, folded */
    uint32_t request;  /* Message ID of the request that comes next */
    uint32_t response; /* Message ID of the response that is waited for ... */
    uint8_t exchange;  /* ... and its exchange; 0: no response is */
    bool known : 1;    /* the peer's SPI is; otherwise nothing is decided here */
    bool initiator : 1;
    bool later : 1; /* the request `request` came, and is answered when a job is done */
    bool kept : 1;  /* the response to the request before it is */
};

enum gate_verdict { GATE_NEW, GATE_REPEATED, GATE_NOT };

/* gate_judge - could this message be the next one of its window? (RFC 7296 sections 2.2 and 2.3) */
enum gate_verdict gate_judge(const struct gate *gate, const struct ike_header *header);

struct gate gate_of(const struct sa *sa); /* as it is now */
void gate_renew(struct sa *sa);           /* in the table; when the IKE SA may have changed */
bool gate_current(const struct sa *sa);   /* the table has it as it is now */

/* gate_find - in the table, by the SPIs of a message. NULL: ask the IKE SA, if there is one. It was
 * renewed when the last ike_* call ended. */
const struct gate *gate_find(const struct ike *ike, const struct ike_header *header);

/* gate_expect - a message will be asked for: the table is fetched from memory meanwhile. */
void gate_expect(const struct ike *ike, struct span message);

#endif
