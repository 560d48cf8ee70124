/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_IPSEC_CONF_H
#define CTL_IPSEC_CONF_H

/*
 * ipsec.conf and ipsec.secrets of strongSwan and libreswan: syntax without meaning.
 *
 *   conn NAME            a section begins in the first column; `config setup`, `ca NAME` likewise
 *       key = value      the others are indented; # begins a comment
 *       also = OTHER     the keys of another section
 *   include GLOB
 *
 *   ID ID : TYPE "secret" or words      of ipsec.secrets; lines that are indented go on
 */

#include "control/tree.h"

struct ipsec_conf {
    struct tree *sections; /* owned: "conn NAME", "ca NAME", "config setup", with their own keys */
    struct tree *secrets;  /* owned: sections with `type`, `id-1`..., and `word-1`... */
    char **files;          /* owned: names that nodes point to */
    size_t n_files;
    char error[256]; /* the first error: "file:line: why"; empty: none */
};

/* ipsec_conf_load - a file, with its includes, and the file ipsec.secrets beside it. false: `error`
 * says why. Call ipsec_conf_done() in either case. */
bool ipsec_conf_load(const char *path, struct ipsec_conf *ret_conf);
/* ipsec_conf_parse, ipsec_secrets_parse - the same of text; includes are refused. */
bool ipsec_conf_parse(const char *name, const char *text, struct ipsec_conf *conf);
bool ipsec_secrets_parse(const char *name, const char *text, struct ipsec_conf *conf);
void ipsec_conf_done(struct ipsec_conf *conf);

/* ipsec_conf_merged - the keys of a section with those of %default and of `also`: own ones count
 * more. A new section, which the caller frees. NULL: no memory, or `also` leads in a circle. */
struct tree *ipsec_conf_merged(const struct ipsec_conf *conf, const struct tree *section);

#endif
