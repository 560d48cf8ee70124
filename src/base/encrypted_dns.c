/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encrypted_dns.h"

#include <stdio.h>
#include <string.h>

#include "base/domain_list.h"

int encrypted_dns_name(struct encrypted_dns *dns, struct span name)
{
    struct domain_list one = {.text = ""};
    int error = domain_list_add(&one, name);
    if (error != 0)
        return error;
    size_t len = strlen(one.text);
    if (len >= sizeof(dns->name))
        return ERR_TRUNCATED;
    memcpy(dns->name, one.text, len + 1);
    return 0;
}

static bool same_resolver(const struct encrypted_dns *a, const struct encrypted_dns *b)
{
    return a->port == b->port && strcmp(a->name, b->name) == 0;
}

static bool server_listed(const struct encrypted_dns *dns, const struct address *server)
{
    for (uint8_t i = 0; i < dns->n; i++)
        if (address_equal(&dns->servers[i], server))
            return true;
    return false;
}

void encrypted_dns_add(struct encrypted_dns *dns, const struct encrypted_dns *more)
{
    if (dns->n == 0)
        *dns = *more;
    else if (same_resolver(dns, more))
        for (uint8_t i = 0; i < more->n && dns->n < ENCRYPTED_DNS_SERVERS; i++)
            if (!server_listed(dns, &more->servers[i]))
                dns->servers[dns->n++] = more->servers[i];
}

void encrypted_dns_keep(struct encrypted_dns *dns,
                        bool (*wanted)(const struct address *server, const void *context),
                        const void *context)
{
    struct encrypted_dns kept = {.port = dns->port};
    memcpy(kept.name, dns->name, sizeof(kept.name));
    for (uint8_t i = 0; i < dns->n; i++)
        if (wanted(&dns->servers[i], context))
            kept.servers[kept.n++] = dns->servers[i];
    *dns = kept.n > 0 ? kept : (struct encrypted_dns){.n = 0};
}

bool encrypted_dns_equal(const struct encrypted_dns *a, const struct encrypted_dns *b)
{
    bool equal = a->n == b->n && (a->n == 0 || same_resolver(a, b));
    for (uint8_t i = 0; equal && i < a->n; i++)
        equal = address_equal(&a->servers[i], &b->servers[i]);
    return equal;
}

/* name_sound - it is as encrypted_dns_name() has made it. */
static bool name_sound(const struct encrypted_dns *dns)
{
    struct encrypted_dns again = {.n = 0};
    size_t len = strnlen(dns->name, sizeof(dns->name));
    return len < sizeof(dns->name) && encrypted_dns_name(&again, span_of(dns->name, len)) == 0 &&
           strcmp(again.name, dns->name) == 0;
}

bool encrypted_dns_sound(const struct encrypted_dns *dns)
{
    bool sound = dns->n <= ENCRYPTED_DNS_SERVERS;
    for (uint8_t i = 0; sound && i < dns->n; i++)
        sound = dns->servers[i].family == ADDRESS_V4 || dns->servers[i].family == ADDRESS_V6;
    return sound && (dns->n == 0 || (dns->port != 0 && name_sound(dns)));
}

const char *encrypted_dns_print(const struct encrypted_dns *dns, uint8_t index,
                                char out[ENCRYPTED_DNS_TEXT])
{
    char text[ADDRESS_TEXT_MAX];
    bool v6 = dns->servers[index].family == ADDRESS_V6;
    (void)snprintf(out, ENCRYPTED_DNS_TEXT, "%s%s%s:%u#%s", v6 ? "[" : "",
                   address_print(&dns->servers[index], text), v6 ? "]" : "", dns->port, dns->name);
    return out;
}
