/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2-00), both sides. Type-Data:
 *
 *   | OpCode (1) | MS-CHAPv2-ID (1) | MS-Length (2, with OpCode) | Data ... |
 *
 *   peer                                            authenticator
 *                  <---- Challenge: Value-Size 16, Challenge, Name
 *   Response: Value-Size 49, Peer-Challenge,
 *     8 zeros, NT-Response, Flags, Name       ---->
 *                  <---- Success: "S=<40 digits> M=<text>"  |  Failure: "E=691 R=0 C=<32 digits>
 * ..." Success (OpCode alone)                    ---->         |  Failure (OpCode alone)  ---->
 */
#include <stdio.h>

#include "base/secret.h"
#include "eap/method.h"
#include "eap/mschap.h"

enum mschapv2_op { OP_CHALLENGE = 1, OP_RESPONSE, OP_SUCCESS, OP_FAILURE, OP_CHANGE = 7 };

#define RESPONSE_VALUE 49

struct mschapv2_state {
    enum { STATE_BEGIN, STATE_RESPONDED, STATE_SUCCEEDED, STATE_FAILED, STATE_OVER } at;
    uint8_t id; /* MS-CHAPv2-ID of the Challenge */
    struct mschap_exchange exchange;
    uint8_t hash[MSCHAP_HASH];
};

/* header_read - reads the four fields; *ret_data: the octets behind them. */
static bool header_read(struct span octets, uint8_t *ret_op, uint8_t *ret_id, struct span *ret_data)
{
    struct reader r = reader_of(octets);
    *ret_op = read_u8(&r);
    *ret_id = read_u8(&r);
    uint16_t len = read_u16(&r);
    *ret_data = read_rest(&r);
    return !reader_failed(&r) && len == octets.len;
}

static void header_write(struct writer *w, enum mschapv2_op op, uint8_t id, size_t data_len)
{
    write_u8(w, (uint8_t)op);
    write_u8(w, id);
    write_u16(w, (uint16_t)(4 + data_len));
}

static enum eap_step keys_set(struct eap_talk *talk, struct mschapv2_state *s)
{
    if (mschap_msk(talk->crypto, s->exchange.nt_response, s->hash, talk->msk) != 0)
        return eap_failed(talk, "the crypto library refused");
    talk->msk_len = EAP_MSK;
    s->at = STATE_OVER;
    return EAP_STEP_DONE;
}

static int hash_find(struct eap_talk *talk, struct mschapv2_state *s)
{
    struct eap_secret secret;
    int error = talk->secrets->find(talk->secrets->context, talk->identity, &secret);
    if (error == 0)
        error = mschap_secret_hash(talk->crypto, &secret, s->hash);
    wipe(&secret, sizeof(secret));
    return error;
}

/* --- the peer --- */

static enum eap_step peer_challenge(struct eap_talk *talk, struct mschapv2_state *s, uint8_t id,
                                    struct span data, struct writer *w)
{
    struct mschap_exchange *e = &s->exchange;
    struct reader r = reader_of(data);
    uint8_t size = read_u8(&r);
    struct span challenge = read_bytes(&r, MSCHAP_CHALLENGE);
    if (s->at != STATE_BEGIN || reader_failed(&r) || size != MSCHAP_CHALLENGE)
        return eap_failed(talk, "the authenticator's challenge is malformed or out of turn");
    if (hash_find(talk, s) != 0)
        return eap_failed(talk, "no password for the EAP identity");
    memcpy(e->authenticator_challenge, challenge.ptr, MSCHAP_CHALLENGE);
    random_fill(talk->random, e->peer_challenge, MSCHAP_CHALLENGE);
    if (mschap_nt_response(talk->crypto, e, talk->identity, s->hash, e->nt_response) != 0)
        return eap_failed(talk, "the crypto library refused");
    header_write(w, OP_RESPONSE, id, 1 + RESPONSE_VALUE + talk->identity.len);
    write_u8(w, RESPONSE_VALUE);
    write_bytes(w, span_of(e->peer_challenge, MSCHAP_CHALLENGE));
    write_zeros(w, 8);
    write_bytes(w, span_of(e->nt_response, MSCHAP_NT_RESPONSE));
    write_u8(w, 0);
    write_bytes(w, talk->identity);
    s->at = STATE_RESPONDED;
    return EAP_STEP_REPLY;
}

/* peer_success - section 2.3: "the authenticating peer MUST verify the authenticator response". It
 * is checked only after our Response: before, the computation contains no password
 * (CVE-2015-8023). */
static enum eap_step peer_success(struct eap_talk *talk, struct mschapv2_state *s, struct span text,
                                  struct writer *w)
{
    uint8_t wanted[MSCHAP_AUTH];
    if (s->at != STATE_RESPONDED)
        return eap_failed(talk, "the authenticator says success out of turn");
    if (mschap_authenticator_response(talk->crypto, &s->exchange, talk->identity, s->hash,
                                      wanted) != 0)
        return eap_failed(talk, "the crypto library refused");
    if (text.len < MSCHAP_AUTH || !ct_equal(text.ptr, wanted, MSCHAP_AUTH))
        return eap_failed(talk, "the authenticator does not know the password");
    write_u8(w, OP_SUCCESS);
    return keys_set(talk, s);
}

/* peer_failure - the text is for a person: "E=691 R=0 C=... M=Authentication failure". The peer
 * does not try again, because no person is asked for another password. The text may have any length
 * (CVE-2025-62291). */
static enum eap_step peer_failure(struct eap_talk *talk, struct mschapv2_state *s, struct span text,
                                  struct writer *w)
{
    if (s->at != STATE_RESPONDED)
        return eap_failed(talk, "the authenticator says failure out of turn");
    write_u8(w, OP_FAILURE);
    int len = text.len < 100 ? (int)text.len : 100;
    return eap_failed(talk, "the authenticator refuses the password: %.*s", len,
                      text.len == 0 ? "" : (const char *)text.ptr);
}

static enum eap_step mschapv2_peer_recv(struct eap_talk *talk, void *state,
                                        const struct eap_packet *request, struct writer *w)
{
    uint8_t op, id;
    struct span data;
    if (!header_read(request->data, &op, &id, &data))
        return eap_failed(talk, "the authenticator's MSCHAPv2 packet is malformed");
    switch (op) {
    case OP_CHALLENGE: return peer_challenge(talk, state, id, data, w);
    case OP_SUCCESS: return peer_success(talk, state, data, w);
    case OP_FAILURE: return peer_failure(talk, state, data, w);
    default: return eap_failed(talk, "MSCHAPv2 packet with an unknown OpCode %u", op);
    }
}

/* --- the authenticator --- */

static enum eap_step mschapv2_authenticator_begin(struct eap_talk *talk, void *state,
                                                  uint8_t identifier, struct writer *w)
{
    struct mschapv2_state *s = state;
    /* a text for a person; some peers expect at least one octet */
    const struct span name = span_text("gateway");
    s->id = identifier;
    random_fill(talk->random, s->exchange.authenticator_challenge, MSCHAP_CHALLENGE);
    header_write(w, OP_CHALLENGE, s->id, 1 + MSCHAP_CHALLENGE + name.len);
    write_u8(w, MSCHAP_CHALLENGE);
    write_bytes(w, span_of(s->exchange.authenticator_challenge, MSCHAP_CHALLENGE));
    write_bytes(w, name);
    return EAP_STEP_REPLY;
}

/* response_right - the peer cannot tell an unknown user from a wrong password, also not by the
 * time. */
static bool response_right(struct eap_talk *talk, struct mschapv2_state *s, struct span name)
{
    uint8_t wanted[MSCHAP_NT_RESPONSE];
    bool known = hash_find(talk, s) == 0;
    bool same_name = span_equal(name, talk->identity);
    if (!known)
        random_fill(talk->random, s->hash, sizeof(s->hash));
    bool computed = mschap_nt_response(talk->crypto, &s->exchange, name, s->hash, wanted) == 0;
    bool right = computed && ct_equal(wanted, s->exchange.nt_response, MSCHAP_NT_RESPONSE);
    wipe(wanted, sizeof(wanted));
    return known && same_name && right;
}

static enum eap_step failure_send(struct eap_talk *talk, struct mschapv2_state *s, struct writer *w)
{
    char text[96], digits[2 * MSCHAP_CHALLENGE + 1];
    uint8_t challenge[MSCHAP_CHALLENGE];
    random_fill(talk->random, challenge, sizeof(challenge));
    for (size_t i = 0; i < MSCHAP_CHALLENGE; i++)
        (void)snprintf(digits + 2 * i, 3, "%02X", challenge[i]);
    (void)snprintf(text, sizeof(text), "E=691 R=0 C=%s V=3 M=Authentication failure", digits);
    header_write(w, OP_FAILURE, s->id, strlen(text));
    write_bytes(w, span_text(text));
    s->at = STATE_FAILED;
    (void)eap_failed(talk, "wrong user name or password (MSCHAPv2)");
    return EAP_STEP_REPLY;
}

static enum eap_step response_recv(struct eap_talk *talk, struct mschapv2_state *s,
                                   struct span octets, struct writer *w)
{
    uint8_t op, id, auth[MSCHAP_AUTH];
    struct span data;
    if (!header_read(octets, &op, &id, &data) || op != OP_RESPONSE || id != s->id)
        return eap_failed(talk, "the peer's MSCHAPv2 response is malformed");
    struct reader r = reader_of(data);
    uint8_t size = read_u8(&r);
    struct span challenge = read_bytes(&r, MSCHAP_CHALLENGE);
    (void)read_bytes(&r, 8);
    struct span response = read_bytes(&r, MSCHAP_NT_RESPONSE);
    (void)read_u8(&r);
    struct span name = read_rest(&r);
    if (reader_failed(&r) || size != RESPONSE_VALUE)
        return eap_failed(talk, "the peer's MSCHAPv2 response is malformed");
    memcpy(s->exchange.peer_challenge, challenge.ptr, MSCHAP_CHALLENGE);
    memcpy(s->exchange.nt_response, response.ptr, MSCHAP_NT_RESPONSE);
    if (!response_right(talk, s, name))
        return failure_send(talk, s, w);
    if (mschap_authenticator_response(talk->crypto, &s->exchange, name, s->hash, auth) != 0)
        return eap_failed(talk, "the crypto library refused");
    const struct span text = span_text(" M=Welcome");
    header_write(w, OP_SUCCESS, s->id, MSCHAP_AUTH + text.len);
    write_bytes(w, span_of(auth, MSCHAP_AUTH));
    write_bytes(w, text);
    s->at = STATE_SUCCEEDED;
    return EAP_STEP_REPLY;
}

static enum eap_step mschapv2_authenticator_recv(struct eap_talk *talk, void *state,
                                                 const struct eap_packet *response,
                                                 struct writer *w)
{
    struct mschapv2_state *s = state;
    struct reader r = reader_of(response->data);
    uint8_t op =
        /* the last Success and Failure need an OpCode only; further octets may follow */
        read_u8(&r);
    switch (s->at) {
    case STATE_BEGIN: return response_recv(talk, s, response->data, w);
    case STATE_SUCCEEDED:
        if (op != OP_SUCCESS)
            return eap_failed(talk, "the peer does not take our proof of the password");
        return keys_set(talk, s);
    case STATE_FAILED: return eap_failed(talk, "the peer has read that it is refused (MSCHAPv2)");
    case STATE_RESPONDED:
    case STATE_OVER: break;
    }
    return eap_failed(talk, "the peer's MSCHAPv2 packet is out of turn");
}

const struct eap_method eap_method_mschapv2 = {
    .type = EAP_TYPE_MSCHAPV2,
    .name = "mschapv2",
    .keys = true,
    .state_size = sizeof(struct mschapv2_state),
    .peer_recv = mschapv2_peer_recv,
    .authenticator_begin = mschapv2_authenticator_begin,
    .authenticator_recv = mschapv2_authenticator_recv,
};
