/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_IANA_H
#define WIRE_IANA_H

/* Numbers of the IANA registry "Internet Key Exchange Version 2 (IKEv2) Parameters" that ikat
 * knows. One X-macro per registry, so that an enum and its names cannot differ. */

#include <stdint.h>

#define WIRE_EXCHANGES(X)                                                                          \
    X(IKE_SA_INIT, 34)                                                                             \
    X(IKE_AUTH, 35)                                                                                \
    X(CREATE_CHILD_SA, 36)                                                                         \
    X(INFORMATIONAL, 37)                                                                           \
    X(IKE_SESSION_RESUME, 38)

#define WIRE_PAYLOADS(X)                                                                           \
    X(SA, 33)                                                                                      \
    X(KE, 34)                                                                                      \
    X(IDi, 35)                                                                                     \
    X(IDr, 36)                                                                                     \
    X(CERT, 37)                                                                                    \
    X(CERTREQ, 38)                                                                                 \
    X(AUTH, 39)                                                                                    \
    X(NONCE, 40)                                                                                   \
    X(N, 41)                                                                                       \
    X(D, 42)                                                                                       \
    X(V, 43)                                                                                       \
    X(TSi, 44)                                                                                     \
    X(TSr, 45)                                                                                     \
    X(SK, 46)                                                                                      \
    X(CP, 47)                                                                                      \
    X(EAP, 48)                                                                                     \
    X(SKF, 53)

/* RFC 7296 section 3.10.1, RFC 4555, RFC 4739, RFC 5723, RFC 5998, RFC 6023, RFC 7383, RFC 7427, RFC 7791,
 * RFC 9593 */
#define WIRE_NOTIFIES(X)                                                                           \
    X(UNSUPPORTED_CRITICAL_PAYLOAD, 1)                                                             \
    X(INVALID_IKE_SPI, 4)                                                                          \
    X(INVALID_MAJOR_VERSION, 5)                                                                    \
    X(INVALID_SYNTAX, 7)                                                                           \
    X(INVALID_MESSAGE_ID, 9)                                                                       \
    X(INVALID_SPI, 11)                                                                             \
    X(NO_PROPOSAL_CHOSEN, 14)                                                                      \
    X(INVALID_KE_PAYLOAD, 17)                                                                      \
    X(AUTHENTICATION_FAILED, 24)                                                                   \
    X(SINGLE_PAIR_REQUIRED, 34)                                                                    \
    X(NO_ADDITIONAL_SAS, 35)                                                                       \
    X(INTERNAL_ADDRESS_FAILURE, 36)                                                                \
    X(FAILED_CP_REQUIRED, 37)                                                                      \
    X(TS_UNACCEPTABLE, 38)                                                                         \
    X(INVALID_SELECTORS, 39)                                                                       \
    X(UNACCEPTABLE_ADDRESSES, 40)                                                                  \
    X(UNEXPECTED_NAT_DETECTED, 41)                                                                 \
    X(TEMPORARY_FAILURE, 43)                                                                       \
    X(CHILD_SA_NOT_FOUND, 44)                                                                      \
    X(INITIAL_CONTACT, 16384)                                                                      \
    X(SET_WINDOW_SIZE, 16385)                                                                      \
    X(ADDITIONAL_TS_POSSIBLE, 16386)                                                               \
    X(IPCOMP_SUPPORTED, 16387)                                                                     \
    X(NAT_DETECTION_SOURCE_IP, 16388)                                                              \
    X(NAT_DETECTION_DESTINATION_IP, 16389)                                                         \
    X(COOKIE, 16390)                                                                               \
    X(USE_TRANSPORT_MODE, 16391)                                                                   \
    X(HTTP_CERT_LOOKUP_SUPPORTED, 16392)                                                           \
    X(REKEY_SA, 16393)                                                                             \
    X(ESP_TFC_PADDING_NOT_SUPPORTED, 16394)                                                        \
    X(NON_FIRST_FRAGMENTS_ALSO, 16395)                                                             \
    X(MOBIKE_SUPPORTED, 16396)                                                                     \
    X(ADDITIONAL_IP4_ADDRESS, 16397)                                                               \
    X(ADDITIONAL_IP6_ADDRESS, 16398)                                                               \
    X(NO_ADDITIONAL_ADDRESSES, 16399)                                                              \
    X(UPDATE_SA_ADDRESSES, 16400)                                                                  \
    X(COOKIE2, 16401)                                                                              \
    X(NO_NATS_ALLOWED, 16402)                                                                      \
    X(AUTH_LIFETIME, 16403)                                                                        \
    X(MULTIPLE_AUTH_SUPPORTED, 16404)                                                              \
    X(ANOTHER_AUTH_FOLLOWS, 16405)                                                                 \
    X(REDIRECT_SUPPORTED, 16406)                                                                   \
    X(REDIRECT, 16407)                                                                             \
    X(REDIRECTED_FROM, 16408)                                                                      \
    X(TICKET_LT_OPAQUE, 16409)                                                                     \
    X(TICKET_REQUEST, 16410)                                                                       \
    X(TICKET_ACK, 16411)                                                                           \
    X(TICKET_NACK, 16412)                                                                          \
    X(TICKET_OPAQUE, 16413)                                                                        \
    X(EAP_ONLY_AUTHENTICATION, 16417)                                                              \
    X(CHILDLESS_IKEV2_SUPPORTED, 16418)                                                            \
    X(IKEV2_FRAGMENTATION_SUPPORTED, 16430)                                                        \
    X(SIGNATURE_HASH_ALGORITHMS, 16431)                                                            \
    X(CLONE_IKE_SA_SUPPORTED, 16432)                                                               \
    X(CLONE_IKE_SA, 16433)                                                                         \
    X(USE_PPK, 16435)                                                                              \
    X(PPK_IDENTITY, 16436)                                                                         \
    X(NO_PPK_AUTH, 16437)                                                                          \
    X(SUPPORTED_AUTH_METHODS, 16443)

enum wire_exchange {
#define X(name, value) WIRE_##name = value,
    WIRE_EXCHANGES(X)
#undef X
};
enum wire_payload_type {
    WIRE_PAYLOAD_NONE = 0,
#define X(name, value) WIRE_PAYLOAD_##name = value,
    WIRE_PAYLOADS(X)
#undef X
};
enum wire_notify_type {
#define X(name, value) N_##name = value,
    WIRE_NOTIFIES(X)
#undef X
};

/* wire_*_name - "CREATE_CHILD_SA", "SA", "TS_UNACCEPTABLE"; "unknown" for what is not listed. */
const char *wire_exchange_name(unsigned exchange);
const char *wire_payload_name(unsigned type);
const char *wire_notify_name(unsigned type);

#define WIRE_FIRST_STATUS_NOTIFY 16384 /* below: errors */

enum wire_protocol { WIRE_PROTO_IKE = 1, WIRE_PROTO_AH = 2, WIRE_PROTO_ESP = 3 };
enum wire_transform_type { WIRE_ENCR = 1, WIRE_PRF = 2, WIRE_INTEG = 3, WIRE_KE = 4, WIRE_SN = 5 };

enum wire_encr { ENCR_AES_CBC = 12, ENCR_AES_GCM_16 = 20, ENCR_CHACHA20_POLY1305 = 28 };
enum wire_prf {
    PRF_HMAC_SHA1 = 2,
    PRF_HMAC_SHA2_256 = 5,
    PRF_HMAC_SHA2_384 = 6,
    PRF_HMAC_SHA2_512 = 7
};
enum wire_integ {
    AUTH_NONE = 0,
    AUTH_HMAC_SHA1_96 = 2,
    AUTH_HMAC_SHA2_256_128 = 12,
    AUTH_HMAC_SHA2_384_192 = 13,
    AUTH_HMAC_SHA2_512_256 = 14
};

enum wire_id_type {
    ID_ANY = 0,
    ID_IPV4_ADDR = 1,
    ID_FQDN = 2,
    ID_RFC822_ADDR = 3,
    ID_IPV6_ADDR = 5,
    ID_DER_ASN1_DN = 9,
    ID_DER_ASN1_GN = 10,
    ID_KEY_ID = 11,
    ID_EAP = 250 /* never on the wire: an identity that EAP proved, so that the name of an EAP user
                    is no name of another type */
};

enum wire_auth_method {
    AUTH_RSA = 1,
    AUTH_SHARED_KEY = 2,
    AUTH_ECDSA_P256 = 9, /* RFC 4754 */
    AUTH_ECDSA_P384 = 10,
    AUTH_ECDSA_P521 = 11,
    AUTH_DIGITAL_SIGNATURE = 14 /* RFC 7427 */
};
/* Certificate Encodings (RFC 7296 section 3.6, RFC 4806, RFC 7670) */
enum wire_cert_encoding {
    CERT_X509 = 4,
    CERT_HASH_URL = 12,
    CERT_HASH_URL_BUNDLE = 13,
    CERT_OCSP = 14,
    CERT_RAW_KEY = 15
};
enum wire_eap_code { EAP_REQUEST = 1, EAP_RESPONSE = 2, EAP_SUCCESS = 3, EAP_FAILURE = 4 };
enum wire_ts_type { TS_IPV4_ADDR_RANGE = 7, TS_IPV6_ADDR_RANGE = 8 };

enum wire_cfg_type { CFG_REQUEST = 1, CFG_REPLY = 2, CFG_SET = 3, CFG_ACK = 4 };
enum wire_cfg_attribute {
    INTERNAL_IP4_ADDRESS = 1,
    INTERNAL_IP4_NETMASK = 2,
    INTERNAL_IP4_DNS = 3,
    INTERNAL_IP6_ADDRESS = 8,
    INTERNAL_IP6_DNS = 10,
    INTERNAL_IP4_SUBNET = 13,
    INTERNAL_IP6_SUBNET = 15,
    INTERNAL_DNS_DOMAIN = 25, /* RFC 8598 */
    ENCDNS_IP4 = 27,          /* RFC 9464 */
    ENCDNS_IP6 = 28
};

#endif
