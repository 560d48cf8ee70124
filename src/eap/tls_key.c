/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/tls_key.h"

#include <stdlib.h>
#include <strings.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

/* PARAM_TLS - our own parameter of a key: the struct eap_tls that signs for it. OpenSSL makes keys
 * without it, to compare public keys. Such a key cannot sign. */
#define PARAM_TLS "ikat-tls"

/* STANDARD - the properties that select OpenSSL's own provider, not ours. */
#define STANDARD "?provider=default"

enum kind { KIND_RSA, KIND_EC, KIND_ED25519, KIND_ED448, N_KINDS };

static const char *const kind_short[N_KINDS] = {"RSA", "EC", "ED25519", "ED448"};

struct provider {
    OSSL_LIB_CTX *library; /* the library context in which the provider lives */
};

/* struct key - the key data, as OpenSSL calls it. */
struct key {
    const struct provider *provider;
    enum kind kind;
    EVP_PKEY *public;          /* of OpenSSL's default provider; NULL: nothing imported yet */
    const struct eap_tls *tls; /* NULL: the key cannot sign */
};

/* --- keys --- */

static void *key_new(const struct provider *provider, enum kind kind)
{
    struct key *key = calloc(1, sizeof(*key));
    if (key != NULL)
        *key = (struct key){.provider = provider, .kind = kind};
    return key;
}

static void *rsa_new(void *provider)
{
    return key_new(provider, KIND_RSA);
}

static void *ec_new(void *provider)
{
    return key_new(provider, KIND_EC);
}

static void *ed25519_new(void *provider)
{
    return key_new(provider, KIND_ED25519);
}

static void *ed448_new(void *provider)
{
    return key_new(provider, KIND_ED448);
}

static void key_free(void *data)
{
    struct key *key = data;
    EVP_PKEY_free(key->public);
    free(key);
}

static int key_has(const void *data, int selection)
{
    const struct key *key = data;
    (void)selection; /* the private half is always in another process */
    return key->public != NULL;
}

static int key_match(const void *one, const void *other, int selection)
{
    const struct key *a = one, *b = other;
    (void)selection;
    return a->public != NULL && b->public != NULL && EVP_PKEY_eq(a->public, b->public) == 1;
}

static int key_import(void *data, int selection, const OSSL_PARAM params[])
{
    struct key *key = data;
    const OSSL_PARAM *tls = OSSL_PARAM_locate_const(params, PARAM_TLS);
    const void *pointer = NULL;
    size_t len = 0;
    (void)selection;
    EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_name(key->provider->library, kind_short[key->kind], STANDARD);
    bool ok = ctx != NULL && key->public == NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
              EVP_PKEY_fromdata(ctx, &key->public, EVP_PKEY_PUBLIC_KEY,
                                (OSSL_PARAM *)(uintptr_t)params) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (ok && tls != NULL && OSSL_PARAM_get_octet_ptr(tls, &pointer, &len) == 1)
        key->tls = pointer;
    return ok;
}

/* key_import_types - lists no PARAM_TLS: EVP_PKEY_fromdata() passes unlisted parameters as well. */
static const OSSL_PARAM *key_import_types(int selection)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
        OSSL_PARAM_octet_ptr(PARAM_TLS, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)selection;
    return types;
}

static int key_get_params(void *data, OSSL_PARAM params[])
{
    const struct key *key = data;
    return key->public != NULL && EVP_PKEY_get_params(key->public, params) == 1;
}

static const OSSL_PARAM *key_gettable(void *provider)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)provider;
    return types;
}

static const char *ec_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

#define FUNCTION(id, function)                                                                     \
    {                                                                                              \
        id, (void (*)(void))(function)                                                             \
    }
#define KEY_FUNCTIONS(new)                                                                         \
    FUNCTION(OSSL_FUNC_KEYMGMT_NEW, new), FUNCTION(OSSL_FUNC_KEYMGMT_FREE, key_free),              \
        FUNCTION(OSSL_FUNC_KEYMGMT_HAS, key_has), FUNCTION(OSSL_FUNC_KEYMGMT_MATCH, key_match),    \
        FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                                            \
        FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_import_types),                                \
        FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),                                    \
        FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable)

static const OSSL_DISPATCH rsa_keys[] = {KEY_FUNCTIONS(rsa_new), FUNCTION(0, NULL)};
static const OSSL_DISPATCH ec_keys[] = {
    KEY_FUNCTIONS(ec_new), FUNCTION(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation),
    FUNCTION(0, NULL)};
static const OSSL_DISPATCH ed25519_keys[] = {KEY_FUNCTIONS(ed25519_new), FUNCTION(0, NULL)};
static const OSSL_DISPATCH ed448_keys[] = {KEY_FUNCTIONS(ed448_new), FUNCTION(0, NULL)};

/* --- signatures --- */

struct signing {
    const struct key *key; /* borrowed: the EVP_PKEY outlives it */
    struct signature_scheme scheme;
};

static void *signing_new(void *provider, const char *properties)
{
    (void)provider, (void)properties;
    return calloc(1, sizeof(struct signing));
}

static void signing_free(void *data)
{
    free(data);
}

static bool hash_find(const char *name, enum signature_hash *ret)
{
    static const struct {
        const char *name;
        enum signature_hash hash;
    } rows[] = {{"SHA256", SIGNATURE_SHA2_256}, {"SHA2-256", SIGNATURE_SHA2_256},
                {"SHA384", SIGNATURE_SHA2_384}, {"SHA2-384", SIGNATURE_SHA2_384},
                {"SHA512", SIGNATURE_SHA2_512}, {"SHA2-512", SIGNATURE_SHA2_512}};
    for (size_t i = 0; name != NULL && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcasecmp(rows[i].name, name) == 0) {
            *ret = rows[i].hash;
            return true;
        }
    return false;
}

static bool padding_set(struct signing *signing, const OSSL_PARAM *param)
{
    int mode = 0;
    const char *text = NULL;
    bool pss = param->data_type == OSSL_PARAM_UTF8_STRING
                   ? OSSL_PARAM_get_utf8_string_ptr(param, &text) == 1 &&
                         strcasecmp(text, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0
                   : OSSL_PARAM_get_int(param, &mode) == 1 && mode == RSA_PKCS1_PSS_PADDING;
    if (pss)
        signing->scheme.kind = SIGNATURE_RSA_PSS;
    return pss;
}

/* signing_set_params - RSA-PSS needs no parameters: in TLS the salt is always as long as the hash,
 * and MGF1 uses the same hash. */
static int signing_set_params(void *data, const OSSL_PARAM params[])
{
    struct signing *signing = data;
    const OSSL_PARAM *padding =
        params == NULL ? NULL : OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
    return padding == NULL || (signing->key != NULL && signing->key->kind == KIND_RSA &&
                               padding_set(signing, padding));
}

static const OSSL_PARAM *signing_settable(void *data, void *provider)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)data, (void)provider;
    return types;
}

static int signing_init(void *data, const char *digest, void *key_data, const OSSL_PARAM params[])
{
    struct signing *signing = data;
    const struct key *key = key_data;
    static const enum signature_kind kinds[N_KINDS] = {[KIND_RSA] = SIGNATURE_RSA_PKCS1,
                                                       [KIND_EC] = SIGNATURE_ECDSA,
                                                       [KIND_ED25519] = SIGNATURE_ED25519,
                                                       [KIND_ED448] = SIGNATURE_ED448};
    if (key == NULL || key->tls == NULL)
        return 0;
    signing->key = key;
    signing->scheme = (struct signature_scheme){kinds[key->kind], SIGNATURE_IDENTITY};
    bool hashes = key->kind == KIND_RSA || key->kind == KIND_EC;
    return (!hashes || hash_find(digest, &signing->scheme.hash)) &&
           signing_set_params(signing, params);
}

/* key_name - the key identifier: SHA-1 of the subjectPublicKey. */
static bool key_name(const EVP_PKEY *public, uint8_t ret[EAP_KEY_ID])
{
    X509_PUBKEY *info = NULL;
    const unsigned char *octets;
    int len = 0;
    bool ok = X509_PUBKEY_set(&info, (EVP_PKEY *)(uintptr_t) public) == 1 &&
              X509_PUBKEY_get0_param(NULL, &octets, &len, NULL, info) == 1 &&
              SHA1(octets, (size_t)len, ret) != NULL;
    X509_PUBKEY_free(info);
    return ok;
}

static int signing_sign(void *data, unsigned char *out, size_t *ret_len, size_t cap,
                        const unsigned char *octets, size_t n)
{
    struct signing *signing = data;
    const struct key *key = signing->key;
    struct eap_signature wanted = {.scheme = signing->scheme, .octets = span_of(octets, n)};
    if (key == NULL)
        return 0;
    if (out == NULL) { /* OpenSSL asks for the greatest length of a signature */
        *ret_len = (size_t)EVP_PKEY_get_size(key->public);
        return *ret_len > 0;
    }
    struct writer w = writer_of(out, cap);
    if (!key_name(key->public, wanted.key_id) ||
        key->tls->sign(key->tls->context, &wanted, &w) != 0 || writer_failed(&w))
        return 0;
    *ret_len = w.len;
    return 1;
}

static const OSSL_DISPATCH signatures[] = {
    FUNCTION(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
    FUNCTION(OSSL_FUNC_SIGNATURE_FREECTX, signing_free),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signing_sign),
    FUNCTION(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signing_set_params),
    FUNCTION(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable),
    FUNCTION(0, NULL)};

/* --- the provider --- */

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *ret_no_cache)
{
    static const OSSL_ALGORITHM keys[] = {
        {"RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=ikat", rsa_keys, ""},
        {"EC:id-ecPublicKey:1.2.840.10045.2.1", "provider=ikat", ec_keys, ""},
        {"ED25519:1.3.101.112", "provider=ikat", ed25519_keys, ""},
        {"ED448:1.3.101.113", "provider=ikat", ed448_keys, ""},
        {NULL, NULL, NULL, NULL}};
    static const OSSL_ALGORITHM signers[] = {
        {"RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=ikat", signatures, ""},
        {"ECDSA", "provider=ikat", signatures, ""},
        {"ED25519:1.3.101.112", "provider=ikat", signatures, ""},
        {"ED448:1.3.101.113", "provider=ikat", signatures, ""},
        {NULL, NULL, NULL, NULL}};
    (void)provider;
    *ret_no_cache = 0;
    return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_SIGNATURE ? signers : NULL;
}

static void provider_teardown(void *data)
{
    free(data);
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **ret_out, void **ret_provider)
{
    static const OSSL_DISPATCH functions[] = {
        FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query),
        FUNCTION(OSSL_FUNC_PROVIDER_TEARDOWN, provider_teardown), FUNCTION(0, NULL)};
    struct provider *provider = calloc(1, sizeof(*provider));
    for (; provider != NULL && in->function_id != 0; in++)
        if (in->function_id == OSSL_FUNC_CORE_GET_LIBCTX)
            provider->library = (OSSL_LIB_CTX *)OSSL_FUNC_core_get_libctx(in)(handle);
    *ret_out = functions;
    *ret_provider = provider;
    return provider != NULL;
}

bool tls_library_init(struct tls_library *library)
{
    *library = (struct tls_library){.context = OSSL_LIB_CTX_new()};
    if (library->context == NULL)
        return false;
    library->standard = OSSL_PROVIDER_load(library->context, "default");
    if (OSSL_PROVIDER_add_builtin(library->context, "ikat", provider_init) == 1)
        library->ours = OSSL_PROVIDER_load(library->context, "ikat");
    return library->standard != NULL && library->ours != NULL &&
           EVP_set_default_properties(library->context, STANDARD) == 1;
}

void tls_library_done(struct tls_library *library)
{
    if (library->ours != NULL)
        OSSL_PROVIDER_unload(library->ours);
    if (library->standard != NULL)
        OSSL_PROVIDER_unload(library->standard);
    OSSL_LIB_CTX_free(library->context);
    *library = (struct tls_library){0};
}

static enum kind kind_of(const EVP_PKEY *public)
{
    int kind = 0;
    while (kind < N_KINDS && !EVP_PKEY_is_a(public, kind_short[kind]))
        kind++;
    return (enum kind)kind;
}

/* params_new - the parameters of a public key, and the struct that signs for it. */
static OSSL_PARAM *params_new(const OSSL_PARAM *of_key, void **tls)
{
    size_t n = 0;
    while (of_key[n].key != NULL)
        n++;
    OSSL_PARAM *all = calloc(n + 2, sizeof(*all));
    if (all == NULL)
        return NULL;
    memcpy(all, of_key, n * sizeof(*all));
    all[n] = OSSL_PARAM_construct_octet_ptr(PARAM_TLS, tls, sizeof(struct eap_tls));
    all[n + 1] = OSSL_PARAM_construct_end();
    return all;
}

EVP_PKEY *tls_key_new(struct tls_library *library, const struct eap_tls *tls, X509 *certificate)
{
    EVP_PKEY *public = X509_get0_pubkey(certificate), *key = NULL;
    enum kind kind = public == NULL ? N_KINDS : kind_of(public);
    void *pointer = (void *)(uintptr_t)tls;
    OSSL_PARAM *of_key = NULL, *all = NULL;
    if (kind == N_KINDS)
        return NULL;
    EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_name(library->context, kind_short[kind], "provider=ikat");
    if (ctx != NULL && EVP_PKEY_todata(public, EVP_PKEY_PUBLIC_KEY, &of_key) == 1)
        all = params_new(of_key, &pointer);
    if (all != NULL && (EVP_PKEY_fromdata_init(ctx) != 1 ||
                        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, all) != 1))
        key = NULL;
    free(all);
    OSSL_PARAM_free(of_key);
    EVP_PKEY_CTX_free(ctx);
    return key;
}
