/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CERTIFICATE_H
#define WIRE_CERTIFICATE_H

#include "base/der.h"

/*
 * struct wire_certificate - the outline of an X.509 certificate (RFC 5280 section 4.1): its names
 * and its key. It is for certificates of the configuration, and proves nothing. The verifier reads
 * those of peers.
 *
 *      Certificate ::= SEQUENCE { TBSCertificate, signatureAlgorithm, signature }
 *      TBSCertificate ::= SEQUENCE { [0] version, serialNumber, signature, issuer, validity,
 *                                    subject, subjectPublicKeyInfo, [1], [2], [3] extensions }
 */
struct wire_certificate {
    struct span issuer, subject; /* Names in DER, as views */
    struct span key_info;        /* SubjectPublicKeyInfo in DER */
    struct span key;             /* its subjectPublicKey, without the count of unused bits */
    bool ca;                     /* basicConstraints (section 4.2.1.9) has cA TRUE */
};

/* wire_certificate_read - false: the octets are no certificate, or octets follow it. */
bool wire_certificate_read(struct span octets, struct wire_certificate *ret_certificate);

/* wire_certificate_root - the certificate is of a CA that names itself as its issuer. */
static inline bool wire_certificate_root(const struct wire_certificate *certificate)
{
    return certificate->ca && span_equal(certificate->issuer, certificate->subject);
}

/* wire_key_info_read - reads subjectPublicKey of a SubjectPublicKeyInfo. false: the octets are
 * none. */
bool wire_key_info_read(struct span octets, struct span *ret_key);

#endif
