/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_ADVICE_H
#define CTL_ADVICE_H

/* advice_for - what to do next about an error of the daemon, which begins with the stable name of
 * an outcome
 * ("auth-failed: ..."). NULL: nothing to add. Static text. */
const char *advice_for(const char *error);

#endif
