/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/unit_test.h"
#include "control/tree.h"
#include "daemon/common/key_channel.h"
#include "daemon/config/config_load.h"

#define LONG 257 /* characters: each takes 512 octets */

static struct tree *child(struct tree *parent, struct tree *tree)
{
    assert_non_null(tree);
    tree_append(parent, tree);
    return tree;
}

/* check - of a configuration with `n` secrets of LONG characters. */
static int check(size_t n, struct build_error *error)
{
    static uint8_t text[LONG];
    char name[32];
    memset(text, 'x', sizeof(text));
    struct tree *root = tree_new(TREE_SECTION, "");
    assert_non_null(root);
    struct tree *secrets = child(root, tree_new(TREE_SECTION, "secrets"));
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "ike-%zu", i);
        struct tree *section = child(secrets, tree_new(TREE_SECTION, name));
        (void)child(section, tree_value("secret", span_of(text, sizeof(text))));
    }
    int err = config_check(root, error);
    tree_free(root);
    return err;
}

/* As many as the keyholder has room for pass; one more is refused with the numbers, before any load. */
static void room(void **state)
{
    (void)state;
    size_t most = KEY_SECRETS_ROOM / key_secret_room(LONG);
    struct build_error error = {.text = ""};
    assert_int_equal(check(most, &error), 0);
    assert_int_not_equal(check(most + 1, &error), 0);
    assert_non_null(strstr(error.text,
                           "49153 secrets take 25166336 octets of locked memory, at most "
                           "25165824 are there"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
