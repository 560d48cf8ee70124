/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/loader/unpacker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/process/confine.h"

#define UNPACKER_DESCRIPTORS 16
#define UNPACKER_SECONDS     20 /* of computing, for all containers of a load */

/* unpack - answers one request. `octets`: the container and its passphrase, which follow the
 * request. */
static void unpack(const struct unpack_request *request, struct span octets,
                   struct unpack_answer *ret_answer, struct writer *ret_items)
{
    const char *why = NULL;
    *ret_answer = (struct unpack_answer){.error = ERR_INVALID};
    if (request->passphrase_len <= octets.len) {
        size_t len = octets.len - request->passphrase_len;
        ret_answer->error =
            container_unpack(span_of(octets.ptr, len),
                             span_of(octets.ptr + len, request->passphrase_len), ret_items, &why);
    }
    (void)snprintf(ret_answer->reason, sizeof(ret_answer->reason), "%s", why == NULL ? "" : why);
    ret_answer->n_octets = ret_answer->error == 0 ? (uint32_t)ret_items->len : 0;
}

static int unpacker_serve(int fd)
{
    static uint8_t octets[UNPACK_OCTETS], items[CONTAINER_MAX];
    struct writer w = writer_of(items, sizeof(items));
    struct unpack_request request;
    struct unpack_answer answer;
    size_t n;
    int error = channel_recv_tail(fd, &request, sizeof(request),
                                  (struct buffer){octets, sizeof(octets)}, &n);
    if (error != 0)
        return error;
    unpack(&request, span_of(octets, n), &answer, &w);
    wipe(octets, n);
    error =
        channel_send_tail(fd, span_of(&answer, sizeof(answer)), span_of(items, answer.n_octets));
    wipe(items, sizeof(items));
    return error;
}

int unpacker_run(const struct spawn_start *start)
{
    const struct confinement kept = {.process = PROCESS_UNPACKER,
                                     .files = SANDBOX_FILES_NONE,
                                     .calls = SANDBOX_KEYHOLDER,
                                     .descriptors = UNPACKER_DESCRIPTORS};
    if (!container_init())
        log_line(LOG_LEVEL_DEBUG, "event=no-legacy-provider");
    if (sandbox_seconds(UNPACKER_SECONDS) != 0 || confine(&kept, start->parent) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=helper-failed what=unpacker reason=\"%s\"",
                 strerror(errno));
        return EXIT_FAILURE;
    }
    int error = 0;
    while (error == 0)
        error = unpacker_serve(start->fd);
    return error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
}
