/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/hook_script.h"

#include <ctype.h>
#include <string.h>

bool hook_plain(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("/._-+:=, @%", c) != NULL);
}

bool hook_script_allowed(const char *script)
{
    static const char *const folders[] = {HOOK_FOLDERS};
    bool allowed = false;
    for (const char *c = script; *c != '\0'; c++)
        if (!hook_plain(*c))
            return false;
    if (strstr(script, "/../") != NULL || strstr(script, "/./") != NULL)
        return false;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        size_t len = strlen(folders[i]), path = strcspn(script, " ");
        bool folder = folders[i][len - 1] == '/';
        allowed |= strncmp(script, folders[i], len) == 0 && (folder ? path > len : path == len);
    }
    return allowed;
}
