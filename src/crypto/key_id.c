/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/key_id.h"

#include <openssl/sha.h>
#include <openssl/x509.h>

int crypto_key_ids(const EVP_PKEY *key, uint8_t ret_key_id[CRYPTO_KEY_ID],
                   uint8_t ret_info_id[CRYPTO_KEY_ID])
{
    uint8_t *info = NULL;
    X509_PUBKEY *pubkey = NULL;
    const uint8_t *octets = NULL;
    int n_octets = 0, n_info = i2d_PUBKEY(key, &info);
    const uint8_t *at = info;
    if (n_info > 0)
        pubkey = d2i_X509_PUBKEY(NULL, &at, n_info);
    bool ok = pubkey != NULL &&
              X509_PUBKEY_get0_param(NULL, &octets, &n_octets, NULL, pubkey) == 1 &&
              SHA1(octets, (size_t)n_octets, ret_key_id) != NULL &&
              SHA1(info, (size_t)n_info, ret_info_id) != NULL;
    X509_PUBKEY_free(pubkey);
    OPENSSL_free(info);
    return ok ? 0 : ERR_CRYPTO;
}
