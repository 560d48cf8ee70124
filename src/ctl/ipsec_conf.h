/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_IPSEC_CONF_H
#define CTL_IPSEC_CONF_H

/*
 * Reads the syntax of ipsec.conf and ipsec.secrets, of strongSwan and libreswan, without their
 * meaning.
 *
 *   conn NAME            a section begins in the first column; `config setup`, `ca NAME` likewise
 *       key = value      the lines of a section are indented; # begins a comment
 *       also = OTHER     the keys of another section
 *   include GLOB
 *
 *   ID ID : TYPE "secret" or words      in ipsec.secrets; an indented line continues the entry
 */

#include "control/tree.h"

struct ipsec_conf {
    struct tree *sections; /* owned: "conn NAME", "ca NAME", "config setup", with their own keys */
    struct tree *secrets;  /* owned: sections with `type`, `id-1`..., and `word-1`... */
    char **files;          /* owned: names that nodes point to */
    size_t n_files;
    char error[256]; /* the first error: "file:line: why"; empty: none */
};

/* ipsec_conf_load - reads a file, its includes, and the file ipsec.secrets in the same folder.
 * false: `error` says why. Call ipsec_conf_done() in both cases. */
bool ipsec_conf_load(const char *path, struct ipsec_conf *ret_conf);
/* ipsec_conf_parse, ipsec_secrets_parse - read text in place of a file; includes are refused. */
bool ipsec_conf_parse(const char *name, const char *text, struct ipsec_conf *conf);
bool ipsec_secrets_parse(const char *name, const char *text, struct ipsec_conf *conf);
void ipsec_conf_done(struct ipsec_conf *conf);

/* ipsec_conf_merged - a new section with the keys of `section`, those of its `also`, and those of
 * %default; earlier ones win. The caller frees it. NULL: no memory, or `also` forms a circle. */
struct tree *ipsec_conf_merged(const struct ipsec_conf *conf, const struct tree *section);

#endif
