/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_PARTY_TICKET_H
#define TEST_EXCHANGE_PARTY_TICKET_H

/*
 * Session tickets as the keyholder makes them, without the cryptography: the octets of a ticket are
 * a magic number, its place in a table, and a check sum. The table outlives a crash of the endpoint,
 * as the key and the records of the keyholder do.
 */

#include "ike/ike.h"

#define PARTY_TICKETS 64

struct party_tickets {
    bool refuse; /* no ticket is given, and none is opened */
    unsigned n;
    uint64_t families;
    nanos lifetime_ns; /* 0: as long as the connection says */
    struct party_ticket {
        struct ike_ticket what;
        size_t n_sk_d;
        uint8_t sk_d[AUTH_OCTETS_PRF];
        nanos sealed_ns;
        bool over; /* used, replaced or of a session that has ended */
    } tickets[PARTY_TICKETS];
    /* what the last result refers to */
    uint8_t sealed[24], skeyseed[AUTH_OCTETS_PRF];
    struct ike_ticket opened;
};

/* party_ticket - answers IKE_EV_TICKET_SEAL, _OPEN and _USE; takes IKE_EV_TICKET_END. */
void party_ticket(struct party_tickets *tickets, struct crypto_provider *crypto,
                  const struct ike_event *event, nanos now, struct ike_result *ret_result);

#endif
