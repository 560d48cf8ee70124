/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TLS_TUNNEL_H
#define EAP_TLS_TUNNEL_H

/*
 * TLS inside of EAP (RFC 5216 section 3). OpenSSL works on memory BIOs; a flight of TLS messages is
 * sent in fragments. Type-Data:
 *
 *   | Flags (1): L M S | TLS Message Length (4), with L | TLS Data ... |
 */

#include <openssl/ssl.h>

#include "base/reader.h"
#include "base/writer.h"
#include "eap/method.h"

#define TLS_FLIGHT   65536 /* octets of one side's flight: a chain of certificates */
#define TLS_FRAGMENT 1024  /* octets that we put into one packet */

enum tls_side {
    TLS_PEER,
    TLS_PEER_ANONYMOUS, /* shows no certificate */
    TLS_AUTHENTICATOR,
    TLS_AUTHENTICATOR_ALONE, /* asks for no certificate */
};

struct tls_tunnel {
    struct eap_talk *talk; /* borrowed */
    SSL *ssl;
    BIO *in, *out;   /* owned by `ssl` */
    bool begun;      /* the flag S was sent or received */
    bool done;       /* the handshake is complete */
    bool failed;     /* the handshake failed, and our alert is being sent */
    size_t in_total; /* octets of their flight; 0: not known */
    size_t in_len;   /* octets of their flight received so far, in `in` */
    bool out_begun;  /* the first fragment of our flight was sent */
    char reason[EAP_REASON];
};

/* tls_tunnel_begin - OpenSSL keeps a pointer to `t`, so it must not move before tls_tunnel_end.
 * ERR_NO_MEMORY; ERR_INVALID: a certificate is needed and missing, or its key cannot sign. */
int tls_tunnel_begin(struct tls_tunnel *t, struct eap_talk *talk, enum tls_side side) MUST_USE;
void tls_tunnel_end(struct tls_tunnel *t); /* also of zeros */

enum tls_step {
    TLS_STEP_FRAGMENT, /* a fragment of their flight came, not the last: acknowledge it */
    TLS_STEP_ACK,      /* the packet has no TLS Data: it acknowledges our fragment */
    TLS_STEP_FLIGHT,   /* their flight is whole, and TLS has it */
    TLS_STEP_MALFORMED,
};

/* tls_tunnel_recv - takes the Type-Data of a packet; *ret_start: the flag S. */
enum tls_step tls_tunnel_recv(struct tls_tunnel *t, struct span data, bool *ret_start);

/* tls_tunnel_advance - continues the handshake as far as possible. false: it failed, `reason` says
 * why, and an alert may be pending. */
bool tls_tunnel_advance(struct tls_tunnel *t);

/* tls_tunnel_reason - sets `reason` to OpenSSL's last error. An earlier reason stays, because it
 * says why the certificate was refused. */
void tls_tunnel_reason(struct tls_tunnel *t);

/* tls_tunnel_pending - octets of our flight that are not sent yet. */
size_t tls_tunnel_pending(const struct tls_tunnel *t);

/* tls_tunnel_write - writes Type-Data with the next fragment of our flight, or an
 * acknowledgement. */
void tls_tunnel_write(struct tls_tunnel *t, struct writer *w);

#endif
