/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_TRAFFIC_CLASSES_H
#define WIRE_TRAFFIC_CLASSES_H

/*
 * TRAFFIC_CLASSES: the private notify by which an End User tells its classes of traffic, beside PATH_TERMS
 * (docs/protocol.md section 7).
 */

#include "base/span.h"
#include "base/traffic_class.h"

#define TRAFFIC_CLASSES_NOTIFY  47794
#define TRAFFIC_CLASSES_VERSION 1
#define TRAFFIC_CLASS_LEN       24 /* octets of a class without addresses */
#define TRAFFIC_CLASSES_MAX                                                                        \
    (4 + LIMIT_CLASSES * (TRAFFIC_CLASS_LEN + LIMIT_CLASS_RANGES * (4 + 2 * 16)))

/* struct traffic_list - the classes as they were read: octets that mean nothing are zero. */
struct traffic_list {
    uint8_t n;
    struct traffic_class classes[LIMIT_CLASSES];
};

/* traffic_classes_write - returns the octets that it wrote. */
size_t traffic_classes_write(const struct traffic_class *classes, uint8_t n,
                             uint8_t out[TRAFFIC_CLASSES_MAX]);

/* traffic_classes_read - false: another version, too short, too many classes or addresses, or a range that ends before
 * it begins. */
bool traffic_classes_read(struct span data, struct traffic_list *ret_list);

bool traffic_lists_equal(const struct traffic_list *a, const struct traffic_list *b);

#endif
