/* SPDX-License-Identifier: Apache-2.0 */
/* ipsec.conf and swanctl.conf of other programs, valid and hostile. ikat_net_test.py shows that
 * ikatd accepts the result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "control/settings.h"
#include "ctl/config_text.h"
#include "ctl/config_view.h"
#include "ctl/import.h"

/* --- ipsec.conf --- */

/* text_of - the configuration on one line: "connections { a { ..." */
static char *text_of(struct tree *root)
{
    char *text = NULL;
    size_t len = 0;
    struct config_map map;
    FILE *file = open_memstream(&text, &len);
    config_write(root, file, &map);
    config_map_done(&map);
    (void)fclose(file);
    return text;
}

static char *converted(const char *conf_text, const char *secrets, struct import *import)
{
    struct ipsec_conf conf = {0};
    *import = (struct import){.root = tree_new(TREE_SECTION, "")};
    assert_true(ipsec_conf_parse("ipsec.conf", conf_text, &conf));
    assert_true(ipsec_secrets_parse("ipsec.secrets", secrets, &conf));
    import_ipsec(&conf, import);
    char *text = text_of(import->root);
    ipsec_conf_done(&conf);
    return text;
}

static void import_end(struct import *import, char *text)
{
    tree_free(import->root);
    findings_done(&import->remarks);
    free(text);
}

static bool remarked(const struct import *import, const char *kind, const char *part)
{
    for (size_t i = 0; i < import->remarks.n; i++)
        if (strcmp(import->remarks.items[i].kind, kind) == 0 &&
            strstr(import->remarks.items[i].text, part) != NULL)
            return true;
    return false;
}

#define BASE "conn a\n left=192.0.2.1\n right=192.0.2.2\n authby=secret\n auto=add\n"

static void keys_of_ipsec_conf(void **state)
{
    (void)state;
    static const struct {
        const char *conf, *want; /* a part of the result; NULL: the connection is refused */
    } rows[] = {
        {BASE, "remote_addrs = 192.0.2.2\n"},
        {BASE, "id = 192.0.2.2\n"}, /* without rightid, the peer's identity is its address */
        {BASE, "auth = psk\n"},
        {BASE " leftsubnet=10.1.0.0/16,10.2.0.0/16\n", "local_ts = 10.1.0.0/16, 10.2.0.0/16\n"},
        {BASE " leftsubnets={10.1.0.0/16 10.2.0.0/16}\n", "local_ts = 10.1.0.0/16, 10.2.0.0/16\n"},
        {BASE " rightsubnet=10.1.0.0/16\n rightprotoport=tcp/443\n",
         "remote_ts = 10.1.0.0/16[tcp/443]\n"},
        {BASE " ike=aes256-sha2_512;modp2048\n", "proposals = aes256-sha512-modp2048\n"},
        {BASE " ike=aes_gcm256-sha2;dh19,aes128-sha1;dh14\n",
         "proposals = aes256gcm16-sha256-ecp256, aes128-sha1-modp2048\n"},
        {BASE " esp=aes256gcm16!\n", "esp_proposals = aes256gcm16\n"},
        {BASE " esp=aes256gcm16\n", "esp_proposals = aes256gcm16, default\n"},
        {BASE " leftsourceip=%config\n", "vips = 0.0.0.0\n"},
        {BASE " rightsourceip=10.9.0.0/24\n", "pools = a-4\n"},
        {BASE " rightaddresspool=10.9.0.1-10.9.0.9\n", "addrs = 10.9.0.1-10.9.0.9\n"},
        {BASE " type=transport\n", "mode = transport\n"},
        {BASE " rekey=no\n", "rekey_time = 0\n"},
        {BASE " ikelifetime=8h\n reauth=no\n", "rekey_time = 8h\n"},
        {BASE " ikelifetime=8h\n", "reauth_time = 8h\n"},
        {BASE " rightid=\"C=CH, CN=a # b\" # a comment\n", "id = \"C=CH, CN=a # b\"\n"},
        {"config setup\n uniqueids=never\n" BASE, "unique = never\n"},
        {"conn %default\n mobike=no\n" BASE, "mobike = no\n"},
        {"conn %default\n mobike=no\nconn x\n mobike=yes\n" BASE " also=x\n", "mobike = yes\n"},
        {"conn a\n left=%any\n right=%any\n authby=secret\n", NULL}, /* no auto: a template */
        {BASE " keyexchange=ikev1\n", NULL},
        {BASE " ikev2=no\n", NULL},
        {BASE " ah=sha256\n", NULL},
        {BASE " rightauth=xauth\n", NULL},
        {BASE " rightauth=anything\n", NULL},
        {BASE " authby=null\n", NULL},
        {BASE " rightca=\"C=CH, CN=ca\"\n", NULL}, /* without this key any CA would be accepted */
        {BASE " leftcert=nickname\n", NULL},
        {BASE " rightsubnet=vhost:%priv\n", NULL},
        {BASE " rightsourceip=%dhcp\n", NULL},
        {BASE " rightauth=eap-radius\n rightsourceip=%radius,10.9.0.0/24\n",
         "pools = radius, a-4\n"},
        {BASE " installpolicy=no\n", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct import import;
        char *text = converted(rows[i].conf, "", &import);
        bool refused = remarked(&import, "refused", "connection a is left out");
        const struct tree *conns = config_key(import.root, "connections");
        if (rows[i].want == NULL ? !refused || config_key(conns, "a") != NULL
                                 : refused || strstr(text, rows[i].want) == NULL)
            fail_msg("row %zu: %s", i, text);
        import_end(&import, text);
    }
}

static void unknown_keys_are_told(void **state)
{
    (void)state;
    struct import import;
    char *text = converted(BASE " leftfirewall=yes\n rightxyz=1\n", "", &import);
    assert_true(remarked(&import, "left-out", "iptables"));
    assert_true(remarked(&import, "left-out", "no such key"));
    import_end(&import, text);
}

static void secrets_of_ipsec(void **state)
{
    (void)state;
    struct import import;
    char *text = converted(BASE,
                           "# a comment\n"
                           "@gw 192.0.2.2 : PSK \"a # secret\"\n"
                           "%any: PSK 0x0a0b\n"
                           "bob : EAP '0xquoted'\n"
                           ": RSA key.pem \"pass\"\n"
                           ": RSA {\n\tModulus: 0x1\n\t}\n"
                           "eve : XAUTH \"x\"\n",
                           &import);
    assert_non_null(strstr(text, "secret = \"a # secret\"\n"));
    assert_non_null(strstr(text, "id-2 = 192.0.2.2\n"));
    assert_non_null(strstr(text, "secret = 0x0a0b\n"));
    assert_non_null(strstr(text, "secret = 0x307871756f746564\n")); /* quoted: it is text */
    assert_non_null(strstr(text, "file = key.pem\n"));
    assert_true(remarked(&import, "refused", "raw RSA key"));
    assert_true(remarked(&import, "refused", "IKEv1"));
    import_end(&import, text);
}

static void hostile_files(void **state)
{
    (void)state;
    static const struct {
        const char *conf, *secrets, *error; /* error NULL: it is read without an error */
    } rows[] = {
        {" key=value\n", "", "1: a key outside of a section"},
        {"conn\n", "", "1: a name is expected"},
        {"conn a\n key\n", "", "2: key = value is expected"},
        {"conn a\n =\n", "", "2: key = value is expected"},
        {"conn a\n key=\"open\n", "", "2: a string without an end"},
        {"nonsense a\n", "", "1: neither config"},
        {"include /etc/passwd\n", "", "1: no include is possible here"},
        {"", "a : PSK \"open\n", "1: a string without an end"},
        {"", "a :\n", "1: a type such as PSK"},
        {"conn a\n also=b\n auto=add\nconn b\n also=a\n", "", NULL},
        {"conn a\n also=a\n also=a\n also=a\n auto=add\n", "", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ipsec_conf conf = {0};
        bool ok = ipsec_conf_parse("f", rows[i].conf, &conf) &&
                  ipsec_secrets_parse("f", rows[i].secrets, &conf);
        if (ok != (rows[i].error == NULL) || (!ok && strstr(conf.error, rows[i].error) == NULL))
            fail_msg("row %zu: '%s'", i, conf.error);
        if (ok) {
            struct import import = {.root = tree_new(TREE_SECTION, "")};
            import_ipsec(&conf, &import);
            assert_true(remarked(&import, "refused", "circle"));
            import_end(&import, NULL);
        }
        ipsec_conf_done(&conf);
    }
}

/* An include that is a FIFO must not block the reader. */
static void hostile_includes(void **state)
{
    (void)state;
    char directory[] = "/tmp/import-test-XXXXXX", fifo[64], file[64], text[128];
    struct ipsec_conf conf;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
    (void)snprintf(file, sizeof(file), "%s/ipsec.conf", directory);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    FILE *to = fopen(file, "we");
    assert_non_null(to);
    assert_true(fputs("include fifo\n", to) > 0);
    assert_int_equal(fclose(to), 0);
    assert_false(ipsec_conf_load(file, &conf));
    (void)snprintf(text, sizeof(text), "%s: is not a regular file", fifo);
    assert_string_equal(conf.error, text);
    ipsec_conf_done(&conf);
    assert_int_equal(unlink(fifo), 0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* A list that is too long is refused. A part of it would mean other algorithms than the whole. */
static void long_lists_are_refused(void **state)
{
    (void)state;
    static const char *const keys[] = {"ike", "esp", "leftsubnet", "rightsourceip"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct import import;
        char conf[4096];
        size_t at = (size_t)snprintf(conf, sizeof(conf), BASE " %s=", keys[i]);
        for (unsigned n = 0; n < 200; n++)
            at += (size_t)snprintf(conf + at, sizeof(conf) - at, "%s10.1.%u.0/24",
                                   n == 0 ? "" : ",", n);
        (void)snprintf(conf + at, sizeof(conf) - at, "\n");
        char *text = converted(conf, "", &import);
        assert_true(remarked(&import, "refused", "too many"));
        assert_null(config_key(config_key(import.root, "connections"), "a"));
        import_end(&import, text);
    }
}

/* --- swanctl.conf --- */

static void ikev1_of_swanctl(void **state)
{
    (void)state;
    static const char text[] =
        "connections {\n a {\n version = 1\n}\n b {\n remote {\n auth = "
        "xauth\n}\n}\n c : tmpl {\n version = 2\n dpd_delay = 30s\n}\n d {\n "
        "aggressive = yes\n}\n}\ntmpl {\n mobike = no\n}\n";
    struct settings settings;
    assert_int_equal(settings_parse("s.conf", span_text(text), NULL, &settings), 0);
    struct import import = {.root = settings.root};
    import_swanctl(&import);
    char *out = text_of(import.root);
    assert_string_equal(out,
                        "connections {\n    c {\n        version = 2\n        dpd_delay = 30s\n"
                        "        mobike = no\n    }\n}\n");
    assert_true(remarked(&import, "refused", "connection a is left out: version = 1 is IKEv1"));
    assert_true(remarked(&import, "refused", "connection b is left out: XAUTH"));
    assert_true(remarked(&import, "refused", "connection d is left out: aggressive"));
    assert_true(remarked(&import, "differs", "dpd_timeout"));
    free(out);
    findings_done(&import.remarks);
    settings_done(&settings);
}

/* Each value, with whatever characters, is the same after writing and reading. */
static void values_come_back(void **state)
{
    (void)state;
    static const char *const values[] = {"plain words", " blanks ",   "a # b",
                                         "} {",         "\"q\" \\ x", "a\nb\tc\r",
                                         "two  blanks", "=",          "C=CH, CN=x"};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct settings settings;
        struct tree *root = tree_new(TREE_SECTION, "");
        config_put(config_section(root, "s", NULL), "key", "%s", values[i]);
        char *text = text_of(root);
        assert_int_equal(settings_parse("t", span_text(text), NULL, &settings), 0);
        assert_string_equal(tree_text(tree_get(settings.root, "s"), "key"), values[i]);
        settings_done(&settings);
        free(text);
        tree_free(root);
    }
}

/* --- triplets.dat --- */

#define LINE(identity, n)                                                                          \
    identity ",3" n "000000000000000000000000000000,3" n "112233,3" n "5566778899AABB\n"

static char *triplets(const char *text, struct import *import)
{
    char path[] = "/tmp/import-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
    *import = (struct import){.root = tree_new(TREE_SECTION, "")};
    import_triplets(import, path);
    (void)unlink(path);
    return text_of(import->root);
}

static void triplets_of_eap_sim(void **state)
{
    struct import import;
    (void)state;
    char *text = triplets("# of two\n" LINE("carol", "0") LINE("dave", "1") LINE("carol", "2")
                              LINE("carol", "3") "\n" LINE("dave", "4"),
                          &import);
    assert_string_equal(text,
                        "secrets {\n    eap-triplets-2 {\n        id = carol\n        secret = 0x"
                        "30000000000000000000000000000000301122333055667788"
                        "99AABB32000000000000000000000000000000321122333255667788"
                        "99AABB33000000000000000000000000000000331122333355667788"
                        "99AABB\n    }\n}\n");
    assert_true(remarked(&import, "refused", "dave has less than 3 triplets"));
    assert_true(remarked(&import, "differs", "triplets for EAP-SIM"));
    import_end(&import, text);
}

static void hostile_triplets(void **state)
{
    static const char *const lines[] = {
        "carol\n",
        "carol,\n",
        ",30000000000000000000000000000000,30112233,305566778899AABB\n",
        "carol,30000000000000000000000000000000,30112233\n",
        "carol,3000000000000000000000000000000,30112233,305566778899AABB\n",
        "carol,30000000000000000000000000000000,30112233,305566778899AABB0\n",
        "carol,30000000000000000000000000000000,3011223x,305566778899AABB\n",
        "carol,30000000000000000000000000000000,30112233,305566778899AABB,\n",
    };
    struct import import;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char *text = triplets(lines[i], &import);
        if (!remarked(&import, "refused", "no identity,RAND,SRES,Kc") ||
            strstr(text, "eap") != NULL)
            fail_msg("%s%s", lines[i], text);
        import_end(&import, text);
    }
    char *text =
        triplets(LINE("c", "0") LINE("c", "1") LINE("c", "2") LINE("c", "3") LINE("c", "4")
                     LINE("c", "5") LINE("c", "6") LINE("c", "7") LINE("c", "8") LINE("c", "9"),
                 &import);
    assert_true(remarked(&import, "left-out", "c has 9 triplets already"));
    import_end(&import, text);
    text = triplets(LINE("c", "a") LINE("c", "1") LINE("c", "A") LINE("c", "2"), &import);
    assert_true(remarked(&import, "left-out", "c has this RAND already"));
    assert_null(strstr(text, "3A0000"));
    assert_non_null(strstr(text, "320000"));
    import_end(&import, text);
    import = (struct import){.root = tree_new(TREE_SECTION, "")};
    import_triplets(&import, "/nowhere/triplets.dat");
    assert_null(import.root->first);
    import_end(&import, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_ipsec_conf),  cmocka_unit_test(unknown_keys_are_told),
        cmocka_unit_test(secrets_of_ipsec),    cmocka_unit_test(hostile_files),
        cmocka_unit_test(hostile_includes),    cmocka_unit_test(long_lists_are_refused),
        cmocka_unit_test(ikev1_of_swanctl),    cmocka_unit_test(values_come_back),
        cmocka_unit_test(triplets_of_eap_sim), cmocka_unit_test(hostile_triplets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
