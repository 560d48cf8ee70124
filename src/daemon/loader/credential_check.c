/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/loader/credential_check.h"

#include <openssl/x509.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/secret.h"
#include "crypto/container.h"
#include "crypto/key_id.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/credential_files.h"
#include "daemon/config/pem.h"
#include "daemon/config/token_build.h"
#include "daemon/keyholder/private_keys.h"
#include "daemon/verifier/cert_store.h"

#define KEYS_COMPARED 256 /* of more keys, none is said to be missing */

struct check {
    const struct tree *root;
    struct build_error *error;
    struct cert_store store; /* stays empty: cert_store_try() */
    uint8_t keys[KEYS_COMPARED][KEY_ID_SIZE];
    size_t n_keys;
    bool hidden; /* further keys: on a token, behind a passphrase, or more than are compared */
    bool has_ca;
};

static struct span value_of(const struct tree *section, const char *name)
{
    const struct tree *node = tree_get(section, name);
    return node == NULL ? (struct span){0} : span_of(node->value, node->len);
}

/* --- files --- */

/* outcome - of a key or container. ERR_DENIED: `ikat unlock` asks for the passphrase. */
static int outcome(struct check *check, const struct tree *file, int err, const char *reason)
{
    if (err == ERR_DENIED) {
        check->hidden = true;
        build_warn(check->error, file, "%s: 'ikat unlock' asks for it", reason);
        return 0;
    }
    return err == 0
               ? 0
               : build_fail(check->error, file, "%s", reason[0] != '\0' ? reason : error_text(err));
}

static int key_try(struct check *check, const struct tree *file, struct span octets)
{
    struct key_answer answer = {0};
    int err = private_keys_try(octets, value_of(file, "secret"), &answer);
    if (err != 0)
        return outcome(check, file, err, answer.reason);
    check->hidden |= check->n_keys == KEYS_COMPARED;
    if (!check->hidden)
        memcpy(check->keys[check->n_keys++], answer.key_id, KEY_ID_SIZE);
    return 0;
}

static int container_try(struct check *check, const struct tree *file)
{
    static uint8_t room[CONTAINER_MAX];
    struct writer w = writer_of(room, sizeof(room));
    enum container_item kind;
    struct span item;
    const char *why = NULL;
    int err = container_unpack(value_of(file, "data"), value_of(file, "secret"), &w, &why);
    err = outcome(check, file, err, why == NULL ? "" : why);
    struct reader items = reader_of(span_of(room, err == 0 ? w.len : 0));
    while (err == 0 && container_next(&items, &kind, &item))
        if (kind == CONTAINER_KEY)
            err = key_try(check, file, item);
    wipe(room, sizeof(room));
    return err;
}

static int cert_try(struct check *check, const struct tree *file)
{
    static uint8_t room[VERIFIER_CRL_MAX];
    const char *type = tree_text_or(file, "type", "");
    bool crl = strcmp(type, "x509crl") == 0, ca = strcmp(type, "x509ca") == 0;
    struct span der = pem_read(value_of(file, "data"), room, sizeof(room));
    uint32_t role = strcmp(type, "pubkey") == 0 ? CERT_ROLE_PUBKEY : CERT_ROLE_PLAIN;
    if (strcmp(type, "x509aa") == 0 || strcmp(type, "x509ac") == 0)
        return build_fail(check->error, file, "attribute certificates are not supported by ikat");
    if (der.len == 0 || cert_store_try(&check->store, crl, role, der) != 0)
        return build_fail(check->error, file,
                          "is no certificate, key or CRL in PEM or DER, or is too long");
    check->has_ca |= ca;
    return 0;
}

static int file_try(struct check *check, const struct tree *file)
{
    const char *command = tree_text_or(file, "command", "");
    if (strcmp(command, "load-key") == 0)
        return key_try(check, file, value_of(file, "data"));
    return strcmp(command, "load-container") == 0 ? container_try(check, file)
                                                  : cert_try(check, file);
}

static int files_try(struct check *check)
{
    const struct tree *files = tree_get(check->root, CREDENTIAL_FILES);
    int first = 0;
    for (const struct tree *file = files == NULL ? NULL : files->first; file != NULL;
         file = file->next)
        if (!build_goes_on(check->error, file_try(check, file), &first))
            break;
    return first;
}

/* --- what logins lack --- */

static X509 *x509_read(struct span octets)
{
    static uint8_t room[VERIFIER_CERT_MAX];
    struct span der = pem_read(octets, room, sizeof(room));
    const uint8_t *at = der.ptr;
    return der.len == 0 ? NULL : d2i_X509(NULL, &at, (long)der.len);
}

/* is_own - one of the private keys belongs to the certificate. */
static bool is_own(const struct check *check, const X509 *cert)
{
    uint8_t id[CRYPTO_KEY_ID], info_id[CRYPTO_KEY_ID];
    const EVP_PKEY *key = X509_get0_pubkey(cert);
    if (key == NULL || crypto_key_ids(key, id, info_id) != 0)
        return false;
    for (size_t i = 0; i < check->n_keys; i++)
        if (memcmp(check->keys[i], id, sizeof(id)) == 0)
            return true;
    return false;
}

static const char *date_print(const ASN1_TIME *at, char text[32])
{
    struct tm tm;
    if (ASN1_TIME_to_tm(at, &tm) != 1 || strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        (void)snprintf(text, 32, "an unknown date");
    return text;
}

static void dates_check(struct check *check, const struct tree *about, const X509 *cert)
{
    char date[32], name[256];
    (void)X509_NAME_oneline(X509_get_subject_name(cert), name, sizeof(name));
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
        build_warn(check->error, about, "certificate %.150s expired on %s", name,
                   date_print(X509_get0_notAfter(cert), date));
    else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
        build_warn(check->error, about, "certificate %.150s is not valid before %s", name,
                   date_print(X509_get0_notBefore(cert), date));
}

/* own_find - whether a certificate among the values has its private key here. Dates of those that
 * have it are looked at. */
static bool own_find(struct check *check, const struct tree *about, struct span octets)
{
    X509 *cert = x509_read(octets);
    bool own = cert != NULL && is_own(check, cert);
    if (own)
        dates_check(check, about, cert);
    X509_free(cert);
    return own;
}

static bool own_in_folders(struct check *check)
{
    const struct tree *files = tree_get(check->root, CREDENTIAL_FILES);
    bool found = false;
    for (const struct tree *file = files == NULL ? NULL : files->first; file != NULL;
         file = file->next)
        if (strcmp(tree_text_or(file, "type", ""), "x509") == 0)
            found |= own_find(check, file, value_of(file, "data"));
    return found;
}

static void local_check(struct check *check, const struct tree *round)
{
    const struct tree *certs = key_node(round, "certs");
    bool named = certs != round, found = check->hidden;
    for (const struct tree *one = named ? certs->first : NULL; one != NULL; one = one->next)
        found |= own_find(check, certs, span_of(one->value, one->len));
    if (!named)
        found |= own_in_folders(check) || key_node(round, "pubkeys") != round;
    if (!found)
        build_warn(check->error, named ? certs : round,
                   named ? "no private key of this certificate is in private/"
                         : "this host logs in with a certificate, and no certificate in x509/ has "
                           "its private key in private/");
}

static void remote_check(struct check *check, const struct tree *round)
{
    static const char *const keys[] = {"cacerts", "certs", "pubkeys"};
    bool found = check->has_ca || tree_get(check->root, "authorities") != NULL;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        found |= key_node(round, keys[i]) != round;
    if (!found)
        build_warn(check->error, round,
                   "the peer logs in with a certificate, and x509ca/ has no certificate of a CA");
}

/* by_cert - a round that no secret or EAP method proves. `auth` is pubkey by default. */
static bool by_cert(const struct tree *round)
{
    const struct tree *auth = key_node(round, "auth");
    const char *method = auth == round ? "pubkey" : tree_value_text(auth);
    return strncasecmp(method, "psk", 3) != 0 && strncasecmp(method, "eap", 3) != 0 &&
           strncasecmp(method, "xauth", 5) != 0;
}

static void conn_check(struct check *check, const struct tree *conn)
{
    for (const struct tree *round = conn->first; round != NULL; round = round->next) {
        if (round->kind != TREE_SECTION || !by_cert(round))
            continue;
        if (strncasecmp(round->name, "local", 5) == 0)
            local_check(check, round);
        else if (strncasecmp(round->name, "remote", 6) == 0)
            remote_check(check, round);
    }
}

static void conns_check(struct check *check)
{
    const struct tree *conns = tree_get(check->root, "connections");
    const struct tree *secrets = tree_get(check->root, "secrets");
    for (const struct tree *s = secrets == NULL ? NULL : secrets->first; s != NULL; s = s->next)
        check->hidden |= token_secret(s);
    for (const struct tree *conn = conns == NULL ? NULL : conns->first; conn != NULL;
         conn = conn->next)
        conn_check(check, conn);
}

int credential_check(const struct tree *root, struct build_error *error)
{
    struct check *check = calloc(1, sizeof(*check));
    if (check == NULL || cert_store_init(&check->store) != 0) {
        free(check);
        return ERR_NO_MEMORY;
    }
    check->root = root;
    check->error = error;
    (void)container_init(); /* without the legacy provider old containers cannot be read */
    int err = files_try(check);
    if (err == 0)
        conns_check(check);
    cert_store_done(&check->store);
    free(check);
    return err;
}
