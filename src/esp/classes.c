/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/classes.h"

#include <stdlib.h>

#include "base/assert.h"

struct esp_classes *esp_classes_new(const struct traffic_classes *list)
{
    ASSERT(list->n > 0 && list->n <= LIMIT_CLASSES);
    size_t octets = list->n * sizeof(list->classes[0]);
    struct esp_classes *classes = calloc(1, sizeof(*classes) + octets);
    if (classes == NULL)
        return NULL;
    classes->n = list->n;
    classes->mirrored = list->mirrored;
    memcpy(classes->list, list->classes, octets);
    return classes;
}

static bool port_taken(struct number_range range, const struct esp_inner *inner, uint16_t port)
{
    if (number_any(range))
        return true;
    bool icmp = inner->protocol == ESP_PROTO_ICMP || inner->protocol == ESP_PROTO_ICMPV6;
    return inner->has_ports && !inner->fragment && !icmp && number_within(range, port);
}

static bool remote_taken(const struct traffic_class *class, const struct address *remote)
{
    for (uint8_t i = 0; i < class->n_remote; i++)
        if (range_contains(&class->remote[i], remote))
            return true;
    return class->n_remote == 0;
}

static bool class_takes(const struct traffic_class *class, bool mirrored,
                        const struct esp_inner *inner)
{
    uint16_t local = mirrored ? inner->dst_port : inner->src_port;
    uint16_t remote = mirrored ? inner->src_port : inner->dst_port;
    return (class->dscp == 0 || (class->dscp >> (inner->tos >> 2) & 1) != 0) &&
           (class->protocol == 0 || class->protocol == inner->protocol) &&
           number_within(class->size, inner->segment_len) &&
           port_taken(class->local_port, inner, local) &&
           port_taken(class->remote_port, inner, remote) &&
           remote_taken(class, mirrored ? &inner->src : &inner->dst);
}

int esp_class_find(const struct esp_classes *classes, const struct esp_inner *inner)
{
    for (unsigned i = 0; i < classes->n; i++)
        if (class_takes(&classes->list[i], classes->mirrored, inner))
            return (int)i;
    return ESP_CLASS_NONE;
}
