/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_PARTY_TICKET_H
#define TEST_EXCHANGE_PARTY_TICKET_H

/*
 * Session tickets without cryptography: the octets of a ticket are a magic number, its place in a
 * table, and a check sum. The table outlives a crash of the endpoint, as the key and the records of
 * the keyholder do.
 */

#include "ike/ike.h"

#define PARTY_TICKETS 64

struct party_tickets {
    bool refuse; /* no ticket is given or opened */
    unsigned n;
    uint64_t families;
    nanos lifetime_ns; /* 0: the lifetime of the connection */
    struct party_ticket {
        struct ike_ticket what;
        size_t n_sk_d;
        uint8_t sk_d[AUTH_OCTETS_PRF];
        nanos sealed_ns;
        bool over; /* used, replaced, or its session has ended */
    } tickets[PARTY_TICKETS];
    /* storage of the last result */
    uint8_t sealed[24], skeyseed[AUTH_OCTETS_PRF];
    struct ike_ticket opened;
};

/* party_ticket - answers IKE_EV_TICKET_SEAL, _OPEN and _USE; takes IKE_EV_TICKET_END. */
void party_ticket(struct party_tickets *tickets, struct crypto_provider *crypto,
                  const struct ike_event *event, nanos now, struct ike_result *ret_result);

#endif
