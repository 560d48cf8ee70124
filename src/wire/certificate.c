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
    (void)der_read(&certificate, DER_SEQUENCE);
    (void)der_read(&certificate, DER_BIT_STRING);
    if (!reader_done(&r) || !reader_done(&certificate) || reader_failed(&tbs) ||
        read.issuer.ptr[0] != DER_SEQUENCE || read.subject.ptr[0] != DER_SEQUENCE ||
        !wire_key_info_read(read.key_info, &read.key))
        return false;
    *ret = read;
    return true;
}
