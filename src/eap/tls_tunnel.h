/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TLS_TUNNEL_H
#define EAP_TLS_TUNNEL_H

/*
 * TLS inside of EAP (RFC 5216 section 3): OpenSSL between memory BIOs, and the fragments of its
 * flights. Type-Data:
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
    bool begun;      /* the flag S was sent or has come */
    bool done;       /* the handshake is complete */
    bool failed;     /* an alert of ours is on its way */
    size_t in_total; /* octets of the flight that comes; 0: not known */
    size_t in_len;   /* of those, in `in` */
    bool out_begun;  /* the flight's first fragment left */
    char reason[EAP_REASON];
};

/* tls_tunnel_begin - `t` keeps its place until the end. ERR_NO_MEMORY; ERR_INVALID: no certificate
 * where one is needed, or a key that signs nothing. */
int tls_tunnel_begin(struct tls_tunnel *t, struct eap_talk *talk, enum tls_side side) MUST_USE;
void tls_tunnel_end(struct tls_tunnel *t); /* also of zeros */

enum tls_step {
    TLS_STEP_FRAGMENT, /* more of their flight is to come: acknowledge it */
    TLS_STEP_ACK,      /* our fragment is acknowledged, or there is nothing to read */
    TLS_STEP_FLIGHT,   /* their flight is whole, and was handed to TLS */
    TLS_STEP_MALFORMED,
};

/* tls_tunnel_recv - the Type-Data of a packet; *ret_start: the flag S. */
enum tls_step tls_tunnel_recv(struct tls_tunnel *t, struct span data, bool *ret_start);

/* tls_tunnel_advance - the handshake, as far as it goes. false: it failed, see reason; an alert may
 * be pending. */
bool tls_tunnel_advance(struct tls_tunnel *t);

/* tls_tunnel_reason - what OpenSSL says of the last error is the reason, unless there is one: why a
 * certificate is refused. */
void tls_tunnel_reason(struct tls_tunnel *t);

/* tls_tunnel_pending - octets of our flight that have not left. */
size_t tls_tunnel_pending(const struct tls_tunnel *t);

/* tls_tunnel_write - Type-Data with the next fragment of our flight, or without any. */
void tls_tunnel_write(struct tls_tunnel *t, struct writer *w);

#endif
