/* SPDX-License-Identifier: Apache-2.0 */
/* The probe of an upgrade: the installed program runs it before the program that runs now ends. That it runs shows
 * that its messages are those of the supervisor (spawn_start_read). It also reads the configuration. */
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/config/config_load.h"
#include "daemon/process/helpers.h"
#include "linux/sandbox.h"

static bool config_sound(const char *config)
{
    struct settings settings;
    static struct build_errors all, warnings;
    struct build_error error = {.all = &all, .warnings = &warnings};
    if (config_load(config, &settings, &error) == 0) {
        settings_done(&settings);
        return true;
    }
    for (unsigned i = 0; i < all.n; i++)
        log_line(LOG_LEVEL_ERROR, "event=config-refused text=\"%s\"", all.text[i]);
    return false;
}

int probe_run(const struct spawn_start *start)
{
    if (sandbox_common(start->parent) != 0 || sandbox_filter(SANDBOX_READER) != 0)
        return EXIT_FAILURE;
    return start->config[0] == '\0' || config_sound(start->config) ? PROBE_FITS : PROBE_CONFIG;
}
