/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PERMITS_H
#define DAEMON_PERMITS_H

/*
 * Permits: the requests that the configuration files allow the engine to make of the supervisor.
 * The loader reads them from the files and tells the supervisor directly, so that a hostile engine
 * cannot add any. Connections of VICI clients need permits as well, from the section `permits`.
 */

#include "base/address.h"
#include "base/error.h"
#include "daemon/common/inner_device.h"

#define PERMIT_RANGES_MAX (1u << 18) /* of a load; 14 MiB in the supervisor */
#define PERMIT_LINKS      64
#define PERMIT_LINK_NAME  16
#define PERMIT_DEVICES    (2 * LIMIT_DEVICES)
#define PERMIT_SCRIPTS    (1u << 16) /* of a load; 8 MiB in the supervisor */

/* struct permit - one message of the loader. PERMIT_END comes last; a struct permit_answer answers
 * it. */
enum permit_kind {
    PERMIT_ROUTE = 1,   /* range: routes and blocks inside of it */
    PERMIT_ADDRESS,     /* range: inner addresses of this host */
    PERMIT_PASS,        /* range: remote ends of pass policies */
    PERMIT_DROP,        /* range: remote ends of drop policies */
    PERMIT_DNS,         /* range: name servers that this host may ask */
    PERMIT_HOSTS,       /* routes to any single address */
    PERMIT_LINK,        /* link: name of an interface that paths may use */
    PERMIT_LINKS_ALL,   /* any interface */
    PERMIT_DEVICE,      /* device: a TUN device with that name and those marks */
    PERMIT_DEVICES_ALL, /* all TUN devices that are named after marks and ids: INNER_DEVICE_PREFIX */
    PERMIT_SCRIPT,      /* script: a line of `updown` */
    PERMIT_LAN, /* the networks that this host is in are left out of a tunnel for everything */
    PERMIT_ALL, /* everything: the files name no connection */
    PERMIT_END,
};
struct permit {
    uint32_t kind;
    struct address_range range;
    char link[PERMIT_LINK_NAME];
    struct inner_device device;
    char script[POLICY_SCRIPT];
};
struct permit_answer {
    int32_t error;
};

struct permits {
    bool all, hosts, links_all, devices_all, lan;
    struct permit_ranges {
        struct permit_range {
            struct address_range range;
            struct address most; /* the largest last address of this one and those before it */
        } * ranges;              /* owned; by first address once settled */
        size_t n, cap;
    } routes, addresses, passes, drops, dns;
    struct permit_scripts {
        char (*lines)[POLICY_SCRIPT]; /* owned; sorted once settled */
        size_t n, cap;
    } scripts;
    size_t n_links, n_devices;
    char links[PERMIT_LINKS][PERMIT_LINK_NAME];
    struct inner_device devices[PERMIT_DEVICES];
};

/* permits_add - adds one permit. ERR_INVALID: PERMIT_END, an unknown kind, or a malformed range;
 * ERR_FULL, ERR_NO_MEMORY. */
int permits_add(struct permits *permits, const struct permit *permit) MUST_USE;

/* permits_settle - call it after the last permit and before the first question. */
void permits_settle(struct permits *permits);
void permits_done(struct permits *permits);

/* permits_route - a route to this prefix is permitted: it lies in one range, or it is a single
 * address and PERMIT_HOSTS is there. permits_narrowed - the prefix is only a part of a larger
 * permitted prefix, so the peer chose it. */
bool permits_route(const struct permits *permits, const struct address *address,
                   unsigned prefix_len);
bool permits_narrowed(const struct permits *permits, const struct address *address,
                      unsigned prefix_len);
/* permits_pass, permits_drop - a pass or drop policy to that prefix is permitted. */
bool permits_pass(const struct permits *permits, const struct address *address,
                  unsigned prefix_len);
bool permits_drop(const struct permits *permits, const struct address *address,
                  unsigned prefix_len);
bool permits_address(const struct permits *permits, const struct address *address);
bool permits_dns(const struct permits *permits, const struct address *server);
bool permits_lan(const struct permits *permits);
bool permits_link(const struct permits *permits, const char *link);
bool permits_device(const struct permits *permits, const struct inner_device *device);
/* permits_script - a permit names exactly this script with these arguments. */
bool permits_script(const struct permits *permits, const char script[POLICY_SCRIPT]);

/* permits_send - sends all permits over the loader's channel, and waits for the answer. Returns the
 * error in the answer, or ERR_SYSTEM. Blocking. */
int permits_send(int fd, const struct permits *permits) MUST_USE;

#endif
