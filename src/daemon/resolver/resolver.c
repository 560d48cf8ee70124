/* SPDX-License-Identifier: Apache-2.0 */
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/common/channel.h"
#include "daemon/process/confine.h"
#include "daemon/process/helpers.h"
#include "daemon/process/serve.h"
#include "linux/udp_socket.h"

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
        return serve_failed("sandbox");
    int error = 0;
    while (error == 0) {
        error = channel_recv(fd, &request, sizeof(request), NULL, NULL);
        if (error != 0)
            break;
        resolve(&request, &answer);
        error = channel_send(fd, &answer, sizeof(answer), NULL, 0);
    }
    return serve_ended(error);
}
