/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TICKETS_H
#define DAEMON_TICKETS_H

/*
 * Session tickets by value (RFC 5723). Only the keyholder seals and opens them. SK_d in a ticket
 * never leaves the keyholder; it gives out SKEYSEED of the IKE SA that resumes.
 *
 *      version (1) | key id (8) | nonce (12) | ciphertext | tag (16)        AES-256-GCM
 *      '----- associated data -----'
 */

#include "base/writer.h"
#include "crypto/provider.h"
#include "daemon/common/key_channel.h"

struct tickets;

/* tickets_new - `crypto` and `random` are borrowed. `fd`: of ticket_file.h. NULL: no memory. */
struct tickets *tickets_new(struct crypto_provider *crypto, const struct random *random, int fd,
                            int64_t now_ms);
struct tickets *tickets_free(struct tickets *tickets); /* wipes; takes NULL; returns NULL */

/* struct ticket_inside - the contents of a ticket beside struct key_ticket. `secret` identifies the
 * pre-shared secret of the session (tickets_secret_id); it is zero without one. */
#define TICKET_SECRET_ID 8
struct ticket_inside {
    struct span sk_d, extra;
    uint8_t secret[TICKET_SECRET_ID];
    uint8_t room[LIMIT_TICKET]; /* of tickets_open: the spans are in it */
};

/* tickets_secret_id - tells whether a secret is still the same one. ERR_CRYPTO. */
int tickets_secret_id(struct tickets *tickets, struct span secret,
                      uint8_t ret_id[TICKET_SECRET_ID]) MUST_USE;

/*
 * tickets_seal - writes the ticket. Fills family (if it is 0), issued_ms, lifetime_s, expires_s.
 * Older tickets of the family do not count any more. ERR_INVALID: lengths or texts make no sense;
 * ERR_FULL: it would be longer than LIMIT_TICKET, or is good for less than a second; ERR_CRYPTO.
 */
int tickets_seal(struct tickets *tickets, struct key_ticket *ticket,
                 const struct ticket_inside *inside, int64_t now_ms, struct writer *ret) MUST_USE;

/* tickets_open - ERR_AUTH: not a ticket of ours; ERR_DENIED: it has expired, was used, or its session
 * has ended. The caller wipes *ret_inside, also after an error. */
int tickets_open(struct tickets *tickets, struct span sealed, int64_t now_ms,
                 struct key_ticket *ret_ticket, struct ticket_inside *ret_inside) MUST_USE;

/* tickets_use - the ticket is used: it, and older ones of its family, do not count any more.
 * ERR_DENIED: it did not before, or the next process would not know of its use. */
int tickets_use(struct tickets *tickets, uint64_t family, uint64_t issued_ms,
                int64_t now_ms) MUST_USE;

/* tickets_end - the session has ended: all its tickets become invalid. */
void tickets_end(struct tickets *tickets, uint64_t family, int64_t now_ms);

#endif
