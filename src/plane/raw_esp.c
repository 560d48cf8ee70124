/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/raw_esp.h"

#include <errno.h>
#include <unistd.h>

#include "linux/udp_socket.h"

int raw_esp_open(enum address_family family, uint32_t mark)
{
    int domain = family == ADDRESS_V6 ? AF_INET6 : AF_INET;
    int fd = socket(domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ESP);
    if (fd < 0)
        return ERR_SYSTEM;
    if ((mark == 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0) &&
        socket_ip_options_set(fd, domain) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return ERR_SYSTEM;
}
