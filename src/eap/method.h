/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_METHOD_H
#define EAP_METHOD_H

/* The interface between a method and the framework (peer.c, authenticator.c). */

#include "base/writer.h"
#include "eap/names.h"
#include "eap/packet.h"

/* struct eap_talk - the conversation as its method sees it: the means, the peer, and the
 * results. */
struct eap_talk {
    struct eap_crypto *crypto;
    const struct random *random;
    const struct eap_secrets *secrets;
    const struct eap_tls *tls;
    const struct eap_name_store *store; /* NULL: no names */
    /* The permanent identity, to which the secret belongs. Authenticator: equal to `claimed`, until
     * a method finds that `claimed` is a pseudonym or a re-authentication identity, or another one is
     * said inside of a tunnel. */
    struct span identity;
    struct span claimed; /* the identity that the peer sent last; keys depend on it */
    /* authenticator: `claimed` comes from IKE (IDi), so EAP asks for no other identity */
    bool settled;
    struct eap_names names; /* peer: the names that the store has for it */
    bool names_new; /* peer: `names` are stored if EAP-Success comes (RFC 4186 section 4.2.1.8) */
    bool prime;     /* AKA' is one of the configured methods */
    uint8_t msk[EAP_MSK];
    size_t msk_len;
    struct eap_vouched vouched; /* the other side's certificates; all 0: it had none */
    char reason[EAP_REASON];
    /* the octets of `identity` and `claimed` */
    uint8_t identity_octets[EAP_IDENTITY], claimed_octets[EAP_IDENTITY];
};

enum eap_step {
    EAP_STEP_REPLY = 1, /* the writer holds Type-Data to send; the method continues */
    /* the other side is proven and the MSK is set. Peer: the writer holds the last Response; only
     * an EAP-Success may follow. Authenticator: nothing is written */
    EAP_STEP_DONE,
    EAP_STEP_READY, /* peer: as EAP_STEP_DONE, but the authenticator may continue with the method */
    EAP_STEP_FAILED, /* reason is set. Peer: the writer may hold a last Response that reports it */
};

/* struct eap_method - both roles of a method. `state` is zeroed memory of state_size octets; the
 * framework owns it, and wipes it at the end. */
struct eap_method {
    enum eap_type type;
    enum eap_type wire;                         /* the Type in packets; 0: it is `type` */
    const char *name;                           /* in swanctl.conf, behind "eap-" */
    bool keys;                                  /* the method yields an MSK */
    bool peer_presents, authenticator_presents; /* a certificate is needed */
    size_t state_size;
    enum eap_step (*peer_recv)(struct eap_talk *talk, void *state, const struct eap_packet *request,
                               struct writer *w);
    enum eap_step (*authenticator_begin)(struct eap_talk *talk, void *state, uint8_t identifier,
                                         struct writer *w);
    enum eap_step (*authenticator_recv)(struct eap_talk *talk, void *state,
                                        const struct eap_packet *response, struct writer *w);
    void (*done)(void *state); /* NULL: nothing to free */
};

extern const struct eap_method eap_method_mschapv2, eap_method_tls, eap_method_aka, eap_method_md5,
    eap_method_gtc, eap_method_ttls, eap_method_peap, eap_method_aka_prime, eap_method_sim,
    eap_method_ttls_pap, eap_method_ttls_chap, eap_method_ttls_mschapv2;

/* eap_method_find - NULL: this layer has no such method. */
const struct eap_method *eap_method_find(enum eap_type type);

/* eap_type_wire - the Type of that method in packets. */
uint8_t eap_type_wire(enum eap_type type);

/* eap_talk_claim - sets and copies `claimed`. eap_talk_identify - sets and copies `identity`.
 * false: too long. */
bool eap_talk_claim(struct eap_talk *talk, struct span identity);
bool eap_talk_identify(struct eap_talk *talk, struct span identity);

/* eap_failed - sets the reason; returns EAP_STEP_FAILED. */
enum eap_step eap_failed(struct eap_talk *talk, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
