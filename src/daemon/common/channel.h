/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CHANNEL_H
#define DAEMON_CHANNEL_H

/*
 * The messages between the processes of the daemon: structs of fixed size over SOCK_SEQPACKET, some
 * with octets behind them. The receiver checks every member, because the sender may be hostile. It
 * refuses a message of another size, an unknown kind, or descriptors that do not belong there.
 * Further messages: key_channel.h, verifier_channel.h.
 */

#include "daemon/common/inner_device.h"
#include "ike/ike.h"

/* channel_pair - two ends, close-on-exec, that hold up to `octets` in flight. ERR_SYSTEM. */
int channel_pair(int ret_ends[2], int octets) MUST_USE;

/* channel_send - one message, with up to LIMIT_WORKERS descriptors. ERR_AGAIN, ERR_SYSTEM. */
int channel_send(int fd, const void *message, size_t len, const int *fds, unsigned n_fds) MUST_USE;

/*
 * channel_recv - one message of exactly `len` octets. ret_fds has room for LIMIT_WORKERS
 * descriptors, or is NULL if none may arrive. ERR_AGAIN; ERR_NOT_FOUND: the other end is closed;
 * ERR_INVALID: another size, or unwanted descriptors, which are closed; ERR_SYSTEM.
 */
int channel_recv(int fd, void *message, size_t len, int *ret_fds, unsigned *ret_n_fds) MUST_USE;

/*
 * channel_send_tail, channel_recv_tail - a struct and octets behind it, as one message. The first
 * member of the struct is a uint32_t, the number of these octets. Errors as above. ERR_INVALID
 * also: more octets than `room`, or not as many as the struct says.
 */
int channel_send_tail(int fd, struct span message, struct span tail) MUST_USE;
int channel_recv_tail(int fd, void *message, size_t len, struct buffer room,
                      size_t *ret_tail) MUST_USE;

/* --- engine -> supervisor --- */

/* The MTU of a TUN device, in octets. */
/* PATH_MTU_MOST - of an outer path: PPPoE may be behind a link of 1500 (RFC 2516 section 7). */
#define PATH_MTU_MOST 1492

#define TUN_MTU     1400 /* until the first Child SA is there */
#define TUN_MTU_MIN 1280 /* RFC 8200 section 5: with less, the device has no IPv6 */
#define TUN_MTU_MAX 9000

enum priv_kind {
    PRIV_ADDRESS_ADD = 1, /* address: onto our TUN */
    PRIV_ADDRESS_REMOVE,
    PRIV_ROUTE_ADD, /* address/prefix_len into the table of `device`, to that TUN, source */
    PRIV_ROUTE_REMOVE,
    PRIV_BLOCK_ADD, /* address/prefix_len: unreachable while no route to the TUN exists */
    PRIV_BLOCK_REMOVE,
    /* address/prefix_len (remote) and `policy`: packets pass without IPsec, or are dropped */
    PRIV_SHUNT_ADD,
    PRIV_SHUNT_REMOVE,
    PRIV_SHUNTS_ALL, /* the first load has ended: what an earlier engine asked for, and this one did not, goes */
    /* interface, address, port: UDP sockets bound to both; answered with descriptors, one per worker */
    PRIV_PATH_SOCKETS,
    PRIV_MTU, /* mtu: of our TUN, and of further ones */
    /* device, inner: a further TUN; answered with descriptors, one per worker, and its interface */
    PRIV_DEVICE_OPEN,
    PRIV_DEVICE_CLOSE, /* device: remove it, with its routes and rules */
    PRIV_READY,        /* the engine serves */
    PRIV_LAN_BYPASS,   /* the networks that this host is in now are left out of default routes */
    PRIV_LAN_BLOCK,    /* the networks that this host is in are not left out */
    PRIV_INSIDE_ADD,   /* address: a network of this host that contains it is not left out */
    PRIV_INSIDE_REMOVE,
    PRIV_UPGRADE, /* run the installed program instead of ours; the decision is an ORDER_UPGRADE */
};

/* struct priv_policy - a pass or drop policy. Ports 0 to 65535 match all. */
enum priv_action { PRIV_PASS = 1, PRIV_DROP };
struct priv_policy {
    uint32_t rank; /* rank: the lowest decides (esp/shunt.h) */
    uint16_t local_start, local_end, remote_start, remote_end;
    struct address local;
    uint8_t local_len, protocol, action;
    char device[16]; /* DROP: packets that arrive or leave on that interface; empty: on any */
};

struct priv_request {
    uint32_t kind;
    uint32_t interface;
    struct address address, source;
    struct priv_policy policy;
    uint16_t port, mtu;
    uint8_t prefix_len;
    uint8_t first;   /* 1: this one of two routes counts, while the host has its source */
    uint16_t device; /* 0: our first TUN; else the number that PRIV_DEVICE_OPEN gave one */
    uint8_t peer;    /* 1: of a route or block to the address of a peer that its connection names */
    struct inner_device inner;
};

/* why ERR_DENIED */
enum priv_reason {
    PRIV_REASON_NONE,
    PRIV_REASON_FILES, /* no connection in the configuration files allows it, nor does `permits` */
    PRIV_REASON_OWN,   /* the address is one of this host */
    PRIV_REASON_ROUTER,
    PRIV_REASON_RESOLVER,
    PRIV_REASON_DEVICE, /* no connection of the configuration's files has such a device */
};

struct priv_answer {
    int32_t error;
    uint32_t reason;      /* enum priv_reason */
    int32_t system_error; /* errno of ERR_SYSTEM */
    uint32_t n_fds;
    uint32_t interface; /* of PRIV_DEVICE_OPEN */
};

/* priv_request_check - whether this request is allowed at all, from its members alone. Each allowed
 * request changes only the supervisor's own TUN device, its own table, and the NAT port. */
bool priv_request_check(const struct priv_request *request);

/* priv_reason_text - a text such as "it takes the router of this host"; `reason` may be any
 * number. */
const char *priv_reason_text(uint32_t reason);

/* --- supervisor -> engine; ALIVE comes back --- */

enum order_kind {
    ORDER_STOP = 1,
    ORDER_LOADED,   /* the first load of the configuration has ended, with or without success */
    ORDER_LOADER,   /* with one descriptor: the loader's end of a VICI connection */
    ORDER_RESOLVER, /* with one descriptor: the last resolver has ended, this leads to a new one */
    ORDER_ALIVE,    /* the engine's loop sends it back: it turns */
    /* after PRIV_UPGRADE; `upgrade`. GO: with one descriptor, a file for the sessions that are handed over, or none */
    ORDER_UPGRADE,
};

/* enum upgrade_answer - the supervisor's decision about an upgrade. After all but GO, nothing has changed. */
enum upgrade_answer {
    UPGRADE_GO = 1, /* the engine stops, and the installed program starts */
    UPGRADE_SAME,   /* the installed program runs already */
    UPGRADE_BUSY,   /* a load, another upgrade or the end is under way */
    UPGRADE_BROKEN, /* the installed program cannot be run */
    UPGRADE_OTHER,  /* its messages differ from those of this supervisor: it needs a restart */
    UPGRADE_CONFIG, /* it refuses the configuration */
};

/* enum upgrade_outcome - of the last upgrade. */
enum upgrade_outcome {
    UPGRADE_NONE, /* no upgrade was tried */
    UPGRADE_DONE,
    UPGRADE_BACK, /* the installed program did not come up, and the earlier program runs again */
};

struct order {
    uint32_t kind;
    uint32_t upgrade; /* UPGRADE: enum upgrade_answer; else 0 */
    uint64_t load;    /* LOADER: its number, for the commit of what it stages elsewhere; LOADED: 1:
                         the configuration was refused; else 0 */
};

/* --- supervisor -> keyholder, eap, aaa, verifier --- */

/* struct load_order - with one descriptor: over it the loader of that number stages secrets. The
 * engine, which does not see them, then says by the number that they count, or do not. To the
 * verifier: a new fetcher is at the other end of the descriptor. */
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
