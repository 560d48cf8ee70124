/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/identity.h"

#include "base/unit_test.h"

static void parse_and_print(void **state)
{
    static const struct {
        const char *text;
        uint8_t type;
        const char *printed;
    } rows[] = {
        {"", ID_ANY, "%any"},
        {"%any", ID_ANY, "%any"},
        {"192.0.2.1", ID_IPV4_ADDR, "192.0.2.1"},
        {"2001:db8::1", ID_IPV6_ADDR, "2001:db8::1"},
        {"ipv4:192.0.2.1", ID_IPV4_ADDR, "192.0.2.1"},
        {"ipv6:2001:DB8::1", ID_IPV6_ADDR, "2001:db8::1"},
        {"gw.example", ID_FQDN, "gw.example"},
        {"@gw.example", ID_FQDN, "gw.example"},
        {"fqdn:192.0.2.1", ID_FQDN, "192.0.2.1"},
        {"anna@example.org", ID_RFC822_ADDR, "anna@example.org"},
        {"email:anna", ID_RFC822_ADDR, "anna"},
        {"RFC822:anna", ID_RFC822_ADDR, "anna"},
        {"keyid:tunnel 1", ID_KEY_ID, "tunnel\\x201"},
        {"@#00ff41", ID_KEY_ID, "\\x00\\xffA"},
        {"keyid:#00ff41", ID_KEY_ID, "\\x00\\xffA"},
        {"fqdn:#6777", ID_FQDN, "gw"},
        {"userfqdn:anna", ID_RFC822_ADDR, "anna"},
        {"@@anna", ID_RFC822_ADDR, "anna"},
        {"keyid:C=CH", ID_KEY_ID, "C=CH"},
        {"keyid:a\"b\\c\x1b[2J", ID_KEY_ID, "a\\x22b\\x5cc\\x1b[2J"},
    };
    char out[IDENTITY_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ike_id id;
        assert_int_equal(identity_parse(rows[i].text, &id), 0);
        assert_int_equal(id.type, rows[i].type);
        assert_string_equal(identity_print(&id, out), rows[i].printed);
    }
}

static void refused(void **state)
{
    static const char *const rows[] = {"@#0",
                                       "@#0g",
                                       "@#",
                                       "ipv4:2001:db8::1",
                                       "ipv6:192.0.2.1",
                                       "ipv4:name",
                                       "fqdn:",
                                       "keyid:",
                                       "@",
                                       "@@",
                                       "keyid:#0",
                                       "fqdn:#",
                                       "fqdn:#6100", /* terminators are of no name */
                                       "fqdn:#610d",
                                       "email:#610a40",
                                       "gw\r.example",
                                       "@gw\n",
                                       "anna@user.example\n",
                                       "@@anna\x7f",
                                       "asn1dn:C=CH",
                                       "asn1gn:#30",
                                       "C=CH, O=Example, CN=gw.example",
                                       "CN=*"};
    struct ike_id id = {.type = 99};
    char longest[LIMIT_ID];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(identity_parse(rows[i], &id), ERR_INVALID);
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(id.data) + 1] = '\0';
    assert_int_equal(identity_parse(longest, &id), ERR_INVALID);
    assert_int_equal(id.type, 99); /* untouched on failure */
    longest[sizeof(id.data)] = '\0';
    assert_int_equal(identity_parse(longest, &id), 0);
}

static void from_the_wire(void **state)
{
    static const struct {
        uint8_t type;
        size_t len;
        bool ok;
    } rows[] = {
        {ID_IPV4_ADDR, 4, true},
        {ID_IPV4_ADDR, 3, false},
        {ID_IPV4_ADDR, 5, false},
        {ID_IPV4_ADDR, 0, false},
        {ID_IPV6_ADDR, 16, true},
        {ID_IPV6_ADDR, 4, false},
        {ID_FQDN, 1, true},
        {ID_FQDN, 0, false},
        {ID_FQDN, LIMIT_ID / 2, true},
        {ID_FQDN, LIMIT_ID / 2 + 1, false},
        {ID_KEY_ID, 7, true},
        {ID_ANY, 4, false},
        {ID_DER_ASN1_DN, 8, false},
        {200, 4, false},
    };
    static const uint8_t octets[LIMIT_ID];
    struct ike_id id;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct wire_id wire = {rows[i].type, span_of(octets, rows[i].len)};
        assert_int_equal(identity_from_wire(&wire, &id), rows[i].ok);
    }
}

static void match(void **state)
{
    static const struct {
        const char *pattern, *id;
        enum identity_rank rank;
    } rows[] = {
        {"", "gw.example", IDENTITY_ANY},
        {"%any", "192.0.2.1", IDENTITY_ANY},
        {"gw.example", "GW.Example", IDENTITY_EXACT},
        {"gw.example", "gw.example.", IDENTITY_NO},
        {"gw.example", "xgw.example", IDENTITY_NO},
        {"*.example", "a.example", IDENTITY_PATTERN},
        {"*.example", "a.b.EXAMPLE", IDENTITY_PATTERN},
        {"*.example", "example", IDENTITY_NO},
        {"*.example", ".example", IDENTITY_NO},
        {"*.example", "a.example.evil", IDENTITY_NO},
        {"*.example", "a@b.example", IDENTITY_NO}, /* another type */
        {"*@example", "anna@example", IDENTITY_PATTERN},
        {"*@example", "anna@evil.example", IDENTITY_NO},
        {"*@example", "fqdn:anna@example", IDENTITY_NO},
        {"gw.*", "gw.example", IDENTITY_NO}, /* only at the beginning */
        {"keyid:*", "keyid:abc", IDENTITY_NO},
        {"keyid:abc", "keyid:ABC", IDENTITY_NO}, /* octets, not a name */
        {"192.0.2.1", "192.0.2.1", IDENTITY_EXACT},
        {"192.0.2.1", "fqdn:192.0.2.1", IDENTITY_NO},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ike_id id;
        assert_int_equal(identity_parse(rows[i].id, &id), 0);
        assert_int_equal(identity_match(rows[i].pattern, &id), rows[i].rank);
    }
}

/* A4: "good.example\0.evil" is neither, and "\0.example" is not below "example". */
static void a_nul_matches_no_pattern(void **state)
{
    struct ike_id id = {.type = ID_FQDN, .len = 10};
    (void)state;
    memcpy(id.data, "a\0.example", 10);
    assert_int_equal(identity_match("*.example", &id), IDENTITY_NO);
    assert_int_equal(identity_match("a", &id), IDENTITY_NO);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_and_print),
        cmocka_unit_test(refused),
        cmocka_unit_test(from_the_wire),
        cmocka_unit_test(match),
        cmocka_unit_test(a_nul_matches_no_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
