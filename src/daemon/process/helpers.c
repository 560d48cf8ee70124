/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/helpers.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/process/keyring.h"
#include "linux/sandbox.h"
#include "linux/udp_socket.h"

static int give_up(const char *what)
{
    log_line(LOG_LEVEL_ERROR, "event=helper-failed what=%s reason=\"%s\"", what, strerror(errno));
    return EXIT_FAILURE;
}

int keyholder_run(int fd, pid_t parent)
{
    static struct key_request request;
    struct key_answer answer;
    bool same_uid;
    int abi;
    log_open("keyholder", LOG_LEVEL_INFO);
    struct crypto_provider *crypto = crypto_new();
    struct keyring *keyring = crypto == NULL ? NULL : keyring_new(crypto);
    if (keyring == NULL)
        return give_up("keyring");
    if (sandbox_common(parent) != 0 || sandbox_unprivileged(&same_uid) != 0 ||
        sandbox_files(SANDBOX_FILES_NONE, &abi) != 0 || sandbox_filter(SANDBOX_KEYHOLDER) != 0)
        return give_up("sandbox");
    int error = 0;
    while (error == 0) {
        error = channel_recv(fd, &request, sizeof(request), NULL, NULL);
        if (error != 0)
            break;
        keyring_answer(keyring, &request, &answer);
        error = channel_send(fd, &answer, sizeof(answer), NULL, 0);
    }
    keyring_free(keyring);
    crypto_free(crypto);
    return error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
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

/* No system call filter: name services load what the host's nsswitch.conf names. It knows nothing
 * worth stealing and has no rights; of files it may read those that everybody may. */
int resolver_run(int fd, pid_t parent)
{
    struct resolve_request request;
    struct resolve_answer answer;
    bool same_uid;
    int abi;
    log_open("resolver", LOG_LEVEL_INFO);
    if (sandbox_common(parent) != 0 || sandbox_unprivileged(&same_uid) != 0 ||
        sandbox_files(SANDBOX_FILES_READ, &abi) != 0)
        return give_up("sandbox");
    int error = 0;
    while (error == 0) {
        error = channel_recv(fd, &request, sizeof(request), NULL, NULL);
        if (error != 0)
            break;
        resolve(&request, &answer);
        error = channel_send(fd, &answer, sizeof(answer), NULL, 0);
    }
    return error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
}
