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
        {"C=CH, O=Example,CN=gw.example", ID_DER_ASN1_DN, "C=CH, O=Example, CN=gw.example"},
        {"/C=CH/O=Example/CN=gw", ID_DER_ASN1_DN, "C=CH, O=Example, CN=gw"},
        {"asn1dn:cn=*", ID_DER_ASN1_DN, "CN=*"},
        {"asn1dn:#300d310b3009060355040313026777", ID_DER_ASN1_DN, "CN=gw"},
        {"O=a\\, b, E=anna@example.org, DC=x, UID=anna", ID_DER_ASN1_DN,
         "O=a, b, E=anna@example.org, DC=x, UID=anna"},
        {"CN=Z\xc3\xbcrich", ID_DER_ASN1_DN, "CN=Z\\xc3\\xbcrich"},
        {"asn1dn:#300e310c300a06042a03040513026777", ID_DER_ASN1_DN, "1.2.3.4.5=gw"},
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

static void key_ids_in_hex(void **state)
{
    static const struct {
        const char *text;
        const char *printed;
    } rows[] = {
        {"keyid:tunnel 1", "tunnel\\x201"},
        {"@#00ff41", "00:ff:41"},
        {"@#ff", "ff"},
        {"keyid:Z\xc3\xbcrich", "5a:c3:bc:72:69:63:68"},
        {"@gw.example", "gw.example"},
        {"", "%any"},
        {"CN=Z\xc3\xbcrich", "CN=Z\\xc3\\xbcrich"},
    };
    char out[IDENTITY_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ike_id id;
        assert_int_equal(identity_parse(rows[i].text, &id), 0);
        assert_string_equal(identity_print_hex(&id, out), rows[i].printed);
    }
    struct ike_id longest = {.type = ID_KEY_ID, .len = sizeof(longest.data)};
    assert_ptr_equal(identity_print_hex(&longest, out), out);
    assert_true(strlen(out) < IDENTITY_TEXT_MAX);
}

/* Every octet is found again in the printed text. */
static void octets_again(void **state)
{
    char text[IDENTITY_TEXT_MAX];
    uint8_t again[IDENTITY_TEXT_MAX];
    (void)state;
    for (unsigned octet = 0; octet < 256; octet++) {
        const struct ike_id id = {
            .type = ID_KEY_ID, .len = 4, .data = {'a', (uint8_t)octet, 'x', '0'}};
        assert_int_equal(identity_octets(identity_print(&id, text), again), id.len);
        assert_memory_equal(again, id.data, id.len);
    }
    assert_int_equal(identity_octets("a\\x4", again), 4); /* cut */
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
                                       "fqdn:#6100", /* no name has a terminator */
                                       "fqdn:#610d",
                                       "email:#610a40",
                                       "gw\r.example",
                                       "@gw\n",
                                       "anna@user.example\n",
                                       "@@anna\x7f",
                                       "asn1gn:#30",
                                       "=x",
                                       "C=",
                                       "C=CH,",
                                       "C=CH, O",
                                       "Nothing=x",
                                       "CN=a\nb",
                                       "asn1dn:#3000",
                                       "asn1dn:#300d310b30090603550403130267",
                                       "asn1dn:#300d310b3009060355040302026777"};
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
        {ID_DER_ASN1_DN, 8, false}, /* no name is all zeros */
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
        {"C=CH, CN=gw", "C=ch, CN=GW", IDENTITY_EXACT},
        {"C=CH, CN=a  b", "C=CH, CN=a b ", IDENTITY_EXACT},
        {"CN=gw", "asn1dn:#300d310b300906035504030c026777", IDENTITY_EXACT}, /* UTF8String */
        {"C=CH, CN=*", "C=CH, CN=gw", IDENTITY_PATTERN},
        {"C=*, CN=*", "C=CH, CN=gw", IDENTITY_PATTERN},
        {"C=CH, CN=*", "C=DE, CN=gw", IDENTITY_NO},
        {"C=CH, CN=*", "CN=gw, C=CH", IDENTITY_NO},
        {"CN=*", "C=CH, CN=gw", IDENTITY_NO},
        {"C=CH, CN=*", "C=CH", IDENTITY_NO},
        {"C=CH, CN=g*", "C=CH, CN=gw", IDENTITY_NO},
        {"CN=gw", "CN=gwx", IDENTITY_NO},
        {"CN=gw", "O=gw", IDENTITY_NO},
        {"CN=gw", "fqdn:gw", IDENTITY_NO},
        {"C=CH, CN=gw", "C=CH, CN=*", IDENTITY_NO},
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

/* A4: the same for a name in a certificate; two attributes of one RDN are not two RDNs. */
static void distinguished_names_that_are_not(void **state)
{
    static const char *const others[] = {
        "asn1dn:#30123110300e06035504030c07677700657669"
        "6c", /* gw, NUL, evil */
        "asn1dn:#30173115300906035504060c02434830080603550403130167",
    };
    struct ike_id id, same, wide;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(identity_parse(others[i], &id), 0);
        assert_int_equal(identity_match("CN=gw", &id), IDENTITY_NO);
        assert_int_equal(identity_match("C=CH, CN=g", &id), IDENTITY_NO);
    }
    assert_int_equal(identity_parse("CN=Gw  x", &id), 0);
    assert_int_equal(identity_parse("asn1dn:#300f310d300b060355040"
                                    "30c0467772078",
                                    &same),
                     0);
    assert_true(identity_equal(&id, &same));
    assert_int_equal(identity_hash(&id, 7), identity_hash(&same, 7));
    /* BMPString: "g" and "w" in two octets each are no ASCII */
    assert_int_equal(identity_parse("asn1dn:#300f310d300b06035504031e0400670077", &wide), 0);
    assert_int_equal(identity_match("CN=gw", &wide), IDENTITY_NO);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_and_print),
        cmocka_unit_test(key_ids_in_hex),
        cmocka_unit_test(refused),
        cmocka_unit_test(octets_again),
        cmocka_unit_test(from_the_wire),
        cmocka_unit_test(match),
        cmocka_unit_test(a_nul_matches_no_pattern),
        cmocka_unit_test(distinguished_names_that_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
