/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_PARTY_H
#define TEST_EXCHANGE_PARTY_H

/*
 * The parts of an endpoint on virtual time, shared by test/exchange and test/sim: random numbers
 * from a seed, a connection, and the work of the keyholder. Independent of the test framework.
 */

#include "ike/ike.h"

/* dice_next - splitmix64: a seed is a state, every state is good. */
uint64_t dice_next(uint64_t *state);
/* dice_random - a struct random that draws from `state`, which it borrows. */
struct random dice_random(uint64_t *state);

/* party_conn - the connection "office" with one Child SA "net": an End User anna.user.example who
 * asks for an inner address and 10.1.0.0/16, or the Gateway gw.example. One reference. */
struct ike_conn *party_conn(bool gateway);

/* party_rounds - the End User proves itself by a certificate, then by EAP; the Gateway by a
 * certificate, then by its pre-shared key (RFC 4739). */
void party_rounds(struct ike_conn *user, struct ike_conn *gateway);

/*
 * party_auth - answers IKE_EV_AUTH_SIGN and IKE_EV_AUTH_VERIFY with a pre-shared key (RFC 7296
 * section 2.15), or with certificates that are only names. `psk` NULL: no key. *ret_result points
 * into `room`, PARTY_ROOM octets.
 */
#define PARTY_ROOM 512
void party_auth(struct crypto_provider *crypto, const char *psk, const struct ike_event *event,
                uint8_t *room, struct ike_result *ret_result);

/* party_ppk - answers IKE_EV_PPK with a PPK and its PPK_ID; key NULL: no PPK. *ret_result points
 * into `room`, PARTY_ROOM octets. */
struct party_ppk {
    const char *id, *key;
};
void party_ppk(struct crypto_provider *crypto, struct party_ppk ppk, const struct ike_event *event,
               uint8_t *room, struct ike_result *ret_result);

#endif
