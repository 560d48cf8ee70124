/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/process/confine.h"
#include "daemon/process/load_door.h"
#include "linux/clock.h"

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

int serve_once(struct served *list, nfds_t n, nanos deadline)
{
    struct pollfd fds[SERVED_MOST];
    int error = 0;
    for (nfds_t i = 0; i < n; i++)
        fds[i] = (struct pollfd){.fd = list[i].fd, .events = POLLIN};
    if (poll(fds, n, milliseconds_to(deadline)) < 0)
        return errno == EINTR ? 0 : ERR_SYSTEM; /* `revents` is of the last time */
    for (nfds_t i = n; error == 0 && i-- > 0;)
        if (fds[i].fd == list[i].fd) /* otherwise the channel has just been replaced */
            error = served_once(&list[i], fds[i].revents);
    return error;
}

int serve_all(struct served *list, nfds_t n)
{
    int error = 0;
    while (error == 0)
        error = serve_once(list, n, NANOS_NEVER);
    return error;
}

int serve_loader(int fd, struct served *loader, uint64_t *ret_number)
{
    int loader_fd, error = load_door_take(fd, &loader_fd, ret_number);
    if (error != 0)
        return error;
    if (loader->fd >= 0)
        close(loader->fd);
    loader->fd = loader_fd;
    return 0;
}

int serve_failed(const char *what)
{
    log_line(LOG_LEVEL_ERROR, "event=helper-failed what=%s reason=\"%s\"", what, strerror(errno));
    return EXIT_FAILURE;
}

int serve_confine(enum process process, pid_t parent)
{
    const struct confinement kept = {.process = process,
                                     .files = SANDBOX_FILES_NONE,
                                     .calls = SANDBOX_KEYHOLDER,
                                     .descriptors = HELPER_DESCRIPTORS};
    return confine(&kept, parent);
}

int serve_ended(int error)
{
    return error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
}
