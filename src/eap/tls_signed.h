/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TLS_SIGNED_H
#define EAP_TLS_SIGNED_H

#include "base/reader.h"

/*
 * tls_signed_is - the octets have the form of those that TLS signs, and cannot be those that IKE
 * signs. A process that holds a key for both asks this before it signs for TLS. The forms:
 *
 *   TLS 1.3 (RFC 8446 section 4.4.3)   64 spaces, a context string, 0, the hash of the transcript
 *   TLS 1.2 server (RFC 8422 5.4)      two randoms, a named curve, a public key
 *                (RFC 5246 7.4.3)    two randoms, a prime of RFC 3526, 2, a public value
 *   TLS 1.2 client (RFC 5246 7.4.8)    all handshake messages from the ClientHello on
 *
 * The octets that an IKE AUTH payload signs begin with a whole IKE_SA_INIT message (RFC 7296
 * section 2.15). Octets that begin like such a message are refused in each form, because the
 * process that asks for the signature chooses the randoms of TLS 1.2.
 */
bool tls_signed_is(struct span octets);

#endif
