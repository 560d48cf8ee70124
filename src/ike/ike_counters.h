/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_IKE_COUNTERS_H
#define IKE_IKE_COUNTERS_H

/* What the IKE core counts by connection, with charon's names. Part of ike/ike.h. */

#include <stdbool.h>
#include <stdint.h>

struct ike;

enum ike_counter {
    IKE_COUNT_REKEY_INIT, /* IKE SAs that we rekeyed */
    IKE_COUNT_REKEY_RESP, /* IKE SAs that the peer rekeyed */
    IKE_COUNT_CHILD_REKEY,
    IKE_COUNT_INVALID,     /* messages that could not be read or were not authentic */
    IKE_COUNT_INVALID_SPI, /* messages for an IKE SA that does not exist */
    /* messages: exchange, then direction, then request and response */
    IKE_COUNT_INIT_IN_REQ,
    IKE_COUNT_INIT_IN_RESP,
    IKE_COUNT_INIT_OUT_REQ,
    IKE_COUNT_INIT_OUT_RESP,
    IKE_COUNT_AUTH_IN_REQ,
    IKE_COUNT_AUTH_IN_RESP,
    IKE_COUNT_AUTH_OUT_REQ,
    IKE_COUNT_AUTH_OUT_RESP,
    IKE_COUNT_CREATE_IN_REQ,
    IKE_COUNT_CREATE_IN_RESP,
    IKE_COUNT_CREATE_OUT_REQ,
    IKE_COUNT_CREATE_OUT_RESP,
    IKE_COUNT_INFO_IN_REQ,
    IKE_COUNT_INFO_IN_RESP,
    IKE_COUNT_INFO_OUT_REQ,
    IKE_COUNT_INFO_OUT_RESP,
    IKE_COUNTERS
};
const char *ike_counter_name(enum ike_counter counter);
struct ike_counters {
    uint64_t n[IKE_COUNTERS]; /* by enum ike_counter; each message once, retransmissions not */
};
/* ike_counters_get - of the connection of that name; NULL: of all together. false: nothing was
 * counted under that name. */
bool ike_counters_get(const struct ike *ike, const char *conn, struct ike_counters *ret_counters);
/* ike_counters_next - the connection after `after` (NULL: the first) that has counters; NULL: end.
 * Borrowed, valid as long as `ike`. */
const char *ike_counters_next(const struct ike *ike, const char *after);
bool ike_counters_reset(struct ike *ike, const char *conn); /* as ike_counters_get */

#endif
