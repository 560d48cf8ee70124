/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NM_GRANT_H
#define NM_GRANT_H

/* What the Gateway gave a connection, from ikatd's answers to list-sessions and list-sas. A pure
 * function. */

#include "base/address.h"
#include "control/tree.h"

#define NM_GRANT_MAX  16
#define NM_DOMAIN_MAX 256

struct nm_grant {
    struct address gateway; /* its outer address, of one path */
    uint8_t n_addresses, n_dns, n_domains;
    struct address addresses[NM_GRANT_MAX];
    struct address dns[NM_GRANT_MAX];
    char domains[NM_GRANT_MAX][NM_DOMAIN_MAX];
};

/* nm_grant_read - of the latest established session of `conn` that has a Child SA. false: none. What
 * is malformed, or beyond NM_GRANT_MAX, is left out. Of the name servers ikatd lists those that a Child SA reaches;
 * without a domain they are for all names. */
bool nm_grant_read(const struct tree *sessions, const struct tree *sas, const char *conn,
                   struct nm_grant *ret_grant);

bool nm_grant_equal(const struct nm_grant *a, const struct nm_grant *b);

/* nm_grant_has - an address of the family. */
bool nm_grant_has(const struct nm_grant *grant, enum address_family family);

#endif
