/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/daemon_check.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_INSTALLED 127

/* daemon_exec - runs the ikatd in the folder of this program, or else the ikatd in PATH. */
static void daemon_exec(const char *path)
{
    static const char *const places[] = {"/ikatd", "/../sbin/ikatd", "/../daemon/ikatd"};
    char copy[PATH_MAX], beside[PATH_MAX + 32];
    ssize_t n = readlink("/proc/self/exe", copy, sizeof(copy) - 1);
    if (n > 0) {
        copy[n] = '\0';
        const char *directory = dirname(copy);
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            (void)snprintf(beside, sizeof(beside), "%s%s", directory, places[i]);
            if (access(beside, X_OK) == 0)
                (void)execl(beside, "ikatd", "--check", "-c", path, (char *)NULL);
        }
    }
    (void)execlp("ikatd", "ikatd", "--check", "-c", path, (char *)NULL);
    _exit(NOT_INSTALLED);
}

/* line_take - keeps a line of ikatd as a warning if it ends with "(a warning)", else as an
 * error. */
static void line_take(struct daemon_check *check, char *line)
{
    static const char mark[] = " (a warning)";
    size_t len = strcspn(line, "\n"), mark_len = sizeof(mark) - 1;
    bool warning = len > mark_len && strncmp(line + len - mark_len, mark, mark_len) == 0;
    struct tree *item = tree_value("", span_of(line, warning ? len - mark_len : len));
    if (item != NULL && len > 0)
        tree_append(warning ? check->warnings : check->errors, item);
    else
        tree_free(item);
}

static void lines_take(struct daemon_check *check, int fd)
{
    char *line = NULL;
    size_t cap = 0;
    FILE *file = fdopen(fd, "re");
    if (file == NULL) {
        (void)close(fd);
        return;
    }
    while (getline(&line, &cap, file) > 0)
        line_take(check, line);
    free(line);
    (void)fclose(file);
}

bool daemon_check_run(const char *path, struct daemon_check *ret_check)
{
    int ends[2], status = 0;
    *ret_check = (struct daemon_check){.errors = tree_new(TREE_LIST, "errors"),
                                       .warnings = tree_new(TREE_LIST, "warnings")};
    if (ret_check->errors == NULL || ret_check->warnings == NULL || pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        daemon_exec(path);
    }
    (void)close(ends[1]);
    lines_take(ret_check, ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    ret_check->valid = pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) != NOT_INSTALLED;
}

const char *daemon_check_why(const char *line)
{
    const char *key = strstr(line, ": ");
    const char *why = key == NULL ? NULL : strstr(key + 2, ": ");
    return why == NULL ? line : why + 2;
}

void daemon_check_done(struct daemon_check *check)
{
    tree_free(check->errors);
    tree_free(check->warnings);
}
