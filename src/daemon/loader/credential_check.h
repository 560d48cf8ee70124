/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CREDENTIAL_CHECK_H
#define DAEMON_CREDENTIAL_CHECK_H

/*
 * Private keys and certificates of the folders beside the configuration, as `ikatd --check` looks at
 * them. For a load the keyholder, the unpacker and the verifier read these files. A check has none of
 * these processes, and reads them with the same functions.
 */

#include "daemon/config/conn_build.h"

/* credential_check - of a configuration that config_load() has read. ERR_INVALID with error: a load
 * would refuse a file. Warnings: a login by certificate lacks a file, or a certificate is out of
 * date. */
int credential_check(const struct tree *root, struct build_error *error) MUST_USE;

#endif
