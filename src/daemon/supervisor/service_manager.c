/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/service_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "linux/clock.h"

void manager_notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, strlen(path));
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, len) < 0)
        log_line(LOG_LEVEL_WARNING, "event=notify-failed reason=\"%s\"", strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* number_is - the environment variable has that number. */
static bool number_is(const char *name, long long number)
{
    const char *text = getenv(name);
    return text != NULL && strtoll(text, NULL, 10) == number;
}

#define FIRST_SOCKET 3 /* SD_LISTEN_FDS_START */

int manager_socket(const char *path, int *ret_fd)
{
    struct sockaddr_un address = {0};
    socklen_t len = sizeof(address), size = sizeof(int);
    int listens = 0, fd = FIRST_SOCKET;
    *ret_fd = -1;
    if (!number_is("LISTEN_PID", getpid()))
        return 0;
    if (!number_is("LISTEN_FDS", 1) ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || listens != 1 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0 || address.sun_family != AF_UNIX ||
        strncmp(address.sun_path, path, sizeof(address.sun_path)) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return ERR_INVALID;
    *ret_fd = fd;
    return 0;
}

/* The engine is asked three times within the time that the service manager grants. */
void watchdog_init(struct watchdog *watchdog)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    char *end = NULL;
    unsigned long long most = usec == NULL ? 0 : strtoull(usec, &end, 10);
    bool sound =
        usec != NULL && *usec >= '0' && *usec <= '9' && *end == '\0' && most < INT64_MAX / 1000;
    bool ours = pid == NULL || strtoll(pid, NULL, 10) == getpid();
    *watchdog = (struct watchdog){.at = NANOS_NEVER};
    if (!sound || most == 0 || !ours)
        return;
    watchdog->interval_ns = (nanos)most * NANOS_PER_US / 3;
    watchdog->at = clock_now();
}
