/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ENCRYPTED_DNS_H
#define BASE_ENCRYPTED_DNS_H

/*
 * A DNS resolver that answers over TLS (RFC 7858), as a Gateway names it to its End Users (RFC 9464): one
 * Authentication Domain Name, which its certificate must have, and the addresses where it answers.
 */

#include "base/address.h"
#include "base/error.h"
#include "base/span.h"

#define ENCRYPTED_DNS_SERVERS 4
#define ENCRYPTED_DNS_PORT    853 /* RFC 7858 section 3.1 */
/* of an address, its port and the name: [2001:db8::53]:853#dns.example */
#define ENCRYPTED_DNS_TEXT (ADDRESS_TEXT_MAX + 9 + ENCRYPTED_DNS_NAME)
#define ENCRYPTED_DNS_NAME 128

/* struct encrypted_dns - zeroed: none. */
struct encrypted_dns {
    uint16_t port;                 /* host byte order */
    uint8_t n;                     /* 0: none */
    char name[ENCRYPTED_DNS_NAME]; /* lower case, without the dot at its end */
    struct address servers[ENCRYPTED_DNS_SERVERS];
};

/* encrypted_dns_name - sets the name. ERR_INVALID: not a domain name of letters, digits, hyphens and underscores;
 * ERR_TRUNCATED: too long. On errors nothing changes. */
int encrypted_dns_name(struct encrypted_dns *dns, struct span name) MUST_USE;

/* encrypted_dns_add - adds the servers of `more`, while there is room, if `dns` is the same
 * resolver or empty. */
void encrypted_dns_add(struct encrypted_dns *dns, const struct encrypted_dns *more);

/* encrypted_dns_keep - removes the servers that `wanted` refuses. Without servers `dns` is empty. */
void encrypted_dns_keep(struct encrypted_dns *dns,
                        bool (*wanted)(const struct address *server, const void *context),
                        const void *context);

/* encrypted_dns_equal - both are the same resolver at the same addresses, or both are empty. */
bool encrypted_dns_equal(const struct encrypted_dns *a, const struct encrypted_dns *b);

/* encrypted_dns_sound - `dns` is empty, or complete and well-formed. Check what other processes
 * send. */
bool encrypted_dns_sound(const struct encrypted_dns *dns);

/* encrypted_dns_print - server `index` as systemd-resolved has it: 192.0.2.53:853#dns.example. Returns `out`. */
const char *encrypted_dns_print(const struct encrypted_dns *dns, uint8_t index,
                                char out[ENCRYPTED_DNS_TEXT]);

#endif
