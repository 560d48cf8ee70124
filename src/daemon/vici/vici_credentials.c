/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the VICI server for secrets, private keys and certificates. The response waits for
 * the answer of the keyholder or the verifier. */
#include <stdio.h>
#include <strings.h>

#include "base/secret.h"
#include "daemon/config/conn_build.h"
#include "daemon/config/pem.h"
#include "daemon/config/token_build.h"
#include "daemon/vici/vici_server.h"
#include "daemon/vici/vici_stage.h"
#include "ike/terms/identity.h"
#include "wire/certificate.h"

#define OWNERS_MAX 8

/* --- answers that come later --- */

/* on_loaded - the process has answered. An object that it refused leaves the load in preparation,
 * too. */
static void on_loaded(void *context, int error, const char *reason, const uint8_t *key_id)
{
    struct vici_client *client = context;
    (void)key_id;
    if (error != 0 && vici_client_stage(client) != NULL)
        vici_stage_break(vici_client_stage(client));
    vici_client_busy(client, false);
    vici_finish(client, error, reason);
}

static struct engine_reply reply_to(struct vici_client *client)
{
    return (struct engine_reply){.context = client, .done = on_loaded};
}

/* settle - the engine has taken the command, with the client busy. Without an error on_loaded()
 * responds, or has responded already. */
static void settle(struct vici_client *client, int err, const char *why)
{
    if (err == 0)
        return;
    if (vici_client_stage(client) != NULL)
        vici_stage_break(vici_client_stage(client));
    vici_client_busy(client, false);
    vici_finish(client, err, why);
}

/* held_elsewhere - the client is a loader: the processes that keep secrets and keys already have
 * its ones. */
static bool held_elsewhere(const struct vici_client *client)
{
    return vici_client_stage(client) != NULL && vici_client_load(client) != 0;
}

static struct span data_of(const struct tree *m)
{
    const struct tree *data = tree_get(m, "data");
    return data == NULL || data->kind != TREE_VALUE ? (struct span){0}
                                                    : span_of(data->value, data->len);
}

/* --- secrets --- */

/* secret_type_why - the reason why the type cannot be loaded; NULL: it can. */
static const char *secret_type_why(const char *type, enum engine_secret_kind *ret_kind)
{
    static const char *const types[] = {"ike", "eap", "ntlm",
                                        "ppk"}; /* by enum engine_secret_kind */
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcasecmp(type, types[i]) == 0) {
            *ret_kind = (enum engine_secret_kind)i;
            return NULL;
        }
    if (strcasecmp(type, "xauth") == 0)
        return "secrets of type xauth are of IKEv1, which is not supported";
    return "only secrets of type ike, eap, ntlm and ppk are supported";
}

static int owners_read(const struct tree *m, struct engine_secret *secret, const char **ret_why)
{
    struct tree *owners = tree_items(tree_get(m, "owners"));
    int err = owners == NULL ? ERR_NO_MEMORY : 0;
    for (const struct tree *owner = owners == NULL ? NULL : owners->first;
         err == 0 && owner != NULL; owner = owner->next) {
        struct ike_id identity;
        if (identity_parse((const char *)owner->value, &identity) != 0)
            err = ERR_INVALID, *ret_why = "an owner is not an identity";
        else if (identity.type != ID_ANY && secret->n_owners == OWNERS_MAX)
            err = ERR_INVALID, *ret_why = "more than 8 owners";
        else if (identity.type != ID_ANY)
            secret->owners[secret->n_owners++] = identity;
    }
    tree_free(owners);
    return err;
}

void vici_load_shared(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct engine_reply reply = reply_to(client);
    struct engine_secret secret = {.n_owners = 0};
    struct span data = data_of(m);
    const char *id = tree_text_or(m, "id", "");
    const char *why = secret_type_why(tree_text_or(m, "type", ""), &secret.kind);
    int err = why == NULL ? 0 : ERR_INVALID;
    vici_client_busy(client, true);
    bool held = held_elsewhere(client);
    if (err == 0 && !held && (data.len == 0 || data.len > SECRET_OCTETS_MAX))
        err = ERR_INVALID, why = "'data' is missing, empty or too long";
    else if (err == 0 && strlen(id) >= sizeof(secret.id))
        err = ERR_INVALID, why = "'id' is too long";
    if (err == 0)
        err = owners_read(m, &secret, &why);
    if (err == 0) {
        strcpy(secret.id, id);
        secret.octets = held ? NULL : data.ptr;
        secret.n_octets = held ? 0 : data.len;
        if (vici_client_stage(client) != NULL) {
            err = vici_stage_secret(vici_client_stage(client), &secret);
            vici_client_busy(client, false);
            vici_finish(client, err, err == ERR_INVALID ? "a secret of a load needs an id" : NULL);
            return;
        }
        vici_files_forget(vici_client_files(client), VICI_FILE_SECRET, secret.id);
        err = ops->secret_load(ops->engine, &secret, &reply);
    }
    settle(client, err, why);
}

void vici_unload_shared(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const char *id = tree_text_or(m, "id", "");
    if (vici_of_files(client, VICI_FILE_SECRET, id))
        return;
    vici_finish(client, ops->secret_unload(ops->engine, id), "no secret of that id is loaded");
}

void vici_get_shared(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    char id[LIMIT_NAME];
    struct vici_writer w;
    (void)m;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_list(&w, "keys");
    for (size_t i = 0; ops->secret_at(ops->engine, i, id); i++)
        vici_item(&w, id);
    vici_list_end(&w);
    vici_client_send(client, &w);
}

/* --- private keys --- */

static bool key_id_parse(const char *text, uint8_t ret[KEY_ID_SIZE])
{
    if (strlen(text) != 2 * KEY_ID_SIZE || strspn(text, "0123456789abcdefABCDEF") != strlen(text))
        return false;
    for (size_t i = 0; i < KEY_ID_SIZE; i++) {
        unsigned octet = 0;
        (void)sscanf(text + 2 * i, "%2x", &octet);
        ret[i] = (uint8_t)octet;
    }
    return true;
}

static void on_key(void *context, int error, const char *reason, const uint8_t *key_id)
{
    struct vici_client *client = context;
    char text[KEY_ID_TEXT];
    struct vici_writer w;
    struct vici_stage *stage = vici_client_stage(client);
    vici_client_busy(client, false);
    if (error != 0) {
        if (stage != NULL)
            vici_stage_break(stage);
        vici_finish(client, error, reason);
        return;
    }
    if (stage != NULL)
        vici_stage_key_id(stage, key_id);
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "success", "yes");
    vici_put(&w, "id", "%s", vici_key_id_print(key_id, text));
    vici_client_send(client, &w);
}

/* key_held - the loader names a key that it has given to the keyholder. */
static void key_held(struct vici_client *client, const struct tree *m)
{
    uint8_t key_id[KEY_ID_SIZE];
    int err = key_id_parse(tree_text_or(m, "id", ""), key_id)
                  ? vici_stage_key_held(vici_client_stage(client), key_id)
                  : ERR_INVALID;
    vici_finish(client, err, "'id' is missing, or no id of a key");
}

/* vici_load_key - `secret`, a passphrase, is an extension of ikat: swanctl decrypts keys itself. */
void vici_load_key(struct vici_client *client, const struct tree *m)
{
    if (held_elsewhere(client)) {
        key_held(client, m);
        return;
    }
    const struct engine_ops *ops = vici_client_ops(client);
    const struct engine_reply reply = {.context = client, .done = on_key};
    const struct tree *secret = tree_get(m, "secret");
    struct span passphrase = {0};
    if (secret != NULL && secret->kind == TREE_VALUE)
        passphrase = span_of(secret->value, secret->len);
    struct vici_stage *stage = vici_client_stage(client);
    vici_client_busy(client, true);
    int err = stage == NULL ? ops->key_load(ops->engine, data_of(m), passphrase, &reply)
                            : vici_stage_key(stage, data_of(m), passphrase);
    if (err == 0 && stage != NULL)
        err = ops->key_check(ops->engine, data_of(m), passphrase, &reply);
    settle(client, err, "'data' is missing or too long");
}

void vici_unload_key(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    uint8_t key_id[KEY_ID_SIZE];
    char text[KEY_ID_TEXT];
    int err = ERR_NOT_FOUND;
    bool known = key_id_parse(tree_text_or(m, "id", ""), key_id);
    if (known && vici_of_files(client, VICI_FILE_KEY, vici_key_id_print(key_id, text)))
        return;
    if (known)
        err = ops->key_unload(ops->engine, key_id);
    vici_finish(client, err, "no private key of that id is loaded");
}

void vici_get_keys(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct credentials *credentials = ops->credentials(ops->engine);
    const uint8_t *key_id;
    char text[KEY_ID_TEXT];
    struct vici_writer w;
    (void)m;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_list(&w, "keys");
    for (size_t i = 0; (key_id = credentials_key_at(credentials, i)) != NULL; i++)
        vici_item(&w, vici_key_id_print(key_id, text));
    vici_list_end(&w);
    vici_client_send(client, &w);
}

void vici_load_token(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct engine_reply reply = {.context = client, .done = on_key};
    struct build_error error = {.text = ""};
    struct key_token token;
    if (vici_client_stage(client) != NULL) {
        vici_stage_break(vici_client_stage(client));
        vici_fail(client, "keys on tokens are not loaded between load-begin and load-commit");
        return;
    }
    if (token_build(m, &token, &error) != 0) {
        vici_fail(client, error.text);
        return;
    }
    vici_client_busy(client, true);
    settle(client, ops->token_load(ops->engine, &token, &reply), NULL);
    wipe(&token, sizeof(token));
}

/* --- certificates --- */

/* The types of load-cert and the folders of swanctl, which it takes as types too. */
static const struct cert_type {
    const char *type, *flag; /* flag NULL: any */
    enum cert_role role;
    bool crl;
    const char *why; /* the reason why it cannot be loaded; NULL: it can */
} cert_types[] = {
    {"x509", "NONE", CERT_ROLE_PLAIN, false, NULL},
    {"x509", "CA", CERT_ROLE_CA, false, NULL},
    {"x509", "OCSP", CERT_ROLE_OCSP, false, NULL},
    {"x509", "AA", CERT_ROLE_PLAIN, false, "attribute certificates are not supported by ikat"},
    {"x509ca", NULL, CERT_ROLE_CA, false, NULL},
    {"x509ocsp", NULL, CERT_ROLE_OCSP, false, NULL},
    {"x509aa", NULL, CERT_ROLE_PLAIN, false, "attribute certificates are not supported by ikat"},
    {"x509ac", NULL, CERT_ROLE_PLAIN, false, "attribute certificates are not supported by ikat"},
    {"x509_ac", NULL, CERT_ROLE_PLAIN, false, "attribute certificates are not supported by ikat"},
    {"x509crl", NULL, CERT_ROLE_PLAIN, true, NULL},
    {"x509_crl", NULL, CERT_ROLE_PLAIN, true, NULL},
    {"pubkey", NULL, CERT_ROLE_PUBKEY, false, NULL},
};

static const struct cert_type *cert_type_find(const struct tree *m)
{
    const char *type = tree_text_or(m, "type", ""), *flag = tree_text_or(m, "flag", "NONE");
    for (size_t i = 0; i < sizeof(cert_types) / sizeof(cert_types[0]); i++)
        if (strcasecmp(cert_types[i].type, type) == 0 &&
            (cert_types[i].flag == NULL || strcasecmp(cert_types[i].flag, flag) == 0))
            return &cert_types[i];
    return NULL;
}

/* role_of - swanctl sends the CAs of a PKCS#12 container without a flag, and charon trusts them
 * all. ikatd trusts the roots among them. For the loader of our own files the flag decides. */
static enum cert_role role_of(const struct vici_client *client, const struct cert_type *type,
                              struct span der)
{
    struct wire_certificate outline;
    bool root = !type->crl && type->role == CERT_ROLE_PLAIN && !held_elsewhere(client) &&
                wire_certificate_read(der, &outline) && wire_certificate_root(&outline);
    return root ? CERT_ROLE_CA : type->role;
}

static void cert_stage(struct vici_client *client, const struct cert_type *type, struct span der)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct engine_reply reply = reply_to(client);
    const struct engine_cert cert = {
        .crl = type->crl, .role = role_of(client, type, der), .octets = der};
    vici_client_busy(client, true);
    int err = der.len == 0 ? ERR_INVALID : vici_stage_cert(vici_client_stage(client), &cert);
    if (err == 0)
        err = ops->cert_check(ops->engine, &cert, &reply);
    settle(client, err, "'data' is no certificate, key or CRL in PEM or DER, or too long");
}

void vici_load_cert(struct vici_client *client, const struct tree *m)
{
    static uint8_t room[VERIFIER_CRL_MAX];
    const struct engine_ops *ops = vici_client_ops(client);
    const struct cert_type *type = cert_type_find(m);
    struct engine_reply reply = reply_to(client);
    if (type == NULL || type->why != NULL) {
        vici_fail(client, type == NULL ? "'type' or 'flag' is not known" : type->why);
        return;
    }
    struct span der = pem_read(data_of(m), room, sizeof(room));
    if (vici_client_stage(client) != NULL) {
        cert_stage(client, type, der);
        return;
    }
    vici_client_busy(client, true);
    if (type->crl)
        settle(client, ops->crl_load(ops->engine, der, &reply),
               "'data' is no CRL in PEM or DER, or too long");
    else
        settle(client, ops->cert_load(ops->engine, role_of(client, type, der), der, &reply),
               "'data' is no certificate or key in PEM or DER, or too long");
}

/* --- listing --- */

static const struct shown {
    enum cert_role role;
    const char *type, *flag;
} shown[] = {
    {CERT_ROLE_CA, "X509", "CA"},
    {CERT_ROLE_AUTHORITY, "X509", "CA"},
    {CERT_ROLE_OCSP, "X509", "OCSP"},
    {CERT_ROLE_PLAIN, "X509", "NONE"},
    {CERT_ROLE_CONN, "X509", "NONE"},
    {CERT_ROLE_PUBKEY, "PUBKEY", NULL},
    {CERT_ROLE_CONN_PUBKEY, "PUBKEY", NULL},
};

static bool shown_wanted(const struct tree *m, const struct credential_cert *cert,
                         const struct shown *as)
{
    const char *type = tree_text_or(m, "type", "ANY"), *flag = tree_text_or(m, "flag", "ANY");
    const char *subject = tree_text(m, "subject");
    struct ike_id wanted, own;
    const struct wire_id name = {.type = ID_DER_ASN1_DN, .data = cert->subject};
    if (strcasecmp(type, "ANY") != 0 && strcasecmp(type, as->type) != 0)
        return false;
    if (as->flag != NULL && strcasecmp(flag, "ANY") != 0 && strcasecmp(flag, as->flag) != 0)
        return false;
    return subject == NULL ||
           (identity_parse(subject, &wanted) == 0 && identity_from_wire(&name, &own) &&
            identity_covers(&wanted, &own) != IDENTITY_NO);
}

static void cert_send(struct vici_client *client, const struct credential_cert *cert,
                      const struct shown *as)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct vici_writer w;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_CERT));
    vici_put(&w, "type", "%s", as->type);
    if (as->flag != NULL)
        vici_put(&w, "flag", "%s", as->flag);
    if (credentials_key_known(ops->credentials(ops->engine), cert->key_id))
        vici_put(&w, "has_privkey", "yes");
    vici_octets(&w, "data", cert->octets);
    vici_client_send(client, &w);
}

/* --- lists of revocations and OCSP responses: the verifier shows one after another --- */

static void cached_next(struct vici_client *client);

static void on_cached_item(void *context, struct span octets)
{
    struct vici_client *client = context;
    struct vici_writer w;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_CERT));
    vici_put(&w, "type", "%s", vici_client_cached(client)->lists ? "X509_CRL" : "OCSP_RESPONSE");
    vici_octets(&w, "data", octets);
    vici_client_send(client, &w);
}

static void on_cached(void *context, int error, const char *reason, const uint8_t *key_id)
{
    struct vici_client *client = context;
    struct vici_cached *cached = vici_client_cached(client);
    (void)reason;
    (void)key_id;
    cached->index++;
    if (error != 0 && error != ERR_FULL) { /* all of this kind were shown */
        cached->index = 0;
        if (cached->lists)
            cached->lists = false;
        else
            cached->responses = false;
    }
    cached_next(client);
}

/* cached_next - asks for the next object, or ends the command. */
static void cached_next(struct vici_client *client)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct vici_cached *cached = vici_client_cached(client);
    const struct verifier_show what = {.responses = !cached->lists, .index = cached->index};
    const struct engine_reply reply = {
        .context = client, .item = on_cached_item, .done = on_cached};
    struct vici_writer w;
    if ((cached->lists || cached->responses) && ops->cached_show(ops->engine, &what, &reply) == 0)
        return;
    vici_client_busy(client, false);
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_client_send(client, &w);
}

/* cached_wanted - the filter selects these objects, which have neither flag nor subject. */
static bool cached_wanted(const struct tree *m, const char *as)
{
    const char *type = tree_text_or(m, "type", "ANY");
    return tree_text(m, "subject") == NULL &&
           strcasecmp(tree_text_or(m, "flag", "ANY"), "ANY") == 0 &&
           (strcasecmp(type, "ANY") == 0 || strcasecmp(type, as) == 0);
}

void vici_list_certs(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct credentials *credentials = ops->credentials(ops->engine);
    const struct credential_cert *cert;
    bool registered = vici_client_registered(client, VICI_EV_LIST_CERT);
    for (size_t i = 0; registered && (cert = credentials_cert_at(credentials, i)) != NULL; i++)
        for (size_t j = 0; j < sizeof(shown) / sizeof(shown[0]); j++)
            if ((cert->roles & 1u << shown[j].role) && shown_wanted(m, cert, &shown[j])) {
                cert_send(client, cert, &shown[j]);
                break;
            }
    *vici_client_cached(client) =
        (struct vici_cached){.lists = registered && cached_wanted(m, "X509_CRL"),
                             .responses = registered && cached_wanted(m, "OCSP_RESPONSE")};
    vici_client_busy(client, true);
    cached_next(client);
}

/* vici_flush_certs - flush-certs drops the objects that can be fetched again: lists of revocations
 * and OCSP responses. */
void vici_flush_certs(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const char *type = tree_text_or(m, "type", "ANY");
    bool any = strcasecmp(type, "ANY") == 0;
    uint32_t what = (any || strcasecmp(type, "X509_CRL") == 0 ? VERIFIER_FLUSH_LISTS : 0) |
                    (any || strcasecmp(type, "OCSP_RESPONSE") == 0 ? VERIFIER_FLUSH_RESPONSES : 0);
    struct vici_writer w;
    if (what != 0) {
        vici_finish(client, ops->crls_flush(ops->engine, what), "");
        return;
    }
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "success", "yes");
    vici_put(&w, "note", "nothing was done: of certificates only lists of revocations are cached");
    vici_client_send(client, &w);
}

/* --- objects that are no longer in the files --- */

/* retained - the list of the message has "ROLE:HEX". */
static bool retained(const struct tree *list, const char *role, struct span id)
{
    char text[2 * CERT_DIGEST + 16];
    size_t at = (size_t)snprintf(text, sizeof(text), "%s:", role);
    for (size_t i = 0; i < id.len; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%02x", id.ptr[i]);
    for (const struct tree *item = list == NULL ? NULL : list->first; item != NULL;
         item = item->next)
        if (strcmp((const char *)item->value, text) == 0)
            return true;
    return false;
}

/* cert_drop - true: it has unloaded one, and the walk begins anew. */
static bool cert_drop(const struct engine_ops *ops, const struct tree *list)
{
    static const struct {
        enum cert_role role;
        const char *name;
    } rows[] = {{CERT_ROLE_PLAIN, "x509"},
                {CERT_ROLE_CA, "x509ca"},
                {CERT_ROLE_PUBKEY, "pubkey"},
                {CERT_ROLE_OCSP, "x509ocsp"}};
    const struct credentials *credentials = ops->credentials(ops->engine);
    const struct credential_cert *cert;
    for (size_t i = 0; (cert = credentials_cert_at(credentials, i)) != NULL; i++)
        for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]); j++)
            if ((cert->roles & 1u << rows[j].role) &&
                !retained(list, rows[j].name, span_of(cert->digest, CERT_DIGEST))) {
                uint8_t digest[CERT_DIGEST];
                memcpy(digest, cert->digest, CERT_DIGEST);
                return ops->cert_unload(ops->engine, rows[j].role, digest) == 0;
            }
    return false;
}

static bool key_drop(const struct engine_ops *ops, const struct tree *list)
{
    const struct credentials *credentials = ops->credentials(ops->engine);
    const uint8_t *key_id;
    for (size_t i = 0; (key_id = credentials_key_at(credentials, i)) != NULL; i++)
        if (!retained(list, "key", span_of(key_id, KEY_ID_SIZE))) {
            uint8_t copy[KEY_ID_SIZE];
            memcpy(copy, key_id, KEY_ID_SIZE);
            return ops->key_unload(ops->engine, copy) == 0;
        }
    return false;
}

/* vici_retain_credentials - retain-credentials, an extension of ikat, unloads all certificates and
 * private keys that are not in the list. So a CA that was removed from a folder is no longer
 * trusted. */
void vici_retain_credentials(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct tree *list = tree_get(m, "retain");
    if (vici_client_stage(client) != NULL) { /* the contents of the load are the list */
        vici_stage_files(vici_client_stage(client));
        vici_succeed(client);
        return;
    }
    while (cert_drop(ops, list))
        ;
    while (key_drop(ops, list))
        ;
    vici_succeed(client);
}

void vici_clear_creds(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    (void)m;
    ops->credentials_clear(ops->engine);
    vici_succeed(client);
}
