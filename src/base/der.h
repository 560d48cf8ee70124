/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_DER_H
#define BASE_DER_H

/*
 * The little of DER (ITU-T X.690) that is read outside of libcrypto: names, key identifiers and
 * AlgorithmIdentifiers. Tags of one octet, definite lengths in their shortest form.
 */

#include "base/reader.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_UTF8_STRING = 0x0c,
    DER_PRINTABLE_STRING = 0x13,
    DER_T61_STRING = 0x14,
    DER_IA5_STRING = 0x16,
    DER_UNIVERSAL_STRING = 0x1c,
    DER_BMP_STRING = 0x1e,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_CONTEXT = 0xa0, /* constructed, [0]; add the number */
};

/* der_next - the tag of the next element; 0: none, or failed. */
static inline uint8_t der_next(const struct reader *r)
{
    return r->left > 0 ? r->pos[0] : 0;
}

/* der_read - the contents of the next element. Another tag, or a length that is wrong, fails both
 * readers. */
struct reader der_read(struct reader *r, uint8_t tag);

/* der_element - the next element as it stands, tag and length included; *ret_contents may be NULL.
 */
struct span der_element(struct reader *r, struct span *ret_contents);

#endif
