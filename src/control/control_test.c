/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "control/settings.h"
#include "control/values.h"
#include "control/vici.h"

/* The example of the VICI documentation. */
static void vici_example(void **state)
{
    (void)state;
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, "x");
    vici_put(&w, "key1", "value%d", 1);
    vici_section(&w, "s");
    vici_list(&w, "list");
    vici_item(&w, "a");
    vici_item(&w, "b");
    vici_list_end(&w);
    vici_section_end(&w);
    static const uint8_t want[] = {0,   0,   0,   39,  0,   1,   'x', 3, 4, 'k', 'e', 'y', '1', 0,
                                   6,   'v', 'a', 'l', 'u', 'e', '1', 1, 1, 's', 4,   4,   'l', 'i',
                                   's', 't', 5,   0,   1,   'a', 5,   0, 1, 'b', 6,   2};
    struct span frame = vici_writer_frame(&w);
    assert_int_equal(frame.len, sizeof(want));
    assert_memory_equal(frame.ptr + 4, want + 4, sizeof(want) - 4);
    struct vici_frame read;
    assert_true(vici_frame_read(span_of(frame.ptr + 4, frame.len - 4), &read));
    assert_string_equal(read.name, "x");
    struct tree *tree = vici_message_read(read.message);
    assert_string_equal(tree_text(tree, "key1"), "value1");
    struct tree *items = tree_items(tree_get(tree_get(tree, "s"), "list"));
    assert_string_equal((char *)items->first->next->value, "b");
    tree_free(items);
    tree_free(tree);
    /* cut at any octet: it is refused, and no octet behind the cut is read */
    for (size_t len = 0; len < read.message.len; len++) {
        struct tree *cut = vici_message_read(span_of(read.message.ptr, len));
        assert_true(cut == NULL || len == 0 || len == 14);
        tree_free(cut);
    }
    vici_writer_done(&w);
}

/* items_are - the items of the value are these, each with a bar behind it. */
static void items_are(const char *value, const char *want)
{
    char text[128] = "";
    struct tree *node = tree_value("k", span_of(value, strlen(value)));
    struct tree *items = tree_items(node);
    for (const struct tree *item = items->first; item != NULL; item = item->next) {
        assert_true(strlen(text) + strlen((char *)item->value) + 2 <= sizeof(text));
        strcat(strcat(text, (char *)item->value), "|");
    }
    assert_string_equal(text, want);
    tree_free(items);
    tree_free(node);
}

static void items_of_values(void **state)
{
    (void)state;
    items_are("", "");
    items_are(" , ,", "");
    items_are("a, b ,c", "a|b|c|");
    items_are("'ldap://x/cn=CA, o=X', b", "ldap://x/cn=CA, o=X|b|");
    items_are("a,  \"b,'c\" ,d", "a|b,'c|d|");
    items_are("'a', 'b'", "a|b|");
    /* a quotation mark counts only at the beginning of an item, and with a second one before the
     * comma */
    items_are("it's, 'tis, b", "it's|'tis|b|");
    items_are("'a' b, c'", "'a' b|c'|");
    items_are("'", "'|");
    items_are("'', a", "''|a|");
}

static void vici_hostile(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint8_t octets[12];
    } table[] = {
        {1, {2}},                    /* end without a start */
        {1, {6}},                    /* list end */
        {4, {5, 0, 1, 'a'}},         /* item outside of a list */
        {3, {1, 1, 's'}},            /* never closed */
        {6, {4, 1, 'l', 4, 1, 'm'}}, /* list in a list */
        {6, {4, 1, 'l', 1, 1, 's'}}, /* section in a list */
        {3, {3, 9, 'k'}},            /* name too long */
        {5, {3, 1, 'k', 255, 255}},  /* value too long */
        {3, {1, 1, 7}},              /* name that cannot be printed */
        {1, {9}},                    /* unknown element */
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_null(vici_message_read(span_of(table[i].octets, table[i].len)));
    uint8_t deep[3 * 64];
    for (size_t i = 0; i < sizeof(deep); i += 3)
        memcpy(deep + i, (uint8_t[]){1, 1, 's'}, 3);
    assert_null(vici_message_read(span_of(deep, sizeof(deep))));
    struct vici_frame frame;
    assert_false(vici_frame_read((struct span){0}, &frame));
    assert_false(vici_frame_read(span_of((uint8_t[]){0, 5, 'a'}, 3), &frame));
    assert_false(vici_frame_read(span_of((uint8_t[]){8}, 1), &frame));
}

static int parse(const char *text, struct settings *settings)
{
    return settings_parse("t.conf", span_text(text), NULL, settings);
}

static void settings_syntax(void **state)
{
    (void)state;
    struct settings s;
    assert_int_equal(
        parse("a { # comment\n  x = one   two # more\n y = \"q # \\\"z\\\" \"\n b { z = 1 } }\n"
              "a { x = three\n n =\n }\n"
              "d : a { x = own }\n e {\n w = 'My \"home\"  is\"\" my !' # said\n}\n",
              &s),
        0);
    assert_string_equal(tree_text(tree_get(s.root, "e"), "w"), "'My home is  my !'");
    assert_true(tree_get(s.root, "a")->inherited && !tree_get(s.root, "d")->inherited);
    const struct tree *a = tree_get(s.root, "a"), *d = tree_get(s.root, "d");
    assert_string_equal(tree_text(a, "x"), "three");
    assert_string_equal(tree_text(a, "y"), "q # \"z\" ");
    assert_string_equal(tree_text(a, "n"), "");
    assert_string_equal(tree_text(d, "x"), "own");
    assert_string_equal(tree_text(tree_get(d, "b"), "z"), "1");
    assert_int_equal(tree_get(a, "x")->line, 5);
    settings_done(&s);
}

/* Twenty thousand sections, each opened twice: each section has the keys of both, and the later
 * value counts. */
static void settings_many(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    char *text = malloc(2 * MANY * 48), *end = text;
    struct settings s;
    assert_non_null(text);
    for (int pass = 0; pass < 2; pass++) {
        end += sprintf(end, "c {\n");
        for (int i = 0; i < MANY; i++)
            end += sprintf(end, "n%d { x = %d\n k%d = %d }\n", i, i + pass, pass, i);
        end += sprintf(end, "}\n");
    }
    assert_int_equal(parse(text, &s), 0);
    int i = 0;
    for (const struct tree *one = tree_get(s.root, "c")->first; one != NULL; one = one->next, i++) {
        assert_int_equal(atoi(one->name + 1), i);
        assert_int_equal(atoi(tree_text(one, "x")), i + 1);
        assert_true(tree_text(one, "k0") != NULL && tree_text(one, "k1") != NULL);
    }
    assert_int_equal(i, MANY);
    settings_done(&s);
    free(text);
}

/* The parser continues after a line with an error, and stops where a brace may be missing. */
static void settings_all_errors(void **state)
{
    (void)state;
    static const char *const want[] = {"t.conf:2: x: expected", "t.conf:4: a control character",
                                       "t.conf:6: '='", "t.conf:8: b: expected"};
    struct settings s;
    assert_int_equal(parse("a {\n x\n y = 1\n z = \x01\n c { d = e }\n = 1\n}\nb q {\n}\n", &s),
                     ERR_INVALID);
    assert_string_equal(s.error, s.errors[0]);
    assert_int_equal(s.n_errors, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_non_null(strstr(s.errors[i], want[i]));
    settings_done(&s);
    char many[400];
    size_t len = 0;
    while (len + 3 < sizeof(many))
        len += (size_t)snprintf(many + len, sizeof(many) - len, "x\n");
    assert_int_equal(parse(many, &s), ERR_INVALID);
    assert_int_equal(s.n_errors, SETTINGS_ERRORS_MAX);
    settings_done(&s);
}

static void settings_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } table[] = {
        {"a {\n x = 1\n", "t.conf:1: a: the section is never closed"},
        {"a { x = 1 }\n}\n", "t.conf:2: '}'"},
        {"a {\n x = \"open\n }\n", "t.conf:2: a string without"},
        {"a {\n x\n}\n", "t.conf:2: x: expected '=' or '{'"},
        {"a {\n = 1\n}\n", "t.conf:2: '='"},
        {"a {\n x = y \"z\" \x01\n }\n", "t.conf:2: a control character"},
        {"a = 1\na { }\n", "t.conf:2: a: is a key"},
        {"a { }\na = 1\n", "t.conf:2: a: is a section"},
        {"a : b { }\n", "t.conf:1: a: no section 'b'"},
        {"a : b { }\nb : a { }\n", "inherits from itself"},
        {"include x\n", "t.conf:1: include: not possible"},
        {"a { \x01 }\n", "t.conf:1: unexpected character"},
        {"\xef\xbb\xbf"
         "a = 1\n",
         "t.conf:1: the file begins with a byte order mark"},
        {"\xff\xfe"
         "a",
         "t.conf:1: the file is UTF-16"},
    };
    struct settings nul;
    assert_int_equal(settings_parse("t.conf", span_of((const uint8_t *)"a = b\0c", 7), NULL, &nul),
                     ERR_INVALID);
    assert_non_null(strstr(nul.error, "a control character"));
    settings_done(&nul);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct settings s;
        assert_int_equal(parse(table[i].text, &s), ERR_INVALID);
        if (strstr(s.error, table[i].want) == NULL)
            fail_msg("'%s' is not in '%s'", table[i].want, s.error);
        settings_done(&s);
    }
}

static size_t warned(const char *text, const char *want)
{
    struct settings s;
    assert_int_equal(parse(text, &s), 0);
    size_t n = s.n_warnings;
    assert_true(n == 0 || strstr(s.warnings[0], want) != NULL);
    settings_done(&s);
    return n;
}

/* A second key in a line is an error. Quoted texts and names with '=' are not. */
static void settings_second_key(void **state)
{
    (void)state;
    assert_int_equal(warned("a {\n x = 1 y = 2\n}\n", "t.conf:2: x: is there a second key"), 1);
    assert_int_equal(warned("a {\n x = 1;\n}\n", "t.conf:2: x: is there a second key"), 1);
    assert_int_equal(warned("x = \"1 y = 2;\"\nid = C = CH, O = Lab\nupdown = a; b;\n", ""), 0);
    assert_int_equal(warned("x = C=CH\nx = ;a\ny = \"a = b\" c\n", ""), 0);
}

/* Sections of two files are merged. The errors name a lost value and a name that does not exist. */
static void settings_lost(void **state)
{
    (void)state;
    char directory[] = "/tmp/ikat-settings-XXXXXX", paths[2][64];
    static const char *const texts[] = {"a {\n x = 1\n y = 2\n}\ninclude nothere.conf\n",
                                        "a {\n x = 1\n y = 3\n y = 4\n}\n"};
    assert_non_null(mkdtemp(directory));
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/%zu.conf", directory, i);
        FILE *f = fopen(paths[i], "w");
        (void)fputs(texts[i], f);
        (void)fclose(f);
    }
    struct settings s;
    assert_int_equal(settings_load(directory, &s), 0);
    assert_int_equal(s.n_warnings, 2);
    assert_non_null(strstr(s.warnings[0], "0.conf:5: nothere.conf: there is no such file"));
    assert_non_null(strstr(s.warnings[1], "1.conf:3: y: takes the place of another value in "));
    assert_non_null(strstr(s.warnings[1], "0.conf:3: two sections of one name are merged"));
    settings_done(&s);
    for (size_t i = 0; i < 2; i++)
        (void)unlink(paths[i]);
    (void)rmdir(directory);
    assert_int_equal(settings_load("/dev/null", &s), ERR_INVALID);
    assert_string_equal(s.error, "/dev/null: is not a regular file");
    settings_done(&s);
}

static void settings_include(void **state)
{
    (void)state;
    char directory[] = "/tmp/ikat-settings-XXXXXX", path[64], loop[64];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/a.conf", directory);
    (void)snprintf(loop, sizeof(loop), "%s/loop", directory);
    FILE *f = fopen(path, "w");
    (void)fputs("a { include missing*.conf\n x = 1 }\n", f);
    (void)fclose(f);
    f = fopen(loop, "w");
    (void)fputs("include loop\n", f);
    (void)fclose(f);
    struct settings s;
    assert_int_equal(settings_load(directory, &s), 0);
    assert_string_equal(tree_text(tree_get(s.root, "a"), "x"), "1");
    settings_done(&s);
    assert_int_equal(settings_load(loop, &s), ERR_INVALID);
    assert_non_null(strstr(s.error, "more than 10 files deep"));
    settings_done(&s);
    assert_int_equal(settings_load("/nowhere/at/all", &s), ERR_INVALID);
    assert_non_null(strstr(s.error, "No such file"));
    settings_done(&s);
    (void)unlink(path);
    (void)unlink(loop);
    (void)rmdir(directory);
}

static void values(void **state)
{
    (void)state;
    nanos t;
    uint64_t u;
    bool b;
    uint8_t secret[8];
    assert_true(value_time("100ms", &t) && t == 100 * NANOS_PER_MS);
    assert_true(value_time("4h", &t) && t == 4 * 3600 * NANOS_PER_SEC);
    assert_false(value_time("4x", &t) || value_time("-1", &t) || value_time("", &t) ||
                 value_time("99999999999999999999", &t) || value_time("9999999999d", &t));
    assert_true(value_bytes("2g", &u) && u == (uint64_t)2 << 30);
    assert_false(value_bytes("2gg", &u) || value_bytes("18446744073709551615g", &u));
    assert_true(value_u64("0x10", &u) && u == 16);
    assert_false(value_u64("10 ", &u));
    assert_true(value_bool("Enabled", &b) && b);
    assert_false(value_bool("maybe", &b));
    assert_int_equal(value_secret("0x0102ff", secret, sizeof(secret)), 3);
    assert_int_equal(secret[2], 0xff);
    assert_int_equal(value_secret("0sAQL/", secret, sizeof(secret)), 3);
    assert_int_equal(secret[2], 0xff);
    assert_int_equal(value_secret("0x1", secret, sizeof(secret)), 0);
    assert_int_equal(value_secret("ninechars", secret, sizeof(secret)), 0);
    static const char *const words[] = {"proposals", "pools", "mobike"};
    assert_string_equal(value_nearest("proposal", words, 3), "proposals");
    assert_null(value_nearest("zzzzzz", words, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vici_example),     cmocka_unit_test(items_of_values),
        cmocka_unit_test(vici_hostile),     cmocka_unit_test(settings_syntax),
        cmocka_unit_test(settings_errors),  cmocka_unit_test(settings_all_errors),
        cmocka_unit_test(settings_include), cmocka_unit_test(settings_second_key),
        cmocka_unit_test(settings_lost),    cmocka_unit_test(settings_many),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
