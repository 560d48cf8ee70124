/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_HALF_OPEN_H
#define IKE_HALF_OPEN_H

/* Responder IKE SAs that are not authenticated yet, counted per source address (IPv6: per /64), so
 * that COOKIE and the limits can be applied to the sources that cause them (RFC 7296 section 2.6).
 */

#include "base/address.h"
#include "base/error.h"

struct half_open_source; /* uthash */

/* half_open_add - false: no memory, and nothing was counted. */
bool half_open_add(struct half_open_source **table, const struct address *source) MUST_USE;
void half_open_remove(struct half_open_source **table, const struct address *source);
unsigned half_open_count(const struct half_open_source *table, const struct address *source);
void half_open_done(struct half_open_source **table);

#endif
