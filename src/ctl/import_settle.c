/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ikatd decides which parts of the new configuration are valid. Refused parts are left out, with
 * the reason of ikatd, until it accepts the rest. A key that only tunes is left out alone. A key
 * that limits who may log in, or which traffic is protected, takes its connection or child with it:
 * without that key they would allow more than before.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/config_text.h"
#include "ctl/config_view.h"
#include "ctl/daemon_check.h"
#include "ctl/import.h"

#define ROUNDS_MAX 1000

/* --- which part is left out --- */

static bool listed(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(names[i], name) == 0)
            return true;
    return false;
}

/* parent_of - the section that contains `child`; NULL: none. */
static struct tree *parent_of(struct tree *top, const struct tree *child)
{
    for (struct tree *node = top->first; node != NULL; node = node->next) {
        struct tree *found = node == child                ? top
                             : node->kind == TREE_SECTION ? parent_of(node, child)
                                                          : NULL;
        if (found != NULL)
            return found;
    }
    return NULL;
}

/* tunes - the key may be left out alone, without its section. */
static bool tunes(const struct tree *root, const struct tree *key, const struct tree *section)
{
    static const char *const of_conn[] = {
        "version", "local_addrs",  "remote_addrs", "vips",          "pools",
        "ppk_id",  "ppk_required", "mediation",    "mediated_by",   "aggressive",
        "unique",  "if_id_in",     "if_id_out",    "mediation_peer"};
    static const char *const of_child[] = {
        "local_ts",  "remote_ts", "mode",     "ah_proposals", "policies",
        "interface", "mark_in",   "mark_out", "set_mark_in",  "set_mark_out",
        "if_id_in",  "if_id_out", "label",    "mark_in_sa"};
    struct tree *above = parent_of((struct tree *)(uintptr_t)root, section);
    if (above == NULL || key->kind == TREE_SECTION)
        return false;
    if (strcasecmp(above->name, "connections") == 0)
        return !listed(of_conn, sizeof(of_conn) / sizeof(of_conn[0]), key->name);
    if (strcasecmp(above->name, "children") == 0)
        return !listed(of_child, sizeof(of_child) / sizeof(of_child[0]), key->name);
    if (strcasecmp(above->name, "pools") == 0)
        return strcasecmp(key->name, "addrs") != 0;
    return false;
}

/* victim_of - the node to leave out if `node` is refused: itself, or the child, pool, secret or
 * connection that contains it. */
static struct tree *victim_of(struct tree *root, struct tree *node)
{
    struct tree *section = parent_of(root, node);
    if (section == NULL || section == root || tunes(root, node, section))
        return node;
    for (;;) {
        struct tree *above = parent_of(root, node);
        if (above == NULL || above == root || strcasecmp(above->name, "children") == 0 ||
            parent_of(root, above) == root)
            return node; /* a child, or a section of connections, pools, secrets and so on */
        node = above;
    }
}

static void leave_out(struct import *import, struct tree *node, const char *why)
{
    char where[FINDING_WHERE];
    struct tree *victim = victim_of(import->root, node);
    struct tree *parent = parent_of(import->root, victim);
    bool alone = victim == node && node->kind == TREE_VALUE;
    if (parent == NULL)
        return;
    if (alone)
        findings_add(&import->remarks, "left-out", findings_where(node, where), "%s", why);
    else
        findings_add(&import->remarks, "refused", findings_where(node, where),
                     "%.60s is left out: %s", victim->name, why);
    tree_remove(parent, victim);
}

/* --- the folder in which ikatd looks --- */

static const char *const folders[] = {"x509",   "x509ca",  "x509ocsp", "x509aa",
                                      "x509ac", "x509crl", "pubkey",   "private",
                                      "rsa",    "ecdsa",   "pkcs8",    "pkcs12"};
#define N_FOLDERS (sizeof(folders) / sizeof(folders[0]))

static void folders_link(const char *directory, const char *credentials)
{
    char from[512], to[512], real[PATH_MAX];
    for (size_t i = 0; credentials != NULL && i < N_FOLDERS; i++) {
        (void)snprintf(from, sizeof(from), "%.400s/%s", credentials, folders[i]);
        (void)snprintf(to, sizeof(to), "%s/%s", directory, folders[i]);
        if (realpath(from, real) != NULL && symlink(real, to) != 0)
            return; /* ikatd then reports which file is missing */
    }
}

static void directory_remove(const char *directory, const char *file)
{
    char path[512];
    for (size_t i = 0; i < N_FOLDERS; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, folders[i]);
        (void)unlink(path);
    }
    (void)unlink(file);
    (void)rmdir(directory);
}

/* --- rounds --- */

static bool text_write(struct tree *root, const char *path, struct config_map *map)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    *map = (struct config_map){0};
    if (file == NULL)
        return false;
    config_write(root, file, map);
    return fclose(file) == 0;
}

/* error_take - leaves out the node of the first error. Later errors may be about parts that go with
 * it, so the next round asks again. */
static bool error_take(struct import *import, const struct config_map *map, const char *path,
                       const char *error)
{
    size_t len = strlen(path);
    if (strncmp(error, path, len) != 0 || error[len] != ':')
        return false;
    unsigned long line = strtoul(error + len + 1, NULL, 10);
    if (line == 0 || line > map->n || map->lines[line - 1].node == NULL)
        return false;
    leave_out(import, map->lines[line - 1].node, daemon_check_why(error));
    return true;
}

/* round_run - 1: ikatd accepts all; 0: a part was left out; -1: ikatd is missing, or its error
 * names no part that could be left out. */
static int round_run(struct import *import, const char *path)
{
    struct daemon_check check;
    struct config_map map;
    int result = -1;
    if (text_write(import->root, path, &map) && daemon_check_run(path, &check)) {
        const struct tree *first = check.errors->first;
        if (check.valid)
            result = 1;
        else if (first != NULL && error_take(import, &map, path, tree_value_text(first)))
            result = 0;
        else if (first != NULL)
            findings_add(&import->remarks, "refused", "", "%s", tree_value_text(first));
    }
    daemon_check_done(&check);
    config_map_done(&map);
    return result;
}

bool import_settle(struct import *import, const char *credentials)
{
    char directory[] = "/tmp/ikat-import-XXXXXX", path[64];
    int result = 0;
    if (mkdtemp(directory) == NULL)
        return false;
    folders_link(directory, credentials);
    (void)snprintf(path, sizeof(path), "%s/ikat.conf", directory);
    for (unsigned i = 0; result == 0 && i < ROUNDS_MAX; i++)
        result = round_run(import, path);
    directory_remove(directory, path);
    return result == 1;
}
