/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_ADVICE_H
#define CTL_ADVICE_H

#include "control/tree.h"

/* advice_for - advice after an error of the daemon, which begins with the stable name of an outcome
 * ("auth-failed: ..."). `conn`: the connection as list-conns has it, for the way in which each end
 * logs in; NULL: unknown. Returns static text; NULL: none. */
const char *advice_for(const char *error, const struct tree *conn);

#endif
