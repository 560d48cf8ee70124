/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_PASSPHRASE_H
#define CTL_PASSPHRASE_H

/* Asking a person, or a script, for the passphrase of a file. */

#include "base/secret.h"

/*
 * passphrase_read - one line of the standard input, without its end. A terminal shows a prompt with
 * the path and hides the input. A signal of the terminal acts after the terminal shows input again:
 * SIGINT ends the program, and SIGTSTP stops it; after SIGCONT the prompt comes again. No copy of the
 * line stays outside of the secret. false: the input has ended, or the line is longer than SECRET_CAP
 * octets.
 */
bool passphrase_read(const char *path, struct secret *ret_passphrase);

#endif
