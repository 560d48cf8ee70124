/* SPDX-License-Identifier: Apache-2.0 */
/* Overlapping pools are an error when the file is read, not only when the engine loads it. */
#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/config/config_load.h"

#define POOL(name, addrs) name " {\n addrs = " addrs "\n}\n"

/* overlap_find - the error of the pools; empty: none. */
static void overlap_find(const char *pools, char error_text[ENGINE_ERROR_MAX])
{
    char text[1024];
    struct settings settings;
    struct build_error error = {.text = ""};
    (void)snprintf(text, sizeof(text), "pools {\n%s}\n", pools);
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    int err = config_check(settings.root, &error);
    assert_true((err == 0) == (error.text[0] == '\0'));
    (void)snprintf(error_text, ENGINE_ERROR_MAX, "%s", error.text);
    settings_done(&settings);
}

static void overlaps(void **state)
{
    (void)state;
    static const struct {
        const char *pools, *want;
    } rows[] = {
        {POOL("a", "10.0.0.0/24") POOL("b", "10.0.1.0/24") POOL("c", "fd00::/120"), ""},
        {POOL("a", "10.0.0.1-10.0.0.9") POOL("b", "10.0.0.10-10.0.0.11"), ""},
        {POOL("b", "10.0.0.0/24") POOL("a", "10.0.0.128-10.0.1.7") POOL("c", "10.0.2.0/24"),
         "t.conf:6: addrs: pool a overlaps pool b"},
        /* the widest one reaches beyond its neighbour */
        {POOL("wide", "10.0.0.0/8") POOL("x", "10.0.0.8/29") POOL("y", "10.7.0.0/24"),
         "t.conf:6: addrs: pool x overlaps pool wide"},
        {POOL("x", "10.0.0.1-10.0.0.9") POOL("y", "10.0.0.9-10.0.0.12"),
         "t.conf:6: addrs: pool y overlaps pool x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char error[ENGINE_ERROR_MAX];
        overlap_find(rows[i].pools, error);
        assert_string_equal(error, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(overlaps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
