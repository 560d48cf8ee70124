/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HOOK_ENV_H
#define DAEMON_HOOK_ENV_H

/* Arguments and PLUTO_* variables of an updown script, as strongSwan's scripts expect them. Pure. */

#include "daemon/common/hook_channel.h"

#define HOOK_ENV_MAX  64
#define HOOK_ARGS_MAX 8
#define HOOK_TEXT_MAX 8192

struct hook_env {
    size_t used;
    char text[HOOK_TEXT_MAX];
    char *argv[HOOK_ARGS_MAX + 1]; /* into `text`, NULL at the end */
    char *envp[HOOK_ENV_MAX + 1];
};

/* hook_request_sound - checks the form only: texts end, addresses have a family, counts fit. */
bool hook_request_sound(const struct hook_request *request);

/* hook_env_fill - fills in the environment of a well-formed request. Names and identities come from
 * outside: a character that is special to a shell becomes '_'. ERR_INVALID: too many arguments. */
int hook_env_fill(const struct hook_request *request, struct hook_env *ret_env) MUST_USE;

#endif
