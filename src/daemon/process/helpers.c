/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/secret.h"
#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/process/confine.h"
#include "daemon/process/eap_doors.h"
#include "daemon/process/keyring.h"
#include "daemon/process/load_door.h"
#include "daemon/process/verifier.h"
#include "linux/clock.h"
#include "linux/entropy.h"
#include "linux/udp_socket.h"

#define HELPER_DESCRIPTORS 64

static int give_up(const char *what)
{
    log_line(LOG_LEVEL_ERROR, "event=helper-failed what=%s reason=\"%s\"", what, strerror(errno));
    return EXIT_FAILURE;
}

/* confine_helper - for a process that needs only its channels and memory. */
static int confine_helper(enum process process, pid_t parent)
{
    const struct confinement kept = {.process = process,
                                     .files = SANDBOX_FILES_NONE,
                                     .calls = SANDBOX_KEYHOLDER,
                                     .descriptors = HELPER_DESCRIPTORS};
    return confine(&kept, parent);
}

static int exit_status(int error)
{
    return error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* struct served - a channel that a helper serves. `serve` takes one message, and answers it. */
struct served {
    int fd; /* -1: none */
    int (*serve)(int fd, void *context);
    void *context;
    bool passing; /* the helper goes on after the end of this channel */
};

#define SERVED_MOST 6

static int served_once(struct served *served, short revents)
{
    int error = revents == 0 ? 0 : served->serve(served->fd, served->context);
    if (error == 0 || !served->passing)
        return error;
    close(served->fd);
    served->fd = -1;
    return 0;
}

static int milliseconds_to(nanos deadline)
{
    nanos left = deadline == NANOS_NEVER ? 0 : deadline - clock_now();
    return deadline == NANOS_NEVER ? -1
           : left <= 0             ? 0
                                   : (int)nanos_min(left / NANOS_PER_MS + 1, INT32_MAX);
}

/* serve_once - requests of all channels, as they come; until `deadline` at the latest. The engine
 * is polled first and served last: its STAGE_COMMIT follows the supervisor's order, which begins
 * that stage, so whoever sees the commit has the order as well. */
static int serve_once(struct served *list, nfds_t n, nanos deadline)
{
    struct pollfd fds[SERVED_MOST];
    int error = 0;
    for (nfds_t i = 0; i < n; i++)
        fds[i] = (struct pollfd){.fd = list[i].fd, .events = POLLIN};
    if (poll(fds, n, milliseconds_to(deadline)) < 0)
        return errno == EINTR ? 0 : ERR_SYSTEM; /* `revents` is of the last time */
    for (nfds_t i = n; error == 0 && i-- > 0;)
        if (fds[i].fd == list[i].fd) /* else it has just come, or gone */
            error = served_once(&list[i], fds[i].revents);
    return error;
}

/* serve_all - serves all channels, until one ends that is not `passing`. */
static int serve_all(struct served *list, nfds_t n)
{
    int error = 0;
    while (error == 0)
        error = serve_once(list, n, NANOS_NEVER);
    return error;
}

/* loader_in - a new loader takes the place of the last one, which has ended. */
static int loader_in(int fd, struct served *loader, uint64_t *ret_number)
{
    int loader_fd, error = load_door_take(fd, &loader_fd, ret_number);
    if (error != 0)
        return error;
    if (loader->fd >= 0)
        close(loader->fd);
    loader->fd = loader_fd;
    return 0;
}

/* struct keyholder - with the channels that it serves. */
enum { SERVED_ENGINE, SERVED_ORDERS, SERVED_LOADER, SERVED_EAP, SERVED_AAA, SERVED_TOKEN };
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
    int error = loader_in(fd, &keyholder->served[SERVED_LOADER], &number);
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
        return give_up("keyring");
    if (fcntl(start->token_fd, F_SETFL, O_NONBLOCK) < 0)
        return give_up("token");
    if (confine_helper(PROCESS_KEYHOLDER, start->parent) != 0)
        return give_up("sandbox");
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
    return exit_status(error);
}

/* struct verifier_room - for one message at a time. */
static struct verifier_room {
    struct verifier_request request;
    struct verifier_answer answer;
    uint8_t octets[VERIFIER_OCTETS], certs[VERIFIER_ANSWER_MAX];
} verifier_room;

static int verifier_serve_engine(int fd, void *verifier)
{
    struct verifier_room *room = &verifier_room;
    struct writer w = writer_of(room->certs, sizeof(room->certs));
    size_t n;
    int error = channel_recv_tail(fd, &room->request, sizeof(room->request),
                                  (struct buffer){room->octets, sizeof(room->octets)}, &n);
    if (error != 0)
        return error;
    verifier_tick(verifier, clock_now());
    bool answered =
        verifier_answer(verifier, &room->request, span_of(room->octets, n), &room->answer, &w);
    wipe(room->octets, n); /* SK_p of a login */
    return !answered ? 0
                     : channel_send_tail(fd, span_of(&room->answer, sizeof(room->answer)),
                                         writer_span(&w));
}

/* verifier_serve_tls - for the eap and the aaa process. */
static int verifier_serve_tls(int fd, void *verifier)
{
    struct verifier_room *room = &verifier_room;
    size_t n;
    int error = channel_recv_tail(fd, &room->request, sizeof(room->request),
                                  (struct buffer){room->octets, sizeof(room->octets)}, &n);
    if (error != 0)
        return error;
    verifier_tick(verifier, clock_now());
    verifier_tls_answer(verifier, &room->request, span_of(room->octets, n), &room->answer);
    return channel_send_tail(fd, span_of(&room->answer, sizeof(room->answer)), (struct span){0});
}

static int verifier_serve_fetcher(int fd, void *verifier)
{
    struct fetch_answer answer;
    size_t n;
    int error =
        channel_recv_tail(fd, &answer, sizeof(answer),
                          (struct buffer){verifier_room.octets, sizeof(verifier_room.octets)}, &n);
    if (error != 0)
        return error;
    verifier_tick(verifier, clock_now());
    answer.reason[sizeof(answer.reason) - 1] = '\0';
    verifier_fetched(verifier, &answer, span_of(verifier_room.octets, n));
    return 0;
}

/* struct verifier_holder - with the channels that it serves. A fetcher may end, and another one is
 * handed over. */
enum { VERIFIES_ENGINE, VERIFIES_EAP, VERIFIES_AAA, VERIFIES_ORDERS, VERIFIES_FETCHER, VERIFIES };
struct verifier_holder {
    struct verifier *verifier;
    struct served served[VERIFIES];
    bool fetches; /* there is a fetcher, as far as the verifier knows */
};

static void fetcher_drop(struct verifier_holder *holder)
{
    struct served *fetcher = &holder->served[VERIFIES_FETCHER];
    if (fetcher->fd >= 0)
        close(fetcher->fd);
    fetcher->fd = -1;
    if (holder->fetches)
        verifier_fetcher_lost(holder->verifier);
    holder->fetches = false;
}

static int verifier_serve_orders(int fd, void *context)
{
    struct verifier_holder *holder = context;
    uint64_t number;
    int fetcher_fd, error = load_door_take(fd, &fetcher_fd, &number);
    if (error != 0)
        return error;
    fetcher_drop(holder);
    holder->served[VERIFIES_FETCHER].fd = fetcher_fd;
    holder->fetches = true;
    return 0;
}

/* requests_send - to the fetcher. There is always room: REVOCATION_RUNNING of them run at most. */
static void requests_send(struct verifier_holder *holder)
{
    const struct served *fetcher = &holder->served[VERIFIES_FETCHER];
    struct fetch_request request;
    uint8_t body[FETCH_BODY];
    if (fetcher->fd < 0)
        fetcher_drop(holder); /* if it has just gone */
    while (fetcher->fd >= 0 && verifier_fetch(holder->verifier, &request, body))
        if (channel_send_tail(fetcher->fd, span_of(&request, sizeof(request)),
                              span_of(body, request.n_octets)) != 0)
            fetcher_drop(holder);
}

/* verifier_settle - answers that had to wait, sessions that must end, requests for the fetcher. */
static int verifier_settle(struct verifier_holder *holder)
{
    struct verifier *verifier = holder->verifier;
    struct verifier_answer *answer = &verifier_room.answer;
    int fd = holder->served[VERIFIES_ENGINE].fd, error = 0;
    verifier_tick(verifier, clock_now());
    requests_send(holder);
    for (;;) {
        struct writer w = writer_of(verifier_room.certs, sizeof(verifier_room.certs));
        if (error != 0 || !verifier_late(verifier, answer, &w))
            break;
        error = channel_send_tail(fd, span_of(answer, sizeof(*answer)), writer_span(&w));
    }
    while (error == 0 && verifier_revoked(verifier, answer))
        error = channel_send(fd, answer, sizeof(*answer), NULL, 0);
    requests_send(holder);
    return error;
}

int verifier_run(const struct spawn_start *start)
{
    struct crypto_provider *crypto = crypto_new();
    struct verifier *verifier = crypto == NULL ? NULL : verifier_new(crypto);
    if (verifier == NULL)
        return give_up("verifier");
    if (confine_helper(PROCESS_VERIFIER, start->parent) != 0)
        return give_up("sandbox");
    struct verifier_holder holder = {.verifier = verifier, .fetches = true};
    holder.served[VERIFIES_ENGINE] =
        (struct served){start->fd, verifier_serve_engine, verifier, false};
    holder.served[VERIFIES_EAP] =
        (struct served){start->eap_fds[SPAWN_TLS_VERIFIER], verifier_serve_tls, verifier, false};
    holder.served[VERIFIES_AAA] =
        (struct served){start->aaa_fds[SPAWN_TLS_VERIFIER], verifier_serve_tls, verifier, false};
    holder.served[VERIFIES_ORDERS] =
        (struct served){start->load_fd, verifier_serve_orders, &holder, false};
    holder.served[VERIFIES_FETCHER] =
        (struct served){start->fetch_fd, verifier_serve_fetcher, verifier, true};
    int error = 0;
    while (error == 0) {
        error = serve_once(holder.served, VERIFIES, verifier_deadline(verifier));
        if (error == 0)
            error = verifier_settle(&holder);
    }
    verifier_free(verifier);
    crypto_free(crypto);
    return exit_status(error);
}

/* struct eap_holder - with the channels that it serves. */
struct eap_holder {
    struct eap_service *service;
    struct served served[3]; /* SERVED_ENGINE, _ORDERS, _LOADER */
};

static int eap_serve_engine(int fd, void *context)
{
    static struct eap_request request;
    static struct eap_answer answer;
    static uint8_t octets[EAP_CHAIN_MAX];
    struct eap_holder *holder = context;
    size_t n;
    int error = channel_recv_tail(fd, &request, sizeof(request),
                                  (struct buffer){octets, sizeof(octets)}, &n);
    if (error == 0 && eap_service_answer(holder->service, &request, span_of(octets, n), &answer))
        error = channel_send(fd, &answer, sizeof(answer), NULL, 0);
    eap_result_done(&answer.result);
    return error;
}

static int eap_serve_loader(int fd, void *context)
{
    static struct eap_request request;
    static struct eap_answer answer;
    struct eap_holder *holder = context;
    size_t n;
    int error = channel_recv_tail(fd, &request, sizeof(request), (struct buffer){NULL, 0}, &n);
    if (error != 0)
        return error;
    eap_service_stage_answer(holder->service, &request, &answer);
    return channel_send(fd, &answer, sizeof(answer), NULL, 0);
}

static int eap_serve_orders(int fd, void *context)
{
    struct eap_holder *holder = context;
    uint64_t number;
    int error = loader_in(fd, &holder->served[SERVED_LOADER], &number);
    if (error == 0)
        eap_service_stage_begin(holder->service, number);
    return error;
}

/* The legacy provider of OpenSSL is a file: it is loaded before the files go. So is what the USIMs
 * keep, and it is mapped. */
int eap_run(const struct spawn_start *start)
{
    struct eap_channels channels = {start->eap_fds[SPAWN_TLS_KEY],
                                    start->eap_fds[SPAWN_TLS_VERIFIER]};
    const struct eap_doors doors = eap_doors_of(&channels);
    struct eap_crypto *crypto = eap_crypto_new();
    struct usim_book *usims = usim_book_new(start->state_fd);
    struct eap_holder holder;
    holder.service = crypto == NULL || usims == NULL
                         ? NULL
                         : eap_service_new(crypto, entropy_random(), &doors, usims);
    if (holder.service == NULL)
        return give_up("eap");
    if (confine_helper(PROCESS_EAP, start->parent) != 0)
        return give_up("sandbox");
    holder.served[SERVED_ENGINE] = (struct served){start->fd, eap_serve_engine, &holder, false};
    holder.served[SERVED_ORDERS] =
        (struct served){start->load_fd, eap_serve_orders, &holder, false};
    holder.served[SERVED_LOADER] = (struct served){-1, eap_serve_loader, &holder, true};
    int error = serve_all(holder.served, 3);
    eap_service_free(holder.service);
    usim_book_free(usims);
    eap_crypto_free(crypto);
    return exit_status(error);
}

static void resolve(const struct resolve_request *request, struct resolve_answer *ret)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    *ret = (struct resolve_answer){.job = request->job, .error = ERR_NOT_FOUND};
    if (strnlen(request->name, sizeof(request->name)) == sizeof(request->name))
        return;
    int rc = getaddrinfo(request->name, NULL, &hints, &list);
    if (rc != 0) {
        ret->error = rc == EAI_AGAIN ? ERR_AGAIN : ERR_NOT_FOUND;
        return;
    }
    for (const struct addrinfo *one = list; one != NULL && ret->n < POLICY_ADDRESSES;
         one = one->ai_next) {
        struct sockaddr_storage sockaddr = {0};
        struct endpoint endpoint;
        memcpy(&sockaddr, one->ai_addr, one->ai_addrlen);
        if (endpoint_from_sockaddr(&sockaddr, &endpoint))
            ret->addresses[ret->n++] = endpoint.address;
    }
    freeaddrinfo(list);
    ret->error = ret->n > 0 ? 0 : ERR_NOT_FOUND;
}

/* The filter leaves room for name services, which load what the host's nsswitch.conf names. The
 * resolver knows nothing worth stealing and has no rights; it may read the files that everybody
 * may. */
int resolver_run(int fd, pid_t parent)
{
    struct resolve_request request;
    struct resolve_answer answer;
    const struct confinement kept = {.process = PROCESS_RESOLVER,
                                     .files = SANDBOX_FILES_READ,
                                     .calls = SANDBOX_READER,
                                     .descriptors = HELPER_DESCRIPTORS};
    if (confine(&kept, parent) != 0)
        return give_up("sandbox");
    int error = 0;
    while (error == 0) {
        error = channel_recv(fd, &request, sizeof(request), NULL, NULL);
        if (error != 0)
            break;
        resolve(&request, &answer);
        error = channel_send(fd, &answer, sizeof(answer), NULL, 0);
    }
    return exit_status(error);
}
