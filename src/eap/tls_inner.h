/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TLS_INNER_H
#define EAP_TLS_INNER_H

/*
 * What EAP-TTLS and PEAP have in common: a TLS handshake in which the server alone presents a
 * certificate, and inside of the TLS tunnel a second EAP conversation, by password. How its packets
 * lie in the tunnel is the difference:
 *
 *   struct inner_codec   ttls.c: in AVPs; peap.c: without their header, and a last word in TLVs
 *
 * The peer says its password only to a server whose certificate was checked (eap_tls.check). The
 * key comes from TLS (RFC 5281 section 8, RFC 9427 section 2.1). Inside, a method without a key
 * serves as well.
 */

#include "eap/conversation.h"
#include "eap/mschap.h"
#include "eap/tls_tunnel.h"

#define INNER_MAX 8192 /* octets of one flight inside the tunnel */

struct inner_codec;

struct inner {
    const struct inner_codec *codec;
    struct tls_tunnel tunnel;
    uint8_t identifier; /* peer: of the packet outside */
    /* the tunnel is up and the inner conversation has begun */
    bool talks;
    struct eap_peer *peer;                   /* owned; inside; one of them is used */
    struct eap_authenticator *authenticator; /* owned */
    struct eap_result result;                /* Identifier of the last inner packet */
    /* ttls_plain.c, MS-CHAP-V2 */
    struct mschap_exchange mschap;
    uint8_t hash[MSCHAP_HASH], ident;
};

struct inner_codec {
    enum eap_type type;
    const char *label; /* of the key with TLS 1.2 */
    bool peer_begins;  /* the peer speaks first inside; otherwise the authenticator does */
    bool bare;         /* the Identifiers inside are not transmitted: as authenticator, no MD5 */
    /* Takes the octets that came through the tunnel, or with empty `data` begins. Writes the answer
     * to `out`. */
    enum eap_step (*peer)(struct eap_talk *talk, struct inner *inner, struct span data,
                          struct writer *out);
    enum eap_step (*authenticator)(struct eap_talk *talk, struct inner *inner, struct span data,
                                   struct writer *out);
};

enum eap_step inner_peer_recv(struct eap_talk *talk, struct inner *inner, struct span data,
                              struct writer *w);
enum eap_step inner_authenticator_begin(struct eap_talk *talk, struct inner *inner,
                                        struct writer *w);
enum eap_step inner_authenticator_recv(struct eap_talk *talk, struct inner *inner, struct span data,
                                       struct writer *w);
void inner_done(struct inner *inner);

/* inner_peer_step - gives an inner EAP packet to the peer; the result is in inner->result. REPLY:
 * send its packet; READY: the same, and the method has succeeded; FAILED. */
enum eap_step inner_peer_step(struct eap_talk *talk, struct inner *inner, struct span packet);

/* inner_authenticator_step - the same for the authenticator, whose first packet is a Response with
 * the identity. DONE: the peer is proven. */
enum eap_step inner_authenticator_step(struct eap_talk *talk, struct inner *inner,
                                       struct span packet);

#endif
