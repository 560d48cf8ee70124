/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXPLORER_PLAY_H
#define TEST_EXPLORER_PLAY_H

/* One schedule: two operations, begun by the two ends, and the fate of a datagram. */

#include "exchange/world.h"
#include "explorer/order.h"

struct operation {
    const char *name;
    enum ike_command_kind kind;
    bool unused_old;
    int children, sas;                  /* more of them afterwards, if it succeeds */
    bool nothing, ends, only_a, only_b; /* ends: an SA goes, and nothing is said of numbers */
};
extern const struct operation operations[];
extern const unsigned n_operations;

struct variant {
    const char *name;
    enum ike_clone clone_a, clone_b, prefer;
    bool blind;
    bool on_clone;   /* operations on an IKE SA use a clone, which the Gateway may move (D-08 b) */
    bool rounds;     /* the login has several rounds, one of them by EAP */
    bool logging_in; /* the End User's operation is the login, with a clone in it */
};
extern const struct variant variants[];
extern const unsigned n_variants;

/* what happens to one datagram; `late`: it comes after the first timer that runs out */
enum fate { FATE_NONE, FATE_LOST, FATE_TWICE, FATE_LATE, FATES };
extern const char *const fate_names[FATES];

/* operation_fits - this host can begin it in this variant. */
bool operation_fits(const struct variant *variant, const struct operation *operation,
                    unsigned host);

struct schedule {
    unsigned variant, of_a, of_b;
    enum fate fate;
    unsigned fate_host, fate_ordinal; /* the nth datagram of this host, from 0 */
};

/* play - runs from the login to the end, in the next order; asserts on the way and at the end.
 * false: pruned. *ret_hit: the datagram of the fate was sent. */
bool play(const struct schedule *schedule, struct order *order, bool *ret_hit);

#endif
