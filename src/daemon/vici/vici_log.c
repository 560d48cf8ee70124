/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vici/vici_log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/vici/vici_server.h"

struct kept {
    long long time;
    unsigned level;
    const char *group; /* static */
    char *text;        /* owned; NULL: no memory */
};

struct vici_log {
    uint64_t n; /* number of lines so far; `kept` holds the latest ones, by number */
    struct kept kept[VICI_LOG_LINES];
};

struct vici_log *vici_log_new(void)
{
    return calloc(1, sizeof(struct vici_log));
}

struct vici_log *vici_log_free(struct vici_log *log)
{
    for (size_t i = 0; log != NULL && i < VICI_LOG_LINES; i++)
        free(log->kept[i].text);
    free(log);
    return NULL;
}

void vici_log_add(struct vici_log *log, const struct engine_line *line)
{
    struct kept *kept = &log->kept[log->n++ % VICI_LOG_LINES];
    free(kept->text);
    *kept = (struct kept){.time = (long long)time(NULL),
                          .level = line->level,
                          .group = line->group,
                          .text = strndup(line->text, 1023)};
}

bool vici_log_at(const struct vici_log *log, uint64_t number, uint64_t *ret_number,
                 struct vici_log_line *ret_line)
{
    if (log->n > VICI_LOG_LINES && number < log->n - VICI_LOG_LINES)
        number = log->n - VICI_LOG_LINES;
    for (; number < log->n; number++) {
        const struct kept *kept = &log->kept[number % VICI_LOG_LINES];
        if (kept->text == NULL)
            continue;
        *ret_number = number;
        *ret_line = (struct vici_log_line){kept->time, kept->level, kept->group, kept->text};
        return true;
    }
    return false;
}

/* next_line - sends the next line that contains `match`. */
static bool next_line(struct vici_client *client, const struct tree *m, uint64_t *at)
{
    const char *match = tree_text(m, "match");
    struct vici_log_line line;
    struct vici_writer w;
    if (!vici_log_at(vici_client_log(client), *at, at, &line))
        return false;
    ++*at;
    if (match != NULL && strstr(line.text, match) == NULL)
        return true;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_LOG));
    vici_put(&w, "time", "%lld", line.time);
    vici_put(&w, "level", "%u", line.level);
    vici_put(&w, "group", "%s", line.group);
    vici_put(&w, "msg", "%s", line.text);
    vici_client_send(client, &w);
    return true;
}

void vici_list_log(struct vici_client *client, const struct tree *m)
{
    (void)m;
    vici_client_list(client, VICI_EV_LIST_LOG, next_line);
}
