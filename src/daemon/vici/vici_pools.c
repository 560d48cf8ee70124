/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the VICI server for address pools. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/values.h"
#include "daemon/config/conn_build.h"
#include "daemon/vici/vici_server.h"
#include "daemon/vici/vici_stage.h"
#include "ike/terms/identity.h"

void vici_load_pool(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct build_error error = {.text = ""};
    struct pool_config pool;
    struct pools_fault fault;
    if (m->first == NULL || m->first != m->last || m->first->kind != TREE_SECTION) {
        vici_fail(client, "exactly one section, named after the pool, is expected");
        return;
    }
    int err = pool_build(m->first, &pool, &error);
    if (err == 0 && vici_client_stage(client) != NULL) {
        err = vici_stage_pool(vici_client_stage(client), &pool);
    } else if (err == 0) {
        err = pools_load(ops->pools(ops->engine), &pool, &fault);
        if (err == 0) {
            ops->pools_changed(ops->engine);
            vici_files_forget(vici_client_files(client), VICI_FILE_POOL, pool.name);
        }
        if (err == ERR_INVALID)
            (void)snprintf(error.text, sizeof(error.text), "pool %s overlaps pool %s", pool.name,
                           fault.other);
        else if (err == ERR_WRONG_STATE && fault.other[0] != '\0')
            (void)snprintf(error.text, sizeof(error.text),
                           "pool %s: a session has an address of it from a RADIUS server",
                           pool.name);
        else if (err == ERR_WRONG_STATE)
            (void)snprintf(error.text, sizeof(error.text),
                           "pool %s has online leases, its range cannot change", pool.name);
    }
    vici_finish(client, err, error.text);
}

void vici_unload_pool(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const char *name = tree_text_or(m, "name", "");
    if (vici_of_files(client, VICI_FILE_POOL, name))
        return;
    int err = pools_unload(ops->pools(ops->engine), name);
    if (err == 0)
        ops->pools_changed(ops->engine);
    vici_finish(client, err,
                err == ERR_NOT_FOUND ? "no pool of that name is loaded"
                                     : "the pool has online leases");
}

static void put_lease(struct vici_writer *w, const struct pool_lease *lease)
{
    char address[ADDRESS_TEXT_MAX], identity[IDENTITY_TEXT_MAX];
    vici_put(w, "address", "%s", address_print(&lease->address, address));
    vici_put(w, "identity", "%s", identity_print(&lease->identity, identity));
    vici_put(w, "status", "%s", lease->online ? "online" : "offline");
}

/* Leases are written until the frame has this length; the keys behind them still fit. */
#define LEASES_END (VICI_FRAME_MAX - 64 * 1024)

/* put_leases - writes leases until the response, which is one frame, is full. list-leases has no
 * such limit. */
static void put_leases(struct vici_writer *w, const struct pools *pools, size_t pool, size_t n)
{
    struct pool_lease lease;
    size_t i = 0;
    char name[24];
    vici_section(w, "leases");
    for (; w->len < LEASES_END && pools_lease_at(pools, pool, i, &lease); i++) {
        (void)snprintf(name, sizeof(name), "%zu", i);
        vici_section(w, name);
        put_lease(w, &lease);
        vici_section_end(w);
    }
    vici_section_end(w);
    if (i < n)
        vici_put(w, "leases-left-off", "%zu", n - i); /* ours */
}

void vici_get_pools(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct pools *pools = ops->pools(ops->engine);
    const char *only = tree_text(m, "name");
    bool leases = false;
    struct pool_status status;
    struct vici_writer w;
    char address[ADDRESS_TEXT_MAX];
    (void)value_bool(tree_text_or(m, "leases", "no"), &leases);
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    for (size_t i = 0; pools_status(pools, i, &status); i++) {
        if (only != NULL && strcmp(only, status.config->name) != 0)
            continue;
        vici_section(&w, status.config->name);
        vici_put(&w, "base", "%s", address_print(&status.base, address));
        vici_put(&w, "size", "%" PRIu64, status.size);
        vici_put(&w, "online", "%u", status.online);
        vici_put(&w, "offline", "%u", status.offline);
        if (leases)
            put_leases(&w, pools, i, (size_t)status.online + status.offline);
        vici_section_end(&w);
    }
    vici_client_send(client, &w);
}

/* next_lease - `at`: the pool in the upper 32 bits, its lease below. */
static bool next_lease(struct vici_client *client, const struct tree *m, uint64_t *at)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct pools *pools = ops->pools(ops->engine);
    const char *only = tree_text(m, "name");
    size_t pool = (size_t)(*at >> 32);
    struct pool_status status;
    struct pool_lease lease;
    struct vici_writer w;
    if (!pools_status(pools, pool, &status))
        return false;
    if ((only != NULL && strcmp(only, status.config->name) != 0) ||
        !pools_lease_at(pools, pool, (uint32_t)*at, &lease)) {
        *at = (uint64_t)(pool + 1) << 32;
        return true;
    }
    ++*at;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_LEASE));
    vici_section(&w, status.config->name);
    put_lease(&w, &lease);
    vici_section_end(&w);
    vici_client_send(client, &w);
    return true;
}

void vici_list_leases(struct vici_client *client, const struct tree *m)
{
    (void)m;
    vici_client_list(client, VICI_EV_LIST_LEASE, next_lease);
}
