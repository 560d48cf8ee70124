/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CHANNEL_H
#define DAEMON_CHANNEL_H

/*
 * What the processes of the daemon say to each other: structs of fixed size over SOCK_SEQPACKET,
 * some with octets behind them. The receiver looks at every member as if the other side were taken
 * over. A message of another size, an unknown kind, or one with descriptors where none belong, is
 * refused. Further messages: key_channel.h, verifier_channel.h.
 */

#include "ike/ike.h"

/* channel_pair - two ends, close-on-exec, with room for `octets` in flight. ERR_SYSTEM. */
int channel_pair(int ret_ends[2], int octets) MUST_USE;

/* channel_send - one message, with up to LIMIT_WORKERS descriptors. ERR_AGAIN, ERR_SYSTEM. */
int channel_send(int fd, const void *message, size_t len, const int *fds, unsigned n_fds) MUST_USE;

/*
 * channel_recv - one message of exactly `len` octets. ret_fds has room for LIMIT_WORKERS or is
 * NULL: none may come. ERR_AGAIN; ERR_NOT_FOUND: the other side is gone; ERR_INVALID: another size
 * or unwanted descriptors (they are closed); ERR_SYSTEM.
 */
int channel_recv(int fd, void *message, size_t len, int *ret_fds, unsigned *ret_n_fds) MUST_USE;

/*
 * channel_send_tail, channel_recv_tail - a struct and octets behind it, as one message. The first
 * member of the struct is a uint32_t: how many octets there are. Errors as above; ERR_INVALID also:
 * more octets than `room` takes, or another number than the struct says.
 */
int channel_send_tail(int fd, struct span message, struct span tail) MUST_USE;
int channel_recv_tail(int fd, void *message, size_t len, struct buffer room,
                      size_t *ret_tail) MUST_USE;

/* --- engine -> supervisor --- */

enum priv_kind {
    PRIV_ADDRESS_ADD = 1, /* address: onto our TUN */
    PRIV_ADDRESS_REMOVE,
    PRIV_ROUTE_ADD, /* address/prefix_len into our table, to our TUN, source */
    PRIV_ROUTE_REMOVE,
    PRIV_BLOCK_ADD, /* address/prefix_len: unreachable wherever there is no route to our TUN */
    PRIV_BLOCK_REMOVE,
    PRIV_SHUNT_ADD, /* address/prefix_len (remote) and `policy`: passes by IPsec, or is dropped */
    PRIV_SHUNT_REMOVE,
    PRIV_SHUNTS_ALL,   /* those are all: shunts of an engine before us go */
    PRIV_PATH_SOCKETS, /* interface, address, port: UDP sockets bound to both; answered with
                          descriptors, one per worker */
    PRIV_MTU,          /* mtu: of our TUN */
    PRIV_READY,        /* the engine serves */
    PRIV_LAN_BYPASS,   /* the networks that this host is in now are left out of default routes */
    PRIV_LAN_BLOCK,    /* they are not */
};

/* struct priv_policy - a pass or drop policy. Ports are 0 to 65535 where they do not matter. */
enum priv_action { PRIV_PASS = 1, PRIV_DROP };
struct priv_policy {
    uint32_t rank; /* the lowest counts (esp/shunt.h) */
    uint16_t local_start, local_end, remote_start, remote_end;
    struct address local;
    uint8_t local_len, protocol, action;
    char device[16]; /* DROP: of packets that come or leave there; empty: wherever */
};

struct priv_request {
    uint32_t kind;
    uint32_t interface;
    struct address address, source;
    struct priv_policy policy;
    uint16_t port, mtu;
    uint8_t prefix_len;
    uint8_t first; /* 1: of two routes the one that counts, while the host has its source */
    uint8_t zero[2];
};

/* why ERR_DENIED */
enum priv_reason {
    PRIV_REASON_NONE,
    PRIV_REASON_FILES, /* no connection of the configuration's files has it, nor `permits` */
    PRIV_REASON_OWN,   /* it is an address of this host */
    PRIV_REASON_ROUTER,
    PRIV_REASON_RESOLVER,
};

struct priv_answer {
    int32_t error;
    uint32_t reason;      /* enum priv_reason */
    int32_t system_error; /* errno of ERR_SYSTEM */
    uint32_t n_fds;
};

/* priv_request_check - pure: may this ever be asked? Everything that the supervisor does afterwards
 * touches only its own TUN device, its own table, and the NAT port. */
bool priv_request_check(const struct priv_request *request);

/* priv_reason_text - "it takes the router of this host"; also for a number from outside. */
const char *priv_reason_text(uint32_t reason);

/* --- supervisor -> engine --- */

enum order_kind {
    ORDER_STOP = 1,
    ORDER_LOADED, /* the first load of the configuration has ended, well or not */
    ORDER_LOADER, /* with one descriptor: the loader's end of a VICI connection */
};
struct order {
    uint32_t kind;
    uint32_t zero;
    uint64_t load; /* LOADER: its number, for the commit of what it stages elsewhere */
};

/* --- supervisor -> keyholder, eap, aaa --- */

/* struct load_order - with one descriptor: over it the loader of that number stages secrets. The
 * engine, which does not see them, then says by the number that they count, or do not. */
struct load_order {
    uint64_t load;
};

/* --- engine <-> resolver --- */

struct resolve_request {
    uint64_t job;
    char name[256];
};
struct resolve_answer {
    uint64_t job;
    int32_t error; /* ERR_NOT_FOUND, ERR_AGAIN: the resolver could not be asked */
    uint32_t n;
    struct address addresses[POLICY_ADDRESSES];
};

#endif
