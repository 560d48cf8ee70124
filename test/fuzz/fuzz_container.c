/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#12 containers: as they come, and their contents under a MAC that is right. */
#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "base/assert.h"
#include "crypto/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(struct span octets)
{
    static uint8_t room[CONTAINER_MAX];
    struct writer w = writer_of(room, sizeof(room));
    const char *why;
    enum container_item kind;
    struct span item;
    int error = container_unpack(octets, span_text("secret"), &w, &why);
    ASSERT(error == 0 || error == ERR_CRYPTO || why != NULL);
    struct reader r = reader_of(error == 0 ? writer_span(&w) : octets);
    while (container_next(&r, &kind, &item))
        ASSERT(item.len <= CONTAINER_MAX);
}

/* header_write - a tag, and a length of two octets. */
static void header_write(struct writer *w, uint8_t tag, size_t len)
{
    write_u8(w, tag);
    write_u8(w, 0x82);
    write_u16(w, (uint16_t)len);
}

/* sealed - PFX { version 3, authSafe { data, octets }, a MAC over the octets } (RFC 7292 section 4) */
static size_t sealed(struct span octets, uint8_t *room, size_t cap)
{
    static const uint8_t version[] = {2, 1, 3};
    static const uint8_t data[] = {6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1};
    struct writer w = writer_of(room, cap);
    header_write(&w, 0x30, sizeof(version) + 4 + sizeof(data) + 8 + octets.len);
    write_bytes(&w, span_of(version, sizeof(version)));
    header_write(&w, 0x30, sizeof(data) + 8 + octets.len);
    write_bytes(&w, span_of(data, sizeof(data)));
    header_write(&w, 0xa0, 4 + octets.len);
    header_write(&w, 0x04, octets.len);
    write_bytes(&w, octets);
    const uint8_t *at = room;
    uint8_t *out = room;
    PKCS12 *pkcs12 = d2i_PKCS12(NULL, &at, (long)w.len);
    int len = 0;
    if (pkcs12 != NULL && PKCS12_set_mac(pkcs12, "secret", -1, NULL, 0, 1, NULL) == 1)
        len = i2d_PKCS12(pkcs12, &out);
    PKCS12_free(pkcs12);
    ERR_clear_error();
    return len > 0 ? (size_t)len : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t room[8192];
    if (size > 4096)
        return 0;
    unpack(span_of(data, size));
    unpack(span_of(room, sealed(span_of(data, size), room, sizeof(room))));
    return 0;
}
