/* SPDX-License-Identifier: Apache-2.0 */
/* `ikat import`: the configuration on standard output or in a file, remarks on standard error. */
#include "ctl/import.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/settings.h"
#include "ctl/commands.h"
#include "ctl/config_text.h"
#include "ctl/json_out.h"

/* --- the source --- */

/* source_find - the configuration file in a folder, or the given file itself. false: no such
 * file. */
static bool source_find(const char *given, char path[PATH_MAX])
{
    static const char *const names[] = {"swanctl.conf", "ipsec.conf"};
    struct stat status;
    (void)snprintf(path, PATH_MAX, "%s", given);
    if (stat(given, &status) != 0 || !S_ISDIR(status.st_mode))
        return access(given, R_OK) == 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((size_t)snprintf(path, PATH_MAX, "%s/%s", given, names[i]) < PATH_MAX &&
            access(path, R_OK) == 0)
            return true;
    }
    return false;
}

/* is_ipsec - whether the first line with content begins a section of ipsec.conf. */
static bool is_ipsec(const char *path)
{
    static const char *const heads[] = {"conn ", "config ", "ca ", "version ", "include "};
    char line[512];
    bool found = false, ends = false;
    size_t len = strlen(path);
    FILE *file = fopen(path, "re");
    while (file != NULL && !ends && fgets(line, sizeof(line), file) != NULL) {
        if (line[strspn(line, " \t\r\n")] == '\0' || line[strspn(line, " \t")] == '#')
            continue;
        ends = true;
        line[strcspn(line, "\t\n")] = ' ';
        for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
            found |= strncmp(line, heads[i], strlen(heads[i])) == 0 && strchr(line, '{') == NULL;
    }
    if (file != NULL)
        (void)fclose(file);
    return found && (strncmp(line, "include ", 8) != 0 ||
                     (len >= 10 && strcmp(path + len - 10, "ipsec.conf") == 0));
}

/* --- output --- */

static void remarks_print(const struct findings *remarks)
{
    for (size_t i = 0; i < remarks->n; i++)
        (void)fprintf(stderr, "%s: %s%s%s\n", remarks->items[i].kind, remarks->items[i].where,
                      remarks->items[i].where[0] == '\0' ? "" : ": ", remarks->items[i].text);
}

static void remarks_json(const struct import *import, const char *text)
{
    json_print(
        json_pack("{s:o, s:s}", "remarks", findings_json(&import->remarks), "configuration", text),
        JSON_INDENT(2));
}

/* output_open - makes a new file that only its owner can read, as it holds secrets. */
static FILE *output_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        (void)fprintf(stderr, "ikat: %s: %s\n", path, strerror(errno));
    return fd < 0 ? NULL : fdopen(fd, "w");
}

static int result_write(const struct ctl_options *options, const struct import *import,
                        const char *source)
{
    struct config_map map;
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);
    if (memory == NULL)
        return ctl_complain("no memory");
    (void)fprintf(memory, "# made by `ikat import %s`\n", source);
    config_write(import->root, memory, &map);
    config_map_done(&map);
    bool ok = fclose(memory) == 0;
    if (ok && options->json) {
        remarks_json(import, text);
    } else if (ok) {
        FILE *to = options->output == NULL ? stdout : output_open(options->output);
        ok = to != NULL && fwrite(text, 1, len, to) == len;
        ok = to != NULL && (options->output == NULL ? fflush(to) : fclose(to)) == 0 && ok;
        if (!ok && to != NULL && options->output != NULL) {
            (void)fprintf(stderr, "ikat: %s: cannot be written\n", options->output);
            (void)unlink(options->output);
        }
        remarks_print(&import->remarks);
    }
    free(text);
    return ok ? 0 : 1;
}

/* --- the command --- */

static void remarks_general(struct import *import, const char *source)
{
    findings_add(&import->remarks, "to-do", source,
                 "copy x509, x509ca, private and the like beside the new configuration, then: ikat "
                 "check");
    findings_add(
        &import->remarks, "differs", source,
        "ikatd carries packets itself, by a TUN device and table 0x494b0000: ip xfrm shows "
        "nothing, and firewall rules name the device ikat0 instead of `policy ipsec`");
    findings_add(&import->remarks, "differs", source,
                 "an identity has at most 16 sessions, and 16 addresses of a pool (max_sessions, "
                 "max_leases)");
}

/* triplets_find - strongSwan has them in /etc/ipsec.d/triplets.dat, beside ipsec.conf and the folder of
 * swanctl.conf. */
static void triplets_find(struct import *import, const char *folder)
{
    static const char *const places[] = {"ipsec.d", "../ipsec.d"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if ((size_t)snprintf(path, sizeof(path), "%s/%s/triplets.dat", folder, places[i]) <
                sizeof(path) &&
            access(path, R_OK) == 0) {
            import_triplets(import, path);
            return;
        }
}

static int import_finish(const struct ctl_options *options, struct import *import,
                         const char *source)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof(copy), "%s", source);
    const char *folder = dirname(copy);
    triplets_find(import, folder);
    bool sound = import_settle(import, folder);
    remarks_general(import, source);
    if (!sound) {
        remarks_print(&import->remarks);
        return ctl_complain("nothing is written: ikatd --check refuses the result, or is not "
                            "installed beside this program");
    }
    return result_write(options, import, source);
}

static int from_ipsec(const struct ctl_options *options, const char *path)
{
    struct ipsec_conf conf;
    struct import import = {.root = tree_new(TREE_SECTION, "")};
    int status = 1;
    if (!ipsec_conf_load(path, &conf) || import.root == NULL) {
        (void)ctl_complain(conf.error);
    } else {
        import_ipsec(&conf, &import);
        status = import_finish(options, &import, path);
    }
    tree_free(import.root);
    findings_done(&import.remarks);
    ipsec_conf_done(&conf);
    return status;
}

static int from_swanctl(const struct ctl_options *options, const char *path)
{
    struct settings settings;
    struct import import = {0};
    int status = 1;
    if (settings_load(path, &settings) != 0) {
        for (size_t i = 0; i < settings.n_errors; i++)
            (void)fprintf(stderr, "%s\n", settings.errors[i]);
    } else {
        import.root = settings.root;
        import_swanctl(&import);
        status = import_finish(options, &import, path);
    }
    findings_done(&import.remarks);
    settings_done(&settings);
    return status;
}

int command_import(const struct ctl_options *options, char **arguments, int n)
{
    char path[PATH_MAX];
    (void)n;
    if (!source_find(arguments[0], path)) {
        (void)fprintf(stderr, "ikat: %s: there is no swanctl.conf or ipsec.conf that can be read\n",
                      arguments[0]);
        return 1;
    }
    return is_ipsec(path) ? from_ipsec(options, path) : from_swanctl(options, path);
}
