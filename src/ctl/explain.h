/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_EXPLAIN_H
#define CTL_EXPLAIN_H

/* Explains a connection in sentences. */

#include "control/tree.h"

/* explain_conn - a list of values, one sentence each. `root` has the pools and secrets. NULL: no
 * memory. The caller frees it with tree_free(). */
struct tree *explain_conn(const struct tree *root, const struct tree *conn);

#endif
