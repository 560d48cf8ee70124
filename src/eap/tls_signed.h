/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TLS_SIGNED_H
#define EAP_TLS_SIGNED_H

#include "base/reader.h"

/*
 * tls_signed_is - whether octets are what one side of TLS signs, and what IKE never signs. For the
 * holder of a key that serves both. The octets are one of:
 *
 *   TLS 1.3 (RFC 8446 section 4.4.3)   64 spaces, a context string, 0, the hash of the transcript
 *   TLS 1.2 server (RFC 8422 5.4)      two randoms, a named curve, a public key
 *   TLS 1.2 client (RFC 5246 7.4.8)    all handshake messages from the ClientHello on
 *
 * The octets of an IKE AUTH payload begin with a whole IKE_SA_INIT message (RFC 7296 section 2.15).
 * Those that could be one are refused, whatever else they look like: the randoms of TLS 1.2 are
 * chosen by the one who asks.
 */
bool tls_signed_is(struct span octets);

#endif
