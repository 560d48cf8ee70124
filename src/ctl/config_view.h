/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_CONFIG_VIEW_H
#define CTL_CONFIG_VIEW_H

/*
 * A configuration for `ikat check`: the sections and values of the files, which ikatd has found
 * valid. The case of keys does not matter.
 */

#include "base/address.h"
#include "control/tree.h"

enum config_role {
    CONFIG_END_USER, /* the connection calls a peer, and asks for an inner address */
    CONFIG_GATEWAY,  /* the connection waits for peers */
    CONFIG_SITE,     /* the connection calls a peer, and asks for no inner address */
    CONFIG_SHUNTS,   /* the connection has only pass and drop policies, and no peer */
};

/* config_key - the node of a key or section; NULL: none. */
const struct tree *config_key(const struct tree *section, const char *name);
/* config_text - the value of a key, borrowed; `otherwise` if it is missing or empty. */
const char *config_text(const struct tree *section, const char *name, const char *otherwise);
bool config_says(const struct tree *section, const char *name, bool otherwise);

/* config_round - the index-th section `local...` or `remote...`; NULL: no more. */
const struct tree *config_round(const struct tree *conn, const char *prefix, unsigned index);

enum config_role config_role(const struct tree *conn);
const char *config_role_name(enum config_role role);

/* config_forwards - the child carries packets for networks, not for this host alone. */
bool config_forwards(const struct tree *child);

/* config_ts - the addresses of one selector, without protocol and ports. false: the text is
 * `dynamic`, or no address. */
bool config_ts(const char *text, struct address_range *ret_range);

/* config_pool_range - the whole subnet or range of a pool. false: the pool has no addresses. */
bool config_pool_range(const struct tree *pool, struct address_range *ret_range);

/* config_glob - whether the text matches the pattern, in which a * stands for any characters. */
bool config_glob(const char *pattern, const char *text);

#endif
