/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SECRET_REQUESTS_H
#define DAEMON_SECRET_REQUESTS_H

/* A secret in the form of a request to the process that keeps it, for the loader and the engine. */

#include "daemon/common/eap_channel.h"
#include "daemon/common/key_channel.h"
#include "daemon/config/engine_load.h"

/* secret_of_eap - the eap process keeps such secrets, and the keyholder the others. */
static inline bool secret_of_eap(enum engine_secret_kind kind)
{
    return kind == ENGINE_SECRET_EAP || kind == ENGINE_SECRET_NTLM;
}

/* secret_to_key, secret_to_eap - without the octets of a KEY_LOAD, which follow the request.
 * ERR_INVALID: too many octets or owners. The caller wipes the result of secret_to_eap. */
int secret_to_key(const struct engine_secret *secret, struct key_load *ret_load) MUST_USE;
int secret_to_eap(const struct engine_secret *secret, struct eap_load *ret_load) MUST_USE;

#endif
