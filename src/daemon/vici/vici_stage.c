/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vici/vici_stage.h"

#include <stdlib.h>

#include "base/secret.h"

struct vici_stage {
    struct engine_load load;
    size_t conns_cap, pools_cap, secrets_cap;
};

struct vici_stage *vici_stage_new(void)
{
    return calloc(1, sizeof(struct vici_stage));
}

/* secret_octets - the stage owns what the load borrows. */
static uint8_t *secret_octets(const struct engine_secret *secret)
{
    return (uint8_t *)(uintptr_t)secret->octets;
}

struct vici_stage *vici_stage_free(struct vici_stage *stage)
{
    if (stage == NULL)
        return NULL;
    struct engine_load *load = &stage->load;
    for (size_t i = 0; i < load->n_conns; i++)
        ike_conn_unref(load->conns[i]);
    for (size_t i = 0; i < load->n_secrets; i++) {
        wipe(secret_octets(&load->secrets[i]), load->secrets[i].n_octets);
        free(secret_octets(&load->secrets[i]));
    }
    free(load->conns);
    free(load->pools);
    free(load->secrets);
    free(stage);
    return NULL;
}

/* room - for one more. */
static bool room(void *list, size_t n, size_t *cap, size_t size)
{
    void **pointer = list;
    if (n < *cap)
        return true;
    size_t more = *cap == 0 ? 16 : 2 * *cap;
    void *grown = reallocarray(*pointer, more, size);
    if (grown == NULL)
        return false;
    *pointer = grown;
    *cap = more;
    return true;
}

int vici_stage_conn(struct vici_stage *stage, struct ike_conn *conn)
{
    struct engine_load *load = &stage->load;
    if (!room(&load->conns, load->n_conns, &stage->conns_cap, sizeof(load->conns[0])))
        return ERR_NO_MEMORY;
    load->conns[load->n_conns++] = ike_conn_ref(conn);
    return 0;
}

int vici_stage_pool(struct vici_stage *stage, const struct pool_config *pool)
{
    struct engine_load *load = &stage->load;
    if (!room(&load->pools, load->n_pools, &stage->pools_cap, sizeof(load->pools[0])))
        return ERR_NO_MEMORY;
    load->pools[load->n_pools++] = *pool;
    return 0;
}

int vici_stage_secret(struct vici_stage *stage, const struct engine_secret *secret)
{
    struct engine_load *load = &stage->load;
    if (secret->id[0] == '\0')
        return ERR_INVALID;
    uint8_t *octets = malloc(secret->n_octets);
    if (octets == NULL ||
        !room(&load->secrets, load->n_secrets, &stage->secrets_cap, sizeof(load->secrets[0]))) {
        free(octets);
        return ERR_NO_MEMORY;
    }
    memcpy(octets, secret->octets, secret->n_octets);
    load->secrets[load->n_secrets] = *secret;
    load->secrets[load->n_secrets++].octets = octets;
    return 0;
}

const struct engine_load *vici_stage_load(const struct vici_stage *stage)
{
    return &stage->load;
}
