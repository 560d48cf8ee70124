/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HOOK_SCRIPT_H
#define DAEMON_HOOK_SCRIPT_H

#include <stdbool.h>

/* hook_script_allowed - the path is absolute, plain, and in a directory for scripts: HOOK_FOLDERS,
 * or /etc itself if the name ends with "updown", as /etc/nat_updown. The engine names scripts; it
 * must not reach other programs by that. */
#define HOOK_FOLDERS                                                                               \
    "/etc/ikat/", "/etc/swanctl/", "/etc/ipsec.d/", "/usr/lib/ikat/", "/usr/libexec/ikat/",        \
        "/usr/local/libexec/ikat/", "/usr/lib/ipsec/", "/usr/libexec/ipsec/",                      \
        "/usr/local/lib/ipsec/", "/usr/local/libexec/ipsec/"
bool hook_script_allowed(const char *script);

/* hook_plain - no shell gives this character a special meaning. */
bool hook_plain(char c);

#endif
