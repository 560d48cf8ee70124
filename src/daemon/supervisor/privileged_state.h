/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PRIVILEGED_STATE_H
#define DAEMON_PRIVILEGED_STATE_H

/* The state of privileged.c, for the files that are parts of it. */

#include "base/table.h"
#include "daemon/supervisor/inner_tuns.h"
#include "daemon/supervisor/privileged.h"
#include "linux/netlink_change.h"
#include "linux/packet_filter.h"

/* A default route, or half of one, names no network to protect. Its block must not shut out IKE,
 * ESP or the host's own network. */
#define PROTECTED_LEAST 2

#define LANS_MAX 64 /* networks that this host is in */

enum entry_kind {
    ENTRY_ADDRESS,
    ENTRY_ROUTE,
    ENTRY_BLOCK,
    ENTRY_SHUNT,
    ENTRY_LAN,
    ENTRY_INSIDE, /* a name server of the Gateway: no entry in the kernel */
    N_ENTRY_KINDS
};

/* struct entry - an address, route, block or shunt that we gave to the kernel. */
struct entry {
    struct entry_key {
        uint8_t kind, prefix_len, first;
        uint8_t place; /* of the device in `tuns`; 0: the first device */
        struct address address;
        uint8_t zero[3];           /* no padding: keys are compared as octets */
        struct priv_policy policy; /* ENTRY_SHUNT */
    } key;
    /* of an earlier engine, and not claimed yet; until PRIV_SHUNTS_ALL. LAN: it has gone */
    bool stale;
    UT_hash_handle hh;
};

struct privileged {
    struct netlink *netlink;
    uint32_t index;
    struct inner_tuns tuns;
    unsigned n_workers;
    bool mtu_fixed; /* by the administrator */
    bool lan;       /* the host's networks bypass default routes */
    bool lan_old;   /* an input of that decision has changed since host_networks_settle() */
    struct entry *entries;
    uint32_t n[N_ENTRY_KINDS];
    struct packet_filter *filter; /* NULL: this host has none */
    bool filter_old;              /* entries have changed since */
    nanos filter_at;              /* not before */
    bool filter_fails;            /* logged already */
    struct permission permission;
};

/* entry_run - puts the entry into the kernel, or takes it away; `source` is the preferred source of
 * a route. ERR_SYSTEM. */
int entry_run(struct privileged *p, enum netlink_change change, const struct entry_key *key,
              const struct address *source) MUST_USE;

/* Our list only. entry_add - ERR_FULL; an existing entry stays. */
struct entry *entry_find(struct privileged *p, const struct entry_key *key);
int entry_add(struct privileged *p, const struct entry_key *key) MUST_USE;
void entry_drop(struct privileged *p, struct entry *entry);

#endif
