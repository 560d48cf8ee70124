/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/verifier/cert_identity.h"

#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "ike/terms/distinguished_name.h"

static bool from_octets(uint8_t type, const uint8_t *octets, size_t len, struct ike_id *ret_id)
{
    const struct wire_id wire = {.type = type, .data = span_of(octets, len)};
    return octets != NULL && identity_from_wire(&wire, ret_id);
}

static bool from_name(const X509_NAME *name, struct ike_id *ret_id)
{
    const uint8_t *octets;
    size_t len;
    return X509_NAME_get0_der(name, &octets, &len) == 1 &&
           from_octets(ID_DER_ASN1_DN, octets, len, ret_id);
}

bool cert_identity_subject(X509 *x509, struct ike_id *ret_id)
{
    return from_name(X509_get_subject_name(x509), ret_id);
}

static bool from_string(uint8_t type, const ASN1_STRING *string, struct ike_id *ret_id)
{
    return from_octets(type, ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string),
                       ret_id);
}

static bool from_general_name(const GENERAL_NAME *name, struct ike_id *ret_id)
{
    switch (name->type) {
    case GEN_DNS: return from_string(ID_FQDN, name->d.dNSName, ret_id);
    case GEN_EMAIL: return from_string(ID_RFC822_ADDR, name->d.rfc822Name, ret_id);
    case GEN_DIRNAME: return from_name(name->d.directoryName, ret_id);
    case GEN_IPADD:
        return from_string(ASN1_STRING_length(name->d.iPAddress) == 4 ? ID_IPV4_ADDR : ID_IPV6_ADDR,
                           name->d.iPAddress, ret_id);
    default: /* kinds of names that are not IKE identities */ return false;
    }
}

static bool same(const struct ike_id *name, const struct ike_id *id, bool letters)
{
    char of_name[IDENTITY_TEXT_MAX], of_id[IDENTITY_TEXT_MAX];
    return identity_equal(name, id) &&
           (!letters || strcmp(identity_print(name, of_name), identity_print(id, of_id)) == 0);
}

static bool alternative_has(X509 *x509, const struct ike_id *id, bool letters)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        struct ike_id name;
        found =
            from_general_name(sk_GENERAL_NAME_value(names, i), &name) && same(&name, id, letters);
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* The subjectKeyIdentifier of the certificate, or the SHA-1 of its key. */
static bool key_id_is(X509 *x509, const struct ike_id *id)
{
    const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(x509);
    const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(x509);
    uint8_t digest[SHA_DIGEST_LENGTH];
    struct span wanted = span_of(id->data, id->len);
    if (own != NULL &&
        span_equal(wanted, span_of(ASN1_STRING_get0_data(own), (size_t)ASN1_STRING_length(own))))
        return true;
    if (key == NULL)
        return false;
    SHA1(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key), digest);
    return span_equal(wanted, span_of(digest, sizeof(digest)));
}

static bool has(X509 *x509, const struct ike_id *id, bool letters)
{
    struct ike_id subject;
    if (id->type == ID_KEY_ID)
        return key_id_is(x509, id);
    if (id->type == ID_DER_ASN1_DN && cert_identity_subject(x509, &subject) &&
        same(&subject, id, letters))
        return true;
    return alternative_has(x509, id, letters);
}

bool cert_identity_has(X509 *x509, const struct ike_id *id)
{
    return has(x509, id, false);
}

bool cert_identity_spells(X509 *x509, const struct ike_id *id)
{
    return has(x509, id, true);
}

const char *cert_identity_print_name(const X509_NAME *name, char out[IDENTITY_TEXT_MAX])
{
    const uint8_t *octets;
    size_t len;
    if (X509_NAME_get0_der(name, &octets, &len) == 1 && dn_sound(span_of(octets, len)))
        return dn_print(span_of(octets, len), out, IDENTITY_TEXT_MAX);
    return strcpy(out, "(without a name)");
}

const char *cert_identity_print(X509 *x509, char out[IDENTITY_TEXT_MAX])
{
    cert_identity_print_name(X509_get_subject_name(x509), out);
    if (out[0] != '(')
        return out;
    char *serial = i2s_ASN1_INTEGER(NULL, X509_get0_serialNumber(x509));
    (void)snprintf(out, IDENTITY_TEXT_MAX, "serial number %.60s", serial == NULL ? "?" : serial);
    OPENSSL_free(serial);
    return out;
}
