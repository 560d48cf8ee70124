/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that the user has taken down. They stay down until the user starts them, or the
 * daemon restarts. No load and no packet starts them. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"

struct taken_down {
    struct taken_down *next;
    char conn[LIMIT_NAME];
};

static struct taken_down **find(const struct engine *e, const char *conn)
{
    struct taken_down **link = (struct taken_down **)&e->down;
    while (*link != NULL && strcmp((*link)->conn, conn) != 0)
        link = &(*link)->next;
    return link;
}

bool engine_is_down(const struct engine *e, const char *conn)
{
    return *find(e, conn) != NULL;
}

void engine_down(struct engine *e, const char *conn)
{
    struct taken_down *down = engine_is_down(e, conn) ? NULL : calloc(1, sizeof(*down));
    if (down == NULL)
        return;
    (void)snprintf(down->conn, sizeof(down->conn), "%s", conn);
    down->next = e->down;
    e->down = down;
    log_line(LOG_LEVEL_INFO, "event=conn-down conn=%s", conn);
}

void engine_down_end(struct engine *e, const char *conn)
{
    struct taken_down **link = find(e, conn), *down = *link;
    if (down == NULL)
        return;
    *link = down->next;
    free(down);
    engine_traps_renew(e);
}

void engine_down_forget(struct engine *e)
{
    while (e->down != NULL) {
        struct taken_down *down = e->down;
        e->down = down->next;
        free(down);
    }
}
