/* SPDX-License-Identifier: Apache-2.0 */
/* Pools of inner addresses, and their attributes. */
#include <stddef.h>
#include <string.h>

#include "control/values.h"
#include "daemon/config/conn_build.h"
#include "daemon/config/conn_keys.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* trim_subnet - removes the network's and the broadcast address from a subnet. A host part names
 * the first address to give out ("10.3.0.5/24"). Ranges stay unchanged. */
static void trim_subnet(const char *text, struct address_range *range)
{
    char host[ADDRESS_TEXT_MAX];
    struct address first;
    unsigned len;
    size_t slash = strcspn(text, "/");
    if (text[slash] == '\0' || slash >= sizeof(host) || !range_to_prefix(range, &len) ||
        len + 1 >= 8 * address_len(&range->first))
        return;
    memcpy(host, text, slash);
    host[slash] = '\0';
    struct address network = range->first, broadcast = range->last;
    (void)address_next(&network, &range->first);
    if (range->first.family == ADDRESS_V4)
        (void)address_previous(&broadcast, &range->last);
    if (address_parse(host, &first) && range_contains(range, &first))
        range->first = first;
}

static int set_addrs(const struct tree *node, void *target, struct build_error *error)
{
    struct pool_config *pool = target;
    const char *text = tree_value_text(node);
    if (!range_parse(text, &pool->range))
        return build_fail(error, node, "'%.60s' is not a subnet or a range of addresses", text);
    trim_subnet(text, &pool->range);
    return 0;
}

static int add_dns(const struct tree *node, const char *text, void *target,
                   struct build_error *error)
{
    struct pool_config *pool = target;
    if (pool->n_dns == POOL_DNS || !address_parse(text, &pool->dns[pool->n_dns]))
        return build_fail(error, node, "'%.60s' is not an address, or one too many", text);
    pool->n_dns++;
    return 0;
}

static int set_dns(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_dns);
}

static int add_encrypted(const struct tree *node, const char *text, void *target,
                         struct build_error *error)
{
    struct encrypted_dns *dns = &((struct pool_config *)target)->encrypted_dns;
    if (dns->n == ENCRYPTED_DNS_SERVERS || !address_parse(text, &dns->servers[dns->n]))
        return build_fail(error, node, "'%.60s' is not an address, or one too many", text);
    dns->n++;
    return 0;
}

static int set_encrypted(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_encrypted);
}

static int set_encrypted_name(const struct tree *node, void *target, struct build_error *error)
{
    const char *text = tree_value_text(node);
    if (encrypted_dns_name(&((struct pool_config *)target)->encrypted_dns, span_text(text)) != 0)
        return build_fail(error, node, "'%.60s' is not a domain name, or longer than %d characters",
                          text, ENCRYPTED_DNS_NAME - 1);
    return 0;
}

static int add_domain(const struct tree *node, const char *text, void *target,
                      struct build_error *error)
{
    struct pool_config *pool = target;
    int err = domain_list_add(&pool->domains, span_text(text));
    if (err == ERR_TRUNCATED)
        return build_fail(error, node, "'%.60s' is too much: all have 255 characters together",
                          text);
    return err != 0 ? build_fail(error, node, "'%.60s' is not a DNS domain", text) : 0;
}

static int set_domains(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_domain);
}

static int add_subnet(const struct tree *node, const char *text, void *target,
                      struct build_error *error)
{
    struct pool_config *pool = target;
    unsigned len;
    if (pool->n_subnets == POOL_SUBNETS || !range_parse(text, &pool->subnets[pool->n_subnets]) ||
        !range_to_prefix(&pool->subnets[pool->n_subnets], &len))
        return build_fail(error, node, "'%.60s' is not a subnet, or one too many", text);
    pool->n_subnets++;
    return 0;
}

static int set_subnet(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_subnet);
}

#define POOL_ADDRS     "the addresses are those of addrs, each for a host of its own"
#define POOL_ATTRIBUTE "only dns, encrypted_dns, dns_domains and subnet are told to peers"

static const struct key pool_keys[] = {
    {.name = "addrs", .kind = KEY_FUNCTION, .function = set_addrs},
    {.name = "dns", .kind = KEY_FUNCTION, .function = set_dns},
    {.name = "encrypted_dns", .kind = KEY_FUNCTION, .function = set_encrypted},
    {.name = "encrypted_dns_name", .kind = KEY_FUNCTION, .function = set_encrypted_name},
    {.name = "encrypted_dns_port",
     .kind = KEY_U16,
     .offset = offsetof(struct pool_config, encrypted_dns.port)},
    {.name = "dns_domains", .kind = KEY_FUNCTION, .function = set_domains},
    {.name = "25", .kind = KEY_FUNCTION, .function = set_domains}, /* INTERNAL_DNS_DOMAIN */
    {.name = "subnet", .kind = KEY_FUNCTION, .function = set_subnet},
    {.name = "split_include", .kind = KEY_FUNCTION, .function = set_subnet},
    {.name = "address", .kind = KEY_UNSUPPORTED, .why = POOL_ADDRS},
    {.name = "netmask", .kind = KEY_UNSUPPORTED, .why = POOL_ADDRS},
    {.name = "nbns", .kind = KEY_UNSUPPORTED, .why = POOL_ATTRIBUTE},
    {.name = "dhcp", .kind = KEY_UNSUPPORTED, .why = POOL_ATTRIBUTE},
    {.name = "server", .kind = KEY_UNSUPPORTED, .why = POOL_ATTRIBUTE},
    {.name = "p_cscf", .kind = KEY_UNSUPPORTED, .why = POOL_ATTRIBUTE},
    {.name = "split_exclude", .kind = KEY_UNSUPPORTED, .why = POOL_ATTRIBUTE},
};

/* encrypted_dns_whole - addresses and a name are both required: the certificate of the resolver
 * must have the name. */
static int encrypted_dns_whole(const struct tree *section, const struct encrypted_dns *dns,
                               struct build_error *error)
{
    if (dns->n > 0 && dns->name[0] == '\0')
        return build_fail(
            error, key_node(section, "encrypted_dns"),
            "'encrypted_dns_name' is missing: which name has the certificate of these servers?");
    if (dns->n == 0 && dns->name[0] != '\0')
        return build_fail(error, key_node(section, "encrypted_dns_name"),
                          "'encrypted_dns' is missing: at which addresses does it answer?");
    return dns->port == 0
               ? build_fail(error, key_node(section, "encrypted_dns_port"), "0 is not a port")
               : 0;
}

int pool_build(const struct tree *section, struct pool_config *ret_pool, struct build_error *error)
{
    static const struct key_table table = {pool_keys, LEN(pool_keys), NULL, NULL};
    struct pool_config pool = {.encrypted_dns.port = ENCRYPTED_DNS_PORT};
    int err = key_name_copy(section, pool.name, error);
    if (err == 0 && strcmp(pool.name, POOL_RADIUS) == 0)
        err = build_fail(error, section,
                         "the name stands for the addresses that a RADIUS server names");
    if (err == 0 && strcmp(pool.name, POOL_DHCP) == 0)
        err = build_fail(error, section,
                         "the name stands for the addresses that a DHCP server names, which ikat "
                         "does not ask");
    for (const struct tree *node = section->first; err == 0 && node != NULL; node = node->next)
        if (node->name[strspn(node->name, "0123456789")] == '\0' &&
            strcmp(node->name, "25") != 0) /* an attribute by number */
            err = build_fail(error, node, "not supported by ikat: %s", POOL_ATTRIBUTE);
    if (err == 0)
        err = keys_apply(&table, section, &pool, error);
    if (err == 0 && pool.range.first.family == ADDRESS_NONE)
        err = build_fail(error, section, "'addrs' is missing");
    if (err == 0)
        err = encrypted_dns_whole(section, &pool.encrypted_dns, error);
    /* RFC 8598 section 3.2: domains without servers MUST NOT be sent */
    if (err == 0 && pool.n_dns == 0 && pool.encrypted_dns.n == 0 &&
        !domain_list_empty(&pool.domains))
        err = build_fail(error, key_node(section, "dns_domains"),
                         "'dns' is missing: which servers resolve these domains?");
    if (err == 0)
        *ret_pool = pool;
    return err;
}
