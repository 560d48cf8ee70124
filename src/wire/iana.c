/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/iana.h"

#include <stddef.h>

struct name {
    unsigned value;
    const char *text;
};

#define X(name, value) {value, #name},
static const struct name exchanges[] = {WIRE_EXCHANGES(X)};
static const struct name payloads[] = {WIRE_PAYLOADS(X)};
static const struct name notifies[] = {WIRE_NOTIFIES(X)};
#undef X

static const char *find(const struct name *names, size_t n, unsigned value)
{
    for (size_t i = 0; i < n; i++)
        if (names[i].value == value)
            return names[i].text;
    return "unknown";
}

const char *wire_exchange_name(unsigned exchange)
{
    return find(exchanges, sizeof(exchanges) / sizeof(exchanges[0]), exchange);
}

const char *wire_payload_name(unsigned type)
{
    return find(payloads, sizeof(payloads) / sizeof(payloads[0]), type);
}

const char *wire_notify_name(unsigned type)
{
    return find(notifies, sizeof(notifies) / sizeof(notifies[0]), type);
}
