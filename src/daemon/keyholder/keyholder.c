/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "base/secret.h"
#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/keyholder/keyring.h"
#include "daemon/process/helpers.h"
#include "daemon/process/serve.h"
#include "linux/entropy.h"

/* struct keyholder - with the channels that it serves. */
enum { SERVED_EAP = SERVED_OTHERS, SERVED_AAA, SERVED_TOKEN };
struct keyholder {
    struct keyring *keyring;
    struct served served[SERVED_MOST];
};

/* token_answered - forwards the answer to the process that asked. */
static int token_answered(const struct keyholder *holder, const struct token_answer *from,
                          struct span octets)
{
    static const int doors[] = {[KEYRING_ENGINE] = SERVED_ENGINE,
                                [KEYRING_LOADER] = SERVED_LOADER,
                                [KEYRING_EAP] = SERVED_EAP};
    static uint8_t out[TOKEN_ANSWER];
    struct key_answer answer;
    struct writer w = writer_of(out, sizeof(out));
    enum keyring_asker asker = keyring_token_answer(holder->keyring, from, octets, &answer, &w);
    if (asker == KEYRING_NOBODY || holder->served[doors[asker]].fd < 0)
        return 0;
    int error = channel_send_tail(holder->served[doors[asker]].fd, span_of(&answer, sizeof(answer)),
                                  span_of(out, answer.n_octets));
    return asker == KEYRING_LOADER ? 0 : error; /* a loader may be gone */
}

/* tokens_ask - sends the requests for the token process. If its channel is full, they fail at once: the
 * keyholder has others to serve, and never waits. */
static int tokens_ask(const struct keyholder *holder)
{
    struct token_request request;
    struct span octets;
    int error = 0;
    while (error == 0 && keyring_token_request(holder->keyring, &request, &octets)) {
        const struct token_answer full = {
            .job = request.job, .error = ERR_SYSTEM, .reason = "too many requests wait for tokens"};
        error = channel_send_tail(holder->served[SERVED_TOKEN].fd,
                                  span_of(&request, sizeof(request)), octets);
        if (error == ERR_AGAIN)
            error = token_answered(holder, &full, (struct span){0});
    }
    wipe(&request, sizeof(request));
    return error;
}

/* key_serve - one request and its answer. Wipes the octets behind both: secrets, SK_*, PINs. */
static int key_serve(int fd, struct keyholder *holder, int from)
{
    struct keyring *keyring = holder->keyring;
    static uint8_t octets[KEY_OCTETS];
    struct key_request request;
    struct key_answer answer;
    uint8_t auth[KEY_ANSWER];
    struct writer w = writer_of(auth, sizeof(auth));
    size_t n;
    int error = channel_recv_tail(fd, &request, sizeof(request),
                                  (struct buffer){octets, sizeof(octets)}, &n);
    if (error != 0)
        return error;
    if (from == SERVED_EAP)
        keyring_tls_answer(keyring, &request, span_of(octets, n), &answer, &w);
    else if (from == SERVED_AAA)
        keyring_radius_answer(keyring, &request, span_of(octets, n), &answer, &w);
    else if (from == SERVED_LOADER)
        keyring_stage_answer(keyring, &request, span_of(octets, n), &answer);
    else
        keyring_answer(keyring, &request, span_of(octets, n), &answer, &w);
    wipe(octets, n);
    wipe(&request, sizeof(request));
    if (answer.error == ERR_AGAIN)
        return tokens_ask(holder);
    error = channel_send_tail(fd, span_of(&answer, sizeof(answer)), span_of(auth, answer.n_octets));
    wipe(auth, sizeof(auth));
    return error;
}

static int key_serve_token(int fd, void *keyholder)
{
    static uint8_t octets[TOKEN_ANSWER];
    struct token_answer from;
    size_t n;
    int error =
        channel_recv_tail(fd, &from, sizeof(from), (struct buffer){octets, sizeof(octets)}, &n);
    if (error == ERR_AGAIN)
        return 0;
    if (error != 0)
        return error;
    from.reason[sizeof(from.reason) - 1] = '\0';
    return token_answered(keyholder, &from, span_of(octets, n));
}

static int key_serve_engine(int fd, void *keyholder)
{
    return key_serve(fd, keyholder, SERVED_ENGINE);
}

static int key_serve_eap(int fd, void *keyholder)
{
    return key_serve(fd, keyholder, SERVED_EAP);
}

static int key_serve_aaa(int fd, void *keyholder)
{
    return key_serve(fd, keyholder, SERVED_AAA);
}

static int key_serve_loader(int fd, void *keyholder)
{
    return key_serve(fd, keyholder, SERVED_LOADER);
}

static int key_serve_orders(int fd, void *context)
{
    struct keyholder *keyholder = context;
    uint64_t number;
    int error = serve_loader(fd, &keyholder->served[SERVED_LOADER], &number);
    return error != 0 ? error : keyring_stage_begin(keyholder->keyring, number);
}

int keyholder_run(const struct spawn_start *start)
{
    struct keyholder holder;
    if (!keyring_arena_init())
        log_line(LOG_LEVEL_WARNING, "event=memory-not-locked text=\"secrets may reach the swap\"");
    struct crypto_provider *crypto = crypto_new();
    holder.keyring = crypto == NULL ? NULL : keyring_new(crypto);
    if (holder.keyring == NULL ||
        keyring_tickets(holder.keyring, entropy_random(), start->state_fd) != 0)
        return serve_failed("keyring");
    if (fcntl(start->token_fd, F_SETFL, O_NONBLOCK) < 0)
        return serve_failed("token");
    if (serve_confine(PROCESS_KEYHOLDER, start->parent) != 0)
        return serve_failed("sandbox");
    holder.served[SERVED_ENGINE] = (struct served){start->fd, key_serve_engine, &holder, false};
    holder.served[SERVED_ORDERS] =
        (struct served){start->load_fd, key_serve_orders, &holder, false};
    holder.served[SERVED_LOADER] = (struct served){-1, key_serve_loader, &holder, true};
    holder.served[SERVED_EAP] =
        (struct served){start->eap_fds[SPAWN_TLS_KEY], key_serve_eap, &holder, false};
    holder.served[SERVED_AAA] =
        (struct served){start->aaa_fds[SPAWN_TLS_KEY], key_serve_aaa, &holder, false};
    holder.served[SERVED_TOKEN] = (struct served){start->token_fd, key_serve_token, &holder, false};
    int error = serve_all(holder.served, SERVED_MOST);
    keyring_free(holder.keyring);
    crypto_free(crypto);
    return serve_ended(error);
}
