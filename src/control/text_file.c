/* SPDX-License-Identifier: Apache-2.0 */
#include "control/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *kind_fault(const struct stat *status)
{
    if (!S_ISREG(status->st_mode))
        return "is not a regular file";
    return status->st_size >= TEXT_FILE_MAX ? "is larger than 64 MiB" : NULL;
}

static bool read_all(int fd, char *text, size_t cap, size_t *ret_len)
{
    ssize_t n = 1;
    *ret_len = 0;
    while (n != 0 && *ret_len < cap) {
        n = read(fd, text + *ret_len, cap - *ret_len);
        if (n < 0 && errno != EINTR)
            return false;
        *ret_len += n > 0 ? (size_t)n : 0;
    }
    text[*ret_len] = '\0';
    return true;
}

/* Opening does not block and has no effect on other files: a FIFO has no end, a device may act. */
char *text_file_read(const char *path, text_file_fault *fault, size_t *ret_len,
                     const char **ret_why)
{
    struct stat status = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool found = fd >= 0 && fstat(fd, &status) == 0;
    char *text = NULL;
    *ret_why = found ? kind_fault(&status) : strerror(errno);
    if (*ret_why == NULL && fault != NULL)
        *ret_why = fault(&status);
    if (*ret_why == NULL && (text = malloc((size_t)status.st_size + 1)) == NULL)
        *ret_why = strerror(ENOMEM);
    if (text != NULL && !read_all(fd, text, (size_t)status.st_size, ret_len)) {
        *ret_why = strerror(errno);
        free(text);
        text = NULL;
    }
    if (fd >= 0)
        (void)close(fd);
    return text;
}
