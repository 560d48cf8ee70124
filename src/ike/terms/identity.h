/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_IDENTITY_H
#define IKE_IDENTITY_H

/* Identities: text as in swanctl.conf, ID payloads, and wildcard patterns. */

#include "base/error.h"
#include "base/siphash.h"
#include "ike/connection.h"
#include "wire/payloads.h"

#define IDENTITY_TEXT_MAX 256

/*
 * identity_parse - "192.0.2.1", "2001:db8::1" (ID_IPV4_ADDR, ID_IPV6_ADDR), "user@host"
 * (ID_RFC822_ADDR), "host.example" (ID_FQDN; a leading @ is cut off), "@#0a1b" and "keyid:text"
 * (ID_KEY_ID), "@@user" (ID_RFC822_ADDR), "%any" and "" (type 0), or with the type in front:
 * "fqdn:", "dns:", "email:", "rfc822:", "userfqdn:", "ipv4:", "ipv6:", "keyid:", "asn1dn:", all but
 * the addresses also as "#" and hexadecimal octets. A text with a '=' and no type in front is a
 * distinguished name (ID_DER_ASN1_DN, distinguished_name.h). ERR_INVALID: too long, or not of the
 * named type.
 */
int identity_parse(const char *text, struct ike_id *ret_id) MUST_USE;

/* identity_print - printable, other octets as \xNN. Returns `out`. */
const char *identity_print(const struct ike_id *id, char out[IDENTITY_TEXT_MAX]);

/* identity_print_hex - the same, but a key ID with octets that are not printable is "00:ff:41", as
 * in charon's VICI replies. Nothing reads this form back. Returns `out`. */
const char *identity_print_hex(const struct ike_id *id, char out[IDENTITY_TEXT_MAX]);

/* identity_octets - the reverse of identity_print() for names, key IDs and EAP identities. Returns
 * how many octets. */
size_t identity_octets(const char *text, uint8_t out[IDENTITY_TEXT_MAX]);

/* identity_from_wire - false: an unknown type, or too long for us. */
bool identity_from_wire(const struct wire_id *id, struct ike_id *ret_id);

/* identity_body - the body of the ID payload with this identity, in `room`. */
struct span identity_body(const struct ike_id *id, uint8_t room[4 + LIMIT_ID]);

/* identity_from_address - ID_IPV4_ADDR or ID_IPV6_ADDR. ERR_INVALID: no address. */
int identity_from_address(const struct address *address, struct ike_id *ret_id) MUST_USE;

/* identity_is_pattern - the text matches many identities, as "*.example" does. */
bool identity_is_pattern(const struct ike_id *id);
bool identity_equal(const struct ike_id *a, const struct ike_id *b);
/* identity_hash - a hash that is the same for equal identities. `seed`: 0, or the hash of a
 * preceding part. */
uint32_t identity_hash(const struct ike_id *id, uint32_t seed);
/* identity_keyed_hash - for tables that peers fill: peers choose identities and must not know
 * `key`. `seed`: 0, or the hash of a preceding identity. */
uint64_t identity_keyed_hash(const struct ike_id *id, const uint8_t key[SIPHASH_KEY_LEN],
                             uint64_t seed);

/*
 * identity_match - how well a pattern fits: 0 not at all, 1 %any, 2 a pattern with '*'
 * ("*.example", "*@example", "C=CH, CN=*"), 3 exactly. Names are compared without regard to case; a
 * '*' stands only at the beginning, and never inside of key IDs or addresses.
 */
enum identity_rank { IDENTITY_NO, IDENTITY_ANY, IDENTITY_PATTERN, IDENTITY_EXACT };
/* identity_covers - the same with a parsed pattern, for owners of secrets. */
enum identity_rank identity_covers(const struct ike_id *pattern, const struct ike_id *id);
enum identity_rank identity_match(const char *pattern, const struct ike_id *id);

/* identity_from_eap - an EAP identity as an identity: a distinguished name in DER or as text, an
 * address with '@', or else a name. false: empty or too long. */
bool identity_from_eap(struct span octets, struct ike_id *ret_id);

/* identity_fits_eap - an EAP identity matches eap_id, a pattern with '*' as in identity_match();
 * empty: any. */
bool identity_fits_eap(const char *pattern, struct span identity);

#endif
