/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AUTHORITY_BUILD_H
#define DAEMON_AUTHORITY_BUILD_H

/* Sections of `authorities`: a trusted CA, and the URLs of its revocation status. */

#include "daemon/config/conn_build.h"

/* authority_build - `octets` takes the certificate in DER, and ret_authority->octets is a view of
 * it. ERR_INVALID with error. */
int authority_build(const struct tree *section, uint8_t octets[VERIFIER_CERT_MAX],
                    struct engine_authority *ret_authority, struct build_error *error) MUST_USE;

#endif
