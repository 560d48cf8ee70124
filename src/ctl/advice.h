/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_ADVICE_H
#define CTL_ADVICE_H

/* advice_for - advice after an error of the daemon, which begins with the stable name of an outcome
 * ("auth-failed: ..."). NULL: none. Static text. */
const char *advice_for(const char *error);

#endif
