/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-GTC, both sides (RFC 3748 section 5.6). The Request holds a text for a person, the Response
 * holds the password. The authenticator learns the password and proves nothing, and the method has
 * no key. So the protocol around it must prove the authenticator: AUTH of IKE, or TLS.
 */
#include "base/secret.h"
#include "eap/method.h"

struct gtc_state {
    bool over; /* the only Response was sent or received */
};

static int password_find(struct eap_talk *talk, struct eap_secret *ret)
{
    int error = talk->secrets->find(talk->secrets->context, talk->identity, ret);
    return error == 0 && ret->kind != EAP_SECRET_PASSWORD ? ERR_NOT_FOUND : error;
}

static enum eap_step gtc_peer_recv(struct eap_talk *talk, void *state,
                                   const struct eap_packet *request, struct writer *w)
{
    struct gtc_state *s = state;
    struct eap_secret secret;
    (void)request; /* the text is for a person */
    if (s->over)
        return eap_failed(talk, "the authenticator refuses the password (GTC)");
    bool known = password_find(talk, &secret) == 0;
    if (known)
        write_bytes(w, span_of(secret.octets, secret.len));
    wipe(&secret, sizeof(secret));
    s->over = true;
    return known ? EAP_STEP_DONE : eap_failed(talk, "no password for the EAP identity");
}

static enum eap_step gtc_authenticator_begin(struct eap_talk *talk, void *state, uint8_t identifier,
                                             struct writer *w)
{
    (void)talk, (void)state, (void)identifier;
    write_bytes(w, span_text("Password: "));
    return EAP_STEP_REPLY;
}

/* The peer cannot tell an unknown user from a wrong password. */
static enum eap_step gtc_authenticator_recv(struct eap_talk *talk, void *state,
                                            const struct eap_packet *response, struct writer *w)
{
    struct gtc_state *s = state;
    struct eap_secret secret = {.len = 0};
    (void)w;
    bool right = !s->over && password_find(talk, &secret) == 0 &&
                 response->data.len == secret.len &&
                 ct_equal(response->data.ptr, secret.octets, secret.len);
    s->over = true;
    wipe(&secret, sizeof(secret));
    return right ? EAP_STEP_DONE : eap_failed(talk, "wrong user name or password (GTC)");
}

const struct eap_method eap_method_gtc = {
    .type = EAP_TYPE_GTC,
    .name = "gtc",
    .state_size = sizeof(struct gtc_state),
    .peer_recv = gtc_peer_recv,
    .authenticator_begin = gtc_authenticator_begin,
    .authenticator_recv = gtc_authenticator_recv,
};
