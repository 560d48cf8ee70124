/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/tls_tunnel.h"

#include <stdio.h>

#include <openssl/err.h>

#include "eap/tls_credentials.h"

#define FLAG_LENGTH 0x80
#define FLAG_MORE   0x40
#define FLAG_START  0x20

static SSL_CTX *context_new(const struct eap_tls *tls, enum tls_side side)
{
    SSL_CTX *context = SSL_CTX_new(side == TLS_PEER ? TLS_client_method() : TLS_server_method());
    if (context == NULL)
        return NULL;
    (void)SSL_CTX_set_options(context,
                              SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_num_tickets(context, 0) == 1 && eap_tls_apply(tls, context) == 0)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

int tls_tunnel_begin(struct tls_tunnel *t, const struct eap_tls *tls, enum tls_side side)
{
    *t = (struct tls_tunnel){0};
    SSL_CTX *context = tls == NULL ? NULL : context_new(tls, side);
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
    if (side == TLS_PEER)
        SSL_set_connect_state(t->ssl);
    else
        SSL_set_accept_state(t->ssl);
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
        return TLS_STEP_MALFORMED; /* only an acknowledgement may come while our flight leaves */
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
    unsigned long code = ERR_peek_last_error();
    long verified = SSL_get_verify_result(t->ssl);
    const char *why = ERR_reason_error_string(code);
    if (verified != X509_V_OK)
        why = X509_verify_cert_error_string(verified);
    (void)snprintf(t->reason, sizeof(t->reason), "TLS: %.140s",
                   why == NULL ? "protocol error" : why);
    ERR_clear_error();
}

bool tls_tunnel_advance(struct tls_tunnel *t)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    if (rc == 1) {
        t->done = true;
        return true;
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
