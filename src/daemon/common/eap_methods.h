/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_EAP_METHODS_H
#define DAEMON_EAP_METHODS_H

/* The meaning of `auth = eap...` of swanctl.conf: the `credentials` number of an EAP round. */

#include "eap/eap.h"
#include "ike/connection.h"

#define EAP_CREDENTIALS_ANY    0u    /* eap, eap-dynamic: every method that we have */
#define EAP_CREDENTIALS_RADIUS 0xffu /* eap-radius: the server chooses the method */

/* eap_credentials_parse - "eap", "eap-dynamic", "eap-radius" or "eap-<method>", as a number. false:
 * another text, or a method that ikat does not have. */
bool eap_credentials_parse(const char *text, uint32_t *ret_credentials);

/* eap_credentials_print - the reverse; a static text. */
const char *eap_credentials_print(uint32_t credentials);

/* eap_credentials_say - the peer's first identity is the one that the method proves. That is not so
 * with SIM and AKA, which have pseudonyms, and with TTLS and PEAP, which ask again inside the
 * tunnel. */
bool eap_credentials_say(uint32_t credentials);

/* eap_identity_fits - identity_fits_eap(), for files that read EAP packets: the two headers name the
 * same codes. */
bool eap_identity_fits(const char *pattern, struct span identity);

/* eap_credentials_methods - the Types to offer or to accept, the preferred one first. `need_key`:
 * only methods with an MSK. Returns their number, up to EAP_METHODS. */
size_t eap_credentials_methods(uint32_t credentials, bool authenticator, bool need_key,
                               uint8_t ret_methods[EAP_METHODS]);

#endif
