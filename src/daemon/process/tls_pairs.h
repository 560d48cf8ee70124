/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TLS_PAIRS_H
#define DAEMON_TLS_PAIRS_H

/*
 * The channels by which a process with TLS (eap, aaa) asks the keyholder for signatures and the
 * verifier for checks of certificates. The supervisor makes them.
 */

#include "daemon/process/spawn.h"

struct tls_pairs {
    int keys[2], checks[2]; /* -1: not open */
};

/* struct tls_starts - the processes that TLS takes. */
struct tls_starts {
    struct spawn_start key, verifier, eap, aaa, fetcher;
};

/* tls_pairs_open - holds `room` octets in flight. ERR_SYSTEM; close it nevertheless. */
int tls_pairs_open(struct tls_pairs *pairs, int room) MUST_USE;
void tls_pairs_close(struct tls_pairs *pairs);

/* tls_pairs_hand - each process gets its ends; they stay the caller's. */
void tls_pairs_hand(const struct tls_pairs *eap, const struct tls_pairs *aaa,
                    struct tls_starts *to);

#endif
