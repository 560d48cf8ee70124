/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/eap/usim_book.h"
#include "daemon/supervisor/service_manager.h"
#include "linux/netlink_change.h"
#include "linux/udp_socket.h"
#include "plane/raw_esp.h"

static int failed(const char *what)
{
    log_line(LOG_LEVEL_ERROR, "event=start-failed what=\"%s\" reason=\"%s\"", what,
             strerror(errno));
    return ERR_SYSTEM;
}

static int udp_open(enum address_family family, uint16_t port, bool shared)
{
    struct udp_socket_options options = {
        .local = {.address = {.family = (uint8_t)family}, .port = port},
        .mark = OUTER_MARK,
        .reuseport = shared,
        .gro = shared,
    };
    return udp_socket_open(&options);
}

static bool family_missing(enum address_family family)
{
    return family == ADDRESS_V6 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
}

static int family_open(enum address_family family, unsigned n, int *ike_fd, int *nat_fds,
                       int *raw_fd)
{
    *ike_fd = udp_open(family, IKE_PORT, false);
    if (*ike_fd < 0)
        return family_missing(family) ? 0 : failed("UDP port 500; does another IKE daemon run?");
    if (udp_socket_share(*ike_fd) != 0)
        return failed("UDP port 500 of single paths");
    for (unsigned i = 0; i < n; i++) {
        nat_fds[i] = udp_open(family, NAT_PORT, true);
        if (nat_fds[i] < 0)
            return failed("UDP port 4500");
    }
    if (udp_socket_steer(nat_fds[0], n) != 0)
        return failed("steering of UDP port 4500");
    *raw_fd = raw_esp_open(family, OUTER_MARK);
    if (*raw_fd < 0) /* without it, ESP in UDP is the only way */
        log_line(LOG_LEVEL_WARNING, "event=no-raw-esp family=%d reason=\"%s\"", (int)family,
                 strerror(errno));
    return 0;
}

/* stale_remove - removes the socket of a killed daemon, at which no process listens. Any other
 * socket stays. */
static int stale_remove(const struct sockaddr_un *address)
{
    struct stat stat;
    if (lstat(address->sun_path, &stat) < 0)
        return errno == ENOENT ? 0 : ERR_SYSTEM;
    if (!S_ISSOCK(stat.st_mode)) {
        errno = EEXIST;
        return ERR_SYSTEM;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int connected = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    close(fd);
    if (connected == 0) {
        errno = EADDRINUSE;
        return ERR_SYSTEM;
    }
    return unlink(address->sun_path);
}

#define SOCKET_GROUP "ikat" /* members of this group may use the control socket */

/* group_find - the group of the control socket. ERR_NOT_FOUND: the named group does not exist. */
static int group_find(const char *name, gid_t *ret_gid)
{
    const struct group *group = getgrnam(name != NULL ? name : SOCKET_GROUP);
    if (group == NULL && name != NULL) {
        errno = EINVAL;
        log_line(LOG_LEVEL_ERROR, "event=no-such-group name=%s", name);
        return ERR_NOT_FOUND;
    }
    *ret_gid = group == NULL ? getegid() : group->gr_gid;
    return 0;
}

/* bind_as - gives the socket its group from the beginning; CAP_SETGID is enough. */
static int bind_as(int fd, const struct sockaddr_un *address, gid_t gid)
{
    mode_t mask = umask(0117); /* 0660 */
    int own = setfsgid(gid);
    int rc = bind(fd, (const struct sockaddr *)address, sizeof(*address));
    int error = errno;
    (void)setfsgid((gid_t)own);
    umask(mask);
    errno = error;
    return rc;
}

static int vici_open(const char *path, const char *group)
{
    gid_t gid;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return ERR_SYSTEM;
    }
    memcpy(address.sun_path, path, strlen(path));
    if (group_find(group, &gid) != 0 || stale_remove(&address) != 0)
        return ERR_SYSTEM;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -1 : bind_as(fd, &address, gid);
    if (rc < 0 || listen(fd, 16) < 0) {
        if (fd >= 0)
            close(fd);
        return ERR_SYSTEM;
    }
    return fd;
}

/* link_silence - an inner device has no link, so it needs no IPv6 link-local address and accepts no
 * router advertisement. Where /proc/sys is read-only, the packet filter drops router advertisements
 * (packet_filter.h). */
static void link_silence(const char *device, uint32_t index)
{
    char path[96];
    struct netlink *netlink = NULL;
    int error = netlink_open(&netlink);
    if (error == 0)
        error = netlink_link_silence(netlink, index);
    netlink_free(netlink);
    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", device);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (error != 0 || (fd >= 0 && write(fd, "0", 1) != 1))
        log_line(LOG_LEVEL_DEBUG, "event=setting-refused device=%s", device);
    if (fd >= 0)
        close(fd);
}

static int tun_make(const struct supervisor_options *options, struct engine_start *start)
{
    if (tun_open(options->device, start->n_workers, start->tun_fds, start->tun_name,
                 &start->tun_uso) != 0)
        return failed("TUN device (/dev/net/tun)");
    start->tun_mtu_fixed = options->mtu != 0;
    start->tun_mtu = options->mtu != 0 ? options->mtu : TUN_MTU;
    start->tun_index = if_nametoindex(start->tun_name);
    link_silence(start->tun_name, start->tun_index);
    if (start->tun_index == 0 || tun_up(start->tun_name, start->tun_mtu) != 0)
        return failed("TUN device");
    return 0;
}

static void start_init(struct engine_start *start, unsigned n_workers)
{
    memset(start, 0xff, sizeof(*start)); /* all descriptors -1 */
    memset(start->tun_name, 0, sizeof(start->tun_name));
    start->n_workers = n_workers;
    start->tun_index = 0;
    start->memory_most = 0;
    start->tun_uso = start->tun_mtu_fixed = start->filtered = start->vici_given = false;
}

/* memory_share - three quarters of the memory of the host, or of the control group's limit. */
static uint64_t memory_share(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t most = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
    unsigned long long limit = 0;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (file != NULL && fscanf(file, "%llu", &limit) == 1 && limit > 0 &&
        (most == 0 || limit < most))
        most = limit;
    if (file != NULL)
        (void)fclose(file);
    return most / 4 * 3;
}

int devices_open(const struct supervisor_options *options, struct engine_start *start)
{
    start_init(start, options->n_workers);
    start->initiator_only = options->initiator_only;
    start->memory_most = options->memory_most != 0 ? options->memory_most : memory_share();
    if (manager_socket(options->socket, &start->vici_fd) != 0)
        return failed("the service manager's socket is another one than -s");
    start->vici_given = start->vici_fd >= 0;
    if (!start->vici_given)
        start->vici_fd = vici_open(options->socket, options->group);
    if (start->vici_fd < 0)
        return failed(options->socket);
    int error = family_open(ADDRESS_V4, start->n_workers, &start->ike4_fd, start->udp4_fds,
                            &start->raw4_fd);
    if (error == 0)
        error = family_open(ADDRESS_V6, start->n_workers, &start->ike6_fd, start->udp6_fds,
                            &start->raw6_fd);
    if (error == 0)
        error = tun_make(options, start);
    if (error == 0 && options->keylog != NULL) {
        start->keylog_fd = open(options->keylog, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (start->keylog_fd < 0)
            error = failed(options->keylog);
    }
    return error;
}

static int file_open(const char *folder, const char *name, size_t room)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == ENOENT)
        return -1;
    int error = fd >= 0 && room > 0 ? posix_fallocate(fd, 0, (off_t)room) : 0;
    if (error != 0)
        errno = error;
    else if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    log_line(LOG_LEVEL_WARNING, "event=%s-not-kept what=%s reason=\"%s\"", name, path,
             strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

void state_open(const char *folder, int ret_fds[N_PROCESSES])
{
    for (int process = 0; process < N_PROCESSES; process++)
        ret_fds[process] = -1;
    ret_fds[PROCESS_KEYHOLDER] = file_open(folder, "tickets", 0);
    ret_fds[PROCESS_AAA] = file_open(folder, "accounting", 0);
    ret_fds[PROCESS_EAP] = file_open(folder, "usim", USIM_BOOK_ROOM);
}
