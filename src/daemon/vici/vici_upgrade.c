/* SPDX-License-Identifier: Apache-2.0 */
/* The commands `upgrade` and `get-upgrade`, which are ikat's own. */
#include "daemon/vici/vici_server.h"

/* on_decided - error 0 and no reason: this process ends now, and the installed program starts. */
static void on_decided(void *context, int error, const char *reason, const uint8_t *key_id)
{
    struct vici_client *client = context;
    struct vici_writer w;
    (void)key_id;
    vici_client_busy(client, false);
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "success", error == 0 ? "yes" : "no");
    if (error != 0)
        vici_put(&w, "errmsg", "%s", reason);
    else if (reason != NULL)
        vici_put(&w, "note", "%s", reason);
    if (error == ERR_WRONG_STATE)
        vici_put(&w, "restart", "yes");
    vici_client_send(client, &w);
}

void vici_upgrade(struct vici_client *client, const struct tree *message)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct engine_reply reply = {.context = client, .done = on_decided};
    (void)message;
    vici_client_busy(client, true);
    int error = ops->upgrade(ops->engine, &reply);
    if (error == 0)
        return;
    vici_client_busy(client, false);
    vici_finish(client, error, error == ERR_AGAIN ? "another upgrade runs" : NULL);
}

void vici_get_upgrade(struct vici_client *client, const struct tree *message)
{
    static const char *const outcomes[] = {
        [UPGRADE_NONE] = "none", [UPGRADE_DONE] = "new", [UPGRADE_BACK] = "old"};
    const struct engine_ops *ops = vici_client_ops(client);
    struct vici_writer w;
    (void)message;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_put(&w, "outcome", "%s", outcomes[ops->upgraded(ops->engine)]);
    vici_client_send(client, &w);
}
