/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_TEXT_FILE_H
#define CONTROL_TEXT_FILE_H

/* Reading a configuration file. */

#include <sys/stat.h>

#include "base/span.h"

#define TEXT_FILE_MAX (64 * 1024 * 1024) /* octets, exclusive: 100,000 connections */

/* text_file_fault - why a file with this status is not read; NULL: it is. */
typedef const char *text_file_fault(const struct stat *status);

/* text_file_read - the octets of a regular file, and a NUL behind them. `fault` NULL: of any owner.
 * NULL with *ret_why: it cannot be read. The caller wipes secrets, and frees. */
char *text_file_read(const char *path, text_file_fault *fault, size_t *ret_len,
                     const char **ret_why);

#endif
