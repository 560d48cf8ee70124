/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VICI_STAGE_H
#define DAEMON_VICI_STAGE_H

/*
 * A client's load in preparation. Between `load-begin` and `load-commit` its load commands build
 * and check objects, and none is in use. The commit replaces the loaded configuration by all of
 * them.
 */

#include "daemon/vici/engine_ops.h"

struct vici_stage;

/* vici_stage_new - `number`: of struct engine_load. NULL: no memory. */
struct vici_stage *vici_stage_new(uint64_t number);
/* vici_stage_free - wipes secrets; takes NULL; returns NULL. */
struct vici_stage *vici_stage_free(struct vici_stage *stage);

/* vici_stage_* - each takes a reference or copies. Of two with the same name the last one counts.
 * ERR_NO_MEMORY; ERR_INVALID: a secret without a name. */
int vici_stage_conn(struct vici_stage *stage, struct ike_conn *conn,
                    const struct conn_credentials *credentials) MUST_USE;
int vici_stage_pool(struct vici_stage *stage, const struct pool_config *pool) MUST_USE;
int vici_stage_secret(struct vici_stage *stage, const struct engine_secret *secret) MUST_USE;
int vici_stage_cert(struct vici_stage *stage, const struct engine_cert *cert) MUST_USE;
int vici_stage_key(struct vici_stage *stage, struct span octets, struct span passphrase) MUST_USE;
int vici_stage_authority(struct vici_stage *stage,
                         const struct engine_authority *authority) MUST_USE;
int vici_stage_radius(struct vici_stage *stage, const struct aaa_server *server) MUST_USE;
/* vici_stage_key_held - a private key of that id, which the keyholder has from the loader. */
int vici_stage_key_held(struct vici_stage *stage, const uint8_t key_id[KEY_ID_SIZE]) MUST_USE;
/* vici_stage_key_id - sets the id of the key that was added last, once the keyholder has read it. */
void vici_stage_key_id(struct vici_stage *stage, const uint8_t key_id[KEY_ID_SIZE]);
/* vici_stage_files - the commit removes certificates and private keys that are not in the load. */
void vici_stage_files(struct vici_stage *stage);
/* vici_stage_break - a part was refused, so the load cannot be committed. vici_stage_broken - that
 * happened. */
void vici_stage_break(struct vici_stage *stage);
bool vici_stage_broken(const struct vici_stage *stage);

/* vici_stage_load - borrowed from the stage. */
const struct engine_load *vici_stage_load(const struct vici_stage *stage);

#endif
