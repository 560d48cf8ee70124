/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TLS_INNER_H
#define EAP_TLS_INNER_H

/*
 * The part that EAP-TTLS and PEAP share: a TLS handshake in which only the server presents a
 * certificate, and a second EAP conversation, with a password, inside the TLS tunnel. The two
 * methods differ in the form of the inner packets, which struct inner_codec handles:
 *
 *   ttls.c   EAP packets in AVPs
 *   peap.c   EAP packets without their header, and a last packet with TLVs
 *
 * The peer sends its password only to a server whose certificate was checked (eap_tls.check). The
 * MSK comes from TLS (RFC 5281 section 8, RFC 9427 section 2.1), so the inner method needs no key.
 */

#include "eap/conversation.h"
#include "eap/mschap.h"
#include "eap/tls_tunnel.h"

#define INNER_MAX 8192 /* octets of one flight inside the tunnel */

struct inner_codec;

struct inner {
    const struct inner_codec *codec;
    struct tls_tunnel tunnel;
    uint8_t identifier; /* peer: Identifier of the outer packet */
    /* the tunnel is up and the inner conversation has begun */
    bool talks;
    /* the inner conversation; NULL for the role that we do not have */
    struct eap_peer *peer;                   /* owned */
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
    bool bare; /* inner packets carry no Identifier, so our authenticator does not offer MD5 */
    /* Takes the octets that came through the tunnel; empty `data` begins the conversation. Writes
     * the answer to `out`. */
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

/* inner_peer_step - gives an inner EAP packet to the peer; the result is in inner->result.
 * EAP_STEP_REPLY: send its packet; EAP_STEP_READY: the same, and the method has succeeded;
 * EAP_STEP_FAILED. */
enum eap_step inner_peer_step(struct eap_talk *talk, struct inner *inner, struct span packet);

/* inner_authenticator_step - the same for the authenticator. The first packet that it takes is the
 * Response with the identity. EAP_STEP_DONE: the peer is proven. */
enum eap_step inner_authenticator_step(struct eap_talk *talk, struct inner *inner,
                                       struct span packet);

#endif
