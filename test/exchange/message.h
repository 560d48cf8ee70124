/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_MESSAGE_H
#define TEST_EXCHANGE_MESSAGE_H

/*
 * One IKE message in the open: the tests read it, change it and seal it again with the keys of its
 * IKE SA, as an authenticated but hostile peer would.
 */

#include "ike/ike.h"
#include "wire/builder.h"
#include "wire/message.h"

#define MESSAGE_SAS  256
#define MESSAGE_ROOM 8192

/* struct message_keys - the keys of the IKE SAs that were seen; by number, from 1. */
struct message_keys {
    unsigned n;
    struct ike_keylog sas[MESSAGE_SAS];
    bool known[MESSAGE_SAS]; /* the keys are known; before, only spi_i is */
};

struct message_item {
    uint8_t type;
    size_t offset, len; /* of the body, in room */
};

struct message {
    struct ike_header header;
    unsigned sa;                       /* number of the IKE SA, in order of appearance */
    uint16_t fragment, fragment_total; /* 0: not a fragment; a fragment has no items */
    size_t n;
    struct message_item items[64];
    uint8_t room[MESSAGE_ROOM];
    size_t used;
};

/* message_read - false: unreadable. `one`, `other`: endpoints that have the keys. */
bool message_read(struct message_keys *keys, const struct ike *one, const struct ike *other,
                  struct crypto_provider *crypto, const struct ike_datagram *d,
                  struct message *ret_message);

/* message_write - seals `m` into `d`, over the path that `d` has. `from_initiator` of the IKE SA is
 * in m->header.flags. */
void message_write(const struct message_keys *keys, struct crypto_provider *crypto,
                   const struct message *m, struct ike_datagram *d);

/* message_seal - any octets as the payloads of a message with a valid ICV. */
void message_seal(const struct ike_keylog *log, struct crypto_provider *crypto,
                  const struct ike_header *header, uint8_t first, struct span chain,
                  struct ike_datagram *d);

/* message_print - "CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=0) SA(IKE) NONCE KE" */
void message_print(const struct message *m, char *out, size_t cap);

/* --- changing it --- */

struct span message_body(const struct message *m, size_t index);
/* message_find - index of the first payload of a type, of the first notify of a type; m->n: none */
size_t message_find(const struct message *m, uint8_t type);
size_t message_find_notify(const struct message *m, uint16_t notify);
void message_remove(struct message *m, size_t index);
void message_clear(struct message *m); /* no payloads */
void message_insert(struct message *m, size_t index, uint8_t type, struct span body);
void message_insert_notify(struct message *m, size_t index, uint16_t notify, struct span data);
void message_append(struct message *m, uint8_t type, struct span body);
void message_append_notify(struct message *m, uint16_t notify, struct span data);
uint8_t *message_octets(struct message *m, size_t index); /* of the body, to be written to */

#endif
