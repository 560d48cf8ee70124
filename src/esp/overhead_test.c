/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/overhead.h"

#include "base/unit_test.h"

enum { CBC = 12, GCM = 20, CHACHA = 28, SHA2_256 = 12, SHA2_512 = 14 };

static void inner_max(void **state)
{
    (void)state;
    static const struct {
        struct esp_algorithms algorithms;
        bool ipv6, udp, order;
        uint16_t mtu, inner;
    } rows[] = {
        {{GCM, 128, 0}, false, true, false, 1500, 1438},
        {{GCM, 128, 0}, true, true, false, 1500, 1418},
        {{GCM, 128, 0}, false, false, false, 1500, 1446},
        {{GCM, 128, 0}, false, true, true, 1500, 1430},
        {{GCM, 256, 0}, false, true, false, 1492, 1430},
        {{GCM, 128, 0}, false, true, false, 1491, 1426}, /* the text is a multiple of 4 */
        {{CHACHA, 0, 0}, false, true, false, 1500, 1438},
        {{CBC, 128, SHA2_256}, false, true, false, 1500, 1422},
        {{CBC, 256, SHA2_512}, true, true, false, 1500, 1390},
        {{CBC, 256, SHA2_512}, true, true, false, 104, 0},
        {{CBC, 256, SHA2_512}, true, true, false, 103, 0},
        {{CBC, 256, SHA2_512}, true, true, false, 120, 14},
        {{CBC, 128, 0}, false, true, false, 1500, 0}, /* no integrity */
        {{9999, 128, 0}, false, true, false, 1500, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct esp_overhead overhead =
            esp_overhead_of(&rows[i].algorithms, rows[i].ipv6, rows[i].udp, rows[i].order);
        if (esp_overhead_inner_max(overhead, rows[i].mtu) != rows[i].inner)
            fail_msg("row %zu: %u", i, (unsigned)esp_overhead_inner_max(overhead, rows[i].mtu));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(inner_max)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
