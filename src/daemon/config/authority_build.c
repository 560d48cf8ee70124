/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/authority_build.h"

#include <openssl/sha.h>
#include <stddef.h>

#include "daemon/config/conn_keys.h"
#include "daemon/config/pem.h"
#include "ike/terms/identity.h"
#include "wire/certificate.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* struct authority_work - the authority while it is built. */
struct authority_work {
    struct engine_authority authority;
    uint8_t *octets; /* room for the certificate */
};

static int set_cacert(const struct tree *node, void *target, struct build_error *error)
{
    struct authority_work *work = target;
    struct engine_authority *authority = &work->authority;
    struct wire_certificate outline;
    struct ike_id subject;
    const struct tree *value = node->kind == TREE_LIST ? node->first : node;
    struct span der = {0};
    if (value != NULL && value->kind == TREE_VALUE)
        der = pem_read(span_of(value->value, value->len), work->octets, VERIFIER_CERT_MAX);
    if (der.len == 0 || !wire_certificate_read(der, &outline))
        return build_fail(error, node, "is no X.509 certificate in PEM or DER");
    memmove(work->octets, der.ptr, der.len);
    authority->octets = span_of(work->octets, der.len);
    SHA256(work->octets, der.len, authority->digest);
    const struct wire_id name = {.type = ID_DER_ASN1_DN, .data = outline.subject};
    if (identity_from_wire(&name, &subject))
        identity_print(&subject, authority->subject);
    return 0;
}

static int add_uri(const struct tree *node, const char *text, struct engine_uris *uris,
                   struct build_error *error)
{
    if (strlen(text) >= AUTHORITY_URI || strstr(text, "://") == NULL)
        return build_fail(error, node, "'%.60s' is no URI of at most %d characters", text,
                          AUTHORITY_URI - 1);
    if (uris->n == AUTHORITY_URIS)
        return build_fail(error, node, "more than %d URIs", AUTHORITY_URIS);
    strcpy(uris->text[uris->n++], text);
    return 0;
}

static int add_crl_uri(const struct tree *node, const char *text, void *target,
                       struct build_error *error)
{
    return add_uri(node, text, &((struct authority_work *)target)->authority.crl, error);
}

static int add_ocsp_uri(const struct tree *node, const char *text, void *target,
                        struct build_error *error)
{
    return add_uri(node, text, &((struct authority_work *)target)->authority.ocsp, error);
}

static int set_crl_uris(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_crl_uri);
}

static int set_ocsp_uris(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_ocsp_uri);
}

/* set_cert_uri_base - RFC 7296 section 3.6: other schemes than http SHOULD NOT be used. */
static int set_cert_uri_base(const struct tree *node, void *target, struct build_error *error)
{
    struct authority_work *work = target;
    const char *text = (const char *)node->value;
    if (node->kind != TREE_VALUE || strncmp(text, "http://", 7) != 0 ||
        strlen(text) >= AUTHORITY_URI)
        return build_fail(error, node, "is no http URL of at most %d characters",
                          AUTHORITY_URI - 1);
    strcpy(work->authority.cert_uri_base, text);
    return 0;
}

static int set_file(const struct tree *node, void *target, struct build_error *error)
{
    (void)target;
    return build_fail(error, node,
                      "ikatd reads files at start and on SIGHUP only: name it in 'cacert', whose "
                      "contents swanctl sends");
}

static const struct key authority_keys[] = {
    {.name = "cacert", .kind = KEY_FUNCTION, .function = set_cacert},
    {.name = "crl_uris", .kind = KEY_FUNCTION, .function = set_crl_uris},
    {.name = "ocsp_uris", .kind = KEY_FUNCTION, .function = set_ocsp_uris},
    {.name = "file", .kind = KEY_FUNCTION, .function = set_file},
    {.name = "cert_uri_base", .kind = KEY_FUNCTION, .function = set_cert_uri_base},
    {.name = "handle", .kind = KEY_UNSUPPORTED, .why = "tokens (PKCS#11) are not"},
    {.name = "slot", .kind = KEY_UNSUPPORTED, .why = "tokens (PKCS#11) are not"},
    {.name = "module", .kind = KEY_UNSUPPORTED, .why = "tokens (PKCS#11) are not"},
};

int authority_build(const struct tree *section, uint8_t octets[VERIFIER_CERT_MAX],
                    struct engine_authority *ret_authority, struct build_error *error)
{
    static const struct key_table table = {authority_keys, LEN(authority_keys), NULL, NULL};
    struct authority_work work = {.octets = octets};
    int err = key_name_copy(section, work.authority.name, error);
    if (err == 0)
        err = keys_apply(&table, section, &work, error);
    if (err == 0 && work.authority.octets.len == 0)
        err = build_fail(error, section, "'cacert' is missing");
    if (err == 0)
        *ret_authority = work.authority;
    return err;
}
