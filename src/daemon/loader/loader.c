/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/config/config_load.h"
#include "daemon/config/permit_build.h"
#include "daemon/process/helpers.h"
#include "linux/sandbox.h"

/* permits_feed - tells the supervisor what is allowed. The engine has no part in this. */
static int permits_feed(const struct settings *settings, int fd, struct build_error *error)
{
    struct permits permits = {0};
    int failure = permits_build(settings->root, &permits, error);
    if (failure == 0)
        failure = permits_send(fd, &permits);
    permits_done(&permits);
    if (failure != 0 && error->text[0] == '\0')
        (void)snprintf(error->text, sizeof(error->text), "permits: %s", error_text(failure));
    return failure;
}

/* warnings_log - logs the warnings from number `from` on. Returns their number now. */
static unsigned warnings_log(const struct build_errors *warnings, unsigned from)
{
    for (unsigned i = from; i < warnings->n; i++)
        log_line(LOG_LEVEL_WARNING, "event=config-warning text=\"%s\"", warnings->text[i]);
    return warnings->n;
}

/* config_feed - a file with an error changes nothing. It is read and checked as a whole before any
 * of it is sent, and the engine switches to it as a whole. */
static int config_feed(const struct spawn_start *start)
{
    const char *config = start->config;
    const struct config_channels channels = {
        .vici_fd = start->fd,
        .doors = {start->door_fds[SPAWN_DOOR_KEY], start->door_fds[SPAWN_DOOR_EAP],
                  start->door_fds[SPAWN_DOOR_AAA], start->unpack_fd}};
    struct settings settings;
    static struct build_errors all, warnings;
    struct build_error error = {.all = &all, .warnings = &warnings};
    int err = config_load(config, &settings, &error);
    unsigned n_warnings = warnings_log(&warnings, 0);
    if (err != 0) {
        for (unsigned i = 0; i < all.n; i++)
            log_line(LOG_LEVEL_ERROR, "event=config-refused text=\"%s\"", all.text[i]);
        return ERR_INVALID;
    }
    if (!gate_pass(&start->gate)) {
        settings_done(&settings);
        return ERR_WRONG_STATE;
    }
    int failure = permits_feed(&settings, start->permit_fd, &error);
    if (failure == 0)
        failure = config_send(&channels, &settings, &error);
    settings_done(&settings);
    (void)warnings_log(&warnings, n_warnings);
    if (failure != 0)
        log_line(LOG_LEVEL_ERROR, "event=config-not-loaded text=\"%s\"", error.text);
    else
        log_line(LOG_LEVEL_INFO, "event=config-loaded from=%s", config);
    return failure;
}

/* on_line - 0 and 1: the levels of struct engine_line. */
static void on_line(void *context, enum log_level level, const char *text)
{
    const struct spawn_start *start = context;
    if (level < LOG_LEVEL_DEBUG)
        config_say(start->fd, level < LOG_LEVEL_INFO ? 0 : 1, text);
}

int loader_run(const struct spawn_start *start)
{
    if (sandbox_common(start->parent) != 0 || sandbox_filter(SANDBOX_READER) != 0)
        return EXIT_FAILURE;
    if (start->gate.gate_fd < 0) /* the engine of an upgrade does not answer yet */
        log_listen(on_line, (void *)(uintptr_t)start);
    return config_feed(start) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
