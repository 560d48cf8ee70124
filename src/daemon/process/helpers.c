/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/helpers.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/secret.h"
#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/process/eap_service.h"
#include "daemon/process/keyring.h"
#include "daemon/process/spawn.h"
#include "daemon/process/verifier.h"
#include "linux/entropy.h"
#include "linux/sandbox.h"
#include "linux/udp_socket.h"

#define HELPER_DESCRIPTORS 64
#define HELPER_MEMORY      (UINT64_C(1) << 30) /* of address space, libraries included */

static int give_up(const char *what)
{
    log_line(LOG_LEVEL_ERROR, "event=helper-failed what=%s reason=\"%s\"", what, strerror(errno));
    return EXIT_FAILURE;
}

/* confine - a helper that needs its channel and memory. */
static int confine(enum process process, pid_t parent)
{
    bool same_uid;
    int abi;
    return sandbox_common(parent) != 0 ||
                   sandbox_unprivileged(process_user(process), &same_uid) != 0 ||
                   sandbox_files(SANDBOX_FILES_NONE, &abi) != 0 ||
                   sandbox_limits(HELPER_DESCRIPTORS, HELPER_MEMORY) != 0 ||
                   sandbox_filter(SANDBOX_KEYHOLDER) != 0
               ? ERR_SYSTEM
               : 0;
}

static int exit_status(int error)
{
    return error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* struct served - a channel that a helper serves: its engine's, or that of the eap process. */
struct served {
    int fd;
    int (*serve)(int fd, void *context);
    void *context;
};

/* serve_both - requests of two channels, until one of them closes. */
static int serve_both(const struct served both[2])
{
    struct pollfd fds[2] = {{.fd = both[0].fd, .events = POLLIN},
                            {.fd = both[1].fd, .events = POLLIN}};
    int error = 0;
    while (error == 0) {
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR)
                continue; /* `revents` is of the last time */
            return ERR_SYSTEM;
        }
        for (int i = 0; error == 0 && i < 2; i++)
            if (fds[i].revents != 0)
                error = both[i].serve(both[i].fd, both[i].context);
    }
    return error;
}

/* key_serve - one request and its answer. What stood behind the request is wiped: secrets, SK_p. */
static int key_serve(int fd, struct keyring *keyring, bool of_eap)
{
    static uint8_t octets[KEY_OCTETS];
    struct key_request request;
    struct key_answer answer;
    uint8_t auth[KEY_AUTH];
    struct writer w = writer_of(auth, sizeof(auth));
    size_t n;
    int error = channel_recv_tail(fd, &request, sizeof(request),
                                  (struct buffer){octets, sizeof(octets)}, &n);
    if (error != 0)
        return error;
    if (of_eap)
        keyring_tls_answer(keyring, &request, span_of(octets, n), &answer, &w);
    else
        keyring_answer(keyring, &request, span_of(octets, n), &answer, &w);
    wipe(octets, n);
    return channel_send_tail(fd, span_of(&answer, sizeof(answer)), span_of(auth, answer.n_octets));
}

static int key_serve_engine(int fd, void *keyring)
{
    return key_serve(fd, keyring, false);
}

static int key_serve_eap(int fd, void *keyring)
{
    return key_serve(fd, keyring, true);
}

int keyholder_run(int fd, int eap_fd, pid_t parent)
{
    if (!keyring_arena_init())
        log_line(LOG_LEVEL_WARNING, "event=memory-not-locked text=\"secrets may reach the swap\"");
    struct crypto_provider *crypto = crypto_new();
    struct keyring *keyring = crypto == NULL ? NULL : keyring_new(crypto);
    if (keyring == NULL)
        return give_up("keyring");
    if (confine(PROCESS_KEYHOLDER, parent) != 0)
        return give_up("sandbox");
    const struct served both[] = {{fd, key_serve_engine, keyring},
                                  {eap_fd, key_serve_eap, keyring}};
    int error = serve_both(both);
    keyring_free(keyring);
    crypto_free(crypto);
    return exit_status(error);
}

static int verifier_serve_engine(int fd, void *verifier)
{
    static uint8_t octets[VERIFIER_OCTETS], certs[VERIFIER_ANSWER_MAX];
    static struct verifier_request request;
    struct verifier_answer answer;
    struct writer w = writer_of(certs, sizeof(certs));
    size_t n;
    int error = channel_recv_tail(fd, &request, sizeof(request),
                                  (struct buffer){octets, sizeof(octets)}, &n);
    if (error != 0)
        return error;
    verifier_answer(verifier, &request, span_of(octets, n), &answer, &w);
    return channel_send_tail(fd, span_of(&answer, sizeof(answer)), writer_span(&w));
}

static int verifier_serve_eap(int fd, void *verifier)
{
    static uint8_t octets[VERIFIER_CHAIN * VERIFIER_CERT_MAX];
    static struct verifier_request request;
    struct verifier_answer answer;
    size_t n;
    int error = channel_recv_tail(fd, &request, sizeof(request),
                                  (struct buffer){octets, sizeof(octets)}, &n);
    if (error != 0)
        return error;
    verifier_tls_answer(verifier, &request, span_of(octets, n), &answer);
    return channel_send_tail(fd, span_of(&answer, sizeof(answer)), (struct span){0});
}

int verifier_run(int fd, int eap_fd, pid_t parent)
{
    struct crypto_provider *crypto = crypto_new();
    struct verifier *verifier = crypto == NULL ? NULL : verifier_new(crypto);
    if (verifier == NULL)
        return give_up("verifier");
    if (confine(PROCESS_VERIFIER, parent) != 0)
        return give_up("sandbox");
    const struct served both[] = {{fd, verifier_serve_engine, verifier},
                                  {eap_fd, verifier_serve_eap, verifier}};
    int error = serve_both(both);
    verifier_free(verifier);
    crypto_free(crypto);
    return exit_status(error);
}

/* The legacy provider of OpenSSL is a file: it is loaded before the files go. */
int eap_run(int fd, struct eap_channels channels, pid_t parent)
{
    static struct eap_request request;
    static struct eap_answer answer;
    static uint8_t octets[EAP_CHAIN_MAX];
    const struct eap_doors doors = eap_doors_of(&channels);
    struct eap_crypto *crypto = eap_crypto_new();
    struct eap_service *service =
        crypto == NULL ? NULL : eap_service_new(crypto, entropy_random(), &doors);
    size_t n;
    if (service == NULL)
        return give_up("eap");
    if (confine(PROCESS_EAP, parent) != 0)
        return give_up("sandbox");
    int error = 0;
    while (error == 0) {
        error = channel_recv_tail(fd, &request, sizeof(request),
                                  (struct buffer){octets, sizeof(octets)}, &n);
        if (error == 0 && eap_service_answer(service, &request, span_of(octets, n), &answer))
            error = channel_send(fd, &answer, sizeof(answer), NULL, 0);
        eap_result_done(&answer.result);
    }
    eap_service_free(service);
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
    bool same_uid;
    int abi;
    if (sandbox_common(parent) != 0 ||
        sandbox_unprivileged(process_user(PROCESS_RESOLVER), &same_uid) != 0 ||
        sandbox_files(SANDBOX_FILES_READ, &abi) != 0 ||
        sandbox_limits(HELPER_DESCRIPTORS, HELPER_MEMORY) != 0 ||
        sandbox_filter(SANDBOX_READER) != 0)
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
