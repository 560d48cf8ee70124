/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_PAYLOADS_H
#define WIRE_PAYLOADS_H

/*
 * One reader per payload: the body behind the generic header into a struct, as views. All of them
 * return false for anything that is not well-formed; nothing may be used then. Reserved fields are
 * ignored (RFC 7296 section 2.5).
 */

#include "base/address.h"
#include "wire/message.h"

/* --- SA, RFC 7296 section 3.3 --- */

struct wire_transform {
    uint8_t type;
    uint16_t id;
    uint16_t key_bits; /* attribute Key Length; 0: absent */
    bool odd;          /* an attribute that we do not know: the transform cannot be chosen */
};
struct wire_proposal {
    uint8_t number, protocol;
    struct span spi;
    size_t n;
    struct wire_transform transforms[LIMIT_TRANSFORMS];
};
struct wire_sa {
    size_t n;
    struct wire_proposal proposals[LIMIT_PROPOSALS];
};
bool wire_sa_read(struct span body, struct wire_sa *ret_sa);

/* --- KE, section 3.4 --- */
struct wire_ke {
    uint16_t group;
    struct span public_value;
};
bool wire_ke_read(struct span body, struct wire_ke *ret_ke);

/* --- Nonce, section 3.9: 16 to 256 octets --- */
bool wire_nonce_read(struct span body, struct span *ret_nonce);

/* --- IDi, IDr, section 3.5 --- */
struct wire_id {
    uint8_t type;
    struct span data;
};
bool wire_id_read(struct span body, struct wire_id *ret_id);

/* --- AUTH, section 3.8 --- */
struct wire_auth {
    uint8_t method;
    struct span data; /* may be empty: that is a wrong AUTH, not a malformed payload */
};
bool wire_auth_read(struct span body, struct wire_auth *ret_auth);

/* --- CERT and CERTREQ, sections 3.6 and 3.7 --- */
struct wire_cert {
    uint8_t encoding;
    struct span data; /* CERTREQ: key ids of 20 octets each; may be empty */
};
bool wire_cert_read(struct span body, struct wire_cert *ret_cert);
bool wire_certreq_read(struct span body, struct wire_cert *ret_request);

/* --- EAP, section 3.16, RFC 3748 section 4: the packet is the whole body --- */
struct wire_eap {
    uint8_t code; /* enum wire_eap_code */
    uint8_t identifier;
};
/* wire_eap_read - false: the length field is not that of the body, another code, a Success or
 * Failure with data, or a Request or Response without a Type. */
bool wire_eap_read(struct span body, struct wire_eap *ret_eap);

/* --- Notify, section 3.10 --- */
struct wire_notify {
    uint8_t protocol;
    uint16_t type;
    struct span spi, data;
};
bool wire_notify_read(struct span body, struct wire_notify *ret_notify);
/* wire_notify_find - the first well-formed notify of a type; false: none. */
bool wire_notify_find(const struct wire_message *message, uint16_t type,
                      struct wire_notify *ret_notify);
bool wire_notify_has(const struct wire_message *message, uint16_t type);
/* wire_notify_error - the first notify of an error type (below 16384). */
bool wire_notify_error(const struct wire_message *message, struct wire_notify *ret_notify);

/* --- Delete, section 3.11 --- */
struct wire_delete {
    uint8_t protocol;
    size_t n;
    uint32_t spis[LIMIT_DELETE_SPIS]; /* ESP, AH; IKE has none */
};
bool wire_delete_read(struct span body, struct wire_delete *ret_delete);

/* --- TSi, TSr, section 3.13 --- */
struct wire_ts {
    uint8_t protocol;
    uint16_t start_port, end_port;
    struct address_range range;
};
struct wire_ts_list {
    size_t n;
    struct wire_ts ts[LIMIT_TRAFFIC_SELECTORS];
};
/* Selectors of unknown types are left out; more than LIMIT_TRAFFIC_SELECTORS are cut off. */
bool wire_ts_read(struct span body, struct wire_ts_list *ret_list);

/* --- CP, section 3.15 --- */
struct wire_cfg_value {
    uint16_t type;
    struct span value;
};
struct wire_cfg {
    uint8_t type;
    size_t n;
    struct wire_cfg_value attributes[LIMIT_CP_ATTRIBUTES];
};
bool wire_cfg_read(struct span body, struct wire_cfg *ret_cfg);

/* --- KEEP_OLD_IKE_SA, draft-mglt-ipsecme-keep-old-ike-sa-00 section 5 --- */

#define KEEP_OLD_DEFAULT_NOTIFY 47791
#define KEEP_OLD_VENDOR_ID_LEN  18 /* 16 octets of a hash, then the notify number (D-01) */

enum keep_old_code { KEEP_OLD_KEEP = 0, KEEP_OLD_UNUSED = 1 };
struct keep_old {
    bool question; /* Q bit */
    uint8_t code;
};
/* keep_old_read - false: less than two octets of data. */
bool keep_old_read(struct span data, struct keep_old *ret_value);
void keep_old_write(const struct keep_old *value, uint8_t out[4]);
/* keep_old_vendor_id_write - the first 16 octets of
 * SHA-256("draft-mglt-ipsecme-keep-old-ike-sa-00"), then the notify number. */
void keep_old_vendor_id_write(uint16_t notify, uint8_t out[KEEP_OLD_VENDOR_ID_LEN]);
bool keep_old_vendor_id_read(struct span vendor_id, uint16_t *ret_notify);

#endif
