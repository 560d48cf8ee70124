/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_COMMAND_H
#define IKE_COMMAND_H

#include "ike/core/ike_state.h"

/* command_run - ike_command without the settling. */
int command_run(struct ike *ike, const struct ike_command *command, nanos now) MUST_USE;

#endif
