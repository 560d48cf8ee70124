/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/inner_device.h"

#include <stdio.h>

#include "base/error.h"

bool inner_has_unique(const struct ike_child_policy *policy)
{
    return ike_child_is_unique(policy) || ike_mark_is_unique(&policy->mark_in) ||
           ike_mark_is_unique(&policy->if_id_in);
}

/* spread - moves the bits of the number to the places where the mask has bits. So different numbers
 * have different values, as long as the mask has enough bits. */
static uint32_t spread(uint32_t number, uint32_t mask)
{
    uint32_t value = 0;
    for (; mask != 0; mask &= mask - 1, number >>= 1)
        if (number & 1)
            value |= mask & -mask;
    return value;
}

/* resolve - the value of a mark or id, and its mask. */
static uint32_t resolve(const struct ike_mark *mark, uint32_t unique, uint32_t *ret_mask)
{
    *ret_mask = mark->kind == IKE_MARK_NONE ? 0 : mark->mask;
    return ike_mark_is_unique(mark) ? spread(unique, *ret_mask) : mark->value & *ret_mask;
}

void inner_marks_of(const struct ike_child_policy *policy, const struct inner_unique *unique,
                    struct inner_marks *ret)
{
    static const struct inner_unique none;
    uint32_t mask;
    if (unique == NULL)
        unique = &none;
    *ret = (struct inner_marks){0};
    ret->mark_in = resolve(&policy->mark_in, unique->mark_in, &ret->mask_in);
    ret->mark_out = resolve(&policy->mark_out, unique->mark_out, &ret->mask_out);
    ret->if_id_in = resolve(&policy->if_id_in, unique->if_id_in, &mask);
    ret->if_id_out = resolve(&policy->if_id_out, unique->if_id_out, &mask);
    /* a packet that an inbound policy with a mark takes has that mark */
    ret->set_in = ret->mark_in;
    ret->set_in_mask = ret->mask_in;
    if (policy->set_mark_in.kind == IKE_MARK_FIXED)
        ret->set_in = resolve(&policy->set_mark_in, 0, &ret->set_in_mask);
}

/* --- names --- */

/* mark_print - "8", or "8.ff" with a mask. */
static const char *mark_print(uint32_t value, uint32_t mask, char text[24])
{
    if (mask == UINT32_MAX || mask == 0)
        (void)snprintf(text, 24, "%x", value);
    else
        (void)snprintf(text, 24, "%x.%x", value, mask);
    return text;
}

/* name_by_marks - "ikat-m8" if packets have the mark 8 in both directions, "ikat-m4-8" if packets
 * that come out have another mark; hexadecimal. */
static int name_by_marks(struct inner_device *device)
{
    char out[24], in[24];
    bool same = device->mask_in == 0 ||
                (device->mark_in == device->mark_out && device->mask_in == device->mask_out);
    int len = snprintf(device->name, sizeof(device->name), INNER_DEVICE_PREFIX "m%s%s%s",
                       mark_print(device->mark_out, device->mask_out, out), same ? "" : "-",
                       same ? "" : mark_print(device->mark_in, device->mask_in, in));
    return len < 0 || (size_t)len >= sizeof(device->name) ? ERR_FULL : 0;
}

static void name_by_id(struct inner_device *device, uint32_t if_id)
{
    (void)snprintf(device->name, sizeof(device->name), INNER_DEVICE_PREFIX "%u", if_id);
}

bool inner_devices_of(const struct ike_child_policy *policy, const struct inner_marks *marks,
                      struct inner_device *ret_out, struct inner_device *ret_in, int *ret_error)
{
    struct inner_device device = {.mark_out = marks->mark_out,
                                  .mask_out = marks->mask_out,
                                  .mark_in = marks->set_in,
                                  .mask_in = marks->set_in_mask};
    bool marked = device.mask_out != 0 || device.mask_in != 0;
    bool ids = marks->if_id_in != 0 || marks->if_id_out != 0;
    *ret_error = 0;
    if (!marked && !ids && policy->device[0] == '\0')
        return false;
    *ret_out = *ret_in = device;
    if (policy->device[0] != '\0') {
        memcpy(ret_out->name, policy->device, sizeof(ret_out->name));
        *ret_in = *ret_out;
    } else if (ids) {
        name_by_id(ret_out, marks->if_id_out);
        name_by_id(ret_in, marks->if_id_in);
    } else {
        *ret_error = name_by_marks(ret_out);
        *ret_in = *ret_out;
    }
    return true;
}

bool inner_device_sound(const struct inner_device *device)
{
    size_t len = strnlen(device->name, sizeof(device->name));
    for (size_t i = 0; i < sizeof(device->name); i++) {
        char c = device->name[i];
        if (i < len ? c <= ' ' || c > '~' || strchr("\"\\/*%:", c) != NULL : c != '\0')
            return false;
    }
    return len > 0 && len < sizeof(device->name) && strcmp(device->name, ".") != 0 &&
           strcmp(device->name, "..") != 0 && (device->mark_out & ~device->mask_out) == 0 &&
           (device->mark_in & ~device->mask_in) == 0;
}
