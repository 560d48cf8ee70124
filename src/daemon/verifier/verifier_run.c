/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/secret.h"
#include "daemon/common/channel.h"
#include "daemon/process/helpers.h"
#include "daemon/process/load_door.h"
#include "daemon/process/serve.h"
#include "daemon/verifier/verifier.h"
#include "linux/clock.h"

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
    bool fetches; /* the verifier has been told of a fetcher */
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
        fetcher_drop(holder); /* the fetcher has just ended */
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
        return serve_failed("verifier");
    if (serve_confine(PROCESS_VERIFIER, start->parent) != 0)
        return serve_failed("sandbox");
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
    return serve_ended(error);
}
