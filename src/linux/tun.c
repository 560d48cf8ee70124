/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "esp/segment.h"

/* since Linux 6.2, and so not in all headers */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static void fds_close(const int *fds, unsigned n)
{
    int saved = errno;
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
    errno = saved;
}

static int queue_open(struct ifreq *request, bool *ret_uso)
{
    unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    int header_len = sizeof(struct esp_vnet);
    int fd = open(TUN_DRIVER, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return ERR_SYSTEM;
    if (ioctl(fd, TUNSETIFF, request) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header_len) < 0) {
        fds_close(&fd, 1);
        return ERR_SYSTEM;
    }
    *ret_uso = ioctl(fd, TUNSETOFFLOAD, (unsigned long)(offloads | TUN_F_USO4 | TUN_F_USO6)) == 0;
    if (!*ret_uso && ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0) {
        fds_close(&fd, 1);
        return ERR_SYSTEM;
    }
    return fd;
}

int tun_open(const char *name, unsigned n, int *ret_fds, char ret_name[TUN_NAME_MAX], bool *ret_uso)
{
    struct ifreq request = {0};
    if (strlen(name) >= TUN_NAME_MAX || n == 0)
        return ERR_INVALID;
    memcpy(request.ifr_name, name, strlen(name));
    request.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
    bool uso = true;
    for (unsigned i = 0; i < n; i++) {
        bool queue_uso;
        int fd = queue_open(&request, &queue_uso); /* the first call replaces the %d by a number */
        if (fd < 0) {
            fds_close(ret_fds, i);
            return ERR_SYSTEM;
        }
        ret_fds[i] = fd;
        uso = uso && queue_uso;
    }
    memcpy(ret_name, request.ifr_name, TUN_NAME_MAX);
    *ret_uso = uso;
    return 0;
}

static int device_set(const char *name, uint16_t mtu, bool up)
{
    struct ifreq request = {0};
    if (strlen(name) >= TUN_NAME_MAX)
        return ERR_INVALID;
    memcpy(request.ifr_name, name, strlen(name));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_SYSTEM;
    request.ifr_mtu = mtu;
    bool failed = ioctl(fd, SIOCSIFMTU, &request) < 0;
    if (!failed && up) {
        failed = ioctl(fd, SIOCGIFFLAGS, &request) < 0;
        request.ifr_flags |= IFF_UP;
        failed = failed || ioctl(fd, SIOCSIFFLAGS, &request) < 0;
    }
    fds_close(&fd, 1);
    return failed ? ERR_SYSTEM : 0;
}

int tun_up(const char *name, uint16_t mtu)
{
    return device_set(name, mtu, true);
}

int tun_mtu_set(const char *name, uint16_t mtu)
{
    return device_set(name, mtu, false);
}
