/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-MD5-Challenge, both sides (RFC 3748 section 5.4). Type-Data of both packets:
 *
 *   | Value-Size (1) | Value ... | Name ... |
 *
 * The Value of the Response is MD5(Identifier, password, Value of the Request), as in RFC 1994. The
 * authenticator proves nothing, and the method has no key. So the protocol around it must prove the
 * authenticator.
 */
#include "base/secret.h"
#include "eap/eap_crypto.h"
#include "eap/method.h"

#define MD5_LEN 16

struct md5_state {
    bool over; /* the only Response was sent or received */
    uint8_t identifier;
    uint8_t challenge[MD5_LEN]; /* authenticator */
};

static int response_make(struct eap_talk *talk, uint8_t identifier, struct span challenge,
                         uint8_t out[MD5_LEN])
{
    struct eap_secret secret;
    int error = talk->secrets->find(talk->secrets->context, talk->identity, &secret);
    if (error == 0 && secret.kind != EAP_SECRET_PASSWORD)
        error = ERR_NOT_FOUND;
    const struct span parts[] = {span_of(&identifier, 1), span_of(secret.octets, secret.len),
                                 challenge};
    if (error == 0)
        error = eap_digest(talk->crypto, talk->crypto->md5, parts, 3, out);
    wipe(&secret, sizeof(secret));
    return error;
}

static bool value_read(struct span data, struct span *ret_value)
{
    struct reader r = reader_of(data);
    uint8_t size = read_u8(&r);
    *ret_value = read_bytes(&r, size);
    (void)read_rest(&r); /* Name: it proves nothing */
    return !reader_failed(&r) && size > 0;
}

static enum eap_step md5_peer_recv(struct eap_talk *talk, void *state,
                                   const struct eap_packet *request, struct writer *w)
{
    struct md5_state *s = state;
    struct span challenge;
    uint8_t value[MD5_LEN];
    if (s->over || !value_read(request->data, &challenge))
        return eap_failed(talk, "the authenticator's MD5 challenge is malformed or out of turn");
    if (response_make(talk, request->identifier, challenge, value) != 0)
        return eap_failed(talk, "no password for the EAP identity");
    write_u8(w, MD5_LEN);
    write_bytes(w, span_of(value, MD5_LEN));
    s->over = true;
    return EAP_STEP_DONE;
}

static enum eap_step md5_authenticator_begin(struct eap_talk *talk, void *state, uint8_t identifier,
                                             struct writer *w)
{
    struct md5_state *s = state;
    s->identifier = identifier;
    random_fill(talk->random, s->challenge, sizeof(s->challenge));
    write_u8(w, MD5_LEN);
    write_bytes(w, span_of(s->challenge, MD5_LEN));
    return EAP_STEP_REPLY;
}

/* The peer cannot tell an unknown user from a wrong password. */
static enum eap_step md5_authenticator_recv(struct eap_talk *talk, void *state,
                                            const struct eap_packet *response, struct writer *w)
{
    struct md5_state *s = state;
    struct span value;
    uint8_t wanted[MD5_LEN];
    (void)w;
    if (s->over || !value_read(response->data, &value))
        return eap_failed(talk, "the peer's MD5 response is malformed or out of turn");
    s->over = true;
    bool right = response_make(talk, s->identifier, span_of(s->challenge, MD5_LEN), wanted) == 0 &&
                 value.len == MD5_LEN && ct_equal(value.ptr, wanted, MD5_LEN);
    wipe(wanted, sizeof(wanted));
    return right ? EAP_STEP_DONE : eap_failed(talk, "wrong user name or password (MD5)");
}

const struct eap_method eap_method_md5 = {
    .type = EAP_TYPE_MD5,
    .name = "md5",
    .state_size = sizeof(struct md5_state),
    .peer_recv = md5_peer_recv,
    .authenticator_begin = md5_authenticator_begin,
    .authenticator_recv = md5_authenticator_recv,
};
