/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CERT_IDENTITY_H
#define DAEMON_CERT_IDENTITY_H

/* Whom a certificate names. */

#include <openssl/x509.h>

#include "ike/terms/identity.h"

/*
 * cert_identity_has - the certificate is that of the identity: its subject or a directoryName for a
 * distinguished name, a dNSName, rfc822Name or iPAddress for those types, and the key identifier
 * for ID_KEY_ID. A name in the CN counts for nothing else (RFC 4945 section 3.1), and a wildcard in
 * the certificate stands for itself alone.
 */
bool cert_identity_has(X509 *x509, const struct ike_id *id);

/* cert_identity_spells - the same, and the certificate has the name in the same letters. */
bool cert_identity_spells(X509 *x509, const struct ike_id *id);

/* cert_identity_subject - ID_DER_ASN1_DN; false: empty, or longer than an identity may be. */
bool cert_identity_subject(X509 *x509, struct ike_id *ret_id);

/* cert_identity_print - the subject, or "serial number ..." if it is empty. Returns `out`. */
const char *cert_identity_print(X509 *x509, char out[IDENTITY_TEXT_MAX]);
const char *cert_identity_print_name(const X509_NAME *name, char out[IDENTITY_TEXT_MAX]);

#endif
