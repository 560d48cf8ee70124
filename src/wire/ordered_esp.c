/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ordered_esp.h"

#include "base/reader.h"
#include "base/writer.h"

void ordered_esp_write(uint8_t out[ORDERED_ESP_LEN])
{
    struct writer w = writer_of(out, ORDERED_ESP_LEN);
    write_u8(&w, ORDERED_ESP_VERSION);
    write_zeros(&w, ORDERED_ESP_LEN - 1);
}

bool ordered_esp_read(struct span data)
{
    struct reader r = reader_of(data);
    uint8_t version = read_u8(&r);
    (void)read_u8(&r); /* no flag has a meaning yet */
    return !reader_failed(&r) && version == ORDERED_ESP_VERSION;
}
