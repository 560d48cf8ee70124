/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/fragment.h"

#include <stdlib.h>

#include "base/assert.h"

struct reassembly {
    uint32_t message_id;
    bool response;
    uint8_t first_payload;
    uint16_t total, got;
    struct {
        uint8_t *octets; /* owned; NULL: not here yet */
        size_t len;
    } parts[LIMIT_FRAGMENTS];
    size_t octets;
    uint8_t *whole; /* owned; once complete */
    nanos until_ns;
};

nanos reassembly_until(const struct reassembly *reassembly)
{
    return reassembly == NULL ? NANOS_NEVER : reassembly->until_ns;
}

struct reassembly *reassembly_free(struct reassembly *reassembly)
{
    if (reassembly == NULL)
        return NULL;
    for (uint16_t i = 0; i < reassembly->total; i++)
        free(reassembly->parts[i].octets);
    free(reassembly->whole);
    free(reassembly);
    return NULL;
}

static bool continues(const struct reassembly *reassembly, const struct fragment *fragment)
{
    return reassembly != NULL && reassembly->whole == NULL &&
           reassembly->message_id == fragment->message_id &&
           reassembly->response == fragment->response;
}

static struct reassembly *reassembly_start(const struct fragment *fragment)
{
    struct reassembly *reassembly = calloc(1, sizeof(*reassembly));
    if (reassembly == NULL)
        return NULL;
    reassembly->message_id = fragment->message_id;
    reassembly->response = fragment->response;
    reassembly->total = fragment->total;
    reassembly->until_ns = fragment->until_ns;
    return reassembly;
}

static bool store(struct reassembly *reassembly, const struct fragment *fragment)
{
    uint16_t index = (uint16_t)(fragment->number - 1);
    if (reassembly->parts[index].octets != NULL)
        return true;
    if (reassembly->octets + fragment->plain.len > LIMIT_IKE_MESSAGE)
        return false;
    uint8_t *octets = malloc(fragment->plain.len + 1);
    if (octets == NULL)
        return false;
    memcpy(octets, fragment->plain.ptr, fragment->plain.len);
    reassembly->parts[index].octets = octets;
    reassembly->parts[index].len = fragment->plain.len;
    reassembly->octets += fragment->plain.len;
    reassembly->got++;
    if (fragment->number == 1)
        reassembly->first_payload = fragment->first_payload;
    return true;
}

enum fragment_verdict fragment_add(struct sa *sa, const struct fragment *fragment,
                                   struct span *ret_plain, uint8_t *ret_first)
{
    if (fragment->number == 0 || fragment->number > fragment->total ||
        fragment->total > LIMIT_FRAGMENTS)
        return FRAGMENT_BAD;
    if (!continues(sa->reassembly, fragment) || fragment->total > sa->reassembly->total) {
        reassembly_free(sa->reassembly);
        sa->reassembly = reassembly_start(fragment);
        if (sa->reassembly == NULL)
            return FRAGMENT_BAD;
    }
    struct reassembly *reassembly = sa->reassembly;
    if (fragment->total < reassembly->total)
        return FRAGMENT_BAD;
    if (!store(reassembly, fragment))
        return FRAGMENT_BAD;
    if (reassembly->got < reassembly->total)
        return FRAGMENT_WAIT;
    reassembly->whole = malloc(reassembly->octets + 1);
    if (reassembly->whole == NULL)
        return FRAGMENT_BAD;
    size_t at = 0;
    for (uint16_t i = 0; i < reassembly->total; i++) {
        memcpy(reassembly->whole + at, reassembly->parts[i].octets, reassembly->parts[i].len);
        at += reassembly->parts[i].len;
    }
    *ret_plain = span_of(reassembly->whole, at);
    *ret_first = reassembly->first_payload;
    return FRAGMENT_COMPLETE;
}

void fragment_traffic(const struct sa *sa, const struct ike_header *header, uint16_t *ret_datagrams,
                      uint32_t *ret_octets)
{
    const struct reassembly *reassembly = sa->reassembly;
    if (reassembly == NULL || reassembly->whole == NULL ||
        reassembly->message_id != header->message_id ||
        reassembly->response != ike_header_response(header))
        return;
    *ret_datagrams = reassembly->total;
    *ret_octets = (uint32_t)reassembly->octets;
}
