/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/container.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include "base/secret.h"

bool container_init(void)
{
    /* a further load would count a reference that nobody gives back */
    if (OSSL_PROVIDER_available(NULL, "legacy") == 1)
        return true;
    OSSL_PROVIDER *plain = OSSL_PROVIDER_load(NULL, "default");
    return plain != NULL && OSSL_PROVIDER_load(NULL, "legacy") != NULL;
}

static int container_refuse(int error, const char *why, const char **ret_why)
{
    *ret_why = why;
    return error;
}

/* --- writing items --- */

/* item_write - writes one item: kind, length, octets. */
static void item_write(struct writer *w, enum container_item kind, struct span octets)
{
    write_u8(w, (uint8_t)kind);
    write_u32(w, (uint32_t)octets.len);
    write_bytes(w, octets);
}

static bool key_write(struct writer *w, const EVP_PKEY *key)
{
    uint8_t *der = NULL;
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    int len = info == NULL ? 0 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    PKCS8_PRIV_KEY_INFO_free(info);
    if (len <= 0)
        return false;
    item_write(w, CONTAINER_KEY, span_of(der, (size_t)len));
    OPENSSL_clear_free(der, (size_t)len);
    return true;
}

static bool cert_write(struct writer *w, const X509 *cert)
{
    uint8_t *der = NULL;
    int len = i2d_X509(cert, &der);
    if (len <= 0)
        return false;
    item_write(w, CONTAINER_CERT, span_of(der, (size_t)len));
    OPENSSL_free(der);
    return true;
}

static int items_write(struct writer *w, const EVP_PKEY *key, const X509 *cert,
                       const STACK_OF(X509) * others, const char **ret_why)
{
    bool ok = (key == NULL || key_write(w, key)) && (cert == NULL || cert_write(w, cert));
    for (int i = 0; ok && i < sk_X509_num(others); i++)
        ok = cert_write(w, sk_X509_value(others, i));
    if (!ok)
        return ERR_CRYPTO;
    if (w->len == 0)
        return container_refuse(ERR_INVALID, "has neither a private key nor a certificate",
                                ret_why);
    return writer_failed(w)
               ? container_refuse(ERR_TRUNCATED, "has more than 64 KiB of keys and certificates",
                                  ret_why)
               : 0;
}

/* --- opening --- */

static PKCS12 *pkcs12_read(struct span octets)
{
    const uint8_t *at = octets.ptr;
    PKCS12 *pkcs12 = octets.len > CONTAINER_MAX ? NULL : d2i_PKCS12(NULL, &at, (long)octets.len);
    if (pkcs12 == NULL || at == octets.ptr + octets.len)
        return pkcs12;
    PKCS12_free(pkcs12);
    return NULL;
}

/* iterations_of - the iterations of the MAC, which bound the cost of trying a passphrase; -1: more
 * than a long holds. */
static long iterations_of(const PKCS12 *pkcs12)
{
    const ASN1_INTEGER *iterations = NULL;
    int64_t n = 1;
    PKCS12_get0_mac(NULL, NULL, NULL, &iterations, pkcs12);
    if (iterations != NULL && ASN1_INTEGER_get_int64(&n, iterations) != 1)
        return -1;
    return n > LONG_MAX ? -1 : (long)n;
}

/* mac_check - the MAC is checked first, because the content says how long its decryption takes: an
 * attacker must not choose that. So a container without a MAC is refused. An empty passphrase has
 * two forms (RFC 7292 appendix B.1); *ret_text is the form that fits. */
static int mac_check(PKCS12 *pkcs12, const char *text, const char **ret_text, const char **ret_why)
{
    long iterations = PKCS12_mac_present(pkcs12) ? iterations_of(pkcs12) : 0;
    if (!PKCS12_mac_present(pkcs12))
        return container_refuse(ERR_INVALID, "is a PKCS#12 container without a MAC", ret_why);
    if (iterations < 1 || iterations > CONTAINER_ITERATIONS)
        return container_refuse(ERR_INVALID, "wants more than 10 million iterations", ret_why);
    *ret_text = text;
    if (PKCS12_verify_mac(pkcs12, text, -1) == 1)
        return 0;
    *ret_text = NULL;
    if (text[0] == '\0' && PKCS12_verify_mac(pkcs12, NULL, 0) == 1)
        return 0;
    return text[0] == '\0'
               ? container_refuse(ERR_DENIED, "is encrypted, and no passphrase is given", ret_why)
               : container_refuse(ERR_AUTH, "is encrypted with another passphrase", ret_why);
}

static int pkcs12_unpack(PKCS12 *pkcs12, const char *text, struct writer *w, const char **ret_why)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    STACK_OF(X509) *others = NULL;
    int error = mac_check(pkcs12, text, &text, ret_why);
    if (error == 0 && PKCS12_parse(pkcs12, text, &key, &cert, &others) != 1)
        error = container_refuse(
            ERR_INVALID, "cannot be read: its contents or their encryption are not known", ret_why);
    if (error == 0)
        error = items_write(w, key, cert, others, ret_why);
    EVP_PKEY_free(key);
    X509_free(cert);
    sk_X509_pop_free(others, X509_free);
    return error;
}

int container_unpack(struct span octets, struct span passphrase, struct writer *ret_items,
                     const char **ret_why)
{
    char text[CONTAINER_PASSPHRASE + 1] = "";
    *ret_why = NULL;
    if (passphrase.len > CONTAINER_PASSPHRASE ||
        (passphrase.len > 0 && memchr(passphrase.ptr, '\0', passphrase.len) != NULL))
        return container_refuse(ERR_INVALID, "the passphrase is too long, or has a NUL in it",
                                ret_why);
    PKCS12 *pkcs12 = pkcs12_read(octets);
    if (pkcs12 == NULL)
        ERR_clear_error();
    if (pkcs12 == NULL)
        return container_refuse(ERR_INVALID, "is no PKCS#12 container in DER", ret_why);
    if (passphrase.len > 0)
        memcpy(text, passphrase.ptr, passphrase.len);
    int error = pkcs12_unpack(pkcs12, text, ret_items, ret_why);
    wipe(text, sizeof(text));
    PKCS12_free(pkcs12);
    ERR_clear_error();
    return error;
}

bool container_next(struct reader *items, enum container_item *ret_kind, struct span *ret_octets)
{
    if (items->left == 0)
        return false;
    uint8_t kind = read_u8(items);
    struct span octets = read_bytes(items, read_u32(items));
    if (reader_failed(items) || (kind != CONTAINER_KEY && kind != CONTAINER_CERT))
        return false;
    *ret_kind = (enum container_item)kind;
    *ret_octets = octets;
    return true;
}
