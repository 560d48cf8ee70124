/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RADIUS_RADIUS_H
#define RADIUS_RADIUS_H

/*
 * RADIUS packets (RFC 2865 section 3), stateless:
 *
 *   | Code (1) | Identifier (1) | Length (2) | Authenticator (16) | Attributes ... |
 *   an attribute:  | Type (1) | Length (1, with these two) | Value (up to 253) |
 */

#include "base/error.h"
#include "base/reader.h"
#include "base/writer.h"

#define RADIUS_PACKET        4096 /* RFC 2865 section 3 */
#define RADIUS_HEADER        20
#define RADIUS_AUTHENTICATOR 16
#define RADIUS_VALUE         253
#define RADIUS_SECRET        128 /* octets of a shared secret */
#define RADIUS_MSK           64

enum radius_code {
    RADIUS_ACCESS_REQUEST = 1,
    RADIUS_ACCESS_ACCEPT = 2,
    RADIUS_ACCESS_REJECT = 3,
    RADIUS_ACCOUNTING_REQUEST = 4,
    RADIUS_ACCOUNTING_RESPONSE = 5,
    RADIUS_ACCESS_CHALLENGE = 11,
    RADIUS_STATUS_SERVER = 12,      /* RFC 5997 */
    RADIUS_DISCONNECT_REQUEST = 40, /* RFC 5176: from a server to us */
    RADIUS_DISCONNECT_ACK = 41,
    RADIUS_DISCONNECT_NAK = 42,
    RADIUS_COA_REQUEST = 43,
    RADIUS_COA_ACK = 44,
    RADIUS_COA_NAK = 45,
};

enum radius_attribute {
    RADIUS_USER_NAME = 1,
    RADIUS_NAS_IP_ADDRESS = 4,
    RADIUS_NAS_PORT = 5,
    RADIUS_SERVICE_TYPE = 6,
    RADIUS_FRAMED_IP_ADDRESS = 8,
    RADIUS_FILTER_ID = 11,
    RADIUS_FRAMED_MTU = 12,
    RADIUS_REPLY_MESSAGE = 18,
    RADIUS_STATE = 24,
    RADIUS_CLASS = 25,
    RADIUS_VENDOR_SPECIFIC = 26,
    RADIUS_SESSION_TIMEOUT = 27,
    RADIUS_IDLE_TIMEOUT = 28,
    RADIUS_CALLED_STATION_ID = 30,
    RADIUS_CALLING_STATION_ID = 31,
    RADIUS_NAS_IDENTIFIER = 32,
    RADIUS_PROXY_STATE = 33,
    RADIUS_ACCT_STATUS_TYPE = 40,
    RADIUS_ACCT_DELAY_TIME = 41,
    RADIUS_ACCT_INPUT_OCTETS = 42,
    RADIUS_ACCT_OUTPUT_OCTETS = 43,
    RADIUS_ACCT_SESSION_ID = 44,
    RADIUS_ACCT_AUTHENTIC = 45,
    RADIUS_ACCT_SESSION_TIME = 46,
    RADIUS_ACCT_INPUT_PACKETS = 47,
    RADIUS_ACCT_OUTPUT_PACKETS = 48,
    RADIUS_ACCT_TERMINATE_CAUSE = 49,
    RADIUS_ACCT_INPUT_GIGAWORDS = 52, /* RFC 2869 */
    RADIUS_ACCT_OUTPUT_GIGAWORDS = 53,
    RADIUS_EVENT_TIMESTAMP = 55,
    RADIUS_NAS_PORT_TYPE = 61,
    RADIUS_EAP_MESSAGE = 79,
    RADIUS_MESSAGE_AUTHENTICATOR = 80,
    RADIUS_ACCT_INTERIM_INTERVAL = 85,
    RADIUS_NAS_PORT_ID = 87,
    RADIUS_FRAMED_POOL = 88,
    RADIUS_NAS_IPV6_ADDRESS = 95, /* RFC 3162 */
    RADIUS_FRAMED_INTERFACE_ID = 96,
    RADIUS_FRAMED_IPV6_PREFIX = 97,
    RADIUS_FRAMED_IPV6_POOL = 100,
    RADIUS_ERROR_CAUSE = 101,         /* RFC 5176 */
    RADIUS_FRAMED_IPV6_ADDRESS = 168, /* RFC 6911 */
    RADIUS_DNS_SERVER_IPV6_ADDRESS = 169,
    RADIUS_STATEFUL_IPV6_ADDRESS_POOL = 172,
};

struct radius_packet {
    enum radius_code code;
    uint8_t identifier;
    struct span octets;     /* the whole packet, borrowed */
    struct span attributes; /* borrowed; each is whole */
};

/* radius_packet_read - false: the header or an attribute is malformed, or octets follow the packet.
 * RFC 2865 section 3 ignores such octets as padding. ikat drops the packet: no known server pads. */
bool radius_packet_read(struct span octets, struct radius_packet *ret_packet);

/* radius_next - reads the next attribute; false: the end. The attributes must come from
 * radius_packet_read, which has checked their lengths. */
bool radius_next(struct reader *attributes, uint8_t *ret_type, struct span *ret_value);

/* radius_find - the value of the first attribute of the type, borrowed; false: no such attribute.
 * radius_count - the number of attributes of the type. */
bool radius_find(const struct radius_packet *packet, enum radius_attribute type,
                 struct span *ret_value);
unsigned radius_count(const struct radius_packet *packet, enum radius_attribute type);
bool radius_find_u32(const struct radius_packet *packet, enum radius_attribute type,
                     uint32_t *ret_value);

/* radius_find_vendor - as radius_find, for an attribute of a vendor (RFC 2865 section 5.26). */
bool radius_find_vendor(const struct radius_packet *packet, uint32_t vendor, uint8_t type,
                        struct span *ret_value);

/* radius_eap_join - the EAP packet of all EAP-Message attributes, in order (RFC 3579 section 3.1).
 * Returns the length of the EAP packet; 0: none, or longer than `cap`. */
size_t radius_eap_join(const struct radius_packet *packet, uint8_t *out, size_t cap);

void radius_attribute_write(struct writer *w, enum radius_attribute type, struct span value);
void radius_u32_write(struct writer *w, enum radius_attribute type, uint32_t value);
void radius_eap_write(struct writer *w, struct span eap); /* in pieces of 253 octets */

/* struct radius_key - a shared secret. */
struct radius_key {
    size_t len;
    uint8_t octets[RADIUS_SECRET];
};

struct radius_request {
    enum radius_code code;
    uint8_t identifier;
    struct span attributes; /* without Message-Authenticator */
};

/*
 * radius_request_seal - writes a request. Access-Request and Status-Server: `authenticator` is
 * random, and Message-Authenticator comes first (RFC 3579 section 3.2, RFC 5997 section 3).
 * Accounting-Request: the function computes `authenticator` (RFC 2866 section 3). ERR_TRUNCATED: no
 * room in `w`; ERR_CRYPTO.
 */
int radius_request_seal(const struct radius_request *request, const struct radius_key *key,
                        uint8_t authenticator[RADIUS_AUTHENTICATOR], struct writer *w) MUST_USE;

/*
 * radius_reply_check - checks that the server wrote the reply for our request: `request` is the code
 * of the request, `authenticator` its Request Authenticator. The Response Authenticator must be
 * right. An Access reply must have exactly one Message-Authenticator, because MD5 alone can be
 * forged (CVE-2024-3596). A reply to Status-Server may lack it (RFC 5997 section 3), as it lets
 * nobody in. ERR_AUTH: the reply is forged or damaged; ERR_CRYPTO.
 */
int radius_reply_check(const struct radius_packet *reply, enum radius_code request,
                       const struct radius_key *key,
                       const uint8_t authenticator[RADIUS_AUTHENTICATOR]) MUST_USE;

/*
 * radius_change_check - checks a Disconnect-Request or CoA-Request. The Request Authenticator must
 * be right (RFC 5176 section 2.3). Message-Authenticator may be missing; otherwise it must be right
 * and stand once (section 3.4). ERR_AUTH, ERR_CRYPTO.
 */
int radius_change_check(const struct radius_packet *request, const struct radius_key *key) MUST_USE;

/*
 * radius_reply_seal - writes a reply to a Disconnect-Request or CoA-Request, with
 * Message-Authenticator; `authenticator` is the Request Authenticator. ERR_TRUNCATED, ERR_CRYPTO.
 */
int radius_reply_seal(const struct radius_request *reply, const struct radius_key *key,
                      const uint8_t authenticator[RADIUS_AUTHENTICATOR], struct writer *w) MUST_USE;

/*
 * radius_msk - the MSK in an Access-Accept: MS-MPPE-Recv-Key, then MS-MPPE-Send-Key (RFC 2548
 * section 2.4), filled with zeros to 64 octets. `authenticator` is that of the request.
 * ERR_NOT_FOUND: no MSK in the packet; ERR_INVALID: a key is malformed; ERR_CRYPTO.
 */
int radius_msk(const struct radius_packet *accept, const struct radius_key *key,
               const uint8_t authenticator[RADIUS_AUTHENTICATOR],
               uint8_t ret_msk[RADIUS_MSK]) MUST_USE;

#endif
