/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/certificate.h"

/* SubjectPublicKeyInfo ::= SEQUENCE { algorithm, subjectPublicKey BIT STRING } */
bool wire_key_info_read(struct span octets, struct span *ret_key)
{
    struct reader r = reader_of(octets);
    struct reader info = der_read(&r, DER_SEQUENCE);
    (void)der_read(&info, DER_SEQUENCE);
    struct reader bits = der_read(&info, DER_BIT_STRING);
    uint8_t unused = read_u8(&bits);
    *ret_key = read_rest(&bits);
    return reader_done(&r) && reader_done(&info) && !reader_failed(&bits) && unused == 0 &&
           ret_key->len > 0;
}

/* extension_is_ca - Extension ::= SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue }
 * with BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, ... }. */
static bool extension_is_ca(struct reader extension)
{
    static const uint8_t basic_constraints[] = {0x55, 0x1d, 0x13}; /* 2.5.29.19 */
    struct reader oid = der_read(&extension, DER_OID);
    if (!span_equal(read_rest(&oid), span_of(basic_constraints, sizeof(basic_constraints))))
        return false;
    if (der_next(&extension) == DER_BOOLEAN)
        (void)der_element(&extension, NULL);
    struct reader value = der_read(&extension, DER_OCTET_STRING);
    struct reader constraints = der_read(&value, DER_SEQUENCE);
    struct reader ca = der_read(&constraints, DER_BOOLEAN);
    return read_u8(&ca) != 0 && reader_done(&ca);
}

/* ca_read - reads the octets behind subjectPublicKeyInfo: basicConstraints tells whether it is a
 * CA. */
static bool ca_read(struct reader *tbs)
{
    bool ca = false;
    while (!reader_failed(tbs) && der_next(tbs) != 0 && der_next(tbs) != (DER_CONTEXT | 3))
        (void)der_element(tbs, NULL);
    if (der_next(tbs) == 0)
        return false;
    struct reader tagged = der_read(tbs, DER_CONTEXT | 3);
    struct reader extensions = der_read(&tagged, DER_SEQUENCE);
    while (!ca && !reader_failed(&extensions) && der_next(&extensions) != 0)
        ca = extension_is_ca(der_read(&extensions, DER_SEQUENCE));
    return ca;
}

bool wire_certificate_read(struct span octets, struct wire_certificate *ret)
{
    struct reader r = reader_of(octets);
    struct reader certificate = der_read(&r, DER_SEQUENCE);
    struct reader tbs = der_read(&certificate, DER_SEQUENCE);
    if (der_next(&tbs) == DER_CONTEXT)
        (void)der_element(&tbs, NULL);
    (void)der_read(&tbs, DER_INTEGER);
    (void)der_read(&tbs, DER_SEQUENCE);
    struct wire_certificate read = {.issuer = der_element(&tbs, NULL)};
    (void)der_read(&tbs, DER_SEQUENCE);
    read.subject = der_element(&tbs, NULL);
    read.key_info = der_element(&tbs, NULL);
    struct reader rest = tbs;
    (void)der_read(&certificate, DER_SEQUENCE);
    (void)der_read(&certificate, DER_BIT_STRING);
    if (!reader_done(&r) || !reader_done(&certificate) || reader_failed(&tbs) ||
        read.issuer.ptr[0] != DER_SEQUENCE || read.subject.ptr[0] != DER_SEQUENCE ||
        !wire_key_info_read(read.key_info, &read.key))
        return false;
    read.ca = ca_read(&rest);
    *ret = read;
    return true;
}
