/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_NAME_BOOK_H
#define EAP_NAME_BOOK_H

/*
 * The names that an authenticator has given to peers (names.h). A pseudonym contains the user name
 * of the permanent identity, sealed with a key of the book. So pseudonyms need no table, and end
 * with the book:
 *
 *   "2", "3" or "7", and in base32: IV (16) | AES-128-CBC of hour (4), length (1), user name, zeros
 *                                   | HMAC-SHA-256-128 of all before and the realm (16)
 *
 * A re-authentication identity is random: "4", "5" or "8", and 16 octets in base32. Its keys are in
 * a table of EAP_NAME_BOOK entries; a full table drops the oldest entry. The first digits are those
 * of 3GPP TS 23.003 section 14 for EAP-AKA, EAP-SIM and EAP-AKA'.
 */

#include "eap/eap_crypto.h"
#include "eap/names.h"

#define EAP_NAME_BOOK       16384 /* re-authentication identities */
#define EAP_PSEUDONYM_HOURS (30 * 24)
#define EAP_REAUTH_HOURS    24 /* since the full authentication or the last re-authentication */

struct name_book;

/* name_book_new - borrows both arguments. NULL: no memory. */
struct name_book *name_book_new(struct eap_crypto *crypto, const struct random *random);
struct name_book *name_book_free(struct name_book *book); /* wipes; takes NULL; returns NULL */

/* The functions of struct eap_name_store. `hour`: hours since 1970. */
enum eap_name_kind name_book_find(struct name_book *book, enum eap_type type, struct span name,
                                  uint32_t hour, struct eap_named *ret);
size_t name_book_pseudonym(struct name_book *book, enum eap_type type, struct span permanent,
                           uint32_t hour, uint8_t ret[EAP_IDENTITY]);
size_t name_book_reauth(struct name_book *book, enum eap_type type, struct span permanent,
                        uint8_t ret[EAP_IDENTITY]);
void name_book_put(struct name_book *book, struct span reauth_id, const struct eap_named *named,
                   uint32_t hour);

#endif
