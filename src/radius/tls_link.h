/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RADIUS_TLS_LINK_H
#define RADIUS_TLS_LINK_H

/*
 * RADIUS over TLS (RFC 6614), the client's side, without sockets: OpenSSL between memory BIOs.
 *
 *      socket --octets--> radius_link_recv(), radius_link_next() --packets--> RADIUS client
 *      socket <--octets-- radius_link_pending() <--packets-- radius_link_write()
 *
 * TLS 1.2 or 1.3 with certificates on both sides (section 2.3).
 */

#include "crypto/tls_context.h"
#include "radius/frames.h"

#define RADIUS_TLS_SECRET "radsec" /* section 2.3: the shared secret of all packets */
#define RADIUS_TLS_REASON 400      /* octets of a reason with its final NUL */
#define RADIUS_TLS_NAME   256

/* struct radius_tls_config - struct radius_tls borrows each pointer that is not marked as copied. */
struct radius_tls_config {
    OSSL_LIB_CTX *library; /* NULL: OpenSSL's default one */
    size_t n_certs;        /* our chain in DER, our own certificate first; copied */
    struct span certs[TLS_CHAIN];
    EVP_PKEY *key; /* the private key of our certificate; OpenSSL takes its own reference */
    char server[RADIUS_TLS_NAME]; /* its DNS name, for Server Name Indication; empty: none */
    /* check - returns 0 if the chain is to be trusted and its first certificate belongs to the
     * server; else any error, and the reason as text. */
    int (*check)(void *context, const struct span *certs, size_t n,
                 char ret_reason[RADIUS_TLS_REASON]);
    void *context;
};

struct radius_tls; /* the part that all connections to a server share */

/* radius_tls_new - ERR_INVALID: a certificate is malformed, or the key does not belong to our
 * certificate; ERR_NO_MEMORY. */
int radius_tls_new(const struct radius_tls_config *config, struct radius_tls **ret_tls) MUST_USE;
struct radius_tls *radius_tls_free(struct radius_tls *tls); /* takes NULL; returns NULL */

struct radius_link;

/* radius_link_new - begins a connection, whose first octets are pending at once; `tls` is borrowed.
 * NULL: no memory. */
struct radius_link *radius_link_new(struct radius_tls *tls);
struct radius_link *radius_link_free(struct radius_link *link); /* takes NULL; returns NULL */

enum radius_link_state {
    RADIUS_LINK_HANDSHAKE,
    RADIUS_LINK_UP,     /* the server's certificate is accepted; packets may be written */
    RADIUS_LINK_CLOSED, /* the server ended the connection */
    RADIUS_LINK_FAILED, /* see radius_link_reason(); an alert may be left to send */
};
enum radius_link_state radius_link_state(const struct radius_link *link);
/* radius_link_reason - why the link ended, for a person; borrowed from the link. It may contain text
 * of the server, so escape it. */
const char *radius_link_reason(const struct radius_link *link);

/* radius_link_recv - takes octets that came from the socket. ERR_NO_MEMORY. */
int radius_link_recv(struct radius_link *link, struct span octets) MUST_USE;
/* radius_link_next - the next packet of the server, borrowed until the next call. false: no whole
 * packet has come, or the link has ended. */
bool radius_link_next(struct radius_link *link, struct radius_packet *ret_packet);

/* radius_link_write - encrypts a packet for the server. ERR_WRONG_STATE: not RADIUS_LINK_UP;
 * ERR_NO_MEMORY. */
int radius_link_write(struct radius_link *link, struct span packet) MUST_USE;
/* radius_link_close - tells the server that no more octets follow (the alert close_notify). */
void radius_link_close(struct radius_link *link);

/* radius_link_pending - the octets to send over the socket, borrowed until the next call.
 * radius_link_sent - the caller has sent the first `n` of them. */
struct span radius_link_pending(const struct radius_link *link);
void radius_link_sent(struct radius_link *link, size_t n);

#endif
