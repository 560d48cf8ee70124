/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-TTLS version 0, both sides (RFC 5281), with EAP inside. In the tunnel are AVPs of Diameter,
 * each padded to four octets (section 10.1):
 *
 *   | AVP Code (4) | V M r r r r r r (1) | AVP Length (3) | Vendor-ID (4), with V | Data ... |
 *
 *   peer                                    authenticator
 *     EAP-Message(Response, Identity)  ---->
 *                                      <----  EAP-Message(Request of the method)     ...
 *                                      <----  EAP-Success, outside
 */
#include "eap/tls_inner.h"

#define AVP_EAP_MESSAGE 79
#define AVP_HEADER      8
#define FLAG_VENDOR     0x80
#define FLAG_MANDATORY  0x40

/* eap_read - the EAP packet of all EAP-Message AVPs together. false: malformed, or an AVP that we
 * would have to understand. */
static bool eap_read(struct span data, struct writer *packet)
{
    struct reader r = reader_of(data);
    while (r.left > 0) {
        uint32_t code = read_u32(&r);
        uint8_t flags = read_u8(&r);
        uint32_t high = read_u8(&r);
        uint32_t len = high << 16 | read_u16(&r);
        bool vendor = (flags & FLAG_VENDOR) != 0;
        size_t header = AVP_HEADER + (vendor ? 4u : 0u);
        if (vendor)
            (void)read_u32(&r);
        if (reader_failed(&r) || len < header)
            return false;
        struct span value = read_bytes(&r, len - header);
        size_t padding = -(size_t)len & 3;
        (void)read_bytes(&r, padding < r.left ? padding : r.left); /* the last one may have none */
        if (reader_failed(&r))
            return false;
        if (code == AVP_EAP_MESSAGE && !vendor)
            write_bytes(packet, value);
        else if ((flags & FLAG_MANDATORY) != 0)
            return false;
    }
    return !writer_failed(packet) && packet->len > 0;
}

static void eap_write(struct span packet, struct writer *out)
{
    uint32_t len = AVP_HEADER + (uint32_t)packet.len;
    write_u32(out, AVP_EAP_MESSAGE);
    write_u32(out, (uint32_t)FLAG_MANDATORY << 24 | len);
    write_bytes(out, packet);
    write_zeros(out, -(size_t)len & 3);
}

static enum eap_step ttls_peer(struct eap_talk *talk, struct inner *inner, struct span data,
                               struct writer *out)
{
    static const uint8_t ask[] = {EAP_REQUEST, 0, 0, 5, EAP_TYPE_IDENTITY}; /* nobody asked */
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
