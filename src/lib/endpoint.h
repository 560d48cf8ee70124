/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_ENDPOINT_H
#define LIB_ENDPOINT_H

/*
 * Inside of libikat. endpoint.c: input and output, and the order of work between the cores.
 * lib_config.c: a text becomes connections, pools and secrets. lib_esp.c: Child SAs and packets.
 */

#include "crypto/esp_cipher.h"
#include "crypto/provider.h"
#include "daemon/engine/proofs.h"
#include "daemon/keyholder/shared_keys.h"
#include "daemon/tables/pools.h"
#include "esp/small_plane.h"
#include "ike/ike.h"
#include "lib/ikat.h"
#include "multipath/path_manager.h"

#define QUEUE_MAX 4096 /* outputs that nobody has pulled */

/* struct queued - an output, with the octets and texts that it points to behind it. */
struct queued {
    struct queued *next;
    struct ikat_output output;
    uint8_t octets[];
};

struct ikat {
    struct crypto_provider *crypto;
    const struct random *random;
    struct ike *ike;
    struct path_manager *paths;
    struct pools *pools;
    struct shared_keys *secrets;
    struct proofs *proofs; /* against errors in the order of a login's steps */
    struct small_plane *esp;
    size_t n_links;
    struct ikat_link links[IKAT_LINKS];
    nanos now;
    struct queued *first, **last, *pulled; /* owned */
    size_t n_queued;
    struct ike_datagram datagram; /* room, as it is large */
};

/* --- between the public structs and ours --- */

static inline struct address lib_address_in(const struct ikat_address *from)
{
    struct address to = {.family = from->family};
    memcpy(to.octets, from->octets, address_len(&to));
    return to;
}

static inline struct ikat_address lib_address_out(const struct address *from, uint16_t port)
{
    struct ikat_address to = {.family = from->family, .port = port};
    memcpy(to.octets, from->octets, sizeof(to.octets));
    return to;
}

static inline struct ike_path lib_place_in(const struct ikat_place *from)
{
    return (struct ike_path){.local = {lib_address_in(&from->local), from->local.port},
                             .remote = {lib_address_in(&from->remote), from->remote.port},
                             .interface = from->interface};
}

static inline struct ikat_place lib_place_out(const struct ike_path *from)
{
    return (struct ikat_place){.local = lib_address_out(&from->local.address, from->local.port),
                               .remote = lib_address_out(&from->remote.address, from->remote.port),
                               .interface = from->interface};
}

/* lib_queue - copies `octets` and the texts. IKAT_FULL, IKAT_NO_MEMORY. */
int lib_queue(struct ikat *ikat, const struct ikat_output *output) MUST_USE;

/* --- lib_esp.c --- */

static inline struct data_plane *lib_plane(const struct ikat *ikat)
{
    return small_plane_verbs(ikat->esp);
}

struct small_plane *lib_esp_new(struct ikat *ikat); /* NULL: no memory */
int lib_esp_install(struct ikat *ikat, const struct ike_child_install *install) MUST_USE;
void lib_esp_switch(struct ikat *ikat, ike_child_id child);
void lib_esp_move(struct ikat *ikat, const struct ike_event *event);
void lib_esp_links(struct ikat *ikat); /* the MTU of a link may be another one */
/* lib_esp_receive - `octets` begin with the ESP header, and are changed. */
void lib_esp_receive(struct ikat *ikat, const struct ike_path *path, struct buffer octets);
int lib_esp_send(struct ikat *ikat, struct span packet) MUST_USE; /* as ikat_send */

#endif
