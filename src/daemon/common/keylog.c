/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/keylog.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "wire/iana.h"

/* the names of Wireshark's packet-isakmp.c */
static const struct {
    uint16_t id, key_bits;
    const char *name;
} encr_names[] = {
    {ENCR_AES_CBC, 128, "AES-CBC-128 [RFC3602]"},
    {ENCR_AES_CBC, 192, "AES-CBC-192 [RFC3602]"},
    {ENCR_AES_CBC, 256, "AES-CBC-256 [RFC3602]"},
    {ENCR_AES_GCM_16, 128, "AES-GCM-128 with 16 octet ICV [RFC5282]"},
    {ENCR_AES_GCM_16, 192, "AES-GCM-192 with 16 octet ICV [RFC5282]"},
    {ENCR_AES_GCM_16, 256, "AES-GCM-256 with 16 octet ICV [RFC5282]"},
};
static const struct {
    uint16_t id;
    const char *name;
} integ_names[] = {
    {AUTH_NONE, "NONE [RFC4306]"},
    {AUTH_HMAC_SHA1_96, "HMAC_SHA1_96 [RFC2404]"},
    {AUTH_HMAC_SHA2_256_128, "HMAC_SHA2_256_128 [RFC4868]"},
    {AUTH_HMAC_SHA2_384_192, "HMAC_SHA2_384_192 [RFC4868]"},
    {AUTH_HMAC_SHA2_512_256, "HMAC_SHA2_512_256 [RFC4868]"},
};

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const char *encr_name(uint16_t id, uint16_t key_bits)
{
    for (size_t i = 0; i < LEN(encr_names); i++)
        if (encr_names[i].id == id && encr_names[i].key_bits == key_bits)
            return encr_names[i].name;
    return NULL;
}

static const char *integ_name(uint16_t id)
{
    for (size_t i = 0; i < LEN(integ_names); i++)
        if (integ_names[i].id == id)
            return integ_names[i].name;
    return NULL;
}

static int hex(char *out, size_t cap, const struct secret *secret)
{
    size_t n = 0;
    for (size_t i = 0; i < secret->len && n + 3 < cap; i++)
        n += (size_t)snprintf(out + n, cap - n, "%02x", secret->octets[i]);
    return (int)n;
}

bool keylog_write(int fd, const struct ike_keylog *keys)
{
    char line[2048], ei[256] = "", er[256] = "", ai[256] = "", ar[256] = "";
    const char *encr = encr_name(keys->encr, keys->encr_key_bits), *integ = integ_name(keys->integ);
    if (encr == NULL || integ == NULL)
        return true;
    hex(ei, sizeof(ei), &keys->sk_ei);
    hex(er, sizeof(er), &keys->sk_er);
    hex(ai, sizeof(ai), &keys->sk_ai);
    hex(ar, sizeof(ar), &keys->sk_ar);
    int len =
        snprintf(line, sizeof(line), "%016" PRIx64 ",%016" PRIx64 ",%s,%s,\"%s\",%s,%s,\"%s\"\n",
                 keys->spi_i, keys->spi_r, ei, er, encr, ai, ar, integ);
    bool written =
        len > 0 && (size_t)len < sizeof(line) && write(fd, line, (size_t)len) == (ssize_t)len;
    wipe(line, sizeof(line));
    wipe(ei, sizeof(ei));
    wipe(er, sizeof(er));
    wipe(ai, sizeof(ai));
    wipe(ar, sizeof(ar));
    return written;
}
