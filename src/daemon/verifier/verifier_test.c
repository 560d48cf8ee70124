/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier against certificates of all kinds. Rows of the threat catalogue:
 * A4 identities, A5 usages, A6 keys, A7 validity, A8 revocation, A10 to A14
 * chains, A16 octets, A17 algorithms.
 */
#include "daemon/verifier/verifier.h"

#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "base/unit_test.h"
#include "crypto/key_id.h"
#include "crypto/signature.h"
#include "daemon/verifier/cert_store.h"
#include "eap/test_certificates.h"
#include "ike/terms/identity.h"

#define DAY 86400
#define ALL 0x3c

static struct crypto_provider *crypto;
static struct verifier *verifier;
static struct verifier_request request;
static struct verifier_answer answer;
static uint8_t octets[VERIFIER_OCTETS], certs[VERIFIER_ANSWER_MAX];
static struct writer chosen;

/* --- certificates --- */

struct maker {
    const char *name; /* CN */
    X509 *issuer;     /* NULL: itself */
    EVP_PKEY *key, *issuer_key;
    long begin, end; /* seconds from now; both 0: a day ago to in a month */
    bool ca, v1, sha1;
    struct {
        int nid;
        const char *value;
    } extensions[4];
    const char *unknown; /* object identifier of a critical extension that nobody knows */
};

static EVP_PKEY *ec(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    assert_non_null(key);
    return key;
}

static void extension_add(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void unknown_add(X509 *x509, const char *oid)
{
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    assert_int_equal(ASN1_OCTET_STRING_set(value, (const uint8_t *)"\x05", 2), 1);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, 1, value);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
    ASN1_OBJECT_free(object);
    ASN1_OCTET_STRING_free(value);
}

static X509 *make(const struct maker *m)
{
    static long serial = 1000;
    X509 *x509 = X509_new(), *issuer = m->issuer == NULL ? x509 : m->issuer;
    bool times = m->begin != 0 || m->end != 0;
    assert_int_equal(X509_set_version(x509, m->v1 ? X509_VERSION_1 : X509_VERSION_3), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), times ? m->begin : -DAY);
    X509_gmtime_adj(X509_getm_notAfter(x509), times ? m->end : 30 * DAY);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const uint8_t *)m->name, -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(issuer));
    X509_set_pubkey(x509, m->key);
    if (!m->v1 && m->ca)
        extension_add(x509, issuer, NID_basic_constraints, "critical,CA:TRUE");
    if (!m->v1)
        extension_add(x509, issuer, NID_subject_key_identifier, "hash");
    for (size_t i = 0; i < ARRAY_LEN(m->extensions) && m->extensions[i].value != NULL; i++)
        extension_add(x509, issuer, m->extensions[i].nid, m->extensions[i].value);
    if (m->unknown != NULL)
        unknown_add(x509, m->unknown);
    EVP_PKEY *signer = m->issuer_key == NULL ? m->key : m->issuer_key;
    assert_true(X509_sign(x509, signer, m->sha1 ? EVP_sha1() : EVP_sha256()) > 0);
    return x509;
}

/* --- requests --- */

static void ask(struct span behind)
{
    chosen = writer_of(certs, sizeof(certs));
    static nanos now;
    if (verifier_answer(verifier, &request, behind, &answer, &chosen))
        return;
    verifier_tick(verifier, now += 3600 * NANOS_PER_SEC); /* no fetcher is there */
    assert_true(verifier_late(verifier, &answer, &chosen));
}

static void load(X509 *x509, enum cert_role role)
{
    uint8_t *der = NULL;
    int n = i2d_X509(x509, &der);
    memset(&request, 0, sizeof(request));
    request.kind = VERIFIER_CERT;
    request.cert.role = (uint32_t)role;
    SHA256(der, (size_t)n, request.cert.digest);
    ask(span_of(der, (size_t)n));
    assert_int_equal(answer.error, 0);
    OPENSSL_free(der);
}

static void digest_of(const X509 *x509, uint8_t out[CERT_DIGEST])
{
    unsigned len = CERT_DIGEST;
    assert_int_equal(X509_digest(x509, EVP_sha256(), out, &len), 1);
}

static uint8_t init[300], nonce[32], sk_p[32], id_room[4 + LIMIT_ID];

static struct auth_octets parts(bool of_gateway)
{
    memset(init, 0xaa, sizeof(init));
    memcpy(init + 16, "\x21\x20\x22\x08\0\0\0\0\0\0\x01\x2c", 12);
    init[19] = of_gateway ? 0x20 : 0x08;
    memset(nonce, 0xbb, sizeof(nonce));
    memset(sk_p, 0xcc, sizeof(sk_p));
    return (struct auth_octets){
        .prf = 5,
        .message = span_of(init, sizeof(init)),
        .nonce = span_of(nonce, sizeof(nonce)),
        .sk_p = span_of(sk_p, sizeof(sk_p)),
    };
}

static struct span sign(EVP_PKEY *key, const struct auth_octets *o, uint8_t *out)
{
    const struct signature_wish wish = {.hashes = ALL};
    struct span list[AUTH_OCTETS_PARTS];
    uint8_t prf[AUTH_OCTETS_PRF], all[512], method;
    struct writer w = writer_of(all, sizeof(all)), made = writer_of(out, SIGNATURE_AUTH_MAX);
    struct signature_scheme scheme;
    assert_int_equal(auth_octets_parts(crypto, o, prf, list), 0);
    for (size_t i = 0; i < AUTH_OCTETS_PARTS; i++)
        write_bytes(&w, list[i]);
    assert_int_equal(signature_choose(key, &wish, &method, &scheme), 0);
    assert_int_equal(signature_make(key, method, &scheme, writer_span(&w), &made), 0);
    return writer_span(&made);
}

/* struct peer - the peer of the request that check_begin() makes. */
struct peer {
    const char *id; /* NULL: "gw.example" */
    EVP_PKEY *key;  /* signs */
    X509 *chain[12];
    bool of_user; /* the peer is the initiator */
};

static void cert_put(X509 *x509, struct writer *w)
{
    struct verifier_check *c = &request.check;
    uint8_t *der = NULL;
    int n = i2d_X509(x509, &der);
    if (c->n_certs < VERIFIER_CHAIN) {
        c->encodings[c->n_certs] = CERT_X509;
        c->cert_lengths[c->n_certs] = (uint32_t)n;
        c->n_certs++;
        write_bytes(w, span_of(der, (size_t)n));
    }
    OPENSSL_free(der);
}

static struct span check_begin(const struct peer *peer, const struct cert_policy *policy)
{
    uint8_t auth[SIGNATURE_AUTH_MAX];
    struct writer w = writer_of(octets, sizeof(octets));
    struct auth_octets o = parts(!peer->of_user);
    memset(&request, 0, sizeof(request));
    request.kind = VERIFIER_CHECK;
    request.job = 9;
    request.check.auth_method = 14;
    strcpy(request.check.conn, "office");
    assert_int_equal(
        identity_parse(peer->id == NULL ? "gw.example" : peer->id, &request.check.remote), 0);
    o.id_body = identity_body(&request.check.remote, id_room);
    if (policy != NULL)
        request.check.policy = *policy;
    auth_parts_write(&o, sign(peer->key, &o, auth), &request.check.lengths, &w);
    for (size_t i = 0; i < ARRAY_LEN(peer->chain) && peer->chain[i] != NULL; i++)
        cert_put(peer->chain[i], &w);
    return writer_span(&w);
}

static int check(const struct peer *peer, const struct cert_policy *policy)
{
    ask(check_begin(peer, policy));
    assert_int_equal(answer.job, 9);
    if (answer.error == 0)
        assert_true(answer.not_after > 0 && answer.reason[0] == '\0');
    return answer.error;
}

static void expect_refused(const struct peer *peer, const struct cert_policy *policy,
                           const char *why)
{
    assert_int_not_equal(check(peer, policy), 0);
    if (strstr(answer.reason, why) == NULL)
        fail_msg("'%s' was expected, not '%s'", why, answer.reason);
}

/* --- the world of each test: a CA, and a gateway with a certificate of it --- */

static EVP_PKEY *ca_key, *key;
static X509 *ca, *leaf;
#define GW_NAMES                                                                                   \
    {                                                                                              \
        {                                                                                          \
            NID_subject_alt_name, "DNS:gw.example,email:gw@example,IP:192.0.2.1"                   \
        }                                                                                          \
    }

static X509 *leaf_of(struct maker m)
{
    m.name = m.name == NULL ? "gw" : m.name;
    m.key = m.key == NULL ? key : m.key;
    m.issuer = m.issuer == NULL ? ca : m.issuer;
    m.issuer_key = m.issuer_key == NULL ? ca_key : m.issuer_key;
    return make(&m);
}

static int setup(void **state)
{
    (void)state;
    crypto = crypto_new();
    verifier = verifier_new(crypto);
    ca_key = ec();
    key = ec();
    ca = make(&(struct maker){.name = "CA", .key = ca_key, .ca = true});
    leaf = leaf_of((struct maker){.extensions = GW_NAMES});
    load(ca, CERT_ROLE_CA);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    verifier = verifier_free(verifier);
    crypto = crypto_free(crypto);
    X509_free(ca);
    X509_free(leaf);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    return 0;
}

/* --- tests --- */

static void identities(void **state)
{
    static const struct {
        const char *id;
        bool ok;
    } rows[] = {
        {"gw.example", true},
        {"GW.EXAMPLE", true},
        {"gw@example", true},
        {"192.0.2.1", true},
        {"CN=gw", true},
        {"cn=GW", true},
        {"gw.example.", false},
        {"x.gw.example", false},
        {"w.example", false},
        {"gw", false},
        /* only in the CN */ {"fqdn:gw@example", false},
        {"192.0.2.2", false},
        {"CN=gw2", false},
        {"O=gw", false},
        {"keyid:gw.example", false},
        {"email:gw.example", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer peer = {.id = rows[i].id, .key = key, .chain = {leaf}};
        if ((check(&peer, NULL) == 0) != rows[i].ok)
            fail_msg("%s: %s", rows[i].id, answer.reason);
        if (!rows[i].ok)
            assert_true(answer.unfit == 0 && strstr(answer.reason, "is not that of its identity"));
    }
}

/* A4: a wildcard or a NUL in a certificate has no special meaning. */
static void names_that_are_more(void **state)
{
    (void)state;
    X509 *wild = leaf_of((struct maker){.extensions = {{NID_subject_alt_name, "DNS:*.example"}}});
    expect_refused(&(struct peer){.key = key, .chain = {wild}}, NULL, "is not that of");
    X509_free(wild);
    uint8_t der[4096], *at = der;
    int n = i2d_X509(leaf, &at);
    uint8_t *name = memmem(der, (size_t)n, "gw.example", 10);
    name[2] = '\0'; /* "gw\0example" */
    const uint8_t *from = der;
    X509 *nul = d2i_X509(NULL, &from, n);
    expect_refused(&(struct peer){.id = "fqdn:gw", .key = key, .chain = {nul}}, NULL,
                   "is not that of");
    X509_free(nul);
}

/* A16: each part of the signed octets, and each octet of the signature. */
static void octets_that_differ(void **state)
{
    (void)state;
    struct peer peer = {.key = key, .chain = {leaf}};
    assert_int_equal(check(&peer, NULL), 0);
    struct span behind = check_begin(&peer, NULL);
    const struct auth_lengths *l = &request.check.lengths;
    size_t end = l->message + l->nonce + l->sk_p + l->id_body + l->auth;
    for (size_t i = 28; i < end; i++) {
        octets[i] ^= 0x01;
        ask(behind);
        assert_int_not_equal(answer.error, 0);
        octets[i] ^= 0x01;
    }
    ask(behind);
    assert_int_equal(answer.error, 0);
    EVP_PKEY *other = ec(); /* A6 */
    expect_refused(&(struct peer){.key = other, .chain = {leaf}}, NULL,
                   "was not made with the key");
    assert_int_equal(answer.unfit, 0); /* no other connection would accept it */
    EVP_PKEY_free(other);
}

static void validity(void **state)
{
    (void)state;
    X509 *old = leaf_of((struct maker){.begin = -9 * DAY, .end = -DAY, .extensions = GW_NAMES});
    X509 *young = leaf_of((struct maker){.begin = DAY, .end = 9 * DAY, .extensions = GW_NAMES});
    X509 *turned = leaf_of((struct maker){.begin = DAY, .end = -DAY, .extensions = GW_NAMES});
    expect_refused(&(struct peer){.key = key, .chain = {old}}, NULL,
                   "the gateway's certificate CN=gw expired on 20");
    expect_refused(&(struct peer){.key = key, .chain = {young}}, NULL, "is not valid before 20");
    expect_refused(&(struct peer){.key = key, .chain = {turned}}, NULL, "the clock of this host");
    assert_int_equal(check(&(struct peer){.key = key, .chain = {leaf}}, NULL), 0);
    assert_true(answer.not_after > time(NULL) + 29 * DAY &&
                answer.not_after < time(NULL) + 31 * DAY);
    X509_free(old);
    X509_free(young);
    X509_free(turned);
}

/* A5, A10: what the certificate is for. */
static void usages(void **state)
{
    static const struct {
        struct maker maker;
        bool gateway, user;
    } rows[] = {
        {{.extensions = {{NID_ext_key_usage, "serverAuth"}}}, true, true},
        {{.extensions = {{NID_ext_key_usage, "clientAuth"}}}, false, true},
        {{.extensions = {{NID_ext_key_usage, "1.3.6.1.5.5.7.3.17"}}}, true, true},
        {{.extensions = {{NID_ext_key_usage, "anyExtendedKeyUsage"}}}, true, true},
        {{.extensions = {{NID_ext_key_usage, "codeSigning"}}}, false, false},
        {{.extensions = {{NID_key_usage, "critical,digitalSignature"}}}, true, true},
        {{.extensions = {{NID_key_usage, "critical,keyEncipherment"}}}, false, false},
        {{.ca = true}, false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct maker m = rows[i].maker;
        m.extensions[1].nid = NID_subject_alt_name;
        m.extensions[1].value = "DNS:gw.example";
        if (m.extensions[0].value == NULL)
            m.extensions[0] = m.extensions[1], m.extensions[1].value = NULL;
        X509 *x509 = leaf_of(m);
        struct peer peer = {.key = key, .chain = {x509}};
        assert_int_equal(check(&peer, NULL) == 0, rows[i].gateway);
        peer.of_user = true;
        assert_int_equal(check(&peer, NULL) == 0, rows[i].user);
        X509_free(x509);
    }
}

/* A11: the path is found in any order. A path with a missing certificate, one that is too long, or
 * one through a certificate of no CA is refused. */
static void chains(void **state)
{
    EVP_PKEY *keys[10];
    X509 *cas[10], *end;
    struct peer peer = {.key = key};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cas); i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "CA %zu", i);
        keys[i] = ec();
        cas[i] = make(&(struct maker){.name = name,
                                      .key = keys[i],
                                      .issuer = i == 0 ? ca : cas[i - 1],
                                      .issuer_key = i == 0 ? ca_key : keys[i - 1],
                                      .ca = true});
    }
    for (size_t n = 1; n <= ARRAY_LEN(cas); n++) {
        end = leaf_of((struct maker){
            .issuer = cas[n - 1], .issuer_key = keys[n - 1], .extensions = GW_NAMES});
        memset(peer.chain, 0, sizeof(peer.chain));
        peer.chain[0] = end;
        for (size_t i = 0; i < n; i++)
            peer.chain[1 + i] = cas[i]; /* the wrong way round */
        assert_int_equal(check(&peer, NULL) == 0, n <= VERIFIER_CHAIN - 1);
        if (n == 2) {
            peer.chain[1] = ca; /* the root comes along, an intermediate does not */
            expect_refused(&peer, NULL,
                           "has a chain that ends at CA CN=CA 0, which is not in x509ca");
            peer.chain[1] = NULL;
            load(cas[0], CERT_ROLE_PLAIN);
            load(cas[1], CERT_ROLE_PLAIN);
            assert_int_equal(check(&peer, NULL), 0); /* both are here */
        }
        X509_free(end);
    }
    for (size_t i = 0; i < ARRAY_LEN(cas); i++) {
        X509_free(cas[i]);
        EVP_PKEY_free(keys[i]);
    }
}

/* A11, A14: a root that the peer sends is not trusted, nor are two CAs that sign each other. */
static void strangers(void **state)
{
    EVP_PKEY *own = ec();
    X509 *root = make(&(struct maker){.name = "Their CA", .key = own, .ca = true});
    X509 *theirs =
        leaf_of((struct maker){.issuer = root, .issuer_key = own, .extensions = GW_NAMES});
    X509 *alone = make(&(struct maker){.name = "gw", .key = key, .extensions = GW_NAMES});
    X509 *namesake = make(&(struct maker){.name = "CA", .key = own, .ca = true});
    X509 *forged =
        leaf_of((struct maker){.issuer = namesake, .issuer_key = own, .extensions = GW_NAMES});
    (void)state;
    expect_refused(&(struct peer){.key = key, .chain = {theirs, root}}, NULL,
                   "is signed by CA CN=Their CA, which is not in x509ca");
    expect_refused(&(struct peer){.key = key, .chain = {theirs}}, NULL,
                   "is signed by CA CN=Their CA, which is not in x509ca");
    expect_refused(&(struct peer){.key = key, .chain = {alone}}, NULL,
                   "signed itself, and is not in certs of connection office");
    expect_refused(&(struct peer){.key = key, .chain = {forged, namesake}}, NULL, "");
    struct cert_policy pinned = {.n_certs = 1};
    digest_of(alone, pinned.certs[0]);
    assert_int_equal(check(&(struct peer){.key = key, .chain = {alone}}, &pinned), 0);
    expect_refused(&(struct peer){.key = key, .chain = {leaf}}, &pinned, "is not in certs of");
    struct cert_policy named = {.n_cas = 1};
    load(root, CERT_ROLE_CONN);
    digest_of(root, named.cas[0]);
    assert_int_equal(check(&(struct peer){.key = key, .chain = {theirs}}, &named), 0);
    expect_refused(&(struct peer){.key = key, .chain = {leaf}}, &named,
                   "is signed by CA CN=CA, which is not in cacerts of connection office");
    expect_refused(&(struct peer){.key = key, .chain = {theirs}}, NULL, "which is not in x509ca");
    X509_free(root);
    X509_free(theirs);
    X509_free(alone);
    X509_free(namesake);
    X509_free(forged);
    EVP_PKEY_free(own);
}

/* middle_check - a certificate below an intermediate CA that is made so. Frees its key. */
static int middle_check(struct maker middle, const char *names)
{
    EVP_PKEY *own = middle.key == NULL ? ec() : middle.key;
    middle.name = "Middle";
    middle.key = own;
    middle.issuer = ca;
    middle.issuer_key = ca_key;
    X509 *x509 = make(&middle);
    X509 *end = leaf_of((struct maker){
        .issuer = x509, .issuer_key = own, .extensions = {{NID_subject_alt_name, names}}});
    int error = check(&(struct peer){.key = key, .chain = {end, x509}}, NULL);
    X509_free(x509);
    X509_free(end);
    EVP_PKEY_free(own);
    return error;
}

/* A10, A12, A13 */
static void constraints_of_cas(void **state)
{
    static const char gw[] = "DNS:gw.example";
    (void)state;
    assert_int_equal(middle_check((struct maker){.ca = true}, gw), 0);
    assert_int_not_equal(middle_check((struct maker){.ca = false}, gw), 0);
    assert_int_not_equal(middle_check((struct maker){.v1 = true}, gw), 0);
    assert_int_not_equal(
        middle_check((struct maker){.ca = true,
                                    .extensions = {{NID_key_usage, "critical,digitalSignature"}}},
                     gw),
        0);
    assert_int_equal(
        middle_check(
            (struct maker){.ca = true, .extensions = {{NID_key_usage, "critical,keyCertSign"}}},
            gw),
        0);
    static const struct {
        const char *constraint, *names;
        bool ok;
    } rows[] = {
        {"critical,permitted;DNS:.example", "DNS:gw.example", true},
        {"critical,permitted;DNS:.other", "DNS:gw.example", false},
        {"critical,excluded;DNS:.example", "DNS:gw.example", false},
        {"critical,excluded;DNS:.EXAMPLE", "DNS:gw.example", false}, /* CVE-2026-35331 */
        {"critical,excluded;email:example", "DNS:gw.example,email:gw@EXAMPLE", false},
        {"critical,permitted;IP:192.0.2.0/255.255.255.0", "DNS:gw.example,IP:192.0.2.1", true},
        {"critical,permitted;IP:198.51.100.0/255.255.255.0", "DNS:gw.example,IP:192.0.2.1", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(
            middle_check((struct maker){.ca = true,
                                        .extensions = {{NID_name_constraints, rows[i].constraint}}},
                         rows[i].names) == 0,
            rows[i].ok);
    assert_int_not_equal(middle_check((struct maker){.ca = true, .unknown = "1.2.3.4"}, gw), 0);
}

static void weak_and_odd(void **state)
{
    EVP_PKEY *weak = test_rsa_make(1024), *large = test_rsa_make(SIGNATURE_RSA_BITS_MAX + 1);
    const struct maker odd[] = {{.unknown = "1.2.3.4", .extensions = GW_NAMES},
                                {.sha1 = true, .extensions = GW_NAMES},
                                {.key = weak, .extensions = GW_NAMES},
                                {.key = large, .extensions = GW_NAMES}};
    static const char *const why[] = {"critical extension", "certificate chain", "kind", "kind"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct peer peer = {.key = key, .chain = {leaf_of(odd[i])}};
        expect_refused(&peer, NULL, why[i]);
        X509_free(peer.chain[0]);
    }
    assert_int_equal(middle_check((struct maker){.ca = true, .key = large}, "DNS:gw.example"), 0);
    EVP_PKEY_free(weak);
}

static void constraints_of_connections(void **state)
{
    struct cert_policy rsa = {.strength = {.rsa_bits = 2048}},
                       large = {.strength = {.ecdsa_bits = 384}};
    struct cert_policy hash = {.chain_hashes = 1u << SIGNATURE_SHA2_512};
    struct cert_policy ike = {.ike_hashes = 1u << SIGNATURE_SHA2_512}, issuer = {0}, policy = {0};
    struct peer peer = {.key = key, .chain = {leaf}};
    (void)state;
    expect_refused(&peer, &rsa, "is of a kind or strength");
    expect_refused(&peer, &large, "is of a kind or strength");
    expect_refused(&peer, &hash, "is signed with a hash");
    expect_refused(&peer, &ike, "is signed with an algorithm");
    assert_int_equal(answer.unfit, 1); /* another connection may accept it */
    assert_int_equal(identity_parse("CN=CA", &issuer.ca_id), 0);
    assert_int_equal(check(&peer, &issuer), 0);
    assert_int_equal(identity_parse("CN=Another", &issuer.ca_id), 0);
    expect_refused(&peer, &issuer, "no CA of the chain has the identity CN=Another");
    assert_int_equal(answer.unfit, 1);
    policy.n_policies = 1;
    strcpy(policy.policies[0], "1.3.6.1.4.1.99.1");
    expect_refused(&peer, &policy, "");
    X509 *end = leaf_of((struct maker){
        .extensions = {{NID_subject_alt_name, "DNS:gw.example"},
                       {NID_certificate_policies, "DER:300b300906072b060104016301"}}});
    assert_int_equal(check(&(struct peer){.key = key, .chain = {end}}, &policy), 0);
    strcpy(policy.policies[0], "1.3.6.1.4.1.99.2");
    expect_refused(&(struct peer){.key = key, .chain = {end}}, &policy, "");
    X509_free(end);
}

/* --- A8 --- */

static void crl_load(EVP_PKEY *signer, const X509 *revoked, long begin, long end, long number)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, begin), *next = X509_gmtime_adj(NULL, end);
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    uint8_t *der = NULL;
    ASN1_INTEGER_set(n, number);
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, next);
    X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0);
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry,
                                      (ASN1_INTEGER *)(uintptr_t)X509_get0_serialNumber(revoked));
        X509_REVOKED_set_revocationDate(entry, now);
        X509_CRL_add0_revoked(crl, entry);
    }
    assert_true(X509_CRL_sign(crl, signer, EVP_sha256()) > 0);
    int len = i2d_X509_CRL(crl, &der);
    memset(&request, 0, sizeof(request));
    request.kind = VERIFIER_CRL;
    ask(span_of(der, (size_t)len));
    assert_int_equal(answer.error, 0);
    OPENSSL_free(der);
    X509_CRL_free(crl);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    ASN1_INTEGER_free(n);
}

static void revocation(void **state)
{
    struct cert_policy strict = {.revocation = CERT_REVOCATION_STRICT};
    struct cert_policy ifuri = {.revocation = CERT_REVOCATION_IFURI};
    struct peer peer = {.key = key, .chain = {leaf}};
    EVP_PKEY *other = ec();
    X509 *end = leaf_of((struct maker){
        .extensions = {{NID_subject_alt_name, "DNS:gw.example"},
                       {NID_crl_distribution_points, "URI:http://crl.example/ca.crl"}}});
    struct peer named = {.key = key, .chain = {end}};
    (void)state;
    assert_int_equal(check(&peer, NULL), 0);
    assert_int_equal(check(&peer, &ifuri), 0);
    expect_refused(&peer, &strict, "no valid CRL or OCSP");
    expect_refused(&named, &ifuri, "no valid CRL or OCSP");
    crl_load(ca_key, NULL, -9 * DAY, -DAY, 1); /* expired */
    assert_int_equal(check(&peer, NULL), 0);
    expect_refused(&peer, &strict, "no valid CRL or OCSP");
    crl_load(other, leaf, -2 * DAY, DAY, 2); /* signed with a wrong key: ignored */
    assert_int_equal(check(&peer, NULL), 0);
    expect_refused(&peer, &strict, "no valid CRL or OCSP");
    crl_load(ca_key, NULL, -DAY, DAY, 3);
    assert_int_equal(check(&peer, &strict), 0);
    assert_int_equal(check(&named, &ifuri), 0);
    crl_load(ca_key, NULL, -7200, -100, 3); /* out of date, within the skew of clocks */
    assert_int_equal(check(&peer, &strict), 0);
    crl_load(ca_key, leaf, -3600, DAY, 4);
    expect_refused(&peer, NULL, "the gateway's certificate CN=gw was revoked on 20");
    crl_load(ca_key, NULL, -DAY, DAY, 3); /* the old list once more does not undo a revocation */
    expect_refused(&peer, NULL, "was revoked on");
    request.kind = VERIFIER_CRLS_BEGIN;
    ask((struct span){0});
    request.kind = VERIFIER_CRLS_END; /* the file is gone */
    ask((struct span){0});
    assert_int_equal(check(&peer, NULL), 0);
    X509_free(end);
    EVP_PKEY_free(other);
}

/* --- public keys --- */

/* A loaded public key proves its own id, if the connection does not demand a certificate. */
static void known_key(void **state)
{
    static const struct cert_policy others[] = {
        {.n_certs = 1},    {.n_cas = 1},
        {.n_policies = 1}, {.revocation = CERT_REVOCATION_STRICT},
        {.n_pubkeys = 1},  {.ca_id = {.type = ID_FQDN}},
    };
    uint8_t *der = NULL, ids[2][CRYPTO_KEY_ID];
    int len = i2d_PUBKEY(key, &der);
    EVP_PKEY *stranger = ec();
    (void)state;
    char id[2][2 + 2 * KEY_ID_SIZE + 1] = {"@#", "@#"};
    assert_int_equal(crypto_key_ids(key, ids[0], ids[1]), 0);
    for (size_t i = 0; i < KEY_ID_SIZE; i++)
        for (size_t of = 0; of < 2; of++)
            (void)snprintf(id[of] + strlen(id[of]), 3, "%02x", ids[of][i]);
    const struct peer peer = {.id = id[0], .key = key};
    expect_refused(&peer, NULL, "was not sent, and is not here");
    memset(&request, 0, sizeof(request));
    request.kind = VERIFIER_CERT;
    request.cert.role = CERT_ROLE_PUBKEY;
    SHA256(der, (size_t)len, request.cert.digest);
    ask(span_of(der, (size_t)len));
    for (size_t of = 0; of < 2; of++) {
        ask(check_begin(&(struct peer){.id = id[of], .key = key}, NULL));
        assert_int_equal(answer.error, 0);
    }
    expect_refused(&(struct peer){.id = id[0], .key = stranger}, NULL, "was not made with the key");
    expect_refused(&(struct peer){.key = key}, NULL, "was not sent, and is not here");
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_not_equal(check(&peer, &others[i]), 0);
    EVP_PKEY_free(stranger);
    OPENSSL_free(der);
}

/* --- hostile requests --- */

static void damaged_certificates(void **state)
{
    struct peer peer = {.key = key, .chain = {leaf}};
    (void)state;
    struct span behind = check_begin(&peer, NULL);
    size_t at = behind.len - request.check.cert_lengths[0];
    uint32_t whole = request.check.cert_lengths[0];
    for (uint32_t n = 0; n < whole; n += 7) { /* cut off, with an honest length */
        request.check.cert_lengths[0] = n;
        ask(span_of(octets, at + n));
        assert_int_equal(answer.error, ERR_NOT_FOUND);
    }
    request.check.cert_lengths[0] = whole;
    for (uint32_t i = 0; i < whole; i++) {
        octets[at + i] ^= 0x20;
        ask(behind);
        assert_int_not_equal(answer.error, 0);
        octets[at + i] ^= 0x20;
    }
    octets[behind.len] = 0; /* junk behind it */
    request.check.cert_lengths[0] = whole + 1;
    ask(span_of(octets, behind.len + 1));
    assert_int_equal(answer.error, ERR_NOT_FOUND);
}

static void requests_that_lie(void **state)
{
    struct peer peer = {.key = key, .chain = {leaf}};
    (void)state;
    const uint32_t lies[] = {UINT32_MAX, 0x80000000u, 16385, 9};
    struct verifier_check *c = &request.check;
    uint32_t *members[] = {&c->n_certs,         &c->cert_lengths[0], &c->lengths.message,
                           &c->lengths.id_body, &c->lengths.auth,    &c->lengths.prf};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        for (size_t j = 0; j < ARRAY_LEN(lies); j++) {
            struct span behind = check_begin(&peer, NULL);
            *members[i] = lies[j];
            ask(behind);
            assert_int_equal(answer.error, ERR_INVALID);
        }
    for (uint8_t i = 0; i < 2; i++) { /* AUTH covers another identity; too many CAs */
        struct span behind = check_begin(&peer, NULL);
        c->remote.data[0] += i;
        c->policy.n_cas = i == 0 ? 200 : 0;
        ask(behind);
        assert_int_equal(answer.error, ERR_INVALID);
    }
    for (uint32_t kind = 0; kind < 12; kind++) {
        memset(&request, 0xff, sizeof(request));
        request.kind = kind;
        ask(span_of(octets, 100));
    }
    memset(&request, 0, sizeof(request)); /* a certificate under another's name */
    request.kind = VERIFIER_CERT;
    ask(span_of(octets, 100));
    assert_int_equal(answer.error, ERR_INVALID);
}

/* A tried object is not kept. An object that could not be loaded is refused. */
static void tries_keep_nothing(void **state)
{
    (void)state;
    struct cert_store store;
    EVP_PKEY *own = EVP_EC_gen("P-256");
    X509 *x509 = make(&(struct maker){.name = "tried", .key = own, .ca = true});
    uint8_t *der = NULL, digest[CERT_DIGEST];
    int n = i2d_X509(x509, &der);
    assert_int_equal(cert_store_init(&store), 0);
    digest_of(x509, digest);
    const struct span whole = span_of(der, (size_t)n), cut = span_of(der, (size_t)n - 1);
    assert_int_equal(cert_store_try(&store, false, CERT_ROLE_CA, whole), 0);
    assert_null(cert_store_find(&store, digest));
    assert_int_equal(cert_store_try(&store, false, CERT_ROLE_CA, cut), ERR_INVALID);
    assert_int_equal(cert_store_try(&store, false, CERT_ROLE_PUBKEY, whole), ERR_INVALID);
    assert_int_equal(cert_store_try(&store, false, CERT_ROLES, whole), ERR_INVALID);
    assert_int_equal(cert_store_try(&store, true, 0, whole), ERR_INVALID);
    cert_store_done(&store);
    OPENSSL_free(der);
    X509_free(x509);
    EVP_PKEY_free(own);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(identities),
        TEST(names_that_are_more),
        TEST(octets_that_differ),
        TEST(validity),
        TEST(usages),
        TEST(chains),
        TEST(strangers),
        TEST(constraints_of_cas),
        TEST(weak_and_odd),
        TEST(constraints_of_connections),
        TEST(revocation),
        TEST(known_key),
        TEST(damaged_certificates),
        TEST(requests_that_lie),
        TEST(tries_keep_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
