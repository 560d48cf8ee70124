/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int channel_pair(int ret_ends[2], int octets)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0)
        return ERR_SYSTEM;
    for (int i = 0; i < 2; i++)
        if (setsockopt(ret_ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &octets, sizeof(octets)) < 0)
            (void)setsockopt(ret_ends[i], SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
    return 0;
}

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(LIMIT_WORKERS * sizeof(int))];
};

static int send_once(int fd, const struct msghdr *header)
{
    ssize_t sent;
    do
        sent = sendmsg(fd, header, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN ? ERR_AGAIN : ERR_SYSTEM;
    return 0;
}

int channel_send(int fd, const void *message, size_t len, const int *fds, unsigned n_fds)
{
    union control control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)message, .iov_len = len};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n_fds > LIMIT_WORKERS)
        return ERR_INVALID;
    if (n_fds > 0) {
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(part), fds, n_fds * sizeof(int));
    }
    return send_once(fd, &header);
}

static unsigned descriptors_take(struct msghdr *header, int fds[LIMIT_WORKERS])
{
    unsigned n = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL;
         part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && n < LIMIT_WORKERS; i++)
            memcpy(&fds[n++], CMSG_DATA(part) + i * sizeof(int), sizeof(int));
    }
    return n;
}

int channel_recv(int fd, void *message, size_t len, int *ret_fds, unsigned *ret_n_fds)
{
    union control control = {0};
    int fds[LIMIT_WORKERS];
    struct iovec iov = {.iov_base = message, .iov_len = len};
    struct msghdr header = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    ssize_t got;
    do
        got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? ERR_AGAIN : ERR_SYSTEM;
    unsigned n = descriptors_take(&header, fds);
    bool whole = (size_t)got == len && !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    if (!whole || (n > 0 && ret_fds == NULL)) {
        for (unsigned i = 0; i < n; i++)
            close(fds[i]);
        return got == 0 ? ERR_NOT_FOUND : ERR_INVALID;
    }
    if (ret_fds != NULL) {
        memcpy(ret_fds, fds, n * sizeof(int));
        *ret_n_fds = n;
    }
    return 0;
}

int channel_send_tail(int fd, struct span message, struct span tail)
{
    struct iovec iov[] = {
        {.iov_base = (void *)(uintptr_t)message.ptr, .iov_len = message.len},
        {.iov_base = (void *)(uintptr_t)tail.ptr, .iov_len = tail.len},
    };
    const struct msghdr header = {.msg_iov = iov, .msg_iovlen = tail.len > 0 ? 2 : 1};
    return send_once(fd, &header);
}

/* The message has no room for control data, so the kernel drops descriptors that come with it. */
int channel_recv_tail(int fd, void *message, size_t len, struct buffer room, size_t *ret_tail)
{
    struct iovec iov[] = {{.iov_base = message, .iov_len = len},
                          {.iov_base = room.ptr, .iov_len = room.len}};
    struct msghdr header = {.msg_iov = iov, .msg_iovlen = 2};
    uint32_t tail;
    ssize_t got;
    do
        got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? ERR_AGAIN : ERR_SYSTEM;
    if (got == 0)
        return ERR_NOT_FOUND;
    if ((size_t)got < len || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return ERR_INVALID;
    memcpy(&tail, message, sizeof(tail));
    if ((size_t)got - len != tail)
        return ERR_INVALID;
    *ret_tail = tail;
    return 0;
}

/* --- checks of requests --- */

static bool address_inner(const struct address *a)
{
    return address_sound(a) && !address_is_any(a) && !address_is_multicast(a) &&
           !address_is_loopback(a) && !address_is_link_local(a);
}

static bool prefix_sound(const struct address *address, uint8_t len)
{
    struct address_range range;
    return address_sound(address) && len <= address_len(address) * 8 &&
           range_from_prefix(address, len, &range) && address_equal(&range.first, address);
}

/* device_sound - the kernel and the text of the packet filter read the name in the same way. */
static bool device_sound(const char device[16])
{
    size_t len = strnlen(device, 16);
    for (size_t i = len; i < 16; i++)
        if (device[i] != '\0')
            return false;
    for (size_t i = 0; i < len; i++)
        if (device[i] <= ' ' || device[i] > '~' || strchr("\"\\/*", device[i]) != NULL)
            return false;
    return len < 16;
}

static bool policy_sound(const struct priv_request *r)
{
    const struct priv_policy *p = &r->policy;
    bool ports = p->local_start != 0 || p->local_end != UINT16_MAX || p->remote_start != 0 ||
                 p->remote_end != UINT16_MAX;
    return prefix_sound(&r->address, r->prefix_len) && prefix_sound(&p->local, p->local_len) &&
           p->local.family == r->address.family && p->local_start <= p->local_end &&
           p->remote_start <= p->remote_end && (!ports || p->protocol != 0) &&
           (p->action == PRIV_DROP || (p->action == PRIV_PASS && p->device[0] == '\0')) &&
           device_sound(p->device);
}

static bool route_sound(const struct priv_request *r)
{
    if (!prefix_sound(&r->address, r->prefix_len))
        return false;
    /* 0.0.0.0/0 is a destination; a route into loopback, link-local or multicast is an attack */
    if (r->prefix_len > 0 &&
        (address_is_loopback(&r->address) || address_is_link_local(&r->address) ||
         address_is_multicast(&r->address)))
        return false;
    return r->source.family == ADDRESS_NONE ||
           (r->source.family == r->address.family && address_inner(&r->source));
}

bool priv_request_check(const struct priv_request *r)
{
    if (r->first > 1 || (r->first == 1 && r->source.family == ADDRESS_NONE))
        return false;
    if (r->peer > 1 || (r->peer == 1 && r->prefix_len != address_len(&r->address) * 8))
        return false;
    switch (r->kind) {
    case PRIV_ADDRESS_ADD:
    case PRIV_ADDRESS_REMOVE:
    case PRIV_INSIDE_ADD:
    case PRIV_INSIDE_REMOVE: return address_inner(&r->address);
    case PRIV_ROUTE_ADD:
    case PRIV_ROUTE_REMOVE:
    case PRIV_BLOCK_ADD:
    case PRIV_BLOCK_REMOVE: return route_sound(r);
    case PRIV_SHUNT_ADD:
    case PRIV_SHUNT_REMOVE: return policy_sound(r);
    case PRIV_SHUNTS_ALL: return true;
    case PRIV_PATH_SOCKETS:
        return r->interface != 0 && r->interface <= INT32_MAX && r->port != 0 &&
               address_sound(&r->address) && !address_is_any(&r->address) &&
               !address_is_multicast(&r->address);
    case PRIV_MTU: return r->mtu >= TUN_MTU_MIN && r->mtu < PATH_MTU_MOST;
    case PRIV_DEVICE_OPEN: return r->device % LIMIT_DEVICES != 0 && inner_device_sound(&r->inner);
    case PRIV_DEVICE_CLOSE: return r->device != 0;
    case PRIV_READY:
    case PRIV_UPGRADE:
    case PRIV_LAN_BYPASS:
    case PRIV_LAN_BLOCK: return true;
    default: /* a number from outside, not an enum of ours */ return false;
    }
}

const char *priv_reason_text(uint32_t reason)
{
    static const char *const texts[] = {
        [PRIV_REASON_NONE] = "it is not allowed",
        [PRIV_REASON_FILES] = "no connection in the files names it, nor do their permits",
        [PRIV_REASON_OWN] = "it takes an address of this host",
        [PRIV_REASON_ROUTER] = "it takes the router of this host",
        [PRIV_REASON_RESOLVER] = "it takes the resolver of this host",
        [PRIV_REASON_DEVICE] = "no connection in the files has a device with this name and marks",
    };
    return texts[reason < sizeof(texts) / sizeof(texts[0]) ? reason : PRIV_REASON_NONE];
}
