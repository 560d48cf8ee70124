/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CERT_IDENTITY_H
#define DAEMON_CERT_IDENTITY_H

/* The identities that a certificate names. */

#include <openssl/x509.h>

#include "ike/terms/identity.h"

/*
 * cert_identity_has - the certificate names the identity: its subject or a directoryName for a
 * distinguished name; a dNSName, rfc822Name or iPAddress for those types; the key identifier for
 * ID_KEY_ID. A name in the CN counts for nothing else (RFC 4945 section 3.1), and a wildcard in the
 * certificate is an ordinary character.
 */
bool cert_identity_has(X509 *x509, const struct ike_id *id);

/* cert_identity_spells - the same, and the certificate has exactly these letters. */
bool cert_identity_spells(X509 *x509, const struct ike_id *id);

/* cert_identity_subject - the subject as ID_DER_ASN1_DN; false: empty, or longer than an identity
 * may be. */
bool cert_identity_subject(X509 *x509, struct ike_id *ret_id);

/* cert_identity_print - the subject, or "serial number ..." if it is empty. Returns `out`. */
const char *cert_identity_print(X509 *x509, char out[IDENTITY_TEXT_MAX]);
const char *cert_identity_print_name(const X509_NAME *name, char out[IDENTITY_TEXT_MAX]);

#endif
