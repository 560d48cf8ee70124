/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/token/token_module.h"

#include <errno.h>
#include <openssl/evp.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/secret.h"
#include "crypto/signature.h"
#include "daemon/token/token_key.h"

#define SLOTS_MOST 64

struct token_module {
    CK_FUNCTION_LIST *calls;
    bool initialized;
};

/* struct work - one request. */
struct work {
    CK_FUNCTION_LIST *calls;
    const struct token_request *request;
    struct token_answer *answer;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session;
    bool stale; /* the token failed in a way that a new start of the library may mend */
};

__attribute__((format(printf, 3, 4))) static int why(struct work *work, int error,
                                                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(work->answer->reason, sizeof(work->answer->reason), format, arguments);
    va_end(arguments);
    return error;
}

/* pin_error - errors that trying again would make worse. */
static bool pin_error(CK_RV rv)
{
    return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE ||
           rv == CKR_PIN_LOCKED || rv == CKR_PIN_EXPIRED;
}

static int failed(struct work *work, const char *what, CK_RV rv)
{
    work->stale = !pin_error(rv);
    return why(work, pin_error(rv) ? ERR_AUTH : ERR_SYSTEM, "the token refuses %s: %s", what,
               p11_kit_strerror(rv));
}

/* --- the library --- */

/* library_sound - whoever can write the library runs code with the PINs of tokens. */
static bool library_sound(const char *path, char reason[TOKEN_REASON])
{
    struct stat status;
    if (path[0] != '/') {
        (void)snprintf(reason, TOKEN_REASON, "the module %.100s has no absolute path", path);
        return false;
    }
    if (stat(path, &status) != 0) {
        (void)snprintf(reason, TOKEN_REASON, "the module %.100s: %s", path, strerror(errno));
        return false;
    }
    if (S_ISREG(status.st_mode) && status.st_uid == 0 &&
        (status.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return true;
    (void)snprintf(reason, TOKEN_REASON,
                   "the module %.100s is not a file of root's that only root can write", path);
    return false;
}

struct token_module *token_module_open(const char *path, char reason[TOKEN_REASON])
{
    struct token_module *module = calloc(1, sizeof(*module));
    if (module == NULL || !library_sound(path, reason)) {
        free(module);
        return NULL;
    }
    module->calls = p11_kit_module_load(path, 0);
    if (module->calls != NULL)
        return module;
    (void)snprintf(reason, TOKEN_REASON, "the module %.100s cannot be loaded", path);
    free(module);
    return NULL;
}

static void module_stop(struct token_module *module)
{
    if (module->initialized)
        (void)p11_kit_module_finalize(module->calls);
    module->initialized = false;
}

static int module_start(struct token_module *module, struct work *work)
{
    CK_RV rv = module->initialized ? CKR_OK : p11_kit_module_initialize(module->calls);
    if (rv != CKR_OK)
        return failed(work, "the start of its module", rv);
    module->initialized = true;
    return 0;
}

struct token_module *token_module_close(struct token_module *module)
{
    if (module == NULL)
        return NULL;
    module_stop(module);
    p11_kit_module_release(module->calls);
    free(module);
    return NULL;
}

/* --- the token --- */

static int session_open(struct work *work, CK_SLOT_ID slot)
{
    CK_RV rv = work->calls->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &work->session);
    work->slot = slot;
    return rv == CKR_OK ? 0 : failed(work, "a session", rv);
}

static void session_close(struct work *work)
{
    if (work->session != CK_INVALID_HANDLE)
        (void)work->calls->C_CloseSession(work->session);
    work->session = CK_INVALID_HANDLE;
}

/* object_find - of that class with the handle of the request. CK_INVALID_HANDLE: there is none. */
static CK_OBJECT_HANDLE object_find(const struct work *work, CK_OBJECT_CLASS class)
{
    const struct token_ref *ref = &work->request->ref;
    CK_ATTRIBUTE like[] = {{CKA_CLASS, &class, sizeof(class)},
                           {CKA_ID, (void *)(uintptr_t)ref->handle, ref->handle_len}};
    CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
    CK_ULONG n = 0;
    if (work->calls->C_FindObjectsInit(work->session, like, 2) != CKR_OK)
        return CK_INVALID_HANDLE;
    if (work->calls->C_FindObjects(work->session, &found, 1, &n) != CKR_OK || n != 1)
        found = CK_INVALID_HANDLE;
    (void)work->calls->C_FindObjectsFinal(work->session);
    return found;
}

/* seen_in - without a PIN: public keys and certificates tell where a handle is. */
static bool seen_in(struct work *work, CK_SLOT_ID slot)
{
    if (session_open(work, slot) != 0)
        return false;
    bool seen = object_find(work, CKO_PUBLIC_KEY) != CK_INVALID_HANDLE ||
                object_find(work, CKO_CERTIFICATE) != CK_INVALID_HANDLE ||
                object_find(work, CKO_PRIVATE_KEY) != CK_INVALID_HANDLE;
    session_close(work);
    return seen;
}

/* slots_list - those with a token that somebody has set up. */
static int slots_list(struct work *work, CK_SLOT_ID slots[SLOTS_MOST], CK_ULONG *ret_n)
{
    CK_ULONG n = SLOTS_MOST, kept = 0;
    CK_TOKEN_INFO info;
    CK_RV rv = work->calls->C_GetSlotList(CK_TRUE, slots, &n);
    if (rv != CKR_OK)
        return failed(work, "a list of its slots", rv);
    for (CK_ULONG i = 0; i < n; i++)
        if (work->calls->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            (info.flags & CKF_TOKEN_INITIALIZED) != 0)
            slots[kept++] = slots[i];
    *ret_n = kept;
    return 0;
}

/* slot_choose - the slot that was asked for, or the one that shows the handle, or the only one. A PIN
 * is never tried on a token that it may not belong to: cards lock themselves. */
static int slot_choose(struct work *work, CK_SLOT_ID *ret_slot)
{
    CK_SLOT_ID slots[SLOTS_MOST];
    CK_ULONG n = 0, n_seen = 0;
    int64_t wanted = work->request->ref.slot;
    int error = slots_list(work, slots, &n);
    if (error != 0)
        return error;
    for (CK_ULONG i = 0; i < n; i++)
        if (wanted >= 0 ? slots[i] == (CK_SLOT_ID)wanted : seen_in(work, slots[i])) {
            *ret_slot = slots[i];
            n_seen++;
        }
    if (wanted < 0 && n_seen == 0 && n == 1)
        *ret_slot = slots[0], n_seen = 1;
    work->stale = n_seen == 0;
    if (n_seen == 1)
        return 0;
    return n == 0        ? why(work, ERR_NOT_FOUND, "no token is there")
           : wanted >= 0 ? why(work, ERR_NOT_FOUND, "no token is in slot %lld", (long long)wanted)
           : n_seen == 0
               ? why(work, ERR_NOT_FOUND,
                     "none of the %lu tokens shows that handle: 'slot' says which", n)
               : why(work, ERR_NOT_FOUND, "%lu tokens have that handle: 'slot' says which", n_seen);
}

/* login - a token that is about to lock itself is left to a person. */
static int login(struct work *work)
{
    const struct token_ref *ref = &work->request->ref;
    CK_TOKEN_INFO info;
    CK_RV rv = work->calls->C_GetTokenInfo(work->slot, &info);
    if (rv != CKR_OK)
        return failed(work, "to say what it is", rv);
    if (!(info.flags & CKF_LOGIN_REQUIRED) || ref->pin_len == 0)
        return 0;
    if (info.flags & CKF_USER_PIN_LOCKED)
        return why(work, ERR_AUTH, "the PIN of the token is locked");
    if (info.flags & CKF_USER_PIN_FINAL_TRY)
        return why(work, ERR_AUTH,
                   "the token locks itself with the next wrong PIN, which ikatd does not risk");
    rv =
        work->calls->C_Login(work->session, CKU_USER, (uint8_t *)(uintptr_t)ref->pin, ref->pin_len);
    return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? 0 : failed(work, "the PIN", rv);
}

static int session_begin(struct work *work)
{
    CK_SLOT_ID slot = 0;
    int error = slot_choose(work, &slot);
    if (error == 0)
        error = session_open(work, slot);
    return error == 0 && work->request->kind != TOKEN_CERT ? login(work) : error;
}

static int key_find(struct work *work, CK_OBJECT_HANDLE *ret_key)
{
    *ret_key = object_find(work, CKO_PRIVATE_KEY);
    if (*ret_key != CK_INVALID_HANDLE)
        return 0;
    work->stale = true;
    return why(work, ERR_NOT_FOUND, "the token has no private key with that handle%s",
               work->request->ref.pin_len == 0 ? ", or shows it to those with its PIN only" : "");
}

/* --- public keys and certificates --- */

static struct span attribute_get(const struct work *work, CK_OBJECT_HANDLE object,
                                 CK_ATTRIBUTE_TYPE type, struct buffer room)
{
    CK_ATTRIBUTE attribute = {type, room.ptr, room.len};
    CK_RV rv = work->calls->C_GetAttributeValue(work->session, object, &attribute, 1);
    return rv == CKR_OK && attribute.ulValueLen <= room.len
               ? span_of(room.ptr, attribute.ulValueLen)
               : (struct span){0};
}

/* public_get - from the public key beside the private one; RSA keys tell it themselves. */
static EVP_PKEY *public_get(const struct work *work, CK_OBJECT_HANDLE key)
{
    uint8_t one[2048], two[2048];
    CK_OBJECT_HANDLE public = object_find(work, CKO_PUBLIC_KEY);
    CK_KEY_TYPE kind = 0;
    if (public == CK_INVALID_HANDLE)
    public = key;
    struct span type =
        attribute_get(work, public, CKA_KEY_TYPE, (struct buffer){one, sizeof(kind)});
    if (type.len != sizeof(kind))
        return NULL;
    memcpy(&kind, one, sizeof(kind));
    bool rsa = kind == CKK_RSA;
    struct span first = attribute_get(work, public, rsa ? CKA_MODULUS : CKA_EC_PARAMS,
                                      (struct buffer){one, sizeof(one)});
    struct span second = attribute_get(work, public, rsa ? CKA_PUBLIC_EXPONENT : CKA_EC_POINT,
                                       (struct buffer){two, sizeof(two)});
    return kind == CKK_RSA  ? token_key_rsa(first, second)
           : kind == CKK_EC ? token_key_ec(first, second)
                            : NULL;
}

static int certificate_get(struct work *work, struct writer *w)
{
    uint8_t room[TOKEN_ANSWER];
    CK_OBJECT_HANDLE object = object_find(work, CKO_CERTIFICATE);
    struct span der =
        object == CK_INVALID_HANDLE
            ? (struct span){0}
            : attribute_get(work, object, CKA_VALUE, (struct buffer){room, sizeof(room)});
    if (der.len == 0)
        return why(work, ERR_NOT_FOUND, "the token has no certificate with that handle");
    write_bytes(w, der);
    return 0;
}

/* public_write - the SubjectPublicKeyInfo; where the token keeps no public key, that of the
 * certificate with the same handle. */
static int public_write(struct work *work, CK_OBJECT_HANDLE key, struct writer *w)
{
    uint8_t room[TOKEN_ANSWER];
    struct writer certificate = writer_of(room, sizeof(room));
    EVP_PKEY *public = public_get(work, key);
    if (public == NULL && certificate_get(work, &certificate) == 0)
    public = token_key_of_certificate(writer_span(&certificate));
    int error = public == NULL ? why(work, ERR_NOT_FOUND,
                                     "the token tells no public key, RSA or ECDSA, for that handle")
                               : token_key_write(public, w);
    EVP_PKEY_free(public);
    return error;
}

/* --- signing --- */

static CK_MECHANISM mechanism_of(const struct signature_scheme *scheme, CK_RSA_PKCS_PSS_PARAMS *pss)
{
    static const CK_RSA_PKCS_PSS_PARAMS parameters[] = {
        [SIGNATURE_SHA2_256] = {CKM_SHA256, CKG_MGF1_SHA256, 32},
        [SIGNATURE_SHA2_384] = {CKM_SHA384, CKG_MGF1_SHA384, 48},
        [SIGNATURE_SHA2_512] = {CKM_SHA512, CKG_MGF1_SHA512, 64},
    };
    if (scheme->kind == SIGNATURE_RSA_PSS) {
        *pss = parameters[scheme->hash];
        return (CK_MECHANISM){CKM_RSA_PKCS_PSS, pss, sizeof(*pss)};
    }
    return (CK_MECHANISM){scheme->kind == SIGNATURE_ECDSA ? CKM_ECDSA : CKM_RSA_PKCS, NULL, 0};
}

/* pin_again - keys that ask for the PIN at each signature (CKA_ALWAYS_AUTHENTICATE). */
static CK_RV pin_again(const struct work *work, CK_OBJECT_HANDLE key)
{
    const struct token_ref *ref = &work->request->ref;
    CK_BBOOL always = CK_FALSE;
    struct span value =
        attribute_get(work, key, CKA_ALWAYS_AUTHENTICATE, (struct buffer){&always, sizeof(always)});
    if (value.len == 0 || always == CK_FALSE)
        return CKR_OK;
    return work->calls->C_Login(work->session, CKU_CONTEXT_SPECIFIC, (uint8_t *)(uintptr_t)ref->pin,
                                ref->pin_len);
}

static int sign(struct work *work, CK_OBJECT_HANDLE key, struct span octets, struct writer *w)
{
    const struct signature_scheme scheme = {(enum signature_kind)work->request->scheme,
                                            (enum signature_hash)work->request->hash};
    uint8_t input[TOKEN_KEY_INPUT], signature[SIGNATURE_MAX];
    CK_RSA_PKCS_PSS_PARAMS pss;
    CK_ULONG len = sizeof(signature);
    size_t n = token_key_input(&scheme, octets, input);
    if (n == 0)
        return why(work, ERR_INVALID, "tokens do not sign by %s", signature_scheme_name(&scheme));
    CK_MECHANISM mechanism = mechanism_of(&scheme, &pss);
    CK_RV rv = work->calls->C_SignInit(work->session, &mechanism, key);
    if (rv == CKR_OK)
        rv = pin_again(work, key);
    if (rv == CKR_OK)
        rv = work->calls->C_Sign(work->session, input, n, signature, &len);
    if (rv != CKR_OK || len > sizeof(signature))
        return failed(work, "a signature", rv);
    write_bytes(w, span_of(signature, len));
    return 0;
}

/* --- requests --- */

static int work_do(struct work *work, struct span octets, struct writer *w)
{
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    int error = session_begin(work);
    if (error == 0 && work->request->kind == TOKEN_CERT)
        return certificate_get(work, w);
    if (error == 0)
        error = key_find(work, &key);
    if (error != 0)
        return error;
    return work->request->kind == TOKEN_OPEN ? public_write(work, key, w)
                                             : sign(work, key, octets, w);
}

/* The library is started anew once when the token fails: a card that was out has new slots then. */
void token_module_answer(struct token_module *module, const struct token_request *request,
                         struct span octets, struct token_answer *ret, struct writer *ret_octets)
{
    size_t before = ret_octets->len;
    *ret = (struct token_answer){.job = request->job};
    for (int attempt = 0; attempt < 2; attempt++) {
        struct work work = {.calls = module->calls,
                            .request = request,
                            .answer = ret,
                            .session = CK_INVALID_HANDLE};
        ret->reason[0] = '\0';
        ret_octets->len = before;
        ret->error = module_start(module, &work);
        if (ret->error == 0)
            ret->error = work_do(&work, octets, ret_octets);
        session_close(&work);
        if (ret->error == 0 || !work.stale)
            break;
        module_stop(module);
    }
    ret->n_octets = ret->error == 0 ? (uint32_t)ret_octets->len : 0;
}
