/* SPDX-License-Identifier: Apache-2.0 */
/* get-counters and reset-counters: without `name` and `all`, the sum over all connections. */
#include <inttypes.h>

#include "control/values.h"
#include "daemon/vici/vici_server.h"

static bool all_wanted(const struct tree *m)
{
    bool all = false;
    (void)value_bool(tree_text_or(m, "all", "no"), &all);
    return all;
}

/* put_counters - writes a section with the connection's name. An empty name is the sum over all
 * connections. */
static void put_counters(struct vici_writer *w, const char *conn,
                         const struct ike_counters *counters)
{
    vici_section(w, conn == NULL ? "" : conn);
    for (int i = 0; i < IKE_COUNTERS; i++)
        vici_put(w, ike_counter_name((enum ike_counter)i), "%" PRIu64, counters->n[i]);
    vici_section_end(w);
}

void vici_get_counters(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct ike *ike = ops->ike(ops->engine);
    const char *name = tree_text(m, "name"), *conn = NULL;
    struct ike_counters counters;
    struct vici_writer w;
    bool all = all_wanted(m), found = all || ike_counters_get(ike, name, &counters);
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_section(&w, "counters");
    if (!all && found)
        put_counters(&w, name, &counters);
    while (all && (conn = ike_counters_next(ike, conn)) != NULL)
        if (ike_counters_get(ike, conn, &counters))
            put_counters(&w, conn, &counters);
    vici_section_end(&w);
    vici_put(&w, "success", "%s", found ? "yes" : "no");
    if (!found)
        vici_put(&w, "errmsg", "no counters found for this connection");
    vici_client_send(client, &w);
}

/* vici_reset_counters - a connection without counters needs nothing. */
void vici_reset_counters(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct ike *ike = ops->ike(ops->engine);
    const char *conn = NULL;
    if (!all_wanted(m))
        (void)ike_counters_reset(ike, tree_text(m, "name"));
    while (all_wanted(m) && (conn = ike_counters_next(ike, conn)) != NULL)
        (void)ike_counters_reset(ike, conn);
    vici_succeed(client);
}
