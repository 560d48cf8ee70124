/* SPDX-License-Identifier: Apache-2.0 */
#include "radius/tls_link.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

struct radius_tls {
    SSL_CTX *context;
    struct radius_tls_config config;
};

struct radius_link {
    const struct radius_tls *tls;
    SSL *ssl;
    BIO *in, *out; /* owned by `ssl` */
    enum radius_link_state state;
    struct radius_frames frames;
    char reason[RADIUS_TLS_REASON];
};

/* --- the server's certificates --- */

static int on_chain(X509_STORE_CTX *ctx, void *context)
{
    const struct radius_tls *tls = context;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct radius_link *link = ssl == NULL ? NULL : SSL_get_app_data(ssl);
    struct tls_chain chain;
    if (link == NULL)
        return 0;
    tls_chain_read(ctx, &chain);
    int error = chain.n == 0
                    ? ERR_INVALID
                    : tls->config.check(tls->config.context, chain.certs, chain.n, link->reason);
    tls_chain_done(&chain);
    link->reason[sizeof(link->reason) - 1] = '\0';
    if (error != 0 && link->reason[0] == '\0')
        (void)snprintf(link->reason, sizeof(link->reason),
                       "the server's certificate could not be checked");
    X509_STORE_CTX_set_error(ctx, error == 0 ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return error == 0;
}

/* --- contexts --- */

int radius_tls_new(const struct radius_tls_config *config, struct radius_tls **ret_tls)
{
    struct radius_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return ERR_NO_MEMORY;
    tls->config = *config;
    tls->config.n_certs = 0;
    tls->config.key = NULL; /* `context` holds both */
    tls->context = tls_context_new(config->library, TLS_client_method());
    if (tls->context == NULL) {
        free(tls);
        return ERR_NO_MEMORY;
    }
    SSL_CTX_set_cert_verify_callback(tls->context, on_chain, tls);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    bool ok = tls_context_present(tls->context, config->library, config->certs, config->n_certs,
                                  config->key);
    ERR_clear_error();
    if (!ok) {
        radius_tls_free(tls);
        return ERR_INVALID;
    }
    *ret_tls = tls;
    return 0;
}

struct radius_tls *radius_tls_free(struct radius_tls *tls)
{
    if (tls != NULL)
        SSL_CTX_free(tls->context);
    free(tls);
    return NULL;
}

/* --- a connection --- */

static void reason_set(struct radius_link *link, const char *reason)
{
    if (link->reason[0] == '\0')
        (void)snprintf(link->reason, sizeof(link->reason), "%s", reason);
}

/* failure_take - ends the link with the reason that OpenSSL gives. An earlier reason stays, because
 * it says why the certificate was refused. */
static void failure_take(struct radius_link *link)
{
    char text[200];
    unsigned long error = ERR_peek_last_error();
    const char *why = ERR_reason_error_string(error);
    int alert = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET;
    bool theirs = ERR_GET_LIB(error) == ERR_LIB_SSL && alert >= 0 && alert < 256;
    (void)snprintf(text, sizeof(text), "%s: %.140s",
                   theirs ? "the server ends TLS with an alert" : "TLS",
                   theirs        ? SSL_alert_desc_string_long(alert)
                   : why == NULL ? "protocol error"
                                 : why);
    reason_set(link, text);
    link->state = RADIUS_LINK_FAILED;
    ERR_clear_error();
}

/* outcome_take - sets the state of the link after a call of libssl that did not succeed. */
static void outcome_take(struct radius_link *link, int rc)
{
    switch (SSL_get_error(link->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: break;
    case SSL_ERROR_ZERO_RETURN:
        reason_set(link, "the server closed the connection");
        link->state = RADIUS_LINK_CLOSED;
        break;
    default: failure_take(link);
    }
}

static void handshake(struct radius_link *link)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(link->ssl);
    if (rc == 1)
        link->state = RADIUS_LINK_UP;
    else
        outcome_take(link, rc);
}

struct radius_link *radius_link_new(struct radius_tls *tls)
{
    struct radius_link *link = calloc(1, sizeof(*link));
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL *ssl = SSL_new(tls->context);
    const char *server = tls->config.server;
    if (link == NULL || in == NULL || out == NULL || ssl == NULL ||
        (server[0] != '\0' && SSL_set_tlsext_host_name(ssl, server) != 1)) {
        BIO_free(in);
        BIO_free(out);
        SSL_free(ssl);
        free(link);
        return NULL;
    }
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    *link = (struct radius_link){.tls = tls, .ssl = ssl, .in = in, .out = out};
    (void)SSL_set_app_data(ssl, link);
    handshake(link);
    return link;
}

struct radius_link *radius_link_free(struct radius_link *link)
{
    if (link != NULL)
        SSL_free(link->ssl);
    free(link);
    return NULL;
}

enum radius_link_state radius_link_state(const struct radius_link *link)
{
    return link->state;
}

const char *radius_link_reason(const struct radius_link *link)
{
    return link->reason;
}

int radius_link_recv(struct radius_link *link, struct span octets)
{
    if (BIO_write(link->in, octets.ptr, (int)octets.len) != (int)octets.len)
        return ERR_NO_MEMORY;
    if (link->state == RADIUS_LINK_HANDSHAKE)
        handshake(link);
    return 0;
}

bool radius_link_next(struct radius_link *link, struct radius_packet *ret_packet)
{
    while (link->state == RADIUS_LINK_UP) {
        struct buffer room = radius_frames_room(&link->frames);
        ERR_clear_error();
        int n = SSL_read(link->ssl, room.ptr, (int)room.len);
        if (n <= 0) {
            outcome_take(link, n);
            return false;
        }
        switch (radius_frames_took(&link->frames, (size_t)n, ret_packet)) {
        case FRAME_MORE: break;
        case FRAME_WHOLE: return true;
        case FRAME_MALFORMED:
            reason_set(link, "the server sent a malformed RADIUS packet");
            link->state = RADIUS_LINK_FAILED;
        }
    }
    return false;
}

int radius_link_write(struct radius_link *link, struct span packet)
{
    if (link->state != RADIUS_LINK_UP)
        return ERR_WRONG_STATE;
    ERR_clear_error();
    int n = SSL_write(link->ssl, packet.ptr, (int)packet.len);
    if (n == (int)packet.len)
        return 0;
    outcome_take(link, n);
    return ERR_NO_MEMORY;
}

void radius_link_close(struct radius_link *link)
{
    if (link->state == RADIUS_LINK_UP)
        (void)SSL_shutdown(link->ssl);
    ERR_clear_error();
}

struct span radius_link_pending(const struct radius_link *link)
{
    char *at = NULL;
    long n = BIO_get_mem_data(link->out, &at);
    return span_of((const uint8_t *)at, n < 0 ? 0 : (size_t)n);
}

void radius_link_sent(struct radius_link *link, size_t n)
{
    uint8_t gone[4096];
    while (n > 0) { /* reading from a memory BIO removes the octets */
        int got = BIO_read(link->out, gone, (int)(n < sizeof(gone) ? n : sizeof(gone)));
        if (got <= 0)
            return;
        n -= (size_t)got;
    }
}
