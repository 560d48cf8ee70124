/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-TLS, both sides: RFC 5216 with TLS 1.2, RFC 9190 with TLS 1.3.
 *
 *   peer                                   authenticator
 *                      <----  Start (S)
 *   ClientHello       ---->
 *                      <----  ServerHello, certificates, ... Finished (1.3)
 *   certificates, Finished ---->
 *                      <----  1.2: Finished; 1.3: one octet 0x00 as application data
 *   (empty)           ---->
 */
#include <openssl/err.h>

#include "base/secret.h"
#include "eap/method.h"
#include "eap/tls_tunnel.h"

struct tls_state {
    struct tls_tunnel tunnel;
    bool committed; /* authenticator: the last flight of a successful login was sent */
};

static bool is_13(const struct tls_tunnel *t)
{
    return SSL_version(t->ssl) >= TLS1_3_VERSION;
}

/* msk_set - RFC 9190 section 2.3, RFC 5216 section 2.3: the first 64 of 128 octets are the MSK. */
static bool msk_set(struct eap_talk *talk, struct tls_tunnel *t)
{
    static const unsigned char type = EAP_TYPE_TLS;
    uint8_t material[128];
    bool new = is_13(t);
    const char *label = new ? "EXPORTER_EAP_TLS_Key_Material" : "client EAP encryption";
    bool ok = SSL_export_keying_material(t->ssl, material, sizeof(material), label, strlen(label),
                                         new ? &type : NULL, new ? 1 : 0, new) == 1;
    if (ok) {
        memcpy(talk->msk, material, EAP_MSK);
        talk->msk_len = EAP_MSK;
    }
    wipe(material, sizeof(material));
    return ok;
}

/* --- the peer --- */

/* commitment_read - RFC 9190 section 2.1.1: the octet 0x00 says that only EAP-Success follows. */
static bool commitment_read(struct tls_tunnel *t)
{
    uint8_t octets[2];
    ERR_clear_error();
    if (SSL_read(t->ssl, octets, sizeof(octets)) == 1 && octets[0] == 0)
        return true;
    tls_tunnel_reason(t);
    return false;
}

/* peer_give_up - RFC 9190 section 2.1.4: a peer that refuses the authenticator sends a TLS alert. A
 * peer that was refused sends an empty Response. The authenticator answers both with
 * EAP-Failure. */
static enum eap_step peer_give_up(struct eap_talk *talk, struct tls_tunnel *t, struct writer *w)
{
    if (t->failed)
        tls_tunnel_write(t, w);
    else
        write_u8(w, 0); /* no TLS Data: a rejected handshake does not continue */
    return eap_failed(talk, "%s", t->reason);
}

static enum eap_step peer_flight(struct eap_talk *talk, struct tls_tunnel *t, struct writer *w)
{
    bool was_done = t->done;
    if (!was_done) {
        if (!tls_tunnel_advance(t))
            return peer_give_up(talk, t, w);
        bool goes_on = !t->done || is_13(t);
        if (goes_on && tls_tunnel_pending(t) == 0)
            return eap_failed(talk, "the authenticator's TLS flight is not whole");
        if (goes_on) {
            tls_tunnel_write(t, w);
            return EAP_STEP_REPLY;
        }
    } else if (!is_13(t) || !commitment_read(t)) {
        return peer_give_up(talk, t, w);
    }
    if (!msk_set(talk, t))
        return eap_failed(talk, "TLS yields no key");
    tls_tunnel_write(t, w);
    return EAP_STEP_DONE;
}

static enum eap_step tls_peer_recv(struct eap_talk *talk, void *state,
                                   const struct eap_packet *request, struct writer *w)
{
    struct tls_state *s = state;
    struct tls_tunnel *t = &s->tunnel;
    bool start;
    if (!t->begun && tls_tunnel_begin(t, talk, TLS_PEER) != 0)
        return eap_failed(talk, "no certificate and private key for EAP-TLS");
    enum tls_step step = tls_tunnel_recv(t, request->data, &start);
    if (step == TLS_STEP_MALFORMED || start == t->begun)
        return eap_failed(talk, "the authenticator's EAP-TLS packet is malformed or out of turn");
    t->begun = true;
    if (start)
        return peer_flight(talk, t, w);
    if (step == TLS_STEP_FLIGHT)
        return peer_flight(talk, t, w);
    if (step == TLS_STEP_ACK && tls_tunnel_pending(t) == 0)
        return eap_failed(talk, "the authenticator acknowledges what was not sent");
    tls_tunnel_write(t, w); /* our next fragment, or an acknowledgement */
    return EAP_STEP_REPLY;
}

/* --- the authenticator --- */

static enum eap_step tls_authenticator_begin(struct eap_talk *talk, void *state, uint8_t identifier,
                                             struct writer *w)
{
    struct tls_state *s = state;
    (void)identifier;
    if (tls_tunnel_begin(&s->tunnel, talk, TLS_AUTHENTICATOR) != 0)
        return eap_failed(talk, "no certificate and private key for EAP-TLS");
    s->tunnel.begun = true;
    write_u8(w, 0x20); /* Start */
    return EAP_STEP_REPLY;
}

static enum eap_step authenticator_flight(struct eap_talk *talk, struct tls_state *s,
                                          struct writer *w)
{
    struct tls_tunnel *t = &s->tunnel;
    static const uint8_t commitment = 0;
    if (s->committed)
        return eap_failed(talk, "the peer goes on after the TLS handshake");
    if (tls_tunnel_advance(t) && t->done) {
        if (is_13(t) && SSL_write(t->ssl, &commitment, 1) != 1)
            return eap_failed(talk, "TLS refuses to write");
        s->committed = true;
    }
    if (t->failed && tls_tunnel_pending(t) == 0)
        return eap_failed(talk, "%s", t->reason);
    if (tls_tunnel_pending(t) == 0)
        return eap_failed(talk, "the peer's TLS flight is not whole");
    if (t->failed) /* an alert is sent; some peers do not answer it */
        (void)eap_failed(talk, "%s", t->reason);
    tls_tunnel_write(t, w);
    return EAP_STEP_REPLY;
}

static enum eap_step tls_authenticator_recv(struct eap_talk *talk, void *state,
                                            const struct eap_packet *response, struct writer *w)
{
    struct tls_state *s = state;
    struct tls_tunnel *t = &s->tunnel;
    bool start;
    enum tls_step step = tls_tunnel_recv(t, response->data, &start);
    bool idle = tls_tunnel_pending(t) == 0;
    if (t->failed && idle)
        return eap_failed(talk, "%s", t->reason);
    if (step == TLS_STEP_MALFORMED || start)
        return eap_failed(talk, "the peer's EAP-TLS packet is malformed or out of turn");
    if (step == TLS_STEP_FLIGHT)
        return authenticator_flight(talk, s, w);
    if (step == TLS_STEP_ACK && idle) {
        if (!s->committed)
            return eap_failed(talk, "the peer ends the TLS handshake");
        return msk_set(talk, t) ? EAP_STEP_DONE : eap_failed(talk, "TLS yields no key");
    }
    tls_tunnel_write(t, w); /* our next fragment, or an acknowledgement */
    return EAP_STEP_REPLY;
}

static void tls_done(void *state)
{
    struct tls_state *s = state;
    tls_tunnel_end(&s->tunnel);
}

const struct eap_method eap_method_tls = {
    .type = EAP_TYPE_TLS,
    .name = "tls",
    .keys = true,
    .peer_presents = true,
    .authenticator_presents = true,
    .state_size = sizeof(struct tls_state),
    .peer_recv = tls_peer_recv,
    .authenticator_begin = tls_authenticator_begin,
    .authenticator_recv = tls_authenticator_recv,
    .done = tls_done,
};
