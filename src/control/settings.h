/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_SETTINGS_H
#define CONTROL_SETTINGS_H

/*
 * The syntax of swanctl.conf: sections, `key = value`, quoted strings, comments, includes with
 * globs, and inheritance (`name : other.section { ... }`). The meaning of the keys is in
 * daemon/config.
 */

#include "control/name_index.h"
#include "control/tree.h"

#define SETTINGS_ERROR_MAX  512
#define SETTINGS_ERRORS_MAX 20

struct settings {
    struct tree *root; /* owned */
    char **files;      /* owned: names that nodes point to */
    size_t n_files;
    struct name_index names;        /* while a text is read */
    char error[SETTINGS_ERROR_MAX]; /* the first error: "file:line: key: why" */
    size_t n_errors;
    char *errors[SETTINGS_ERRORS_MAX]; /* owned: all errors that were found, the first included */
    size_t n_warnings;
    char *warnings[SETTINGS_ERRORS_MAX]; /* owned: valid keys that are probably mistakes */
};

/* settings_load - a file, or a directory of which all *.conf are read. ERR_INVALID with
 * settings->error. Reading goes on behind a line with an error, unless that line has a brace. The
 * caller frees with settings_done() in either case, because the error is stored there. */
int settings_load(const char *path, struct settings *ret_settings) MUST_USE;
/* settings_parse - the same from memory; includes are refused unless `base` is a directory. */
int settings_parse(const char *name, struct span text, const char *base,
                   struct settings *ret_settings) MUST_USE;
void settings_done(struct settings *settings);

#endif
