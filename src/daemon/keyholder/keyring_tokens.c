/* SPDX-License-Identifier: Apache-2.0 */
/* Keys on tokens: the keyring knows their public keys, and where they are. It composes and checks what
 * is signed, and the token process has it signed. Its answers come later. */
#include <openssl/x509.h>
#include <stdio.h>

#include "daemon/keyholder/keyring_state.h"
#include "eap/tls_signed.h"

static int why(struct key_answer *answer, int error, const char *reason)
{
    (void)snprintf(answer->reason, sizeof(answer->reason), "%s", reason);
    return error;
}

/* --- which library --- */

int keyring_tokens_module(struct key_set *set, const struct key_module *module)
{
    if (memchr(module->name, '\0', sizeof(module->name)) == NULL || module->name[0] == '\0' ||
        memchr(module->path, '\0', sizeof(module->path)) == NULL || module->path[0] != '/')
        return ERR_INVALID;
    if (set->modules.n == KEYRING_MODULES)
        return ERR_FULL;
    set->modules.rows[set->modules.n++] = *module;
    return 0;
}

/* module_find - the module of that name; without a name, the only one. Anybody who may load keys
 * can give a name, but nobody can give a path. */
static const struct key_module *module_find(const struct token_modules *modules, const char *name,
                                            struct key_answer *answer)
{
    if (name[0] == '\0' && modules->n == 1)
        return &modules->rows[0];
    for (unsigned i = 0; i < modules->n; i++)
        if (strcmp(modules->rows[i].name, name) == 0)
            return &modules->rows[i];
    if (name[0] == '\0' && modules->n > 1)
        (void)why(answer, 0, "'module' is missing: several are configured in the section pkcs11");
    else if (modules->n == 0)
        (void)why(answer, 0, "no module is configured in the section pkcs11 of the files");
    else
        (void)snprintf(answer->reason, sizeof(answer->reason),
                       "module %.60s is not configured in the section pkcs11 of the files", name);
    return NULL;
}

static int ref_make(const struct key_set *set, const struct key_token *token, struct token_ref *ret,
                    struct key_answer *answer)
{
    if (memchr(token->module, '\0', sizeof(token->module)) == NULL ||
        token->handle_len > sizeof(token->handle) || token->pin_len > sizeof(token->pin))
        return ERR_INVALID;
    if (token->handle_len == 0)
        return why(answer, ERR_INVALID, "the handle of the key (CKA_ID) is missing");
    const struct key_module *module = module_find(&set->modules, token->module, answer);
    if (module == NULL)
        return ERR_DENIED;
    *ret = (struct token_ref){.slot = token->slot < 0 ? -1 : token->slot,
                              .handle_len = token->handle_len,
                              .pin_len = token->pin_len};
    memcpy(ret->module, module->path, sizeof(ret->module));
    memcpy(ret->handle, token->handle, sizeof(ret->handle));
    memcpy(ret->pin, token->pin, sizeof(ret->pin));
    return 0;
}

/* --- asking --- */

static int later(struct keyring *keyring, const struct token_call *call, struct span octets)
{
    int error = token_calls_add(&keyring->calls, call, octets);
    return error == 0 ? ERR_AGAIN : error;
}

int keyring_tokens_load(struct keyring *keyring, const struct key_set *set, enum keyring_asker from,
                        const struct key_request *request, struct key_answer *answer)
{
    struct token_call call = {
        .from = from, .job = request->job, .kind = request->kind, .cleared = keyring->cleared};
    if (from == KEYRING_LOADER)
        call.load = keyring->stages.numbers[keyring->staging];
    int error = ref_make(set, &request->token, &call.ref, answer);
    if (error == 0)
        error = later(keyring, &call, (struct span){0});
    OPENSSL_cleanse(&call.ref, sizeof(call.ref));
    return error;
}

int keyring_tokens_auth(struct keyring *keyring, const struct key_request *request,
                        struct span octets, struct key_answer *answer)
{
    const struct key_sign *sign = &request->auth.sign;
    const struct signature_wish wish = {
        .hashes = sign->hashes, .own = sign->own, .methods = sign->methods, .pss = sign->pss != 0};
    const struct private_token *token = private_keys_token(keyring->live.private, sign->key_id);
    struct token_call call = {.from = KEYRING_ENGINE,
                              .job = request->job,
                              .kind = request->kind,
                              .key = token->key,
                              .ref = *token->ref};
    int error = signature_choose(token->key, &wish, &call.method, &call.scheme);
    error = error != 0 ? why(answer, ERR_NOT_FOUND,
                             "the peer announced no signature algorithm that fits our key")
                       : later(keyring, &call, octets);
    OPENSSL_cleanse(&call.ref, sizeof(call.ref));
    return error;
}

int keyring_tokens_tls(struct keyring *keyring, const struct key_request *request,
                       struct span octets)
{
    const struct key_tls *tls = &request->tls;
    const struct private_token *token = private_keys_token(keyring->live.private, tls->key_id);
    struct token_call call = {.from = KEYRING_EAP,
                              .job = request->job,
                              .kind = request->kind,
                              .key = token->key,
                              .ref = *token->ref};
    call.scheme =
        (struct signature_scheme){(enum signature_kind)tls->kind, (enum signature_hash)tls->hash};
    int error = !token->tls || tls->kind > SIGNATURE_ED448 || tls->hash > SIGNATURE_IDENTITY ||
                        !tls_signed_is(octets)
                    ? ERR_INVALID
                    : later(keyring, &call, octets);
    OPENSSL_cleanse(&call.ref, sizeof(call.ref));
    return error;
}

bool keyring_token_request(struct keyring *keyring, struct token_request *ret_request,
                           struct span *ret_octets)
{
    return token_calls_send(&keyring->calls, ret_request, ret_octets);
}

/* --- answers --- */

/* set_of - the set for a new key: the one in use, or the one that the loader stages. NULL: the
 * loader has gone. */
static struct key_set *set_of(struct keyring *keyring, const struct token_call *call)
{
    if (call->from != KEYRING_LOADER)
        return &keyring->live;
    bool there = call->load != 0 && keyring->stages.numbers[keyring->staging] == call->load;
    return there ? &keyring->staged[keyring->staging] : NULL;
}

static int key_put(struct key_set *set, const struct token_call *call, struct span octets,
                   struct key_answer *answer)
{
    const uint8_t *at = octets.ptr;
    EVP_PKEY *key = octets.len == 0 ? NULL : d2i_PUBKEY(NULL, &at, (long)octets.len);
    int error = key == NULL || signature_key_kind(key) == SIGNATURE_KEY_NONE
                    ? why(answer, ERR_INVALID,
                          "is neither RSA of 2,048 to 8,192 bits, nor ECDSA with P-256, P-384 or "
                          "P-521")
                    : private_keys_token_put(set->private, key, &call->ref, answer);
    EVP_PKEY_free(key);
    return error;
}

/* load_end - ends the load of a key. It refuses a client's key if all keys were cleared or replaced
 * while the token was asked: the engine does not know such a key. */
static int load_end(const struct keyring *keyring, struct key_set *set,
                    const struct token_call *call, struct span octets, struct key_answer *answer)
{
    if (call->from == KEYRING_ENGINE && call->cleared != keyring->cleared)
        return why(answer, ERR_WRONG_STATE, "all keys were loaded anew meanwhile");
    return key_put(set, call, octets, answer);
}

static int signature_put(const struct token_call *call, struct span raw, struct key_answer *answer,
                         struct writer *w)
{
    uint8_t room[SIGNATURE_MAX];
    struct writer plain = writer_of(room, sizeof(room));
    struct span octets = span_of(call->octets, call->n_octets);
    int error = signature_from_token(call->key, &call->scheme, octets, raw, &plain);
    if (error != 0)
        return why(answer, error, "the token made a signature that is wrong");
    if (call->kind == KEY_TLS_SIGN) {
        write_bytes(w, writer_span(&plain));
        return 0;
    }
    answer->auth_method = call->method;
    return signature_present(call->key, call->method, &call->scheme, writer_span(&plain), w);
}

enum keyring_asker keyring_token_answer(struct keyring *keyring, const struct token_answer *from,
                                        struct span octets, struct key_answer *ret,
                                        struct writer *w)
{
    struct token_call *call = token_calls_take(&keyring->calls, from->job);
    struct key_set *set = call == NULL ? NULL : set_of(keyring, call);
    enum keyring_asker asker = set == NULL ? KEYRING_NOBODY : call->from;
    *ret = (struct key_answer){.error = from->error};
    if (set != NULL) {
        ret->job = call->job, ret->kind = call->kind;
        (void)snprintf(ret->reason, sizeof(ret->reason), "%s", from->reason);
        if (ret->error == 0 && call->kind == KEY_TOKEN_LOAD)
            ret->error = load_end(keyring, set, call, octets, ret);
        else if (ret->error == 0 && call->kind == KEY_TOKEN_CERT)
            write_bytes(w, octets);
        else if (ret->error == 0)
            ret->error = signature_put(call, octets, ret, w);
        ret->n_octets = ret->error == 0 ? (uint32_t)w->len : 0;
    }
    token_call_free(call);
    return asker;
}
