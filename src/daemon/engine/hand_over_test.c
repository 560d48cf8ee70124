/* SPDX-License-Identifier: Apache-2.0 */
/* The file of an upgrade: whole, cut at each octet, and of others. */
#include "daemon/engine/hand_over.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unit_test.h"

static const struct handed_session sessions[] = {
    {{(const uint8_t *)"cores of one", 12}, {(const uint8_t *)"engine", 6}},
    {{(const uint8_t *)"of two", 6}, {(const uint8_t *)"", 0}},
};

static uint8_t file[128];

static struct span file_make(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(hand_over_begin(fd), 0);
    for (size_t i = 0; i < ARRAY_LEN(sessions); i++)
        assert_int_equal(hand_over_add(fd, &sessions[i]), 0);
    ssize_t n = pread(fd, file, sizeof(file), 0);
    close(fd);
    assert_int_equal(n, 9 + 8 + 18 + 8 + 6);
    return span_of(file, (size_t)n);
}

static void assert_span(struct span a, struct span b)
{
    assert_int_equal(a.len, b.len);
    if (a.len > 0)
        assert_memory_equal(a.ptr, b.ptr, a.len);
}

static unsigned sessions_in(struct span octets)
{
    struct reader r;
    struct handed_session session;
    unsigned n = 0;
    if (hand_over_open(&r, octets) != 0)
        return 0;
    while (hand_over_next(&r, &session)) {
        assert_in_range(n, 0, ARRAY_LEN(sessions) - 1);
        assert_span(session.cores, sessions[n].cores);
        assert_span(session.engine, sessions[n].engine);
        n++;
    }
    assert_false(hand_over_next(&r, &session));
    return n;
}

/* A cut loses the sessions behind it, and no other. */
static void cut(void **state)
{
    (void)state;
    struct span whole = file_make();
    for (size_t len = 0; len <= whole.len; len++) {
        uint8_t *copy = malloc(len + 1); /* a read beyond the end is noticed by tools */
        assert_non_null(copy);
        memcpy(copy, whole.ptr, len);
        assert_int_equal(sessions_in(span_of(copy, len)),
                         len == whole.len ? 2 : (len >= 9 + 8 + 18 ? 1 : 0));
        free(copy);
    }
}

static void of_others(void **state)
{
    (void)state;
    struct span whole = file_make();
    struct reader r;
    struct handed_session session;
    for (size_t i = 0; i < 9; i++) { /* another magic or version */
        file[i] ^= 3;
        assert_int_equal(hand_over_open(&r, whole), ERR_INVALID);
        file[i] ^= 3;
    }
    assert_int_equal(hand_over_open(&r, whole), 0);
    memset(file + 9, 0xff, 4); /* a length beyond the file */
    assert_false(hand_over_next(&r, &session));
}

static void no_room(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(hand_over_begin(fd), ERR_SYSTEM);
    assert_int_equal(hand_over_add(fd, &sessions[0]), ERR_SYSTEM);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut),
        cmocka_unit_test(of_others),
        cmocka_unit_test(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
