/* SPDX-License-Identifier: Apache-2.0 */
/* What a USIM keeps: over restarts, within bounds, and out of files that make no sense. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/eap/usim_book.h"

static int file;
static struct usim_book *book;

static int setup(void **state)
{
    (void)state;
    file = memfd_create("usim", MFD_CLOEXEC);
    if (ftruncate(file, USIM_BOOK_ROOM) != 0)
        return -1;
    book = usim_book_new(file);
    return book == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    book = usim_book_free(book);
    close(file);
    return 0;
}

static void restart(void)
{
    usim_book_free(book);
    book = usim_book_new(file);
    assert_non_null(book);
}

static struct eap_names names_of(uint32_t n)
{
    struct eap_names names = {.type = EAP_TYPE_AKA, .pseudonym_len = 4};
    memcpy(names.pseudonym, &n, sizeof(n));
    return names;
}

static void outlives_the_process(void **state)
{
    struct eap_names names = names_of(7), read;
    uint64_t highest;
    (void)state;
    assert_true(usim_book_sqn_take(book, span_text("anna"), 1000, &highest));
    usim_book_keep(book, span_text("anna"), &names);
    restart();
    assert_true(usim_book_names(book, span_text("anna"), &read));
    assert_memory_equal(&read, &names, sizeof(names));
    assert_false(usim_book_names(book, span_text("bert"), &read));
    assert_false(usim_book_sqn_take(book, span_text("anna"), 1000, &highest));
    assert_int_equal(highest, 1000);
    assert_true(usim_book_sqn_take(book, span_text("anna"), 1001, &highest));
}

/* The identity that was used longest ago makes room. */
static void bounded(void **state)
{
    char identity[16];
    struct eap_names read;
    uint64_t highest;
    (void)state;
    for (uint32_t i = 0; i <= USIM_BOOK; i++) {
        struct eap_names names = names_of(i);
        (void)snprintf(identity, sizeof(identity), "%u", i);
        usim_book_keep(book, span_text(identity), &names);
        if (i == 5) /* the first one is used again */
            assert_true(usim_book_sqn_take(book, span_text("0"), 1, &highest));
    }
    restart();
    assert_true(usim_book_names(book, span_text("0"), &read));
    assert_false(usim_book_names(book, span_text("1"), &read));
    for (uint32_t i = 2; i <= USIM_BOOK; i++) {
        (void)snprintf(identity, sizeof(identity), "%u", i);
        assert_true(usim_book_names(book, span_text(identity), &read));
        assert_memory_equal(read.pseudonym, &i, sizeof(i));
    }
}

/* A file with any octet changed, cut, or of something else is read, and the slot in it is empty. */
static void damaged_file(void **state)
{
    struct eap_names names = names_of(7), read;
    uint8_t octet;
    (void)state;
    usim_book_keep(book, span_text("anna"), &names);
    for (off_t at = 0; at < 900; at += 7) {
        usim_book_keep(book, span_text("anna"), &names);
        assert_int_equal(pread(file, &octet, 1, at), 1);
        octet ^= 0x40;
        assert_int_equal(pwrite(file, &octet, 1, at), 1);
        restart();
        if (usim_book_names(book, span_text("anna"), &read))
            fail_msg("octet %d does not count", (int)at);
    }
    usim_book_keep(book, span_text("anna"), &names);
    book = usim_book_free(book);
    assert_int_equal(ftruncate(file, 100), 0);
    assert_int_equal(ftruncate(file, USIM_BOOK_ROOM), 0);
    restart();
    assert_false(usim_book_names(book, span_text("anna"), &read));
}

static void memory_only(void **state)
{
    struct eap_names names = names_of(7), read;
    int readable = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int files[] = {-1, readable};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct usim_book *other = usim_book_new(files[i]);
        usim_book_keep(other, span_text("anna"), &names);
        assert_true(usim_book_names(other, span_text("anna"), &read));
        usim_book_free(other);
    }
    close(readable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(outlives_the_process, setup, teardown),
        cmocka_unit_test_setup_teardown(bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_file, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_only, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
