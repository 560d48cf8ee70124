/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TTLS_PLAIN_H
#define EAP_TTLS_PLAIN_H

/*
 * A password in the tunnel of EAP-TTLS without an inner EAP method: PAP, CHAP and MS-CHAP-V2 (RFC
 * 5281 section 11.2), the peer's side. The server is a RADIUS server. Its certificate proves its
 * identity; with MS-CHAP-V2 it also proves that it knows the password.
 *
 *   peer                                                          server
 *     User-Name, User-Password                              ---->        PAP
 *     User-Name, CHAP-Challenge, CHAP-Password              ---->        CHAP
 *     User-Name, MS-CHAP-Challenge, MS-CHAP2-Response       ---->        MS-CHAP-V2
 *                                                           <----  MS-CHAP2-Success | MS-CHAP-Error
 *     (empty)                                               ---->
 */

#include "eap/tls_inner.h"

extern const struct inner_codec ttls_pap_codec, ttls_chap_codec, ttls_mschapv2_codec;

#endif
