/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_INNER_TUNS_H
#define DAEMON_INNER_TUNS_H

/*
 * The supervisor's TUN devices beside the first one (daemon/common/inner_device.h). It keeps their
 * descriptors, so the devices outlive an engine. Packets for them take no other route before the
 * next engine asks for them.
 */

#include "base/limits.h"
#include "daemon/common/inner_device.h"
#include "linux/netlink_change.h"

#define RULE_OUTER (RULE_PRIORITY - 3) /* outer packets, whatever marks have the same bits */
#define RULE_MARK  (RULE_PRIORITY - 1)

struct inner_tun {
    bool used;
    bool bare;       /* no TUN, but the rule and the blocks of its mark */
    bool stale;      /* of an earlier engine; it stays until PRIV_SHUNTS_ALL */
    uint16_t number; /* the engine's */
    uint32_t index;  /* of the interface */
    struct inner_device what;
    int fds[LIMIT_WORKERS];
};

struct inner_tuns {
    struct netlink *netlink; /* borrowed */
    unsigned n_workers;
    uint32_t landing; /* priority of the rule behind those of the tables */
    uint16_t mtu;
    struct inner_tun tuns[LIMIT_DEVICES]; /* the first place stays unused */
};

/* inner_tun_find - NULL: the engine has no device of that number. */
struct inner_tun *inner_tun_find(struct inner_tuns *tuns, uint16_t number);

/* inner_tun_table - the routing table for the device: its own, if a mark leads to it. */
uint32_t inner_tun_table(const struct inner_tuns *tuns, const struct inner_tun *tun);

/* inner_tun_take - takes a place for the device and adds the rule of its mark. The same device of
 * an earlier engine keeps its place. ERR_FULL; ERR_INVALID: the number is in use; ERR_WRONG_STATE:
 * the name is; ERR_SYSTEM. */
int inner_tun_take(struct inner_tuns *tuns, uint16_t number, const struct inner_device *what,
                   struct inner_tun **ret_tun) MUST_USE;
/* inner_tun_open - makes its TUN device, unless it is there. It is not up before inner_tun_up.
 * ERR_WRONG_STATE: the name is that of another interface; ERR_SYSTEM. */
int inner_tun_open(struct inner_tuns *tuns, struct inner_tun *tun) MUST_USE;
int inner_tun_up(struct inner_tuns *tuns, struct inner_tun *tun) MUST_USE; /* ERR_SYSTEM */
/* inner_tun_strip - closes only the TUN device: blocks still hold packets with the mark. */
void inner_tun_strip(const struct inner_tuns *tuns, struct inner_tun *tun);
void inner_tun_close(struct inner_tuns *tuns, struct inner_tun *tun);

/* inner_tuns_done - closes all of them; rules stay. */
void inner_tuns_done(struct inner_tuns *tuns);

/* inner_tuns_mtu - sets the MTU of all devices, later ones included. */
void inner_tuns_mtu(struct inner_tuns *tuns, uint16_t mtu);

/* inner_tuns_inherit - keeps the rules of a killed daemon like those of an earlier engine, so its
 * blocks still work. inner_tuns_flush - removes all rules. ERR_SYSTEM. */
int inner_tuns_inherit(struct inner_tuns *tuns) MUST_USE;
int inner_tuns_flush(struct inner_tuns *tuns) MUST_USE;

#endif
