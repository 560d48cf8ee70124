/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_DAEMON_CHECK_H
#define CTL_DAEMON_CHECK_H

/* Asks the daemon itself whether a configuration is valid: runs `ikatd --check`. */

#include "control/tree.h"

struct daemon_check {
    struct tree *errors, *warnings; /* owned: lists of values, "file:line: key: why" */
    bool valid;
};

/* daemon_check_run - false: ikatd is not installed, or it crashed. Call daemon_check_done() in both
 * cases. */
bool daemon_check_run(const char *path, struct daemon_check *ret_check);
/* daemon_check_why - the part `why` of a line "file:line: key: why"; the whole line if it has
 * another form. Borrowed from `line`. */
const char *daemon_check_why(const char *line);
void daemon_check_done(struct daemon_check *check);

#endif
