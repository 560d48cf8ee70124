/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyholder/token_calls.h"

#include <openssl/crypto.h>

#include "base/secret.h"

void token_calls_init(struct token_calls *calls)
{
    *calls = (struct token_calls){.last = &calls->first};
}

void token_call_free(struct token_call *call)
{
    if (call == NULL)
        return;
    EVP_PKEY_free(call->key);
    OPENSSL_secure_clear_free(call, sizeof(*call) + call->n_octets);
}

void token_calls_done(struct token_calls *calls)
{
    struct token_call *call, *next;
    HASH_ITER(hh, calls->all, call, next)
    {
        HASH_DEL(calls->all, call);
        token_call_free(call);
    }
    token_calls_init(calls);
}

int token_calls_add(struct token_calls *calls, const struct token_call *like, struct span octets)
{
    if (calls->n[like->from] >= TOKEN_CALLS)
        return ERR_FULL;
    struct token_call *call = OPENSSL_secure_zalloc(sizeof(*call) + octets.len);
    if (call == NULL)
        return ERR_NO_MEMORY;
    *call = *like;
    call->number = ++calls->number;
    call->next = NULL;
    call->n_octets = octets.len;
    if (octets.len > 0)
        memcpy(call->octets, octets.ptr, octets.len);
    if (call->key != NULL)
        EVP_PKEY_up_ref(call->key);
    HASH_ADD(hh, calls->all, number, sizeof(call->number), call);
    if (!TABLE_HAS(call)) {
        token_call_free(call);
        return ERR_NO_MEMORY;
    }
    calls->n[call->from]++;
    *calls->last = call;
    calls->last = &call->next;
    return 0;
}

static enum token_kind kind_of(const struct token_call *call)
{
    return call->kind == KEY_TOKEN_LOAD   ? TOKEN_OPEN
           : call->kind == KEY_TOKEN_CERT ? TOKEN_CERT
                                          : TOKEN_SIGN;
}

static enum token_asker asker_of(const struct token_call *call)
{
    return call->from == KEYRING_LOADER ? TOKEN_FOR_LOADER
           : call->from == KEYRING_EAP  ? TOKEN_FOR_TLS
                                        : TOKEN_FOR_IKE;
}

bool token_calls_send(struct token_calls *calls, struct token_request *ret_request,
                      struct span *ret_octets)
{
    struct token_call *call = calls->first;
    if (call == NULL)
        return false;
    calls->first = call->next;
    if (calls->first == NULL)
        calls->last = &calls->first;
    *ret_request = (struct token_request){.n_octets = (uint32_t)call->n_octets,
                                          .kind = kind_of(call),
                                          .job = call->number,
                                          .load = call->load,
                                          .asker = asker_of(call),
                                          .ref = call->ref,
                                          .scheme = call->scheme.kind,
                                          .hash = call->scheme.hash};
    *ret_octets = span_of(call->octets, call->n_octets);
    return true;
}

struct token_call *token_calls_take(struct token_calls *calls, uint64_t number)
{
    struct token_call *call;
    HASH_FIND(hh, calls->all, &number, sizeof(number), call);
    if (call != NULL) {
        HASH_DEL(calls->all, call);
        calls->n[call->from]--;
    }
    return call;
}
