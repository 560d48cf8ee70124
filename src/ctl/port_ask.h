/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_PORT_ASK_H
#define CTL_PORT_ASK_H

/*
 * Asks whether an IKE daemon answers at a UDP port. The question is a header of IKE version 3. RFC
 * 7296 section 2.5: a peer answers a higher major version with INVALID_MAJOR_VERSION. It computes
 * and keeps nothing for that, and logs no login.
 */

#include <net/if.h>
#include <sys/socket.h>

#include "base/address.h"

enum port_answer {
    PORT_SILENT,
    PORT_ANSWERS,
    PORT_REFUSED,  /* an ICMP error came */
    PORT_FILTERED, /* the firewall of this host drops the question */
    PORT_UNASKED,  /* it could not be sent: no route, or no such interface */
};

struct port_ask {
    struct address to;
    uint16_t port;
    bool bare;                   /* no non-ESP marker in front: port 500 */
    char interface[IF_NAMESIZE]; /* to ask over; empty: as the routes say */
    enum port_answer answer;
    struct address by; /* PORT_REFUSED: who sent the ICMP error; ADDRESS_NONE: unknown */
    char why[64];      /* PORT_REFUSED, PORT_UNASKED: for a person */
};

#define PORT_ASKS 32

/* ports_ask - asks all at once, three times within two seconds; n: up to PORT_ASKS. */
void ports_ask(struct port_ask *asks, size_t n);

#endif
