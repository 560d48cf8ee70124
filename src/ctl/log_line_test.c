/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/log_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/unit_test.h"

static void same(const char *msg, const char *wanted)
{
    json_t *line = log_line_json(7, msg);
    char *text = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, wanted);
    free(text);
    json_decref(line);
}

static void test_lines(void **state)
{
    (void)state;
    same("event=sa-up sa=1 reason=ok", "{\"event\":\"sa-up\",\"msg\":\"event=sa-up sa=1 "
                                       "reason=ok\",\"time\":7,\"values\":{\"reason\":\"ok\","
                                       "\"sa\":\"1\"}}");
    same("event=x text=\"a b=c\" last=\"\"",
         "{\"event\":\"x\",\"msg\":\"event=x text=\\\"a b=c\\\" "
         "last=\\\"\\\"\",\"time\":7,\"values\":{\"last\":\"\","
         "\"text\":\"a b=c\"}}");
    same("words of a person",
         "{\"event\":null,\"msg\":\"words of a person\",\"time\":7,\"values\":{}}");
}

/* A line that is cut, or that no rule made: what can be read is there, and nothing else is read. */
static void test_hostile(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",           "event=",       "event",         "event=x =",
        "event=x y",  "event=x y=\"", "event=x y=\"z", "event=x y=\"\"\"",
        "event=x \"", "event=\"",     "event=x  a=1",  "event=\xff z=\xc3"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        json_t *line = log_line_json(0, lines[i]);
        assert_true(json_is_object(json_object_get(line, "values")));
        assert_true(json_is_string(json_object_get(line, "msg")));
        json_decref(line);
    }
    char key[100] = "event=x ";
    memset(key + 8, 'k', 80);
    strcpy(key + 88, "=1");
    json_t *line = log_line_json(0, key);
    assert_int_equal(json_object_size(json_object_get(line, "values")), 0);
    json_decref(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines),
                                       cmocka_unit_test(test_hostile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
