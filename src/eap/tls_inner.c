/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/tls_inner.h"

#include <openssl/err.h>
#include <stdio.h>

#include "base/secret.h"

/* The methods inside the tunnel, the preferred one first. */
static const enum eap_type methods[] = {EAP_TYPE_MSCHAPV2, EAP_TYPE_MD5, EAP_TYPE_GTC};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

/* --- the tunnel --- */

/* tunnel_read - reads all octets that came. false: TLS has ended, or is broken. */
static bool tunnel_read(struct tls_tunnel *t, struct writer *data)
{
    uint8_t piece[1024];
    int n;
    ERR_clear_error();
    while ((n = SSL_read(t->ssl, piece, sizeof(piece))) > 0)
        write_bytes(data, span_of(piece, (size_t)n));
    int error = SSL_get_error(t->ssl, n);
    wipe(piece, sizeof(piece));
    if (error == SSL_ERROR_WANT_READ && !writer_failed(data))
        return true;
    if (error == SSL_ERROR_ZERO_RETURN)
        (void)snprintf(t->reason, sizeof(t->reason), "the other side has closed the TLS tunnel");
    tls_tunnel_reason(t);
    return false;
}

static bool tunnel_send(struct tls_tunnel *t, struct span data)
{
    ERR_clear_error();
    return data.len == 0 || SSL_write(t->ssl, data.ptr, (int)data.len) == (int)data.len;
}

/* give_up - the peer: sends an alert of its own, or else an empty Response. The authenticator answers
 * both with EAP-Failure (RFC 5281 section 9.2.3). */
static enum eap_step give_up(struct eap_talk *talk, struct tls_tunnel *t, struct writer *w)
{
    tls_tunnel_write(t, w);
    return eap_failed(talk, "%s", t->reason);
}

static enum eap_step key_set(struct eap_talk *talk, const struct inner *inner)
{
    uint8_t material[128];
    const unsigned char type = (unsigned char)inner->codec->type;
    SSL *ssl = inner->tunnel.ssl;
    bool new = SSL_version(ssl) >= TLS1_3_VERSION;
    const char *label = new ? "EXPORTER_EAP_TLS_Key_Material" : inner->codec->label;
    bool ok = SSL_export_keying_material(ssl, material, sizeof(material), label, strlen(label),
                                         new ? &type : NULL, new ? 1 : 0, new) == 1;
    if (ok) {
        memcpy(talk->msk, material, EAP_MSK);
        talk->msk_len = EAP_MSK;
    }
    wipe(material, sizeof(material));
    return ok ? EAP_STEP_DONE : eap_failed(talk, "TLS yields no key");
}

/* --- the conversation inside --- */

static struct eap_config config_of(const struct eap_talk *talk, bool without_md5)
{
    struct eap_config config = {.crypto = talk->crypto,
                                .random = talk->random,
                                .secrets = talk->secrets,
                                .identity = talk->identity};
    for (size_t i = 0; i < N_METHODS; i++)
        if (methods[i] != EAP_TYPE_MD5 || !without_md5)
            config.methods[config.n_methods++] = methods[i];
    return config;
}

enum eap_step inner_peer_step(struct eap_talk *talk, struct inner *inner, struct span packet)
{
    const struct eap_config config = config_of(talk, false);
    if (inner->peer == NULL && eap_peer_new(&config, &inner->peer) != 0)
        return eap_failed(talk, "no memory");
    eap_peer_recv(inner->peer, packet, &inner->result);
    switch (inner->result.verdict) {
    case EAP_REPLY: return eap_peer_proven(inner->peer) ? EAP_STEP_READY : EAP_STEP_REPLY;
    case EAP_SUCCEEDED: return EAP_STEP_READY;
    case EAP_FAILED: break;
    }
    return eap_failed(talk, "%s", inner->result.reason);
}

/* identify_inside - the method proves the inner identity, so the result has that one. The outer one may
 * be anonymous (RFC 5281 section 7.3). If IDi stands for the outer one, nothing may differ from it. */
static bool identify_inside(struct eap_talk *talk, const struct eap_packet *response)
{
    if (response->code != EAP_RESPONSE || response->type != EAP_TYPE_IDENTITY ||
        response->data.len == 0 || (talk->settled && !span_equal(response->data, talk->claimed)))
        return false;
    return eap_talk_identify(talk, response->data);
}

/* begin_inside - the peer has sent its inner identity. */
static enum eap_step begin_inside(struct eap_talk *talk, struct inner *inner,
                                  const struct eap_packet *response)
{
    if (!identify_inside(talk, response))
        return eap_failed(talk, "the peer's identity in the tunnel is none, or not the one of IDi");
    const struct eap_config config = config_of(talk, inner->codec->bare);
    if (eap_authenticator_new(&config, &inner->authenticator) != 0)
        return eap_failed(talk, "no memory");
    eap_authenticator_begin(inner->authenticator, &inner->result);
    return EAP_STEP_REPLY;
}

enum eap_step inner_authenticator_step(struct eap_talk *talk, struct inner *inner,
                                       struct span packet)
{
    struct eap_packet response;
    if (!eap_packet_read(packet, &response))
        return eap_failed(talk, "the peer's packet in the tunnel is malformed");
    if (inner->authenticator == NULL)
        return begin_inside(talk, inner, &response);
    eap_authenticator_recv(inner->authenticator, packet, &inner->result);
    switch (inner->result.verdict) {
    case EAP_REPLY: return EAP_STEP_REPLY;
    case EAP_SUCCEEDED: return EAP_STEP_DONE;
    case EAP_FAILED: break;
    }
    return eap_failed(talk, "%s", inner->result.reason);
}

void inner_done(struct inner *inner)
{
    eap_peer_free(inner->peer);
    eap_authenticator_free(inner->authenticator);
    eap_result_done(&inner->result);
    tls_tunnel_end(&inner->tunnel);
}

/* --- one packet outside the tunnel --- */

/* talk_inside - gives received octets to the codec, and sends the codec's answer through the
 * tunnel. */
static enum eap_step talk_inside(struct eap_talk *talk, struct inner *inner, bool peer,
                                 struct writer *w)
{
    uint8_t room[INNER_MAX], back[INNER_MAX];
    struct writer data = writer_of(room, sizeof(room)), out = writer_of(back, sizeof(back));
    struct tls_tunnel *t = &inner->tunnel;
    enum eap_step step = EAP_STEP_REPLY;
    if (!tunnel_read(t, &data))
        return peer ? give_up(talk, t, w) : eap_failed(talk, "%s", t->reason);
    bool begins = !inner->talks && inner->codec->peer_begins == peer;
    inner->talks = true;
    /* some servers of TTLS send first, where the peer begins; our peer tolerates it */
    if (begins && data.len > 0 && !peer)
        step = eap_failed(talk, "the peer speaks first in the tunnel");
    else if (begins || data.len > 0)
        step = (peer ? inner->codec->peer : inner->codec->authenticator)(talk, inner,
                                                                         writer_span(&data), &out);
    if (step != EAP_STEP_FAILED && (writer_failed(&out) || !tunnel_send(t, writer_span(&out))))
        step = eap_failed(talk, "a packet does not fit into the tunnel");
    if (step == EAP_STEP_FAILED && peer && out.len > 0)
        (void)tunnel_send(t, writer_span(&out)); /* a last Response, which reports it */
    wipe(room, sizeof(room));
    wipe(back, sizeof(back));
    if ((step == EAP_STEP_DONE || step == EAP_STEP_READY) &&
        key_set(talk, inner) == EAP_STEP_FAILED)
        return EAP_STEP_FAILED;
    if (step != EAP_STEP_FAILED || tls_tunnel_pending(t) > 0)
        tls_tunnel_write(t, w);
    return step;
}

enum eap_step inner_peer_recv(struct eap_talk *talk, struct inner *inner, struct span data,
                              struct writer *w)
{
    struct tls_tunnel *t = &inner->tunnel;
    bool start;
    if (!t->begun && tls_tunnel_begin(t, talk, TLS_PEER_ANONYMOUS) != 0)
        return eap_failed(talk, "TLS cannot begin");
    enum tls_step step = tls_tunnel_recv(t, data, &start);
    if (step == TLS_STEP_MALFORMED || start == t->begun)
        return eap_failed(talk, "the authenticator's TLS packet is malformed or out of turn");
    t->begun = true;
    bool ours_goes_on = step == TLS_STEP_ACK && tls_tunnel_pending(t) > 0;
    if (step == TLS_STEP_FRAGMENT || ours_goes_on) {
        tls_tunnel_write(t, w);
        return EAP_STEP_REPLY;
    }
    if (t->done)
        return talk_inside(talk, inner, true, w);
    if (step == TLS_STEP_ACK && !start)
        return eap_failed(talk, "the authenticator acknowledges what was not sent");
    if (!tls_tunnel_advance(t))
        return give_up(talk, t, w);
    if (tls_tunnel_pending(t) == 0)
        return t->done ? talk_inside(talk, inner, true, w)
                       : eap_failed(talk, "the authenticator's TLS flight is not whole");
    tls_tunnel_write(t, w);
    return EAP_STEP_REPLY;
}

enum eap_step inner_authenticator_begin(struct eap_talk *talk, struct inner *inner,
                                        struct writer *w)
{
    if (tls_tunnel_begin(&inner->tunnel, talk, TLS_AUTHENTICATOR_ALONE) != 0)
        return eap_failed(talk, "no certificate and private key for TLS");
    inner->tunnel.begun = true;
    write_u8(w, 0x20); /* Start */
    return EAP_STEP_REPLY;
}

enum eap_step inner_authenticator_recv(struct eap_talk *talk, struct inner *inner, struct span data,
                                       struct writer *w)
{
    struct tls_tunnel *t = &inner->tunnel;
    bool start, idle = tls_tunnel_pending(t) == 0;
    enum tls_step step = tls_tunnel_recv(t, data, &start);
    if (t->failed && idle)
        return eap_failed(talk, "%s", t->reason);
    if (step == TLS_STEP_MALFORMED || start || (step == TLS_STEP_ACK && idle && !t->done))
        return eap_failed(talk, "the peer's TLS packet is malformed or out of turn");
    if (step == TLS_STEP_FRAGMENT || (step == TLS_STEP_ACK && !idle)) {
        tls_tunnel_write(t, w);
        return EAP_STEP_REPLY;
    }
    if (t->done)
        return talk_inside(talk, inner, false, w);
    if (!tls_tunnel_advance(t))
        (void)eap_failed(talk, "%s", t->reason); /* an alert is sent; some peers do not answer it */
    if (t->done && tls_tunnel_pending(t) == 0)
        return talk_inside(talk, inner, false, w);
    if (tls_tunnel_pending(t) == 0)
        return eap_failed(talk, "the peer's TLS flight is not whole");
    tls_tunnel_write(t, w);
    return EAP_STEP_REPLY;
}
