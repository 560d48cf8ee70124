/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/udp_socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/udp.h>
#include <unistd.h>

#define SOCKET_BUFFER (4 << 20) /* 60 super-packets of 64 KiB */

socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (e->address.family == ADDRESS_V6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(e->port);
        memcpy(&in6->sin6_addr, e->address.octets, 16);
        return sizeof(*in6);
    }
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    in->sin_family = AF_INET;
    in->sin_port = htons(e->port);
    memcpy(&in->sin_addr, e->address.octets, 4);
    return sizeof(*in);
}

bool endpoint_from_sockaddr(const struct sockaddr_storage *s, struct endpoint *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (s->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)s;
        ret->address.family = ADDRESS_V6;
        ret->port = ntohs(in6->sin6_port);
        memcpy(ret->address.octets, &in6->sin6_addr, 16);
        return true;
    }
    if (s->ss_family != AF_INET)
        return false;
    const struct sockaddr_in *in = (const struct sockaddr_in *)s;
    ret->address.family = ADDRESS_V4;
    ret->port = ntohs(in->sin_port);
    memcpy(ret->address.octets, &in->sin_addr, 4);
    return true;
}

static bool set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

int socket_ip_options_set(int fd, int family)
{
    int size = SOCKET_BUFFER;
    /* the limits of the system apply to those without CAP_NET_ADMIN */
    if (!set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, size))
        (void)set_int(fd, SOL_SOCKET, SO_RCVBUF, size);
    if (!set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, size))
        (void)set_int(fd, SOL_SOCKET, SO_SNDBUF, size);
    bool ok = family == AF_INET6
                  ? set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
                        set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) &&
                        set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) &&
                        set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT)
                  : set_int(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
                        set_int(fd, IPPROTO_IP, IP_RECVTOS, 1) &&
                        set_int(fd, IPPROTO_IP, IP_RECVERR, 1) &&
                        set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
    return ok ? 0 : ERR_SYSTEM;
}

static int udp_socket_setup(int fd, const struct udp_socket_options *o)
{
    struct sockaddr_storage local;
    socklen_t len = endpoint_to_sockaddr(&o->local, &local);
    bool v6 = local.ss_family == AF_INET6;
    if ((v6 && !set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) ||
        (o->reuseport && !set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
        (o->mark != 0 && !set_int(fd, SOL_SOCKET, SO_MARK, (int)o->mark)) ||
        (o->device != NULL && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, o->device,
                                         (socklen_t)strlen(o->device)) != 0) ||
        (o->gro && !set_int(fd, IPPROTO_UDP, UDP_GRO, 1)) ||
        socket_ip_options_set(fd, local.ss_family) != 0)
        return ERR_SYSTEM;
    return bind(fd, (struct sockaddr *)&local, len) == 0 ? 0 : ERR_SYSTEM;
}

int udp_socket_open(const struct udp_socket_options *options)
{
    int family = options->local.address.family == ADDRESS_V6 ? AF_INET6 : AF_INET;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (fd < 0)
        return ERR_SYSTEM;
    if (udp_socket_setup(fd, options) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return ERR_SYSTEM;
}

int udp_socket_share(int fd)
{
    return set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) ? 0 : ERR_SYSTEM;
}

int udp_socket_steer(int fd, unsigned n)
{
    /* the filter sees the UDP payload: its first word is the SPI, 0 before IKE. A load behind the
     * end returns 0 */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = 3, .filter = code};
    if (n == 0 ||
        setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) != 0)
        return ERR_SYSTEM;
    return 0;
}

static void info_v4(const struct cmsghdr *c, struct packet_info *info)
{
    if (c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo pi;
        memcpy(&pi, CMSG_DATA(c), sizeof(pi));
        info->local = (struct address){.family = ADDRESS_V4};
        memcpy(info->local.octets, &pi.ipi_addr, 4);
        info->interface = (uint32_t)pi.ipi_ifindex;
    } else if (c->cmsg_type == IP_TOS) {
        info->tos = *CMSG_DATA(c);
    }
}

static void info_v6(const struct cmsghdr *c, struct packet_info *info)
{
    if (c->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo pi;
        memcpy(&pi, CMSG_DATA(c), sizeof(pi));
        info->local = (struct address){.family = ADDRESS_V6};
        memcpy(info->local.octets, &pi.ipi6_addr, 16);
        info->interface = pi.ipi6_ifindex;
    } else if (c->cmsg_type == IPV6_TCLASS) {
        int value;
        memcpy(&value, CMSG_DATA(c), sizeof(value));
        info->tos = (uint8_t)value;
    }
}

void packet_info_read(struct msghdr *message, struct packet_info *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP) {
            info_v4(c, ret);
        } else if (c->cmsg_level == IPPROTO_IPV6) {
            info_v6(c, ret);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int value;
            memcpy(&value, CMSG_DATA(c), sizeof(value));
            ret->segment = (uint16_t)value;
        }
    }
}

static void control_put(struct msghdr *message, int level, int type, const void *data, size_t len)
{
    struct cmsghdr c = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
    uint8_t *at = (uint8_t *)message->msg_control + message->msg_controllen;
    memset(at, 0, CMSG_SPACE(len));
    memcpy(at, &c, sizeof(c));
    memcpy(at + CMSG_LEN(0), data, len);
    message->msg_controllen += CMSG_SPACE(len);
}

void packet_info_write(struct msghdr *message, int family, const struct packet_info *info)
{
    int tos = info->tos;
    message->msg_controllen = 0;
    if (family == AF_INET6) {
        struct in6_pktinfo pi = {.ipi6_ifindex = info->interface};
        memcpy(&pi.ipi6_addr, info->local.octets, 16);
        control_put(message, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
        control_put(message, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
    } else {
        struct in_pktinfo pi = {.ipi_ifindex = (int)info->interface};
        memcpy(&pi.ipi_spec_dst, info->local.octets, 4);
        control_put(message, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
        control_put(message, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
    }
    if (info->segment != 0)
        control_put(message, IPPROTO_UDP, UDP_SEGMENT, &info->segment, sizeof(info->segment));
}

static uint32_t error_mtu(const struct sock_extended_err *e)
{
    bool v4 = e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == ICMP_DEST_UNREACH &&
              e->ee_code == ICMP_FRAG_NEEDED;
    bool v6 = e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMPV6_PKT_TOOBIG;
    bool here = e->ee_origin == SO_EE_ORIGIN_LOCAL && e->ee_errno == EMSGSIZE;
    return v4 || v6 || here ? e->ee_info : 0;
}

static bool error_unreachable(const struct sock_extended_err *e)
{
    return (e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == ICMP_DEST_UNREACH &&
            e->ee_code != ICMP_FRAG_NEEDED) ||
           (e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMPV6_DEST_UNREACH);
}

bool socket_error_next(int fd, struct socket_error *ret_error)
{
    struct sockaddr_storage remote = {0};
    _Alignas(struct cmsghdr) uint8_t control[512];
    uint8_t payload[64];
    struct iovec iov = {payload, sizeof(payload)};
    struct msghdr message = {.msg_name = &remote,
                             .msg_namelen = sizeof(remote),
                             .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    *ret_error = (struct socket_error){0};
    (void)endpoint_from_sockaddr(&remote, &ret_error->remote);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
        bool error = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                     (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
        struct sock_extended_err e;
        if (!error || c->cmsg_len < CMSG_LEN(sizeof(e)))
            continue;
        memcpy(&e, CMSG_DATA(c), sizeof(e));
        ret_error->mtu = error_mtu(&e);
        ret_error->unreachable = error_unreachable(&e);
    }
    return true;
}
