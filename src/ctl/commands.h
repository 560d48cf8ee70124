/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

/*
 * The commands of ikat(1). Each runs to its end and returns the exit status of the process:
 * 0: done; 1: failed; 2: wrong usage; 3: upgrade needs a restart.
 */

#include <stdbool.h>
#include <stddef.h>

#include "ctl/client.h"

struct ctl_options {
    const char *socket;
    unsigned given; /* bits of the options that were given, by their places in the table */
    bool json, colour;
    bool follow;                        /* log, trace: also print new entries as they come */
    const char *child, *session, *peer; /* NULL: not given */
    const char *output;                 /* import: a file to write; NULL: standard output */
    int timeout_s;                      /* of `up`; 0: the text is not an allowed number */
};

struct ctl_command {
    const char *name;
    const char *arguments; /* as the usage text shows them */
    const char *help;
    const char *options; /* short forms of those that it has; "s" and "h" are everybody's */
    int least, most;     /* number of arguments */
    int (*run)(const struct ctl_options *options, char **arguments, int n);
};

/* connect.c */
int command_up(const struct ctl_options *options, char **arguments, int n);
int command_down(const struct ctl_options *options, char **arguments, int n);
/* show.c */
int command_status(const struct ctl_options *options, char **arguments, int n);
int command_paths(const struct ctl_options *options, char **arguments, int n);
int command_conns(const struct ctl_options *options, char **arguments, int n);
int command_metrics(const struct ctl_options *options, char **arguments, int n);
int command_version(const struct ctl_options *options, char **arguments, int n);
/* log.c */
int command_log(const struct ctl_options *options, char **arguments, int n);
int command_why(const struct ctl_options *options, char **arguments, int n);
/* watch.c */
int command_watch(const struct ctl_options *options, char **arguments, int n);
/* check.c */
int command_check(const struct ctl_options *options, char **arguments, int n);
/* trace.c */
int command_trace(const struct ctl_options *options, char **arguments, int n);
/* import.c */
int command_import(const struct ctl_options *options, char **arguments, int n);
/* doctor.c */
int command_doctor(const struct ctl_options *options, char **arguments, int n);

/* unlock.c */
int command_unlock(const struct ctl_options *options, char **arguments, int n);

/* upgrade.c */
int command_upgrade(const struct ctl_options *options, char **arguments, int n);

/* ctl_complain - prints "ikat: WHAT" to standard error; returns 1. */
int ctl_complain(const char *what);

/* ctl_connect - connects to the daemon. NULL: it failed, and the reason is printed. */
struct client *ctl_connect(const struct ctl_options *options);

/* ctl_conn_names - the loaded connections, as a list of values. NULL: the daemon did not answer.
 * The caller frees it with tree_free(). */
struct tree *ctl_conn_names(struct client *client);

#endif
