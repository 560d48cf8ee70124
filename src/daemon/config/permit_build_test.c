/* SPDX-License-Identifier: Apache-2.0 */
/* What the files allow: the peer that they name, also where it is the router of this host. */
#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/config/config_load.h"
#include "daemon/config/permit_build.h"

/* permits_of - of a connection whose child has `dynamic` as the remote selector. */
static void permits_of(const char *remote_addrs, struct permits *ret_permits)
{
    char text[512];
    struct settings settings;
    struct build_error error = {.text = ""};
    (void)snprintf(text, sizeof(text),
                   "connections {\n a {\n remote_addrs = %s\n local { auth = psk }\n"
                   " remote { auth = psk }\n children { n { } }\n}\n}\n",
                   remote_addrs);
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    if (permits_build(settings.root, ret_permits, &error) != 0)
        fail_msg("%s", error.text);
    settings_done(&settings);
}

static void peer_by_address(void **state)
{
    (void)state;
    static const struct {
        const char *remote_addrs, *address;
        unsigned len;
        bool allowed, narrowed;
    } rows[] = {
        {"10.1.0.1", "10.1.0.1", 32, true, false},
        {"gw.example, 2001:db8::1", "2001:db8::1", 128, true, false},
        {"10.1.0.1", "10.1.0.2", 32, true, true}, /* wherever it moves */
        {"10.1.0.1", "10.1.0.0", 31, false, true},
        {"10.1.0.0/24", "10.1.0.1", 32, true, true}, /* the peer chooses which */
        {"%any", "10.1.0.1", 32, true, true},
        {"gw.example", "10.1.0.1", 32, true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct permits permits = {0};
        struct address address;
        permits_of(rows[i].remote_addrs, &permits);
        assert_true(address_parse(rows[i].address, &address));
        if (permits_route(&permits, &address, rows[i].len) != rows[i].allowed ||
            permits_narrowed(&permits, &address, rows[i].len) != rows[i].narrowed)
            fail_msg("%s: %s/%u", rows[i].remote_addrs, rows[i].address, rows[i].len);
        permits_done(&permits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(peer_by_address)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
