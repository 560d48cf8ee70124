/* SPDX-License-Identifier: Apache-2.0 */
/* The frame around the sections of a session. What is in them is the matter of each layer; the simulator takes whole
 * sessions from one process to another. */
#include "multipath/whole_session.h"

#include "base/unit_test.h"

#define PATHS 1, 0, 0, 0, 2, 'p', 'p'
#define CORE  2, 0, 0, 0, 2, 'i', 'i'
#define CHILD 3, 0, 0, 0, 1, 'c'

static const struct {
    const char *what;
    uint8_t len;
    uint8_t octets[32];
} rows[] = {
    {"nothing", 0, {0}},
    {"version alone", 1, {1}},
    {"another version", 15, {2, PATHS, CORE}},
    {"no section of the IKE core", 8, {1, PATHS}},
    {"no section of the paths", 14, {1, CORE, CHILD}},
    {"paths twice", 22, {1, PATHS, PATHS, CORE}},
    {"IKE core twice", 22, {1, PATHS, CORE, CORE}},
    {"unknown section", 21, {1, PATHS, CORE, 4, 0, 0, 0, 1, 'x'}},
    {"empty section", 20, {1, PATHS, CORE, 3, 0, 0, 0, 0}},
    {"a length that is cut", 18, {1, PATHS, CORE, 3, 0, 0}},
    {"longer than all", 21, {1, PATHS, CORE, 3, 0, 0, 0, 2, 'c'}},
    {"longest length", 21, {1, PATHS, CORE, 3, 255, 255, 255, 255, 'c'}},
    {"one octet too many", 16, {1, PATHS, CORE, 3}},
};

/* Octets that are no session are refused before any layer sees them: there is none here. */
static void test_frame(void **state)
{
    (void)state;
    const struct session_home nowhere = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ike_session_id id = 7;
        int error = whole_session_import(&nowhere, span_of(rows[i].octets, rows[i].len), &id, 0);
        if (error != ERR_INVALID || id != 0)
            fail_msg("%s: %d", rows[i].what, error);
    }
}

/* More Child SAs than a session has. */
static void test_too_many(void **state)
{
    (void)state;
    static const uint8_t head[] = {1, PATHS, CORE}, child[] = {CHILD};
    const struct session_home nowhere = {0};
    uint8_t octets[sizeof(head) + (2 * LIMIT_CHILD_SAS_SESSION + 1) * sizeof(child)];
    struct writer w = writer_of(octets, sizeof(octets));
    write_bytes(&w, span_of(head, sizeof(head)));
    while (w.len < sizeof(octets))
        write_bytes(&w, span_of(child, sizeof(child)));
    ike_session_id id;
    assert_int_equal(whole_session_import(&nowhere, writer_span(&w), &id, 0), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
