/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/service_manager.h"

#include <errno.h>
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
