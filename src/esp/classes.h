/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLASSES_H
#define ESP_CLASSES_H

/* The classes of traffic of a session: outbound packet -> class. Which Child SAs a class may use is a
 * bit in each of them (struct esp_child). */

#include "base/retired.h"
#include "base/traffic_class.h"
#include "esp/inner_packet.h"

struct esp_classes {
    struct retired retired; /* first: free() takes it */
    unsigned n;
    bool mirrored;
    struct traffic_class list[]; /* the order decides */
};

/* esp_classes_new - a copy of the list, which is not empty. NULL: no memory. */
struct esp_classes *esp_classes_new(const struct traffic_classes *list);

#define ESP_CLASS_NONE (-1)

/* esp_class_find - the number of the first class that takes an outbound packet. A fragment has no
 * ports here, so all fragments of a packet are of one class. */
int esp_class_find(const struct esp_classes *classes, const struct esp_inner *inner);

#endif
