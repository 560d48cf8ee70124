/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-TTLS version 0 (RFC 5281). With EAP inside the tunnel: both sides. With a plain password
 * inside (ttls_plain.h): the peer's side only.
 *
 *   peer                                    authenticator
 *     EAP-Message(Response, Identity)  ---->
 *                                      <----  EAP-Message(Request of the method)     ...
 *                                      <----  EAP-Success, outside
 */
#include "eap/ttls_avp.h"
#include "eap/ttls_plain.h"

/* eap_read - joins the EAP-Message AVPs to an EAP packet. false: malformed, or an unknown AVP that
 * is mandatory. */
static bool eap_read(struct span data, struct writer *packet)
{
    struct reader r = reader_of(data);
    struct avp avp;
    while (avp_read(&r, &avp)) {
        if (avp.code == AVP_EAP_MESSAGE && avp.vendor == 0)
            write_bytes(packet, avp.data);
        else if (avp.mandatory)
            return false;
    }
    return !reader_failed(&r) && !writer_failed(packet) && packet->len > 0;
}

static void eap_write(struct span packet, struct writer *out)
{
    const struct avp avp = {.code = AVP_EAP_MESSAGE, .data = packet};
    avp_write(out, &avp);
}

static enum eap_step ttls_peer(struct eap_talk *talk, struct inner *inner, struct span data,
                               struct writer *out)
{
    /* in TTLS the peer sends its identity without a Request, so we make one up for it */
    static const uint8_t ask[] = {EAP_REQUEST, 0, 0, 5, EAP_TYPE_IDENTITY};
    uint8_t room[EAP_PACKET];
    struct writer packet = writer_of(room, sizeof(room));
    if (data.len == 0)
        write_bytes(&packet, span_of(ask, sizeof(ask)));
    else if (!eap_read(data, &packet))
        return eap_failed(talk, "the AVPs in the tunnel are malformed or of an unknown kind");
    enum eap_step step = inner_peer_step(talk, inner, writer_span(&packet));
    if (inner->result.packet_len > 0)
        eap_write(span_of(inner->result.packet, inner->result.packet_len), out);
    return step;
}

static enum eap_step ttls_authenticator(struct eap_talk *talk, struct inner *inner,
                                        struct span data, struct writer *out)
{
    uint8_t room[EAP_PACKET];
    struct writer packet = writer_of(room, sizeof(room));
    if (!eap_read(data, &packet))
        return eap_failed(talk, "the AVPs in the tunnel are malformed or of an unknown kind");
    enum eap_step step = inner_authenticator_step(talk, inner, writer_span(&packet));
    if (step == EAP_STEP_REPLY)
        eap_write(span_of(inner->result.packet, inner->result.packet_len), out);
    return step;
}

static const struct inner_codec codec = {
    .type = EAP_TYPE_TTLS,
    .label = "ttls keying material",
    .peer_begins = true,
    .peer = ttls_peer,
    .authenticator = ttls_authenticator,
};

static enum eap_step ttls_peer_recv(struct eap_talk *talk, void *state,
                                    const struct eap_packet *request, struct writer *w)
{
    struct inner *inner = state;
    inner->codec = &codec;
    return inner_peer_recv(talk, inner, request->data, w);
}

static enum eap_step ttls_authenticator_begin(struct eap_talk *talk, void *state,
                                              uint8_t identifier, struct writer *w)
{
    struct inner *inner = state;
    (void)identifier;
    inner->codec = &codec;
    return inner_authenticator_begin(talk, inner, w);
}

static enum eap_step ttls_authenticator_recv(struct eap_talk *talk, void *state,
                                             const struct eap_packet *response, struct writer *w)
{
    return inner_authenticator_recv(talk, state, response->data, w);
}

static void ttls_done(void *state)
{
    inner_done(state);
}

const struct eap_method eap_method_ttls = {
    .type = EAP_TYPE_TTLS,
    .name = "ttls",
    .keys = true,
    .authenticator_presents = true,
    .state_size = sizeof(struct inner),
    .peer_recv = ttls_peer_recv,
    .authenticator_begin = ttls_authenticator_begin,
    .authenticator_recv = ttls_authenticator_recv,
    .done = ttls_done,
};

/* --- a plain password inside: the peer's side --- */

static enum eap_step plain_recv(struct eap_talk *talk, struct inner *inner,
                                const struct inner_codec *plain, const struct eap_packet *request,
                                struct writer *w)
{
    inner->codec = plain;
    return inner_peer_recv(talk, inner, request->data, w);
}

static enum eap_step pap_recv(struct eap_talk *talk, void *state, const struct eap_packet *request,
                              struct writer *w)
{
    return plain_recv(talk, state, &ttls_pap_codec, request, w);
}

static enum eap_step chap_recv(struct eap_talk *talk, void *state, const struct eap_packet *request,
                               struct writer *w)
{
    return plain_recv(talk, state, &ttls_chap_codec, request, w);
}

static enum eap_step mschapv2_recv(struct eap_talk *talk, void *state,
                                   const struct eap_packet *request, struct writer *w)
{
    return plain_recv(talk, state, &ttls_mschapv2_codec, request, w);
}

#define PLAIN(TYPE, NAME, RECV)                                                                    \
    {                                                                                              \
        .type = TYPE, .wire = EAP_TYPE_TTLS, .name = NAME, .keys = true,                           \
        .state_size = sizeof(struct inner), .peer_recv = RECV, .done = ttls_done,                  \
    }

const struct eap_method eap_method_ttls_pap = PLAIN(EAP_TYPE_TTLS_PAP, "ttls-pap", pap_recv);
const struct eap_method eap_method_ttls_chap = PLAIN(EAP_TYPE_TTLS_CHAP, "ttls-chap", chap_recv);
const struct eap_method eap_method_ttls_mschapv2 =
    PLAIN(EAP_TYPE_TTLS_MSCHAPV2, "ttls-mschapv2", mschapv2_recv);
