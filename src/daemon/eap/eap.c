/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/channel.h"
#include "daemon/eap/eap_doors.h"
#include "daemon/process/helpers.h"
#include "daemon/process/serve.h"
#include "linux/entropy.h"

/* struct eap_holder - with the channels that it serves. */
struct eap_holder {
    struct eap_service *service;
    struct served served[SERVED_OTHERS];
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
    int error = serve_loader(fd, &holder->served[SERVED_LOADER], &number);
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
        return serve_failed("eap");
    if (serve_confine(PROCESS_EAP, start->parent) != 0)
        return serve_failed("sandbox");
    holder.served[SERVED_ENGINE] = (struct served){start->fd, eap_serve_engine, &holder, false};
    holder.served[SERVED_ORDERS] =
        (struct served){start->load_fd, eap_serve_orders, &holder, false};
    holder.served[SERVED_LOADER] = (struct served){-1, eap_serve_loader, &holder, true};
    int error = serve_all(holder.served, SERVED_OTHERS);
    eap_service_free(holder.service);
    usim_book_free(usims);
    eap_crypto_free(crypto);
    return serve_ended(error);
}
