/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_UDP_SOCKET_H
#define LINUX_UDP_SOCKET_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/error.h"
#include "base/outer_mark.h"

struct udp_socket_options {
    struct endpoint local; /* the address may be 0.0.0.0 or ::; IPv6 sockets take IPv6 only */
    const char *device;    /* SO_BINDTODEVICE; NULL: none */
    uint32_t mark;         /* SO_MARK; 0: none */
    bool reuseport;        /* one of a group on the same address and port */
    bool gro;              /* datagrams of one size come together; the receiver must split them */
};

/*
 * udp_socket_open - non-blocking, with the destination address, TOS and ICMP errors delivered as
 * control messages, large buffers, and the don't-fragment bit as the kernel's path MTU discovery
 * says. Needs CAP_NET_ADMIN with `mark`, CAP_NET_RAW with `device` (before Linux 5.7). Returns the
 * descriptor. ERR_SYSTEM (errno kept).
 */
int udp_socket_open(const struct udp_socket_options *options) MUST_USE;

/* udp_socket_share - from now on, a socket with `reuseport` may be bound to the same port at an
 * address and an interface of its own. Without `reuseport`, a bind still fails. ERR_SYSTEM. */
int udp_socket_share(int fd) MUST_USE;

/* udp_socket_steer - datagrams of a SO_REUSEPORT group go to socket (SPI % n), counted in the order
 * of opening; IKE messages to the first. Call on one member when all are open. ERR_SYSTEM. */
int udp_socket_steer(int fd, unsigned n) MUST_USE;

/* socket_ip_options_set - options of raw and UDP sockets: control messages for the data plane, and
 * buffers of 4 MiB if the limits allow. */
int socket_ip_options_set(int fd, int family) MUST_USE;

/* --- struct sockaddr <-> struct endpoint --- */
socklen_t endpoint_to_sockaddr(const struct endpoint *endpoint,
                               struct sockaddr_storage *ret_sockaddr);
bool endpoint_from_sockaddr(const struct sockaddr_storage *sockaddr, struct endpoint *ret_endpoint);

/* struct packet_info - the data beside a datagram that was received, or that is to be sent. */
struct packet_info {
    /* received: its destination; to be sent: its source. NONE: the kernel chooses */
    struct address local;
    uint32_t interface;
    uint8_t tos;
    uint16_t segment; /* octets of each datagram in it (UDP_GRO, UDP_SEGMENT); 0: it is one */
};

/* octets for the control messages of one packet */
#define PACKET_INFO_CONTROL 256

void packet_info_read(struct msghdr *message, struct packet_info *ret_info);

/* packet_info_write - into message->msg_control, which has PACKET_INFO_CONTROL octets. */
void packet_info_write(struct msghdr *message, int family, const struct packet_info *info);

/* struct socket_error - the contents of an ICMP message about packets to `remote` (port 0: not
 * UDP). An attacker can forge it. */
struct socket_error {
    struct endpoint remote;
    uint32_t mtu;     /* the path MTU; 0: the message is about something else */
    bool unreachable; /* host, network, protocol or port */
};

/* socket_error_next - takes one message off the error queue. false: it is empty. */
bool socket_error_next(int fd, struct socket_error *ret_error);

#endif
