/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

/*
 * IKE header and payload chain (RFC 7296 sections 3.1, 3.2). The chain keeps its order; each
 * payload is a view into the message. The same parser serves the outer chain (in front of SK) and
 * the decrypted one.
 */

#include "base/limits.h"
#include "base/span.h"
#include "wire/iana.h"

#define IKE_HEADER_LEN 28
#define IKE_VERSION    0x20

enum ike_flags { IKE_FLAG_INITIATOR = 0x08, IKE_FLAG_VERSION = 0x10, IKE_FLAG_RESPONSE = 0x20 };

/*
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |                       IKE SA Initiator's SPI (8)              |
 * |                       IKE SA Responder's SPI (8)              |
 * |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
 * |                          Message ID                           |
 * |                            Length                             |
 */
struct ike_header {
    uint64_t spi_i, spi_r;
    uint8_t next_payload, version, exchange, flags;
    uint32_t message_id;
    uint32_t length; /* of the whole message */
};

static inline bool ike_header_response(const struct ike_header *header)
{
    return (header->flags & IKE_FLAG_RESPONSE) != 0;
}

/* ike_header_read - false: too short, or the length field does not match the datagram. */
bool ike_header_read(struct span datagram, struct ike_header *ret_header);
void ike_header_write(const struct ike_header *header, uint8_t out[IKE_HEADER_LEN]);

struct wire_payload {
    uint8_t type;
    struct span body; /* behind the generic header; borrowed */
};

struct wire_message {
    struct ike_header header;
    struct span octets; /* the whole message, as it was received */
    struct span chain;  /* its payloads, decrypted where they were; borrowed as they are */
    uint8_t first;      /* type of the first one */
    size_t n;
    struct wire_payload payloads[LIMIT_PAYLOADS];
};

enum wire_fault {
    WIRE_OK,
    WIRE_MALFORMED,        /* INVALID_SYNTAX */
    WIRE_UNKNOWN_CRITICAL, /* UNSUPPORTED_CRITICAL_PAYLOAD with the type */
};

/*
 * wire_chain_read - reads a chain that starts with payload type `first`. Unknown payloads are
 * skipped, unless critical (RFC 7296 section 2.5): then their type is in *ret_critical. An SK or
 * SKF payload ends the chain: its body goes to the end of `octets` and `inner_first` is its Next
 * Payload.
 */
enum wire_fault wire_chain_read(struct span octets, uint8_t first, struct wire_message *message,
                                uint8_t *ret_critical, uint8_t *ret_inner_first);

/* wire_find - the first payload of a type after `from` (NULL: from the start); NULL: none. */
const struct wire_payload *wire_find(const struct wire_message *message, uint8_t type,
                                     const struct wire_payload *from);
size_t wire_count(const struct wire_message *message, uint8_t type);

/* wire_type_known - a payload type that we parse. */
bool wire_type_known(uint8_t type);

#endif
