/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_DAEMON_CHECK_H
#define CTL_DAEMON_CHECK_H

/* The daemon's own code decides whether a configuration is valid: `ikatd --check`. */

#include "control/tree.h"

struct daemon_check {
    struct tree *errors, *warnings; /* owned: lists of values, "file:line: key: why" */
    bool valid;
};

/* daemon_check_run - false: ikatd is not installed, or it died. Call daemon_check_done() in either
 * case. */
bool daemon_check_run(const char *path, struct daemon_check *ret_check);
/* daemon_check_why - the reason in a line "file:line: key: why"; a line of another form as it is. */
const char *daemon_check_why(const char *line);
void daemon_check_done(struct daemon_check *check);

#endif
