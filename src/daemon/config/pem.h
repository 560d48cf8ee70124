/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PEM_H
#define DAEMON_PEM_H

#include "base/span.h"

/* pem_read - the DER encoding in a file or value: DER as it stands, or the first PEM block (RFC
 * 7468) in `room`. Empty: neither, or longer than `cap`. */
struct span pem_read(struct span octets, uint8_t *room, size_t cap);

#endif
