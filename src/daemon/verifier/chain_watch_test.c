/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates that are revoked after the login: A9 and K22 of the threat catalogue. */
#include "daemon/verifier/chain_watch.h"

#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/unit_test.h"

#define DAY 86400

static struct chain_watch *watch;
static struct cert_store store;
static struct revocation *revocation;
static EVP_PKEY *ca_key, *key;
static X509 *ca, *alice, *bob;
static nanos now;

static X509 *make(const char *name, bool of_ca, const char *access)
{
    static long serial = 1;
    X509 *x509 = X509_new();
    assert_int_equal(X509_set_version(x509, X509_VERSION_3), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), -DAY);
    X509_gmtime_adj(X509_getm_notAfter(x509), DAY);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const uint8_t *)name, -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(of_ca ? x509 : ca));
    X509_set_pubkey(x509, of_ca ? ca_key : key);
    if (of_ca) {
        X509_EXTENSION *extension =
            X509V3_EXT_nconf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
        assert_int_equal(X509_add_ext(x509, extension, -1), 1);
        X509_EXTENSION_free(extension);
    }
    if (access != NULL) {
        X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, NID_info_access, access);
        assert_int_equal(X509_add_ext(x509, extension, -1), 1);
        X509_EXTENSION_free(extension);
    }
    assert_true(X509_sign(x509, ca_key, EVP_sha256()) > 0);
    return x509;
}

/* list_load - a list of the CA that revokes `who`; NULL: nobody. */
static void list_load(const X509 *who, long from, long until)
{
    uint8_t *der = NULL;
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *time = X509_gmtime_adj(NULL, from);
    X509_CRL_set_version(list, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(ca));
    X509_CRL_set1_lastUpdate(list, time);
    X509_gmtime_adj(time, until);
    X509_CRL_set1_nextUpdate(list, time);
    if (who != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber((X509 *)who));
        X509_gmtime_adj(time, -1);
        X509_REVOKED_set_revocationDate(entry, time);
        X509_CRL_add0_revoked(list, entry);
    }
    ASN1_TIME_free(time);
    assert_true(X509_CRL_sign(list, ca_key, EVP_sha256()) > 0);
    int len = i2d_X509_CRL(list, &der);
    assert_int_equal(cert_store_crl(&store, span_of(der, (size_t)len)), 0);
    OPENSSL_free(der);
    X509_CRL_free(list);
}

static struct verifier_cert ca_wanted(struct span *ret_der, uint8_t **der)
{
    struct verifier_cert wanted = {.role = CERT_ROLE_CA};
    int len = i2d_X509(ca, der);
    *ret_der = span_of(*der, (size_t)len);
    SHA256(ret_der->ptr, ret_der->len, wanted.digest);
    return wanted;
}

static int setup(void **state)
{
    (void)state;
    struct span der;
    uint8_t *octets = NULL;
    now = 1000 * NANOS_PER_SEC;
    watch = chain_watch_new();
    revocation = revocation_new();
    ca_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    ca = make("CA", true, NULL);
    alice = make("alice", false, NULL);
    bob = make("bob", false, NULL);
    assert_int_equal(cert_store_init(&store), 0);
    const struct verifier_cert wanted = ca_wanted(&der, &octets);
    assert_int_equal(cert_store_add(&store, &wanted, der), 0);
    OPENSSL_free(octets);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    watch = chain_watch_free(watch);
    revocation = revocation_free(revocation);
    cert_store_done(&store);
    X509_free(alice), X509_free(bob), X509_free(ca);
    EVP_PKEY_free(key), EVP_PKEY_free(ca_key);
    return 0;
}

static uint64_t add(X509 *leaf)
{
    struct chain_watched what = {.chain = sk_X509_new_null()};
    uint64_t number;
    sk_X509_push(what.chain, leaf);
    if (leaf != ca)
        sk_X509_push(what.chain, ca);
    assert_int_equal(chain_watch_add(watch, &what, now, &number), 0);
    sk_X509_free(what.chain);
    return number;
}

static void login(X509 *leaf, uint32_t session)
{
    assert_int_equal(chain_watch_claim(watch, add(leaf), session), 0);
}

/* step - a second later. Returns the session that must end, 0: none. */
static uint32_t step(void)
{
    char reason[VERIFIER_REASON];
    uint32_t session;
    now += NANOS_PER_SEC;
    for (int i = 0; i < 3; i++) { /* the first one may only see that the lists changed */
        chain_watch_step(watch, &store, revocation, now);
        now += CHAIN_WATCH_SETTLE;
    }
    if (!chain_watch_revoked(watch, &session, reason))
        return 0;
    assert_non_null(strstr(reason, "was revoked on 20"));
    return session;
}

static void only_the_revoked_one(void **state)
{
    (void)state;
    login(alice, 7);
    login(bob, 8);
    assert_int_equal(step(), 0);
    list_load(NULL, -DAY, DAY);
    assert_int_equal(step(), 0);
    list_load(alice, -60, DAY);
    assert_int_equal(step(), 7);
    assert_int_equal(step(), 0); /* once */
}

static void all_its_sessions(void **state)
{
    (void)state;
    login(alice, 7);
    login(alice, 9);
    list_load(alice, -60, DAY);
    assert_int_equal(step() + step(), 7 + 9);
}

static void claimed_late(void **state)
{
    (void)state;
    uint64_t number = add(alice);
    list_load(alice, -60, DAY);
    assert_int_equal(step(), 0); /* a login that failed has no session */
    assert_int_equal(chain_watch_claim(watch, number, 7), 0);
    assert_int_equal(step(), 7);
}

static void forgotten(void **state)
{
    (void)state;
    login(alice, 7);
    list_load(alice, -60, DAY);
    chain_watch_step(watch, &store, revocation, now);
    now += CHAIN_WATCH_SETTLE;
    chain_watch_step(watch, &store, revocation, now);
    chain_watch_forget(watch, 7);
    chain_watch_forget(watch, 7);
    assert_int_equal(step(), 0);
    assert_true(chain_watch_deadline(watch) == NANOS_NEVER);
}

/* A hostile engine claims unknown numbers, or the login of another session. */
static void wrong_claims(void **state)
{
    (void)state;
    uint64_t number = add(alice);
    assert_int_equal(chain_watch_claim(watch, number + 1, 7), ERR_NOT_FOUND);
    assert_int_equal(chain_watch_claim(watch, 0, 7), ERR_NOT_FOUND);
    assert_int_equal(chain_watch_claim(watch, number, 0), ERR_NOT_FOUND);
    assert_int_equal(chain_watch_claim(watch, number, 7), 0);
    assert_int_equal(chain_watch_claim(watch, number, 8), ERR_NOT_FOUND);
    list_load(alice, -60, DAY);
    assert_int_equal(step(), 7);
    now += CHAIN_WATCH_UNCLAIMED_NS;
    number = add(bob);
    now += CHAIN_WATCH_UNCLAIMED_NS;
    (void)add(alice);
    assert_int_equal(chain_watch_claim(watch, number, 9), ERR_NOT_FOUND);
}

/* A session resumes: a revocation ends the new session, at once or later. The old one has no chain
 * any more. */
static void passed(void **state)
{
    (void)state;
    login(alice, 7);
    login(bob, 7);
    assert_int_equal(chain_watch_pass(watch, 7, 8), 0);
    chain_watch_forget(watch, 7);
    list_load(alice, -60, DAY);
    assert_int_equal(step(), 8); /* the old session is over, and is not named */
    assert_int_equal(chain_watch_pass(watch, 8, 9), 0);
    assert_int_equal(step(), 9);
    chain_watch_forget(watch, 9);
    assert_true(chain_watch_deadline(watch) == NANOS_NEVER);
}

static void wrong_passes(void **state)
{
    (void)state;
    login(alice, 7);
    login(bob, 8);
    assert_int_equal(chain_watch_pass(watch, 6, 9), ERR_NOT_FOUND);
    assert_int_equal(chain_watch_pass(watch, 0, 9), ERR_NOT_FOUND);
    assert_int_equal(chain_watch_pass(watch, 7, 0), ERR_NOT_FOUND);
    assert_int_equal(chain_watch_pass(watch, 7, 7), ERR_NOT_FOUND);
    assert_int_equal(chain_watch_pass(watch, 7, 8), ERR_NOT_FOUND);
    list_load(alice, -60, DAY);
    assert_int_equal(step(), 7);
}

static void ca_unloaded(void **state)
{
    (void)state;
    struct span der;
    uint8_t *octets = NULL;
    const struct verifier_cert wanted = ca_wanted(&der, &octets);
    login(alice, 7);
    cert_store_remove(&store, &wanted);
    OPENSSL_free(octets);
    assert_int_equal(step(), 0);
    list_load(alice, -60, DAY);
    assert_int_equal(step(), 7);
}

/* A list of another CA with the same name has no effect. */
static void forged_list(void **state)
{
    (void)state;
    EVP_PKEY *own = ca_key;
    login(alice, 7);
    ca_key = key;
    list_load(alice, -60, DAY);
    ca_key = own;
    assert_int_equal(step(), 0);
}

static void deadlines(void **state)
{
    (void)state;
    assert_int_equal(add(ca), 0); /* no CA can revoke a trusted certificate */
    login(alice, 7);
    list_load(NULL, -DAY, 10 * DAY);
    assert_int_equal(step(), 0);
    assert_in_range(chain_watch_deadline(watch) - now, CHAIN_WATCH_MOST - 3 * NANOS_PER_SEC,
                    CHAIN_WATCH_MOST);
    list_load(NULL, -DAY + 60, 60); /* and the skew */
    assert_int_equal(step(), 0);
    assert_in_range(chain_watch_deadline(watch) - now, 350 * NANOS_PER_SEC, 362 * NANOS_PER_SEC);
}

/* A revocation was withdrawn: a new login does not end because of the old one. */
static void taken_back(void **state)
{
    (void)state;
    (void)add(alice);
    list_load(alice, -60, DAY);
    assert_int_equal(step(), 0);
    list_load(NULL, -30, DAY);
    login(alice, 7);
    assert_int_equal(step(), 0);
    list_load(alice, -10, DAY);
    assert_int_equal(step(), 7);
}

/* busy - logins have all fetches that the watch may use. */
static void busy(void)
{
    for (int i = 0; i < REVOCATION_BACKGROUND; i++) {
        X509 *other = make("other", false, "OCSP;URI:http://ocsp.example/");
        const struct revocation_of of = {.cert = other, .issuer = ca};
        assert_int_not_equal(revocation_ask(revocation, &of, false, now), 0);
        X509_free(other);
    }
}

/* While logins fetch, a chain that needs a fetch is checked less and less often. */
static void backs_off(void **state)
{
    (void)state;
    struct fetch_request request;
    uint8_t body[FETCH_BODY];
    unsigned n = 0, turns = 0;
    X509 *carol = make("carol", false, "OCSP;URI:http://ocsp.example/carol");
    busy();
    login(carol, 7);
    for (nanos end = now + 60 * NANOS_PER_SEC; now < end; turns++) {
        now = chain_watch_deadline(watch);
        chain_watch_step(watch, &store, revocation, now);
    }
    assert_in_range(turns, 3, 10);
    while (revocation_send(revocation, &request, body))
        n++;
    assert_int_equal(n, REVOCATION_BACKGROUND);
    X509_free(carol);
}

/* octets_of - the chains of the session, as another verifier gets them. */
static struct span octets_of(uint32_t session)
{
    static uint8_t octets[4096];
    struct writer w = writer_of(octets, sizeof(octets));
    assert_int_equal(chain_watch_export(watch, session, &w), 0);
    return writer_span(&w);
}

/* Another verifier watches the chains of the session as the first one did. */
static void handed_over(void **state)
{
    (void)state;
    login(alice, 7);
    login(bob, 7); /* two rounds */
    login(bob, 8);
    struct span alices = octets_of(7);
    watch = chain_watch_free(watch);
    watch = chain_watch_new();
    assert_int_equal(chain_watch_import(watch, 7, alices, now), 0);
    assert_int_equal(chain_watch_import(watch, 7, alices, now), ERR_INVALID); /* once */
    assert_int_equal(step(), 0);
    list_load(bob, -60, DAY);
    assert_int_equal(step(), 7);
    list_load(alice, -30, DAY);
    assert_int_equal(step(), 7);
    assert_int_equal(step(), 0);
    chain_watch_forget(watch, 7);
    assert_true(chain_watch_deadline(watch) == NANOS_NEVER);
}

/* Octets that are cut or changed: an error, or other certificates. Nothing is read beyond them. */
static void handed_over_badly(void **state)
{
    (void)state;
    uint8_t small[8];
    struct writer none = writer_of(small, sizeof(small));
    assert_int_equal(chain_watch_export(watch, 7, &none), ERR_NOT_FOUND);
    login(alice, 7);
    assert_int_equal(chain_watch_export(watch, 7, &none), ERR_TRUNCATED);
    struct span whole = octets_of(7);
    uint32_t session = 100;
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, whole.ptr, len);
        assert_int_equal(chain_watch_import(watch, session++, span_of(copy, len), now),
                         ERR_INVALID);
        free(copy);
    }
    for (size_t i = 0; i < whole.len; i++) {
        uint8_t *octet = (uint8_t *)(uintptr_t)whole.ptr + i;
        *octet ^= 0x80;
        (void)!chain_watch_import(watch, session++, whole, now);
        *octet ^= 0x80;
    }
    assert_int_equal(chain_watch_import(watch, session, whole, now), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(backs_off, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_revoked_one, setup, teardown),
        cmocka_unit_test_setup_teardown(all_its_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(claimed_late, setup, teardown),
        cmocka_unit_test_setup_teardown(forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_claims, setup, teardown),
        cmocka_unit_test_setup_teardown(passed, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(ca_unloaded, setup, teardown),
        cmocka_unit_test_setup_teardown(forged_list, setup, teardown),
        cmocka_unit_test_setup_teardown(deadlines, setup, teardown),
        cmocka_unit_test_setup_teardown(handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(handed_over_badly, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
