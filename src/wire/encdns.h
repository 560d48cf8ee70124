/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_ENCDNS_H
#define WIRE_ENCDNS_H

/* The attributes ENCDNS_IP4 and ENCDNS_IP6 of a CFG_REPLY, RFC 9464 section 3.1. */

#include "base/encrypted_dns.h"
#include "base/writer.h"

/* wire_encrypted_dns_read - reads one attribute, with addresses of the family. false: the value is
 * malformed, or the resolver has no name or does not answer over TLS. */
bool wire_encrypted_dns_read(struct span value, uint8_t family, uint16_t *ret_priority,
                             struct encrypted_dns *ret_dns);

/* wire_encrypted_dns_write - writes the whole attribute with the addresses of one family. Without such an address it
 * writes nothing. */
void wire_encrypted_dns_write(struct writer *w, const struct encrypted_dns *dns, uint8_t family);

#endif
