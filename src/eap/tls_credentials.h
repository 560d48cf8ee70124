/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TLS_CREDENTIALS_H
#define EAP_TLS_CREDENTIALS_H

/* Our certificate and key, and the CAs that the other side's certificate must lead to. */

#include <openssl/ssl.h>

#include "eap/eap.h"

/* eap_tls_apply - to a context that was made for one conversation. ERR_INVALID. */
int eap_tls_apply(const struct eap_tls *tls, SSL_CTX *context) MUST_USE;

/* eap_tls_names - whether a certificate has the identity: a name of SubjectAltName (DNS, email), a
 * user principal name apart, or the common name of one without such names. */
bool eap_tls_names(const X509 *certificate, struct span identity);

#endif
