/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the VICI server for RADIUS servers. They are ikat's own. */
#include <stdio.h>

#include "base/secret.h"
#include "daemon/config/conn_build.h"
#include "daemon/vici/vici_server.h"
#include "daemon/vici/vici_stage.h"
#include "radius/radius_client.h"

void vici_load_radius(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct build_error error = {.text = ""};
    struct aaa_server server;
    if (m->first == NULL || m->first != m->last || m->first->kind != TREE_SECTION) {
        vici_fail(client, "exactly one section, named after the server, is expected");
        return;
    }
    bool held = vici_client_stage(client) != NULL && vici_client_load(client) != 0;
    int err = radius_build(m->first, held, &server, &error);
    if (err == 0)
        err = vici_client_stage(client) != NULL
                  ? vici_stage_radius(vici_client_stage(client), &server)
                  : ops->radius_load(ops->engine, &server);
    if (err == ERR_FULL)
        (void)snprintf(error.text, sizeof(error.text), "more than %d servers", RADIUS_SERVERS);
    wipe(&server, sizeof(server));
    vici_finish(client, err, error.text);
}

void vici_unload_radius(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    vici_finish(client, ops->radius_unload(ops->engine, tree_text_or(m, "name", "")),
                "no RADIUS server of that name is loaded");
}

void vici_get_radius(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    char name[LIMIT_NAME];
    struct vici_writer w;
    (void)m;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_list(&w, "servers");
    for (size_t i = 0; ops->radius_at(ops->engine, i, name); i++)
        vici_item(&w, name);
    vici_list_end(&w);
    vici_client_send(client, &w);
}
