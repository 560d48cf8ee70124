/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/config/config_load.h"
#include "daemon/process/helpers.h"
#include "linux/sandbox.h"

/* config_feed - a file with a fault changes nothing. It is read and checked as a whole before any of
 * it is sent, and the engine switches to it as a whole. */
static int config_feed(const char *config, int fd)
{
    struct settings settings;
    static struct build_errors all, warnings;
    struct build_error error = {.all = &all, .warnings = &warnings};
    int err = config_load(config, &settings, &error);
    for (unsigned i = 0; i < warnings.n; i++)
        log_line(LOG_LEVEL_WARNING, "event=config-warning text=\"%s\"", warnings.text[i]);
    if (err != 0) {
        for (unsigned i = 0; i < all.n; i++)
            log_line(LOG_LEVEL_ERROR, "event=config-refused text=\"%s\"", all.text[i]);
        return ERR_INVALID;
    }
    int failure = config_send(fd, &settings, &error);
    settings_done(&settings);
    if (failure != 0)
        log_line(LOG_LEVEL_ERROR, "event=config-not-loaded text=\"%s\"", error.text);
    else
        log_line(LOG_LEVEL_INFO, "event=config-loaded from=%s", config);
    return failure;
}

int loader_run(const char *config, int fd, pid_t parent)
{
    if (sandbox_common(parent) != 0 || sandbox_filter(SANDBOX_READER) != 0)
        return EXIT_FAILURE;
    return config_feed(config, fd) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
