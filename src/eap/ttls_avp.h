/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TTLS_AVP_H
#define EAP_TTLS_AVP_H

/*
 * The AVPs of Diameter in a tunnel of EAP-TTLS, each padded to four octets (RFC 5281 section 10.1):
 *
 *   | AVP Code (4) | V M r r r r r r (1) | AVP Length (3) | Vendor-ID (4), with V | Data ... |
 */

#include "base/reader.h"
#include "base/writer.h"

/* An AVP without a vendor is the RADIUS attribute of the same number. */
enum avp_code {
    AVP_USER_NAME = 1,
    AVP_USER_PASSWORD = 2,
    AVP_CHAP_PASSWORD = 3,
    AVP_REPLY_MESSAGE = 18,
    AVP_CHAP_CHALLENGE = 60,
    AVP_EAP_MESSAGE = 79,
};

#define AVP_MICROSOFT 311 /* RFC 2548 */
enum avp_microsoft {
    AVP_MS_CHAP_ERROR = 2,
    AVP_MS_CHAP_CHALLENGE = 11,
    AVP_MS_CHAP2_RESPONSE = 25,
    AVP_MS_CHAP2_SUCCESS = 26,
};

struct avp {
    uint32_t code, vendor; /* vendor 0: none */
    bool mandatory;        /* a receiver that does not know it must refuse the login */
    struct span data;
};

/* avp_read - reads the next AVP. false: the end, or, if the reader has failed, a malformed AVP. */
bool avp_read(struct reader *r, struct avp *ret);

/* avp_write - writes an AVP with the mandatory flag. */
void avp_write(struct writer *w, const struct avp *avp);

#endif
