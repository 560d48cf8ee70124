/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/exchanges/cp.h"

#include "wire/encdns.h"

#define N_DNS     (sizeof(((struct ike_config *)0)->dns) / sizeof(struct address))
#define N_SUBNETS (sizeof(((struct ike_config *)0)->subnets) / sizeof(struct address_range))

static void add_attribute(struct writer *w, uint16_t type, struct span a, struct span b)
{
    write_u16(w, type);
    write_u16(w, (uint16_t)(a.len + b.len));
    write_bytes(w, a);
    write_bytes(w, b);
}

static void add_empty(struct writer *w, uint16_t type)
{
    add_attribute(w, type, (struct span){0}, (struct span){0});
}

/* Section 3.15.1: an IPv6 address has a prefix length, an IPv4 address has none. */
static void add_address(struct writer *w, const struct address *address)
{
    static const uint8_t prefix = 128;
    bool v6 = address->family == ADDRESS_V6;
    add_attribute(w, v6 ? INTERNAL_IP6_ADDRESS : INTERNAL_IP4_ADDRESS, address_span(address),
                  span_of(&prefix, v6 ? 1 : 0));
}

/* held_of - the address of this family that we already have; NULL: none. */
static const struct address *held_of(const struct ike_config *held, uint8_t family)
{
    for (uint8_t i = 0; held != NULL && i < held->n_addresses; i++)
        if (held->addresses[i].family == family)
            return &held->addresses[i];
    return NULL;
}

void cp_request_add(const struct ike_conn *conn, const struct ike_config *held,
                    struct wire_builder *message)
{
    bool v4 = false, v6 = false;
    if (conn->n_vips == 0)
        return;
    struct writer *w = wire_begin(message, WIRE_PAYLOAD_CP);
    write_u8(w, CFG_REQUEST);
    write_zeros(w, 3);
    for (uint8_t i = 0; i < conn->n_vips; i++) {
        const struct address *vip = &conn->vips[i];
        v4 |= vip->family == ADDRESS_V4;
        v6 |= vip->family == ADDRESS_V6;
        const struct address *again = address_is_any(vip) ? held_of(held, vip->family) : NULL;
        if (again != NULL)
            add_address(w, again);
        else if (address_is_any(vip))
            add_empty(w, vip->family == ADDRESS_V6 ? INTERNAL_IP6_ADDRESS : INTERNAL_IP4_ADDRESS);
        else
            add_address(w, vip);
    }
    if (v4) {
        add_empty(w, INTERNAL_IP4_DNS);
        add_empty(w, INTERNAL_IP4_SUBNET);
        if (conn->encrypted_dns)
            add_empty(w, ENCDNS_IP4);
    }
    if (v6) {
        add_empty(w, INTERNAL_IP6_DNS);
        add_empty(w, INTERNAL_IP6_SUBNET);
        if (conn->encrypted_dns)
            add_empty(w, ENCDNS_IP6);
    }
    /* RFC 8598 section 3.1: only beside a request for name servers, which stands above */
    if (conn->split_dns)
        add_empty(w, INTERNAL_DNS_DOMAIN);
    wire_end(message);
}

static struct address any_of(uint8_t family)
{
    return (struct address){.family = family};
}

bool cp_request_read(struct span body, struct ike_lease_job *ret_job)
{
    struct wire_cfg cfg;
    if (!wire_cfg_read(body, &cfg) || cfg.type != CFG_REQUEST)
        return false;
    ret_job->n_requested = 0;
    ret_job->split_dns = ret_job->encrypted_dns_v4 = ret_job->encrypted_dns_v6 = false;
    for (size_t i = 0; i < cfg.n; i++) {
        const struct wire_cfg_value *value = &cfg.attributes[i];
        bool v6 = value->type == INTERNAL_IP6_ADDRESS;
        ret_job->split_dns |= value->type == INTERNAL_DNS_DOMAIN;
        ret_job->encrypted_dns_v4 |= value->type == ENCDNS_IP4;
        ret_job->encrypted_dns_v6 |= value->type == ENCDNS_IP6;
        if ((!v6 && value->type != INTERNAL_IP4_ADDRESS) ||
            ret_job->n_requested == IKE_LEASE_ADDRESSES)
            continue;
        struct address address = any_of(v6 ? ADDRESS_V6 : ADDRESS_V4);
        size_t len = v6 ? 16 : 4;
        if (value->value.len >= len)
            (void)address_from(span_of(value->value.ptr, len), &address);
        ret_job->requested[ret_job->n_requested++] = address;
    }
    return true;
}

static void add_subnet(struct writer *w, const struct address_range *subnet)
{
    unsigned len;
    if (!range_to_prefix(subnet, &len))
        return;
    if (subnet->first.family == ADDRESS_V6) {
        uint8_t octet = (uint8_t)len;
        add_attribute(w, INTERNAL_IP6_SUBNET, address_span(&subnet->first), span_of(&octet, 1));
        return;
    }
    uint32_t bits = len == 0 ? 0 : UINT32_MAX << (32 - len);
    uint8_t mask[4] = {(uint8_t)(bits >> 24), (uint8_t)(bits >> 16), (uint8_t)(bits >> 8),
                       (uint8_t)bits};
    add_attribute(w, INTERNAL_IP4_SUBNET, address_span(&subnet->first), span_of(mask, 4));
}

void cp_reply_add(const struct ike_config *config, struct wire_builder *message)
{
    struct writer *w = wire_begin(message, WIRE_PAYLOAD_CP);
    write_u8(w, CFG_REPLY);
    write_zeros(w, 3);
    for (uint8_t i = 0; i < config->n_addresses; i++)
        add_address(w, &config->addresses[i]);
    for (uint8_t i = 0; i < config->n_dns; i++)
        add_attribute(w, config->dns[i].family == ADDRESS_V6 ? INTERNAL_IP6_DNS : INTERNAL_IP4_DNS,
                      address_span(&config->dns[i]), (struct span){0});
    wire_encrypted_dns_write(w, &config->encrypted_dns, ADDRESS_V4);
    wire_encrypted_dns_write(w, &config->encrypted_dns, ADDRESS_V6);
    for (uint8_t i = 0; i < config->n_subnets; i++)
        add_subnet(w, &config->subnets[i]);
    struct span domain = {0};
    while ((domain = domain_list_next(&config->domains, domain)).len > 0)
        add_attribute(w, INTERNAL_DNS_DOMAIN, domain, (struct span){0});
    wire_end(message);
}

static bool asked_for(const struct ike_conn *conn, uint8_t family)
{
    for (uint8_t i = 0; i < conn->n_vips; i++)
        if (conn->vips[i].family == family)
            return true;
    return false;
}

static bool sane(const struct address *address)
{
    return !address_is_any(address) && !address_is_multicast(address) &&
           !address_is_loopback(address);
}

static void take_subnet(const struct wire_cfg_value *value, struct ike_config *config)
{
    bool v6 = value->type == INTERNAL_IP6_SUBNET;
    size_t len = v6 ? 16 : 4;
    struct address address;
    unsigned prefix = 0;
    if (value->value.len != (v6 ? 17u : 8u) || config->n_subnets == N_SUBNETS ||
        !address_from(span_of(value->value.ptr, len), &address))
        return;
    if (v6) {
        prefix = value->value.ptr[16];
    } else {
        while (prefix < 32 && (value->value.ptr[4 + prefix / 8] & (0x80 >> prefix % 8)) != 0)
            prefix++;
    }
    if (prefix <= len * 8 &&
        range_from_prefix(&address, prefix, &config->subnets[config->n_subnets]))
        config->n_subnets++;
}

static bool server_sane(const struct address *server, const void *context)
{
    (void)context;
    return sane(server);
}

/* take_encrypted_dns - takes the resolver with the lowest priority number (RFC 9464 section 4), one
 * for both families. `*best` is its number; 0: none yet. */
static void take_encrypted_dns(const struct wire_cfg_value *value, const struct ike_conn *conn,
                               uint16_t *best, struct ike_config *config)
{
    struct encrypted_dns dns;
    uint16_t priority;
    uint8_t family = value->type == ENCDNS_IP6 ? ADDRESS_V6 : ADDRESS_V4;
    if (!conn->encrypted_dns || !asked_for(conn, family) ||
        !wire_encrypted_dns_read(value->value, family, &priority, &dns))
        return;
    encrypted_dns_keep(&dns, server_sane, NULL);
    if (dns.n == 0)
        return;
    if (*best == 0 || priority < *best) {
        struct encrypted_dns before = config->encrypted_dns;
        config->encrypted_dns = dns;
        *best = priority;
        dns = before;
    }
    encrypted_dns_add(&config->encrypted_dns, &dns);
}

/* take_domain - takes a domain name. Skips it if it is malformed or the list is full. The Gateway
 * may not name a top-level domain, unless the connection names it. */
static void take_domain(const struct wire_cfg_value *value, const struct ike_conn *conn,
                        struct ike_config *config)
{
    struct domain_list one = {.text = ""};
    if (!conn->split_dns || domain_list_add(&one, value->value) != 0)
        return;
    struct span name = span_text(one.text);
    /* RFC 8598 section 5: names that local policy does not accept MUST be ignored */
    bool taken = domain_list_empty(conn->dns_domains) ? memchr(name.ptr, '.', name.len) != NULL
                                                      : domain_list_covers(conn->dns_domains, name);
    if (taken)
        (void)!domain_list_add(&config->domains, name);
}

/* domains_finish - RFC 8598 section 3.2: without domains of the Gateway, those of the connection
 * apply. Without servers no domain applies. */
static void domains_finish(const struct ike_conn *conn, struct ike_config *config)
{
    if (domain_list_empty(&config->domains))
        config->domains = *conn->dns_domains;
    if (config->n_dns == 0 && config->encrypted_dns.n == 0)
        config->domains = (struct domain_list){.text = ""};
}

/* RFC 7296 section 3.15.1: attributes that are not known are ignored. */
bool cp_reply_read(struct span body, const struct ike_conn *conn, struct ike_config *ret_config)
{
    struct wire_cfg cfg;
    struct ike_config config = {0};
    uint16_t best = 0;
    if (!wire_cfg_read(body, &cfg) || cfg.type != CFG_REPLY)
        return false;
    for (size_t i = 0; i < cfg.n; i++) {
        const struct wire_cfg_value *value = &cfg.attributes[i];
        bool v6 = value->type == INTERNAL_IP6_ADDRESS || value->type == INTERNAL_IP6_DNS ||
                  value->type == INTERNAL_IP6_SUBNET;
        size_t len = v6 ? 16 : 4;
        struct address address = {0};
        if (value->type == INTERNAL_DNS_DOMAIN)
            take_domain(value, conn, &config);
        if (value->type == ENCDNS_IP4 || value->type == ENCDNS_IP6)
            take_encrypted_dns(value, conn, &best, &config);
        if (!asked_for(conn, v6 ? ADDRESS_V6 : ADDRESS_V4))
            continue;
        switch (value->type) {
        case INTERNAL_IP4_ADDRESS:
        case INTERNAL_IP6_ADDRESS:
            if (value->value.len >= len && config.n_addresses < IKE_LEASE_ADDRESSES &&
                address_from(span_of(value->value.ptr, len), &address) && sane(&address))
                config.addresses[config.n_addresses++] = address;
            break;
        case INTERNAL_IP4_DNS:
        case INTERNAL_IP6_DNS:
            if (value->value.len == len && config.n_dns < N_DNS &&
                address_from(value->value, &address) && sane(&address))
                config.dns[config.n_dns++] = address;
            break;
        case INTERNAL_IP4_SUBNET:
        case INTERNAL_IP6_SUBNET: take_subnet(value, &config); break;
        default: break;
        }
    }
    domains_finish(conn, &config);
    *ret_config = config;
    return true;
}
