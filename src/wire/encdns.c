/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/encdns.h"

#include <string.h>

#include "base/reader.h"
#include "wire/iana.h"

/* SvcParamKeys, RFC 9460 section 14.3.2 */
enum svc_param {
    SVC_MANDATORY = 0,
    SVC_ALPN = 1,
    SVC_NO_DEFAULT_ALPN = 2,
    SVC_PORT = 3,
    SVC_IPV4HINT = 4,
    SVC_IPV6HINT = 6
};

static const char dot[] = "dot"; /* the ALPN protocol of DNS over TLS, RFC 7858 section 7.2 */

/* has_dot - a list of protocols, each behind an octet with its length (RFC 9460 section 7.1.1). */
static bool has_dot(struct span alpn)
{
    struct reader r = reader_of(alpn);
    bool found = false;
    while (r.left > 0)
        found |= span_equal(read_bytes(&r, read_u8(&r)), span_text(dot));
    return !reader_failed(&r) && found;
}

/* mandatory_known - a client that does not know each of these keys MUST NOT use the resolver (RFC 9460 section 8). */
static bool mandatory_known(struct span keys)
{
    struct reader r = reader_of(keys);
    bool known = keys.len > 0;
    while (known && r.left > 0) {
        uint16_t key = read_u16(&r);
        known = key == SVC_ALPN || key == SVC_NO_DEFAULT_ALPN || key == SVC_PORT;
    }
    return known && !reader_failed(&r);
}

struct svc_params {
    bool dot;
    uint16_t port;
};

/* param_take - false: we cannot use the resolver. RFC 9464 section 3.1: the attribute has the
 * addresses, so it MUST NOT have hints. */
static bool param_take(uint16_t key, struct span value, struct svc_params *params)
{
    struct reader r = reader_of(value);
    switch (key) {
    case SVC_MANDATORY: return mandatory_known(value);
    case SVC_ALPN: params->dot = has_dot(value); return params->dot;
    case SVC_NO_DEFAULT_ALPN: return value.len == 0;
    case SVC_PORT: params->port = read_u16(&r); return value.len == 2 && params->port != 0;
    case SVC_IPV4HINT:
    case SVC_IPV6HINT: return false;
    default: return true;
    }
}

/* params_read - RFC 9460 section 2.2: the keys MUST increase strictly. Without "alpn" nothing says that it is DoT. */
static bool params_read(struct reader *r, struct svc_params *params)
{
    int32_t last = -1;
    *params = (struct svc_params){.port = ENCRYPTED_DNS_PORT};
    while (r->left > 0) {
        uint16_t key = read_u16(r), len = read_u16(r);
        struct span value = read_bytes(r, len);
        if (reader_failed(r) || key <= last || !param_take(key, value, params))
            return false;
        last = key;
    }
    return !reader_failed(r) && params->dot;
}

bool wire_encrypted_dns_read(struct span value, uint8_t family, uint16_t *ret_priority,
                             struct encrypted_dns *ret_dns)
{
    struct reader r = reader_of(value);
    struct encrypted_dns dns = {.n = 0};
    struct svc_params params;
    uint16_t priority = read_u16(&r);
    uint8_t n = read_u8(&r), name_len = read_u8(&r);
    size_t len = family == ADDRESS_V6 ? 16 : 4;
    for (uint8_t i = 0; i < n && !reader_failed(&r); i++) {
        struct span octets = read_bytes(&r, len);
        if (dns.n < ENCRYPTED_DNS_SERVERS && address_from(octets, &dns.servers[dns.n]))
            dns.n++;
    }
    struct span name = read_bytes(&r, name_len);
    /* priority 0 would be AliasMode, which MUST NOT be there */
    if (reader_failed(&r) || priority == 0 || dns.n == 0 || !params_read(&r, &params) ||
        encrypted_dns_name(&dns, name) != 0)
        return false;
    dns.port = params.port;
    *ret_priority = priority;
    *ret_dns = dns;
    return true;
}

static void write_param(struct writer *w, enum svc_param key, size_t len)
{
    write_u16(w, (uint16_t)key);
    write_u16(w, (uint16_t)len);
}

void wire_encrypted_dns_write(struct writer *w, const struct encrypted_dns *dns, uint8_t family)
{
    size_t name_len = strlen(dns->name), each = family == ADDRESS_V6 ? 16 : 4;
    uint8_t n = 0;
    for (uint8_t i = 0; i < dns->n; i++)
        n = (uint8_t)(n + (dns->servers[i].family == family));
    if (n == 0)
        return;
    bool port = dns->port != ENCRYPTED_DNS_PORT;
    write_u16(w, family == ADDRESS_V6 ? ENCDNS_IP6 : ENCDNS_IP4);
    write_u16(w, (uint16_t)(4 + n * each + name_len + 4 + sizeof(dot) + (port ? 6 : 0)));
    write_u16(w, 1); /* Service Priority: there is one */
    write_u8(w, n);
    write_u8(w, (uint8_t)name_len);
    for (uint8_t i = 0; i < dns->n; i++)
        if (dns->servers[i].family == family)
            write_bytes(w, address_span(&dns->servers[i]));
    write_bytes(w, span_of(dns->name, name_len));
    write_param(w, SVC_ALPN,
                /* dot[] has one octet more than its text, as the value has its length */
                sizeof(dot));
    write_u8(w, sizeof(dot) - 1);
    write_bytes(w, span_text(dot));
    if (!port)
        return;
    write_param(w, SVC_PORT, 2);
    write_u16(w, dns->port);
}
