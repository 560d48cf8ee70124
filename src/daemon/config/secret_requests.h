/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SECRET_REQUESTS_H
#define DAEMON_SECRET_REQUESTS_H

/* A secret in the form that the process takes which keeps it. The loader and the engine ask alike. */

#include "daemon/common/eap_channel.h"
#include "daemon/common/key_channel.h"
#include "daemon/config/engine_load.h"

/* secret_of_eap - the eap process keeps such secrets, and the keyholder the others. */
static inline bool secret_of_eap(enum engine_secret_kind kind)
{
    return kind == ENGINE_SECRET_EAP || kind == ENGINE_SECRET_NTLM;
}

/* Without the octets of a KEY_LOAD, which stand behind the request. ERR_INVALID: too many octets or
 * owners. The caller wipes what secret_to_eap fills. */
int secret_to_key(const struct engine_secret *secret, struct key_load *ret_load) MUST_USE;
int secret_to_eap(const struct engine_secret *secret, struct eap_load *ret_load) MUST_USE;

#endif
