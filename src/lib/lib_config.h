/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_CONFIG_H
#define LIB_CONFIG_H

/* A configuration text becomes connections, pools and secrets: all of it is checked and built before
 * any of it is in force. */

#include "daemon/keyholder/shared_keys.h"
#include "daemon/tables/pools.h"
#include "esp/data_plane.h"
#include "ike/connection.h"
#include "lib/ikat.h"

struct lib_config {
    const struct data_plane *plane; /* borrowed: configurations beyond its abilities are refused */
    size_t n_conns, n_pools;
    struct ike_conn **conns;     /* references */
    struct pool_config *pools;   /* owned */
    struct shared_keys *secrets; /* owned */
    bool any_ppk;
};

/* lib_config_read - as ikat_configure. The caller sets `plane` of `config`; this function writes the other
 * members. After an error there is nothing to free. ERR_INVALID with `error`, ERR_NO_MEMORY. */
int lib_config_read(const char *name, const char *text, struct lib_config *config,
                    char error[IKAT_TEXT_MAX]) MUST_USE;
void lib_config_done(struct lib_config *config);

#endif
