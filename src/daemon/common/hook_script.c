/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/hook_script.h"

#include <ctype.h>
#include <string.h>

bool hook_plain(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("/._-+:=, @%", c) != NULL);
}

/* in_folder - a path of `len` octets is below a folder for scripts. */
static bool in_folder(const char *path, size_t len)
{
    static const char *const folders[] = {HOOK_FOLDERS};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        size_t folder = strlen(folders[i]);
        if (len > folder && strncmp(path, folders[i], folder) == 0)
            return true;
    }
    return false;
}

/* named_updown - a path of `len` octets is a file in /etc whose name ends with "updown". */
static bool named_updown(const char *path, size_t len)
{
    static const char folder[] = "/etc/", end[] = "updown";
    const size_t before = sizeof(folder) - 1, after = sizeof(end) - 1;
    return len >= before + after && strncmp(path, folder, before) == 0 &&
           memchr(path + before, '/', len - before) == NULL &&
           strncmp(path + len - after, end, after) == 0;
}

bool hook_script_allowed(const char *script)
{
    size_t path = strcspn(script, " ");
    for (const char *c = script; *c != '\0'; c++)
        if (!hook_plain(*c))
            return false;
    if (strstr(script, "/../") != NULL || strstr(script, "/./") != NULL)
        return false;
    return in_folder(script, path) || named_updown(script, path);
}
