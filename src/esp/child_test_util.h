/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CHILD_TEST_UTIL_H
#define ESP_CHILD_TEST_UTIL_H

/* Keys, an IV of CBC and selectors for Child SAs of the tests. */

#include "base/unit_test.h"
#include "esp/esp_child.h"

static const uint8_t key_octets[128] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
static const uint8_t cbc_iv[16] = {0xaa, 0xbb};

/* any_of - all protocols and ports of the addresses. */
static inline struct esp_ts_list any_of(const char *range)
{
    struct esp_ts_list list = {.n = 1, .ts = {{.end_port = UINT16_MAX}}};
    assert_true(range_parse(range, &list.ts[0].range));
    return list;
}

#endif
