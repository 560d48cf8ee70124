/* SPDX-License-Identifier: Apache-2.0 */
/* Loaded secrets, private keys and certificates: the messages to the keyholder and the verifier,
 * and the answers to clients. */
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "daemon/common/log.h"
#include "daemon/config/secret_requests.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/engine/engine_eap.h"
#include "daemon/tables/credentials.h"

/* --- pre-shared secrets --- */

/* struct secret_name - of a secret that a client can ask for by its id. */
struct secret_name {
    UT_hash_handle hh;
    char id[LIMIT_NAME];
    enum engine_secret_kind kind;
};

static struct secret_name *name_find(const struct engine *e, const char *id)
{
    struct secret_name *name;
    HASH_FIND_STR(e->secrets, id, name);
    return name;
}

static void name_kind_set(struct engine *e, struct secret_name *name, enum engine_secret_kind kind)
{
    e->n_ppks -= name->kind == ENGINE_SECRET_PPK;
    e->n_ppks += kind == ENGINE_SECRET_PPK;
    name->kind = kind;
}

static void name_drop(struct engine *e, struct secret_name *name)
{
    e->n_ppks -= name->kind == ENGINE_SECRET_PPK;
    HASH_DEL(e->secrets, name);
    free(name);
}

/* A name that moves from one process to the other leaves the first. */
static int name_add(struct engine *e, const char *id, enum engine_secret_kind kind)
{
    struct secret_name *there = name_find(e, id);
    if (there != NULL && secret_of_eap(there->kind) != secret_of_eap(kind)) {
        int error = engine_secret_unload(e, id);
        if (error != 0)
            return error;
        there = NULL;
    }
    if (there != NULL) {
        name_kind_set(e, there, kind);
        return 0;
    }
    struct secret_name *name = calloc(1, sizeof(*name));
    if (name == NULL)
        return ERR_NO_MEMORY;
    (void)snprintf(name->id, sizeof(name->id), "%s", id);
    HASH_ADD_STR(e->secrets, id, name);
    if (TABLE_HAS(name)) {
        name_kind_set(e, name, kind);
        return 0;
    }
    free(name);
    return ERR_NO_MEMORY;
}

/* ppks_tell - tells the core whether any PPK is loaded. */
static void ppks_tell(struct engine *e)
{
    ike_ppk_set(e->ike, e->n_ppks > 0);
}

int engine_secret_load(struct engine *e, const struct engine_secret *secret,
                       const struct engine_reply *reply)
{
    struct key_request request = {.kind = KEY_LOAD};
    struct key_load *load = &request.load;
    int error = secret_to_key(secret, load);
    if (error != 0)
        return error;
    load->name[sizeof(load->name) - 1] = '\0';
    /* a secret without a name; a client's id has no such octet */
    if (load->name[0] == '\0')
        (void)snprintf(load->name, sizeof(load->name), "\x01%llu",
                       (unsigned long long)engine_number(e));
    else if (name_add(e, load->name, secret->kind) != 0)
        return ERR_NO_MEMORY;
    e->n_ppks += load->name[0] == '\x01' && secret->kind == ENGINE_SECRET_PPK;
    ppks_tell(e);
    if (secret_of_eap(secret->kind))
        return engine_eap_secret_load(e, load->name, secret, reply);
    error = engine_loading_add(e, reply, &request.job);
    return error != 0 ? error
                      : engine_key_send(e, &request, span_of(secret->octets, secret->n_octets));
}

int engine_secret_known(struct engine *e, const struct engine_secret *secret)
{
    int error = name_add(e, secret->id, secret->kind);
    ppks_tell(e);
    return error;
}

void engine_secret_forget(struct engine *e, const char *id)
{
    struct secret_name *name = name_find(e, id);
    if (name != NULL)
        name_drop(e, name);
    ppks_tell(e);
}

int engine_secret_unload(struct engine *e, const char *id)
{
    struct key_request request = {.kind = KEY_UNLOAD};
    struct secret_name *name = name_find(e, id);
    if (name == NULL)
        return ERR_NOT_FOUND;
    bool eap = secret_of_eap(name->kind);
    memcpy(request.load.name, name->id, LIMIT_NAME);
    name_drop(e, name);
    ppks_tell(e);
    if (eap)
        return engine_eap_secret_unload(e, request.load.name);
    int error = engine_loading_add(e, NULL, &request.job);
    return error != 0 ? error : engine_key_send(e, &request, (struct span){0});
}

bool engine_secret_at(const struct engine *e, size_t index, char ret_id[LIMIT_NAME])
{
    const struct secret_name *name = e->secrets;
    while (name != NULL && index-- > 0)
        name = name->hh.next;
    if (name != NULL)
        memcpy(ret_id, name->id, LIMIT_NAME);
    return name != NULL;
}

/* --- private keys --- */

static int verifier_tell_key(struct engine *e, const uint8_t *key_id, bool present)
{
    struct verifier_request request = {.kind = VERIFIER_KEY, .key = {.present = present}};
    memcpy(request.key.key_id, key_id, KEY_ID_SIZE);
    int error = engine_loading_add(e, NULL, &request.job);
    return error != 0 ? error : engine_verifier_send(e, &request, (struct span){0});
}

int engine_key_loaded(struct engine *e, const uint8_t *key_id, uint64_t keys_switched,
                      const char **ret_reason)
{
    if (keys_switched != e->keys_switched && !credentials_key_known(e->credentials, key_id)) {
        *ret_reason = "all keys were loaded anew meanwhile";
        return ERR_WRONG_STATE;
    }
    int error = credentials_key_add(e->credentials, key_id);
    if (error == 0)
        error = engine_radius_keys(e);
    return error != 0 ? error : verifier_tell_key(e, key_id, true);
}

/* key_octets_send - key and passphrase in one piece behind the request. */
static int key_octets_send(struct engine *e, struct key_request *request, struct span octets,
                           struct span passphrase)
{
    size_t len = octets.len + passphrase.len;
    uint8_t *both = malloc(len);
    if (both == NULL)
        return ERR_NO_MEMORY;
    memcpy(both, octets.ptr, octets.len);
    if (passphrase.len > 0)
        memcpy(both + octets.len, passphrase.ptr, passphrase.len);
    request->private.octets_len = (uint32_t)octets.len;
    request->private.passphrase_len = (uint32_t)passphrase.len;
    int error = engine_key_send(e, request, span_of(both, len));
    wipe(both, len);
    free(both);
    return error;
}

int engine_key_load(struct engine *e, struct span octets, struct span passphrase,
                    const struct engine_reply *reply)
{
    struct key_request request = {.kind = KEY_PRIVATE_LOAD};
    if (octets.len == 0 || octets.len + passphrase.len > KEY_FILE)
        return ERR_INVALID;
    int error = engine_loading_add_key(e, reply, &request.job);
    return error != 0 ? error : key_octets_send(e, &request, octets, passphrase);
}

int engine_token_load(struct engine *e, const struct key_token *token,
                      const struct engine_reply *reply)
{
    struct key_request request = {.kind = KEY_TOKEN_LOAD, .token = *token};
    int error = engine_loading_add_key(e, reply, &request.job);
    if (error == 0)
        error = engine_key_send(e, &request, (struct span){0});
    wipe(&request, sizeof(request));
    return error;
}

int engine_key_check(struct engine *e, struct span octets, struct span passphrase,
                     const struct engine_reply *reply)
{
    struct key_request request = {.kind = KEY_PRIVATE_TRY};
    if (octets.len == 0 || octets.len + passphrase.len > KEY_FILE)
        return ERR_INVALID;
    int error = engine_loading_add(e, reply, &request.job);
    return error != 0 ? error : key_octets_send(e, &request, octets, passphrase);
}

/* engine_key_put - adds a key of a checked load, and announces its id at once. Without octets: the
 * loader has given them to the keyholder. */
static int engine_key_put(struct engine *e, const struct engine_key *key)
{
    struct key_request request = {.kind = KEY_PRIVATE_LOAD};
    int error = key->octets.len == 0 ? 0 : engine_loading_add(e, NULL, &request.job);
    if (error == 0 && key->octets.len > 0)
        error = key_octets_send(e, &request, key->octets, key->passphrase);
    if (error == 0)
        error = credentials_key_add(e->credentials, key->id);
    return error != 0 ? error : verifier_tell_key(e, key->id, true);
}

/* key_drop - `asks`: the keyholder does not know yet. */
static int key_drop(struct engine *e, const uint8_t key_id[KEY_ID_SIZE], bool asks)
{
    struct key_request request = {.kind = KEY_PRIVATE_UNLOAD};
    if (!credentials_key_remove(e->credentials, key_id))
        return ERR_NOT_FOUND;
    memcpy(request.private.key_id, key_id, KEY_ID_SIZE);
    int error = asks ? engine_loading_add(e, NULL, &request.job) : 0;
    if (error == 0 && asks)
        error = engine_key_send(e, &request, (struct span){0});
    return error != 0 ? error : verifier_tell_key(e, key_id, false);
}

int engine_key_unload(struct engine *e, const uint8_t key_id[KEY_ID_SIZE])
{
    return key_drop(e, key_id, true);
}

static bool key_in(const struct engine_load *load, const uint8_t *key_id)
{
    for (size_t i = 0; i < load->n_keys; i++)
        if (memcmp(load->keys[i].id, key_id, KEY_ID_SIZE) == 0)
            return true;
    return false;
}

int engine_keys_switch(struct engine *e, const struct engine_load *load)
{
    const uint8_t *key_id;
    int error = 0;
    e->keys_switched += load->files;
    for (size_t i = 0; error == 0 && i < load->n_keys; i++)
        error = engine_key_put(e, &load->keys[i]);
    for (size_t i = 0;
         error == 0 && load->files && (key_id = credentials_key_at(e->credentials, i)) != NULL;) {
        uint8_t copy[KEY_ID_SIZE];
        memcpy(copy, key_id, KEY_ID_SIZE);
        if (key_in(load, copy))
            i++;
        else
            error = key_drop(e, copy, load->number == 0);
    }
    return error;
}

/* --- certificates --- */

int engine_cert_load(struct engine *e, enum cert_role role, struct span octets,
                     const struct engine_reply *reply)
{
    struct verifier_request request = {.kind = VERIFIER_CERT, .cert = {.role = (uint32_t)role}};
    const struct credential_cert *cert;
    bool is_new;
    int error = credentials_cert_add(e->credentials, role, octets, &cert, &is_new);
    if (error != 0)
        return error;
    memcpy(request.cert.digest, cert->digest, CERT_DIGEST);
    error = engine_loading_add(e, reply, &request.job);
    return error != 0 ? error : engine_verifier_send(e, &request, octets);
}

int engine_cert_unload(struct engine *e, enum cert_role role, const uint8_t digest[CERT_DIGEST])
{
    struct verifier_request request = {.kind = VERIFIER_UNCERT, .cert = {.role = (uint32_t)role}};
    memcpy(request.cert.digest, digest, CERT_DIGEST);
    credentials_cert_remove(e->credentials, role, digest);
    int error = engine_loading_add(e, NULL, &request.job);
    return error != 0 ? error : engine_verifier_send(e, &request, (struct span){0});
}

int engine_cert_check(struct engine *e, const struct engine_cert *cert,
                      const struct engine_reply *reply)
{
    struct verifier_request request = {.kind = cert->crl ? VERIFIER_CRL_TRY : VERIFIER_CERT_TRY,
                                       .cert = {.role = (uint32_t)cert->role}};
    if (cert->octets.len == 0 ||
        cert->octets.len > (cert->crl ? VERIFIER_CRL_MAX : VERIFIER_CERT_MAX) ||
        (!cert->crl && !credentials_cert_sound(cert->role, cert->octets)))
        return ERR_INVALID;
    int error = engine_loading_add(e, reply, &request.job);
    return error != 0 ? error : engine_verifier_send(e, &request, cert->octets);
}

static int by_digest(const void *a, const void *b)
{
    const struct engine_cert *one = a, *other = b;
    int order = memcmp(one->digest, other->digest, CERT_DIGEST);
    return order != 0 ? order : (int)one->role - (int)other->role;
}

/* cert_in - the certificates of the load are sorted. */
static bool cert_in(const struct engine_load *load, enum cert_role role, const uint8_t *digest)
{
    struct engine_cert like = {.role = role};
    memcpy(like.digest, digest, CERT_DIGEST);
    return load->n_certs > 0 &&
           bsearch(&like, load->certs, load->n_certs, sizeof(like), by_digest) != NULL;
}

/* cert_of_files - a role that a folder gives, and that the load does not. CERT_ROLES: none. */
static enum cert_role cert_of_files(const struct engine_load *load,
                                    const struct credential_cert *cert)
{
    static const enum cert_role roles[] = {CERT_ROLE_PLAIN, CERT_ROLE_CA, CERT_ROLE_PUBKEY,
                                           CERT_ROLE_OCSP};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if ((cert->roles & 1u << roles[i]) && !cert_in(load, roles[i], cert->digest))
            return roles[i];
    return CERT_ROLES;
}

static int crls_tell(struct engine *e, enum verifier_kind kind)
{
    struct verifier_request request = {.kind = kind};
    int error = engine_loading_add(e, NULL, &request.job);
    return error != 0 ? error : engine_verifier_send(e, &request, (struct span){0});
}

int engine_certs_switch(struct engine *e, const struct engine_load *load)
{
    const struct credential_cert *cert;
    int error = 0;
    if (load->n_certs > 0)
        qsort(load->certs, load->n_certs, sizeof(load->certs[0]), by_digest);
    if (load->files)
        error = crls_tell(e, VERIFIER_CRLS_BEGIN);
    for (size_t i = 0; error == 0 && i < load->n_certs; i++)
        error = load->certs[i].crl
                    ? engine_crl_load(e, load->certs[i].octets, NULL)
                    : engine_cert_load(e, load->certs[i].role, load->certs[i].octets, NULL);
    if (error == 0 && load->files)
        error = crls_tell(e, VERIFIER_CRLS_END);
    for (size_t i = 0;
         error == 0 && load->files && (cert = credentials_cert_at(e->credentials, i)) != NULL;) {
        enum cert_role role = cert_of_files(load, cert);
        uint8_t digest[CERT_DIGEST];
        memcpy(digest, cert->digest, CERT_DIGEST);
        if (role == CERT_ROLES)
            i++;
        else
            error = engine_cert_unload(e, role, digest);
    }
    return error;
}

int engine_crl_load(struct engine *e, struct span octets, const struct engine_reply *reply)
{
    struct verifier_request request = {.kind = VERIFIER_CRL};
    if (octets.len == 0 || octets.len > VERIFIER_CRL_MAX)
        return ERR_INVALID;
    int error = engine_loading_add(e, reply, &request.job);
    return error != 0 ? error : engine_verifier_send(e, &request, octets);
}

int engine_crls_flush(struct engine *e, uint32_t what)
{
    struct verifier_request request = {.kind = VERIFIER_FLUSH, .flush = what};
    int error = engine_loading_add(e, NULL, &request.job);
    return error != 0 ? error : engine_verifier_send(e, &request, (struct span){0});
}

int engine_cached_show(struct engine *e, const struct verifier_show *what,
                       const struct engine_reply *reply)
{
    struct verifier_request request = {.kind = VERIFIER_SHOW, .show = *what};
    int error = engine_loading_add(e, reply, &request.job);
    return error != 0 ? error : engine_verifier_send(e, &request, (struct span){0});
}

/* certs_clear - unloads all certificates that clients loaded. Those of connections stay. */
static void certs_clear(struct engine *e)
{
    static const enum cert_role roles[] = {CERT_ROLE_PLAIN, CERT_ROLE_CA, CERT_ROLE_PUBKEY,
                                           CERT_ROLE_OCSP};
    const struct credential_cert *cert;
    for (size_t index = 0; (cert = credentials_cert_at(e->credentials, index)) != NULL;) {
        unsigned before = cert->roles;
        uint8_t digest[CERT_DIGEST];
        memcpy(digest, cert->digest, CERT_DIGEST);
        for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
            if (before & 1u << roles[i])
                (void)!engine_cert_unload(e, roles[i], digest);
        if (before &
            (1u << CERT_ROLE_CONN | 1u << CERT_ROLE_CONN_PUBKEY | 1u << CERT_ROLE_AUTHORITY))
            index++;
    }
}

void engine_credentials_clear(struct engine *e)
{
    struct key_request request = {.kind = KEY_CLEAR};
    const uint8_t *key_id;
    while (e->secrets != NULL)
        name_drop(e, e->secrets);
    e->n_ppks = 0;
    ppks_tell(e);
    e->keys_switched++;
    while ((key_id = credentials_key_at(e->credentials, 0)) != NULL) {
        uint8_t copy[KEY_ID_SIZE];
        memcpy(copy, key_id, KEY_ID_SIZE);
        (void)credentials_key_remove(e->credentials, copy);
        (void)!verifier_tell_key(e, copy, false);
    }
    certs_clear(e);
    if (engine_loading_add(e, NULL, &request.job) != 0 ||
        engine_key_send(e, &request, (struct span){0}) != 0 ||
        engine_eap_secret_unload(e, NULL) != 0)
        log_line(LOG_LEVEL_ERROR, "event=credentials-not-cleared");
    if (crls_tell(e, VERIFIER_CRLS_BEGIN) == 0)
        (void)!crls_tell(e, VERIFIER_CRLS_END);
    (void)!engine_crls_flush(e, VERIFIER_FLUSH_LISTS | VERIFIER_FLUSH_RESPONSES);
}

/* --- connections --- */

static int certs_load(struct engine *e, const struct conn_credentials *credentials)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < credentials->n_certs; i++) {
        const struct conn_cert *cert = &credentials->certs[i];
        error = engine_cert_load(e, cert->role, span_of(cert->octets, cert->len), NULL);
    }
    return error;
}

static void ca_add(struct ike_cas *cas, const uint8_t *info_id)
{
    for (uint8_t i = 0; i < cas->n; i++)
        if (memcmp(cas->ids[i], info_id, IKE_KEY_ID) == 0)
            return;
    if (cas->n < POLICY_CAS)
        memcpy(cas->ids[cas->n++], info_id, IKE_KEY_ID);
}

static void responder_add(struct ike_cas *cas, const uint8_t *info_id)
{
    if (cas->n_responders < POLICY_RESPONDERS)
        memcpy(cas->responders[cas->n_responders++], info_id, IKE_KEY_ID);
}

/* round_of - the certificate policy of a round of the peer. */
static const struct cert_policy *round_of(const struct engine *e, const struct ike_conn *conn,
                                          uint8_t round)
{
    static const struct cert_policy none;
    const struct cert_policy *policy =
        credentials_policy(e->credentials, conn->remote[round].credentials);
    return policy == NULL ? &none : policy;
}

int engine_conn_cas(const struct engine *e, struct ike_conn *conn)
{
    struct ike_cas cas = {0};
    const struct credential_cert *cert;
    unsigned n_named = 0;
    bool pubkey = false;
    for (uint8_t i = 0; i < conn->n_remote_rounds; i++) {
        n_named += round_of(e, conn, i)->n_cas;
        pubkey |= conn->remote[i].method == IKE_AUTH_PUBKEY;
    }
    for (size_t at = 0; pubkey && (cert = credentials_cert_at(e->credentials, at)) != NULL; at++) {
        bool named =
            n_named == 0 && (cert->roles & (1u << CERT_ROLE_CA | 1u << CERT_ROLE_AUTHORITY)) != 0;
        for (uint8_t i = 0; i < conn->n_remote_rounds; i++)
            for (uint8_t j = 0; j < round_of(e, conn, i)->n_cas; j++)
                named |= memcmp(round_of(e, conn, i)->cas[j], cert->digest, CERT_DIGEST) == 0;
        if (named)
            ca_add(&cas, cert->info_id);
        if ((cert->roles & 1u << CERT_ROLE_OCSP) != 0)
            responder_add(&cas, cert->info_id);
    }
    return ike_conn_cas_set(conn, &cas);
}

/* remote_number - `conversation` is the number of the policy without groups. */
static int remote_number(struct engine *e, const struct cert_policy *demands,
                         struct ike_auth_policy *ret)
{
    struct cert_policy bare = *demands;
    bare.n_groups = 0;
    memset(bare.groups, 0, sizeof(bare.groups));
    ret->credentials = credentials_policy_add(e->credentials, demands);
    ret->conversation = credentials_policy_add(e->credentials, &bare);
    return ret->credentials == 0 || ret->conversation == 0 ? ERR_NO_MEMORY : 0;
}

int engine_conn_credentials(struct engine *e, const struct conn_credentials *credentials,
                            struct ike_conn *conn, bool staged)
{
    int error = staged ? 0 : certs_load(e, credentials);
    for (uint8_t i = 0; error == 0 && i < conn->n_local_rounds; i++) {
        conn->local[i].credentials = credentials_policy_add(e->credentials, &credentials->local[i]);
        error = conn->local[i].credentials == 0 ? ERR_NO_MEMORY : 0;
    }
    for (uint8_t i = 0; error == 0 && i < conn->n_remote_rounds; i++)
        error = remote_number(e, &credentials->remote[i], &conn->remote[i]);
    if (error == 0 && !staged)
        error = engine_conn_cas(e, conn);
    return error;
}

void engine_credentials_done(struct engine *e)
{
    while (e->secrets != NULL)
        name_drop(e, e->secrets);
    e->credentials = credentials_free(e->credentials);
}
