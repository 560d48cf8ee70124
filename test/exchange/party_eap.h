/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_PARTY_EAP_H
#define TEST_EXCHANGE_PARTY_EAP_H

/*
 * A scripted EAP method for both roles: the authenticator asks `requests` times, then it succeeds.
 * Both sides know the key already. The script has the faults and their times.
 */

#include "ike/ike.h"

struct party_eap {
    unsigned requests;    /* until success; 0: 2 */
    const char *identity; /* authenticator: the proven identity; NULL: that of IDi */
    unsigned fail_at;     /* the nth received packet fails the method; 0: none */
    unsigned succeed_at;  /* the nth received packet succeeds, whatever it contains; 0: none */
    unsigned garbage_at;  /* the answer to the nth packet is no EAP packet; 0: none */
    bool counts_on;       /* authenticator: Success has the next Identifier */
    bool no_key;          /* the method has no key */
    bool short_key;       /* 32 octets */
    const char *key;      /* seed of the key; NULL: the same on both sides */
    const char *says;     /* the first Request asks for the identity, and this is the answer */
    uint8_t wants;        /* the only method that the peer takes: another gets a Nak; 0: all */
    nanos valid_ns;       /* of the proof */
    uint32_t member;      /* authenticator: the proof meets only these credentials; 0: all */
    bool judges;          /* authenticator: the proof meets only policies whose eap_id fits */
    uint64_t grant;
    /* state */
    unsigned seen, conversations, ended;
    uint32_t conversation;
    uint8_t identifier, packet[64], msk[64];
};

/* party_eap - answers IKE_EV_EAP; *ret_result points into `eap`. */
void party_eap(struct party_eap *eap, const struct ike_event *event, struct ike_result *ret_result);

#endif
