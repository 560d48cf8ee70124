/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_GATEWAY_H
#define IKE_GATEWAY_H

/* Data of the notifies REDIRECT and REDIRECTED_FROM (RFC 5685 section 9): the address or name of a
 * Gateway. */

#include "base/writer.h"
#include "ike/connection.h"

#define REDIRECT_DATA_MAX (2 + sizeof(((struct ike_gateway *)0)->name) + LIMIT_NONCE)

/* redirect_write - writes the Gateway and the nonce (may be empty) into `octets`. Returns the
 * written part. */
struct span redirect_write(const struct ike_gateway *gateway, struct span nonce,
                           uint8_t octets[REDIRECT_DATA_MAX]);
/* redirect_read - reads the Gateway; `ret_nonce` is the rest behind it. false: malformed. */
bool redirect_read(struct span data, struct ike_gateway *ret_gateway, struct span *ret_nonce);
/* gateway_parse - an address or a name. false: neither. */
bool gateway_parse(const char *text, struct ike_gateway *ret_gateway);
const char *gateway_print(const struct ike_gateway *gateway, char out[ADDRESS_TEXT_MAX]);

#endif
