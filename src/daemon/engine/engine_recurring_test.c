/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that redirects for long, and a name server that fails for long, do not fill the disk. */
#include "base/unit_test.h"
#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"

#define HOUR_NS    (3600 * NANOS_PER_SEC)
#define AT_ONCE    32
#define OF_AN_HOUR 360 /* one each ten seconds */
#define TOLERANCE  2

static struct engine engine;
static unsigned lines;

static void count(void *context, enum log_level level, const char *text)
{
    (void)context, (void)level, (void)text;
    lines++;
}

static void say_redirected(void)
{
    static const struct ike_event event = {.kind = IKE_EV_REDIRECT, .notice = "gw2.example"};
    engine_log_redirected(&engine, &event);
}

static void say_name_asked(void)
{
    static const struct path_question question = {.conn = "a", .name = "gw2.example", .tag = 1};
    engine_log_name_asked(&engine, &question);
}

static void say_name_failed(void)
{
    engine_log_name_failed(&engine, 1, ERR_NOT_FOUND);
}

static void bounded(void **state)
{
    (void)state;
    static void (*const says[])(void) = {say_redirected, say_name_asked, say_name_failed};
    log_listen(count, NULL);
    for (size_t i = 0; i < ARRAY_LEN(says); i++) {
        engine = (struct engine){.now = NANOS_PER_SEC};
        lines = 0;
        for (unsigned k = 0; k < 1000; k++)
            says[i]();
        assert_int_equal(lines, AT_ONCE);
        for (nanos end = engine.now + HOUR_NS; engine.now < end; engine.now += NANOS_PER_SEC)
            says[i]();
        assert_in_range(lines, AT_ONCE + OF_AN_HOUR - TOLERANCE, AT_ONCE + OF_AN_HOUR + TOLERANCE);
    }
    log_listen(NULL, NULL);
}

/* Each wish logs once that its name is unknown, even if other wishes have logged the same. */
static void first_failure(void **state)
{
    (void)state;
    static struct ike_conn conn = {.name = "a"};
    engine = (struct engine){.now = NANOS_PER_SEC};
    log_listen(count, NULL);
    lines = 0;
    for (unsigned k = 0; k < 1000; k++)
        say_name_failed();
    for (unsigned i = 0; i < 5; i++) {
        struct resolving wish = {.wish.conn = &conn};
        for (unsigned k = 0; k < 100; k++)
            engine_log_unresolved(&engine, &wish, ERR_NOT_FOUND);
        assert_int_equal(lines, AT_ONCE + i + 1);
    }
    log_listen(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bounded), cmocka_unit_test(first_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
