/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/tls_tunnel.h"

#include <stdio.h>

#include <openssl/err.h>

#include "crypto/tls_context.h"
#include "eap/eap_crypto.h"

#define FLAG_LENGTH 0x80
#define FLAG_MORE   0x40
#define FLAG_START  0x20

static bool is_server(enum tls_side side)
{
    return side == TLS_AUTHENTICATOR || side == TLS_AUTHENTICATOR_ALONE;
}

/* --- the other side's certificates --- */

/* on_chain - checks the chain in the middle of the handshake, before we send a secret. */
static int on_chain(X509_STORE_CTX *ctx, void *context)
{
    struct tls_tunnel *t = context;
    struct eap_talk *talk = t->talk;
    struct eap_chain chain = {.of_server = !SSL_is_server(t->ssl)};
    struct tls_chain given;
    _Static_assert(sizeof(chain.certs) == sizeof(given.certs), "as many certificates");
    if (!chain.of_server)
        chain.identity = talk->identity;
    tls_chain_read(ctx, &given);
    chain.n = given.n;
    memcpy(chain.certs, given.certs, sizeof(chain.certs));
    int error = chain.n == 0
                    ? ERR_INVALID
                    : talk->tls->check(talk->tls->context, &chain, &talk->vouched, t->reason);
    tls_chain_done(&given);
    t->reason[sizeof(t->reason) - 1] = '\0';
    if (error != 0 && t->reason[0] == '\0')
        (void)snprintf(t->reason, sizeof(t->reason), "its certificate could not be checked");
    X509_STORE_CTX_set_error(ctx, error == 0 ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return error == 0;
}

/* on_status_asked - RFC 9190 section 5.4: the client asks for an OCSP response about our certificate. */
static int on_status_asked(SSL *ssl, void *context)
{
    const struct tls_tunnel *t = context;
    struct span ocsp = t->talk->tls->ocsp;
    uint8_t *copy = ocsp.len == 0 ? NULL : OPENSSL_memdup(ocsp.ptr, ocsp.len);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    (void)SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)ocsp.len); /* owns it now */
    return SSL_TLSEXT_ERR_OK;
}

/* --- contexts --- */

static bool own_apply(struct eap_talk *talk, SSL_CTX *context)
{
    const struct eap_tls *tls = talk->tls;
    OSSL_LIB_CTX *library = talk->crypto->tls.context;
    X509 *ours = tls_certificate_read(library, tls->certs[0]);
    EVP_PKEY *key = ours == NULL ? NULL : tls_key_new(&talk->crypto->tls, tls, ours);
    bool ok = key != NULL && tls_context_present(context, library, tls->certs, tls->n_certs, key);
    EVP_PKEY_free(key);
    X509_free(ours);
    return ok;
}

static SSL_CTX *context_new(struct tls_tunnel *t, enum tls_side side)
{
    struct eap_talk *talk = t->talk;
    SSL_CTX *context = tls_context_new(talk->crypto->tls.context,
                                       is_server(side) ? TLS_server_method() : TLS_client_method());
    if (context == NULL)
        return NULL;
    /* Servers without RFC 5746 are common in EAP. They do no harm: we never renegotiate. */
    (void)SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_cert_verify_callback(context, on_chain, t);
    if (is_server(side)) {
        (void)SSL_CTX_set_tlsext_status_cb(context, on_status_asked);
        (void)SSL_CTX_set_tlsext_status_arg(context, t);
    }
    SSL_CTX_set_verify(context,
                       side == TLS_AUTHENTICATOR_ALONE
                           ? SSL_VERIFY_NONE
                           : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
    int most = talk->tls->only_12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    if (tls_context_allow_dhe(context) && SSL_CTX_set_max_proto_version(context, most) == 1 &&
        (side == TLS_PEER_ANONYMOUS || own_apply(talk, context)))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

int tls_tunnel_begin(struct tls_tunnel *t, struct eap_talk *talk, enum tls_side side)
{
    *t = (struct tls_tunnel){.talk = talk};
    ERR_clear_error();
    bool can = talk->tls != NULL && (side == TLS_PEER_ANONYMOUS || talk->tls->n_certs > 0);
    SSL_CTX *context = can ? context_new(t, side) : NULL;
    if (context == NULL)
        return ERR_INVALID;
    t->ssl = SSL_new(context);
    SSL_CTX_free(context); /* `ssl` holds it */
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (t->ssl == NULL || in == NULL || out == NULL) {
        BIO_free(in);
        BIO_free(out);
        SSL_free(t->ssl);
        t->ssl = NULL;
        return ERR_NO_MEMORY;
    }
    SSL_set_bio(t->ssl, in, out);
    t->in = in;
    t->out = out;
    if (is_server(side))
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    return 0;
}

void tls_tunnel_end(struct tls_tunnel *t)
{
    SSL_free(t->ssl);
    t->ssl = NULL;
}

size_t tls_tunnel_pending(const struct tls_tunnel *t)
{
    return t->out == NULL ? 0 : BIO_ctrl_pending(t->out);
}

enum tls_step tls_tunnel_recv(struct tls_tunnel *t, struct span data, bool *ret_start)
{
    struct reader r = reader_of(data);
    uint8_t flags = read_u8(&r);
    uint32_t total = (flags & FLAG_LENGTH) != 0 ? read_u32(&r) : 0;
    struct span piece = read_rest(&r);
    bool more = (flags & FLAG_MORE) != 0;
    *ret_start = (flags & FLAG_START) != 0;
    if (reader_failed(&r) || total > TLS_FLIGHT)
        return TLS_STEP_MALFORMED;
    if (piece.len == 0)
        return more || t->in_len > 0 ? TLS_STEP_MALFORMED : TLS_STEP_ACK;
    if (tls_tunnel_pending(t) > 0 || *ret_start)
        return TLS_STEP_MALFORMED; /* before our flight is sent, only acknowledgements may come */
    if (t->in_len == 0)
        t->in_total = total;
    t->in_len += piece.len;
    bool whole = t->in_total == 0 || (more ? t->in_len < t->in_total : t->in_len == t->in_total);
    if (t->in_len > TLS_FLIGHT || !whole ||
        BIO_write(t->in, piece.ptr, (int)piece.len) != (int)piece.len)
        return TLS_STEP_MALFORMED;
    if (more)
        return TLS_STEP_FRAGMENT;
    t->in_len = t->in_total = 0;
    t->out_begun = false;
    return TLS_STEP_FLIGHT;
}

void tls_tunnel_reason(struct tls_tunnel *t)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    if (t->reason[0] == '\0')
        (void)snprintf(t->reason, sizeof(t->reason), "TLS: %.140s",
                       why == NULL ? "protocol error" : why);
    ERR_clear_error();
}

bool tls_tunnel_advance(struct tls_tunnel *t)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    if (rc == 1 && (SSL_is_server(t->ssl) || tls_group_known(t->ssl))) {
        t->done = true;
        return true;
    }
    if (rc == 1) {
        t->failed = true;
        (void)snprintf(t->reason, sizeof(t->reason),
                       "the TLS server's Diffie-Hellman group is none of RFC 3526 or RFC 7919");
        return false;
    }
    int error = SSL_get_error(t->ssl, rc);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return true;
    t->failed = true;
    tls_tunnel_reason(t);
    return false;
}

void tls_tunnel_write(struct tls_tunnel *t, struct writer *w)
{
    size_t pending = tls_tunnel_pending(t);
    size_t len = pending < TLS_FRAGMENT ? pending : TLS_FRAGMENT;
    bool more = len < pending;
    bool with_length = more && !t->out_begun;
    write_u8(w, (uint8_t)((with_length ? FLAG_LENGTH : 0) | (more ? FLAG_MORE : 0)));
    if (with_length)
        write_u32(w, (uint32_t)pending);
    t->out_begun = more;
    uint8_t *room = len == 0 ? NULL : writer_reserve(w, len);
    if (room != NULL && BIO_read(t->out, room, (int)len) != (int)len)
        w->failed = true;
}
