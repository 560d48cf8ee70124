/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the keyholder: files of private keys, and structs as a hostile engine or eap process
 * would send. */
#include <openssl/err.h>

#include "base/assert.h"
#include "daemon/keyholder/keyring.h"
#include "linux/entropy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct keyring *keyring;

static bool of_eap; /* the request comes from the eap process */

/* token_answers - of a hostile token process: to a question of the keyholder, or to none. */
static void token_answers(struct span octets)
{
    static uint8_t room[TOKEN_ANSWER];
    struct token_request request = {.job = 1};
    struct span asked;
    struct key_answer answer;
    struct writer w = writer_of(room, sizeof(room));
    (void)keyring_token_request(keyring, &request, &asked);
    const struct token_answer token = {.job = request.job};
    if (octets.len <= sizeof(room))
        (void)keyring_token_answer(keyring, &token, octets, &answer, &w);
    ASSERT(!writer_failed(&w));
}

static void ask(const struct key_request *request, struct span octets)
{
    struct key_answer answer;
    uint8_t room[KEY_ANSWER];
    struct writer w = writer_of(room, sizeof(room));
    if (of_eap)
        keyring_tls_answer(keyring, request, octets, &answer, &w);
    else
        keyring_answer(keyring, request, octets, &answer, &w);
    token_answers(octets);
    ASSERT(!writer_failed(&w) && answer.job == request->job && answer.n_octets <= sizeof(room));
    ASSERT(memchr(answer.reason, '\0', sizeof(answer.reason)) != NULL);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_request request = {.kind = KEY_PRIVATE_LOAD};
    if (keyring == NULL) {
        keyring = keyring_new(crypto_new());
        ASSERT(keyring != NULL && keyring_tickets(keyring, entropy_random(), -1) == 0);
    }
    if (size == 0)
        return 0;
    struct span octets = span_of(data + 1, size - 1);
    if (data[0] % 2 == 0 && octets.len > 4) {
        request.private.passphrase_len = 4;
        request.private.octets_len = (uint32_t)octets.len - 4;
        ask(&request, octets);
    } else {
        size_t n = octets.len < sizeof(request) ? octets.len : sizeof(request);
        memcpy(&request, octets.ptr, n);
        request.kind %= 20;
        of_eap = data[0] % 4 == 3;
        ask(&request, span_of(octets.ptr + n, octets.len - n));
        of_eap = false;
    }
    if (data[0] % 64 == 1) {
        request.kind = KEY_CLEAR;
        ask(&request, (struct span){0});
    }
    return 0;
}
