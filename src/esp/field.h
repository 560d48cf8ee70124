/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_FIELD_H
#define ESP_FIELD_H

#include <stddef.h>
#include <stdint.h>

/*
 * Fields of a packet in place, in network byte order. `at` needs no alignment. The caller has
 * checked the length of the packet; other code uses base/reader.h and base/writer.h, which check
 * each field.
 */

static inline uint16_t field_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void field_put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline uint32_t field_u32(const uint8_t *at)
{
    return (uint32_t)field_u16(at) << 16 | field_u16(at + 2);
}

static inline void field_put_u32(uint8_t *at, uint32_t value)
{
    field_put_u16(at, value >> 16);
    field_put_u16(at + 2, value & 0xffff);
}

#endif
