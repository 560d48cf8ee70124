/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_DISTINGUISHED_NAME_H
#define IKE_DISTINGUISHED_NAME_H

/*
 * Distinguished names (ID_DER_ASN1_DN): DER, and text as swanctl.conf has it,
 * "C=CH, O=Example, CN=gw.example".
 *
 *      Name ::= SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value DirectoryString }
 */

#include "base/error.h"
#include "base/span.h"
#include "base/writer.h"

/* dn_parse - text to DER. RDNs are separated by ',' or, with a '/' in front, by '/'; a separator in
 * a value has a '\' in front. The value '*' is a pattern. ERR_INVALID: an unknown type of
 * attribute, an empty value, or no '='; ERR_TRUNCATED: longer than `w` has room for. */
int dn_parse(const char *text, struct writer *w) MUST_USE;

/* dn_sound - the octets are the DER of a Name with at least one RDN. The other functions here
 * require that. */
bool dn_sound(struct span dn);

/* dn_print - prints the name into `out`, cut off at `cap` - 1 characters; octets other than
 * printable ASCII as \xNN. Returns `out`. */
const char *dn_print(struct span dn, char *out, size_t cap);

/* dn_equal - RDN by RDN in order. Values are compared without regard to case, the string type, and
 * runs of blanks (RFC 5280 section 7.1). */
bool dn_equal(struct span a, struct span b);

/* dn_covers - the same, but the pattern's value '*' stands for any value. */
bool dn_covers(struct span pattern, struct span dn);
bool dn_is_pattern(struct span dn);

/* dn_hash - a hash that is the same for equal names (dn_equal). */
uint32_t dn_hash(struct span dn, uint32_t seed);

#endif
