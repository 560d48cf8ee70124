/* SPDX-License-Identifier: Apache-2.0 */
/* A grant as octets, for session tickets: 0, or 1 and all that a RADIUS server granted. */
#include "daemon/engine/grant_octets.h"

#include "base/reader.h"

static void text_write(struct writer *w, const char *text)
{
    size_t len = strnlen(text, LIMIT_NAME - 1);
    write_u8(w, (uint8_t)len);
    write_bytes(w, span_of(text, len));
}

static void text_read(struct reader *r, char ret[LIMIT_NAME])
{
    struct span text = read_bytes(r, read_u8(r));
    if (text.len >= LIMIT_NAME) {
        reader_fail(r);
        return;
    }
    if (text.len > 0)
        memcpy(ret, text.ptr, text.len);
    ret[text.len] = '\0';
}

static void address_write(struct writer *w, const struct address *address)
{
    struct span octets = address->family == ADDRESS_NONE ? (struct span){0} : address_span(address);
    write_u8(w, (uint8_t)octets.len);
    write_bytes(w, octets);
}

static void address_read(struct reader *r, struct address *ret)
{
    struct span octets = read_bytes(r, read_u8(r));
    *ret = (struct address){.family = octets.len == 4    ? ADDRESS_V4
                                      : octets.len == 16 ? ADDRESS_V6
                                                         : ADDRESS_NONE};
    if (octets.len != 0 && ret->family == ADDRESS_NONE)
        reader_fail(r);
    else if (octets.len != 0)
        memcpy(ret->octets, octets.ptr, octets.len);
}

bool grant_octets_write(const struct aaa_grant *grant, struct writer *w)
{
    write_u8(w, grant != NULL);
    if (grant == NULL)
        return !writer_failed(w);
    write_u32(w, grant->idle_timeout_s);
    write_u32(w, grant->interim_s);
    address_write(w, &grant->framed4);
    address_write(w, &grant->framed6);
    text_write(w, grant->pool4);
    text_write(w, grant->pool6);
    write_u8(w, (uint8_t)grant->groups.n);
    for (uint32_t i = 0; i < grant->groups.n; i++)
        text_write(w, grant->groups.names[i]);
    write_u8(w, (uint8_t)grant->n_dns);
    for (uint32_t i = 0; i < grant->n_dns; i++)
        address_write(w, &grant->dns[i]);
    write_u16(w, (uint16_t)grant->n_classes);
    write_bytes(w, span_of(grant->classes, grant->n_classes));
    return !writer_failed(w);
}

static void grant_read(struct reader *r, struct aaa_grant *grant)
{
    grant->idle_timeout_s = read_u32(r);
    grant->interim_s = read_u32(r);
    address_read(r, &grant->framed4);
    address_read(r, &grant->framed6);
    text_read(r, grant->pool4);
    text_read(r, grant->pool6);
    grant->groups.n = read_u8(r);
    for (uint32_t i = 0; i < grant->groups.n && i < AAA_GROUPS; i++)
        text_read(r, grant->groups.names[i]);
    grant->n_dns = read_u8(r);
    for (uint32_t i = 0; i < grant->n_dns && i < AAA_DNS; i++)
        address_read(r, &grant->dns[i]);
    grant->n_classes = read_u16(r);
    struct span classes = read_bytes(r, grant->n_classes);
    if (grant->groups.n > AAA_GROUPS || grant->n_dns > AAA_DNS || classes.len > AAA_CLASSES)
        reader_fail(r);
    else if (classes.len > 0)
        memcpy(grant->classes, classes.ptr, classes.len);
}

bool grant_octets_read(struct span octets, struct aaa_grant *ret, bool *ret_granted)
{
    struct reader r = reader_of(octets);
    struct aaa_grant grant = {0};
    uint8_t granted = read_u8(&r);
    if (granted == 1)
        grant_read(&r, &grant);
    if (!reader_done(&r) || granted > 1)
        return false;
    *ret = grant;
    *ret_granted = granted == 1;
    return true;
}
