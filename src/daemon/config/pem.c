/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/pem.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/der.h"
#include "control/values.h"

static const char begin[] = "-----BEGIN ", dashes[] = "-----";

static const uint8_t *find(const uint8_t *from, const uint8_t *end, const char *text)
{
    return memmem(from, (size_t)(end - from), text, strlen(text));
}

/* base64_read - the lines between the boundaries. 0: no base64, or longer than `cap`. */
static size_t base64_read(const uint8_t *from, const uint8_t *end, uint8_t *room, size_t cap)
{
    char *text = malloc((size_t)(end - from) + 3);
    size_t len = 2;
    if (text == NULL)
        return 0;
    memcpy(text, "0s", 2);
    for (; from < end; from++)
        if (!isspace(*from))
            text[len++] = (char)*from;
    text[len] = '\0';
    size_t read = len == 2 ? 0 : value_secret(text, room, cap);
    free(text);
    return read;
}

struct span pem_read(struct span octets, uint8_t *room, size_t cap)
{
    const uint8_t *end = octets.ptr + octets.len;
    if (octets.len == 0)
        return (struct span){0};
    if (octets.ptr[0] == DER_SEQUENCE)
        return octets.len <= cap ? octets : (struct span){0};
    const uint8_t *start = find(octets.ptr, end, begin);
    start = start == NULL ? NULL : find(start + strlen(begin), end, dashes);
    const uint8_t *stop = start == NULL ? NULL : find(start + strlen(dashes), end, dashes);
    if (stop == NULL)
        return (struct span){0};
    return span_of(room, base64_read(start + strlen(dashes), stop, room, cap));
}
