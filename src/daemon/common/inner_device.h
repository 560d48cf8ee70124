/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_INNER_DEVICE_H
#define DAEMON_INNER_DEVICE_H

/*
 * Children with marks, an interface id or a `device` have a TUN device of their own. The kernel
 * chooses the device for a packet: by its mark (a routing rule, and a table of routes for each
 * mark), or by a route that the administrator set. So the device selects the Child SA, although
 * others have the same selectors. Packets that come out of the device get the inbound mark.
 */

#include "ike/connection.h"

#define INNER_DEVICE_NAME   16
#define INNER_DEVICE_PREFIX "ikat-" /* of names that no `device` gives */

/* struct inner_device - a device, as the supervisor makes it. Octets without meaning are 0: devices
 * are compared as they lie in memory. */
struct inner_device {
    char name[INNER_DEVICE_NAME];
    uint32_t mark_out, mask_out; /* packets with this mark go to the device; mask 0: no mark does */
    uint32_t mark_in, mask_in;   /* packets that come out get this mark; mask 0: none */
};

/* struct inner_marks - the marks and interface ids of one child. Mask and id 0: none. */
struct inner_marks {
    uint32_t mark_in, mask_in, mark_out, mask_out;
    uint32_t set_in, set_in_mask; /* the mark that received packets get */
    uint32_t if_id_in, if_id_out;
};

/* struct inner_unique - the value of %unique for one child. */
#define INNER_UNIQUE_MAX UINT32_C(0xffff) /* larger ones would make names too long */
struct inner_unique {
    uint32_t mark_in, mark_out, if_id_in, if_id_out;
};

/* inner_has_unique - a mark or id of the child is %unique or %unique-dir. */
bool inner_has_unique(const struct ike_child_policy *policy);

/* inner_marks_of - `unique` may be NULL without such ones. */
void inner_marks_of(const struct ike_child_policy *policy, const struct inner_unique *unique,
                    struct inner_marks *ret_marks);

/* inner_devices_of - the devices of the child, outbound and inbound; mostly they are the same one.
 * false: it has none of its own. ERR_FULL in *ret_error: a name would be longer than a name of an
 * interface may be. */
bool inner_devices_of(const struct ike_child_policy *policy, const struct inner_marks *marks,
                      struct inner_device *ret_out, struct inner_device *ret_in, int *ret_error);

/* inner_device_sound - may be asked of the supervisor: a name, and values inside of their masks. */
bool inner_device_sound(const struct inner_device *device);

static inline bool inner_device_equal(const struct inner_device *a, const struct inner_device *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

#endif
