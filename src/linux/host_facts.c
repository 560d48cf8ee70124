/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/host_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACTS_MAX 65536

/* the second one has the servers that systemd-resolved asks behind its own 127.0.0.53 */
static const char *const resolver_files[] = {"/etc/resolv.conf",
                                             "/run/systemd/resolve/resolv.conf"};

static int fact_add(struct host_facts *facts, const struct address *address,
                    enum host_fact_kind kind, unsigned net)
{
    if (facts->n == FACTS_MAX)
        return ERR_FULL;
    if (facts->n == facts->cap) {
        size_t cap = facts->cap == 0 ? 32 : facts->cap * 2;
        struct host_fact *grown = reallocarray(facts->facts, cap, sizeof(*grown));
        if (grown == NULL)
            return ERR_NO_MEMORY;
        facts->facts = grown;
        facts->cap = cap;
    }
    facts->facts[facts->n++] =
        (struct host_fact){.address = *address, .kind = (uint8_t)kind, .net = (uint8_t)net};
    return 0;
}

static int own_add(void *context, const struct address *address, unsigned prefix_len)
{
    return fact_add(context, address, HOST_FACT_OWN, prefix_len);
}

static int router_add(void *context, const struct address *address, unsigned prefix_len)
{
    return fact_add(context, address, HOST_FACT_ROUTER, prefix_len);
}

/* resolvers_add - reads lines such as "nameserver 192.0.2.1". A missing file names none. */
static int resolvers_add(struct host_facts *facts, const char *path)
{
    char line[256], text[64];
    struct address address;
    int error = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && error == 0 && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, " nameserver %63s", text) == 1 && address_parse(text, &address))
            error =
                fact_add(facts, &address, HOST_FACT_RESOLVER, (unsigned)address_len(&address) * 8);
    if (file != NULL)
        (void)fclose(file);
    return error;
}

/* nets_find - finds the narrowest network of this host that contains a router or resolver. */
static void nets_find(struct host_facts *facts)
{
    for (size_t i = 0; i < facts->n; i++) {
        struct host_fact *fact = &facts->facts[i];
        unsigned best = 0;
        for (size_t j = 0; fact->kind != HOST_FACT_OWN && j < facts->n; j++) {
            const struct host_fact *own = &facts->facts[j];
            struct address_range net;
            if (own->kind == HOST_FACT_OWN && own->net > best &&
                range_from_prefix(&own->address, own->net, &net) &&
                range_contains(&net, &fact->address))
                best = own->net;
        }
        fact->net = best > 0 ? (uint8_t)best : fact->net;
    }
}

int host_facts_read(struct netlink *netlink, uint32_t without, struct host_facts *facts)
{
    struct host_facts fresh = {0};
    int error = netlink_own_each(netlink, without, own_add, &fresh);
    if (error == 0)
        error = netlink_routers_each(netlink, router_add, &fresh);
    for (size_t i = 0; error == 0 && i < sizeof(resolver_files) / sizeof(resolver_files[0]); i++)
        error = resolvers_add(&fresh, resolver_files[i]);
    if (error != 0) {
        host_facts_done(&fresh);
        return error;
    }
    nets_find(&fresh);
    host_facts_done(facts);
    *facts = fresh;
    return 0;
}

void host_facts_done(struct host_facts *facts)
{
    free(facts->facts);
    *facts = (struct host_facts){0};
}

enum host_fact_kind host_facts_address(const struct host_facts *facts,
                                       const struct address *address)
{
    for (size_t i = 0; i < facts->n; i++)
        if (address_equal(&facts->facts[i].address, address))
            return (enum host_fact_kind)facts->facts[i].kind;
    return HOST_FACT_NONE;
}

enum host_fact_kind host_facts_piece(const struct host_facts *facts, const struct address *address,
                                     unsigned prefix_len)
{
    struct address_range piece;
    if (!range_from_prefix(address, prefix_len, &piece))
        return HOST_FACT_NONE;
    for (size_t i = 0; i < facts->n; i++) {
        const struct host_fact *fact = &facts->facts[i];
        /* a resolver outside of our networks may be one that a Gateway named before */
        bool whole = prefix_len == address_len(address) * 8 && fact->kind != HOST_FACT_RESOLVER;
        if ((whole || prefix_len > fact->net) && range_contains(&piece, &fact->address))
            return (enum host_fact_kind)fact->kind;
    }
    return HOST_FACT_NONE;
}

bool lan_network(const struct address *address, unsigned prefix_len)
{
    static const struct {
        struct address network;
        unsigned len, least; /* least: the largest network that is taken */
    } table[] = {
        {{.family = ADDRESS_V4, .octets = {10}}, 8, 16},
        {{.family = ADDRESS_V4, .octets = {172, 16}}, 12, 16},
        {{.family = ADDRESS_V4, .octets = {192, 168}}, 16, 16},
        {{.family = ADDRESS_V4, .octets = {169, 254}}, 16, 16},
        {{.family = ADDRESS_V6, .octets = {0xfe, 0x80}}, 10, 10},
        {{.family = ADDRESS_V6, .octets = {0xfc}}, 7, 48},
    };
    struct address_range range;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (range_from_prefix(&table[i].network, table[i].len, &range) &&
            range_contains(&range, address))
            return prefix_len >= table[i].least;
    return false;
}
