/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PEAP version 0, both sides ([MS-PEAP], draft-kamath-pppext-peapv0-00). The tunnel carries EAP
 * packets without their header: Type and Type-Data. The last packet has a header, and Type 33: it
 * holds TLVs, one of which is the Result:
 *
 *   peer                                     authenticator
 *                                 <----  Identity
 *     Identity                    ---->
 *                                 <----  Request of the method                  ...
 *                                 <----  TLV Result(success | failure)
 *     TLV Result(the same)        ---->
 *                                 <----  EAP-Success | EAP-Failure, outside
 *
 * The peer does not answer the Crypto-Binding TLV. It does not need it: it sends its password only
 * to a server whose certificate was checked.
 */
#include "eap/tls_inner.h"

#define TYPE_TLV      33
#define TLV_RESULT    3
#define TLV_MANDATORY 0x8000
#define TLV_TYPE      0x3fff

enum result { RESULT_NONE, RESULT_SUCCESS, RESULT_FAILURE };

/* is_tlvs - the octets are a packet of Type 33, which has its header. */
static bool is_tlvs(struct span data, enum eap_code code)
{
    struct eap_packet packet;
    return eap_packet_read(data, &packet) && packet.code == code && packet.type == TYPE_TLV;
}

static enum result result_read(struct span data)
{
    enum result result = RESULT_NONE;
    struct reader r = reader_of(data);
    (void)read_bytes(&r, EAP_HEADER + 1);
    while (r.left > 0) {
        uint16_t type = read_u16(&r);
        struct reader value = reader_sub(&r, read_u16(&r));
        if ((type & TLV_TYPE) != TLV_RESULT)
            continue;
        uint16_t status = read_u16(&value);
        if (!reader_done(&value) || result != RESULT_NONE)
            return RESULT_NONE;
        result = status == RESULT_SUCCESS   ? RESULT_SUCCESS
                 : status == RESULT_FAILURE ? RESULT_FAILURE
                                            : RESULT_NONE;
    }
    return reader_failed(&r) ? RESULT_NONE : result;
}

static void result_write(enum eap_code code, uint8_t identifier, enum result result,
                         struct writer *out)
{
    write_u8(out, (uint8_t)code);
    write_u8(out, identifier);
    write_u16(out, EAP_HEADER + 1 + 6);
    write_u8(out, TYPE_TLV);
    write_u16(out, TLV_MANDATORY | TLV_RESULT);
    write_u16(out, 2);
    write_u16(out, (uint16_t)result);
}

/* whole - the packet with its header, which the tunnel does not carry. */
static struct span whole(enum eap_code code, uint8_t identifier, struct span data,
                         struct writer *packet)
{
    write_u8(packet, (uint8_t)code);
    write_u8(packet, identifier);
    write_u16(packet, (uint16_t)(EAP_HEADER + data.len));
    write_bytes(packet, data);
    return writer_span(packet);
}

static void bare_write(const struct eap_result *result, struct writer *out)
{
    if (result->packet_len > EAP_HEADER)
        write_bytes(out, span_of(result->packet + EAP_HEADER, result->packet_len - EAP_HEADER));
}

static enum eap_step peer_result(struct eap_talk *talk, const struct inner *inner, struct span data,
                                 struct writer *out)
{
    bool good =
        result_read(data) == RESULT_SUCCESS && inner->peer != NULL && eap_peer_proven(inner->peer);
    result_write(EAP_RESPONSE, data.ptr[1], good ? RESULT_SUCCESS : RESULT_FAILURE, out);
    return good
               ? EAP_STEP_DONE
               : eap_failed(talk, "the EAP server refuses the password, or ends before its method");
}

static enum eap_step peap_peer(struct eap_talk *talk, struct inner *inner, struct span data,
                               struct writer *out)
{
    uint8_t room[EAP_PACKET];
    struct writer packet = writer_of(room, sizeof(room));
    if (is_tlvs(data, EAP_REQUEST))
        return peer_result(talk, inner, data, out);
    enum eap_step step =
        inner_peer_step(talk, inner, whole(EAP_REQUEST, inner->identifier, data, &packet));
    bare_write(&inner->result, out);
    return step == EAP_STEP_READY ? EAP_STEP_REPLY : step; /* only the Result ends PEAP */
}

static enum eap_step peap_authenticator(struct eap_talk *talk, struct inner *inner,
                                        struct span data, struct writer *out)
{
    uint8_t room[EAP_PACKET];
    struct writer packet = writer_of(room, sizeof(room));
    const struct eap_result *last = &inner->result;
    if (data.len == 0) {
        write_u8(out, EAP_TYPE_IDENTITY);
        return EAP_STEP_REPLY;
    }
    if (last->verdict == EAP_SUCCEEDED) {
        bool good = is_tlvs(data, EAP_RESPONSE) && result_read(data) == RESULT_SUCCESS;
        return good ? EAP_STEP_DONE : eap_failed(talk, "the peer does not take our success");
    }
    uint8_t identifier = last->packet_len > 0 ? last->packet[1] : 0;
    enum eap_step step =
        inner_authenticator_step(talk, inner, whole(EAP_RESPONSE, identifier, data, &packet));
    if (step == EAP_STEP_DONE) {
        result_write(EAP_REQUEST, last->packet[1], RESULT_SUCCESS, out);
        return EAP_STEP_REPLY;
    }
    bare_write(last, out);
    return step;
}

static const struct inner_codec codec = {
    .type = EAP_TYPE_PEAP,
    .label = "client EAP encryption",
    .bare = true,
    .peer = peap_peer,
    .authenticator = peap_authenticator,
};

static enum eap_step peap_peer_recv(struct eap_talk *talk, void *state,
                                    const struct eap_packet *request, struct writer *w)
{
    struct inner *inner = state;
    inner->codec = &codec;
    inner->identifier = request->identifier; /* EAP-MD5 hashes it; servers use the outer one */
    return inner_peer_recv(talk, inner, request->data, w);
}

static enum eap_step peap_authenticator_begin(struct eap_talk *talk, void *state,
                                              uint8_t identifier, struct writer *w)
{
    struct inner *inner = state;
    (void)identifier;
    inner->codec = &codec;
    return inner_authenticator_begin(talk, inner, w);
}

static enum eap_step peap_authenticator_recv(struct eap_talk *talk, void *state,
                                             const struct eap_packet *response, struct writer *w)
{
    return inner_authenticator_recv(talk, state, response->data, w);
}

static void peap_done(void *state)
{
    inner_done(state);
}

const struct eap_method eap_method_peap = {
    .type = EAP_TYPE_PEAP,
    .name = "peap",
    .keys = true,
    .authenticator_presents = true,
    .state_size = sizeof(struct inner),
    .peer_recv = peap_peer_recv,
    .authenticator_begin = peap_authenticator_begin,
    .authenticator_recv = peap_authenticator_recv,
    .done = peap_done,
};
