/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/credential_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "control/values.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/pem.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* struct folder - with the command that loads its files. `secrets`: prefix of the sections that may
 * have a passphrase for them; NULL: they need none. */
static const struct folder {
    const char *name, *command, *secrets;
} folders[] = {
    {"x509", "load-cert", NULL},     {"x509ca", "load-cert", NULL},
    {"x509ocsp", "load-cert", NULL}, {"x509aa", "load-cert", NULL},
    {"x509ac", "load-cert", NULL},   {"x509crl", "load-cert", NULL},
    {"pubkey", "load-cert", NULL},   {"private", "load-key", "private"},
    {"rsa", "load-key", "rsa"},      {"ecdsa", "load-key", "ecdsa"},
    {"pkcs8", "load-key", "pkcs8"},  {"pkcs12", "load-container", "pkcs12"},
};

struct files {
    char base[PATH_MAX - 512]; /* the directory of the folders */
    struct tree *root, *loads;
    struct build_error *error;
};

/* --- a file --- */

/* why_not - notes an error about the file that `about` names. */
static int why_not(struct files *files, const struct tree *about, const char *path, const char *why)
{
    return build_fail(files->error, about, "%.200s: %s", path, why);
}

static ssize_t read_whole(int fd, uint8_t *room, size_t cap)
{
    size_t n = 0;
    while (n < cap) {
        ssize_t got = read(fd, room + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

/* file_read - the contents of a file as a value without a name. NULL: *ret_err. FIFOs and devices
 * would block the loader. */
static struct tree *file_read(struct files *files, const struct tree *about, const char *path,
                              int *ret_err)
{
    struct stat stat;
    struct tree *value = NULL;
    uint8_t *room = malloc(CREDENTIAL_FILE_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = -1;
    *ret_err = 0;
    if (room == NULL)
        *ret_err = ERR_NO_MEMORY;
    else if (fd < 0 || fstat(fd, &stat) < 0)
        *ret_err = why_not(files, about, path, strerror(errno));
    else if (!S_ISREG(stat.st_mode))
        *ret_err = why_not(files, about, path, "is not a regular file");
    else if ((n = read_whole(fd, room, CREDENTIAL_FILE_MAX + 1)) < 0)
        *ret_err = why_not(files, about, path, strerror(errno));
    else if (n > CREDENTIAL_FILE_MAX)
        *ret_err = why_not(files, about, path, "is longer than 1 MiB");
    else if ((value = tree_value("", span_of(room, (size_t)n))) == NULL)
        *ret_err = ERR_NO_MEMORY;
    if (fd >= 0)
        close(fd);
    if (room != NULL)
        wipe(room, n > 0 ? (size_t)n : 0);
    free(room);
    return value;
}

/* --- names in connections --- */

/* contents - the contents of the file that a key names: in the folder, or by an absolute path; or
 * the octets themselves, as 0x... or 0s... */
static struct tree *contents(struct files *files, const struct tree *about, const char *folder,
                             const char *name, int *ret_err)
{
    char path[PATH_MAX];
    if (name[0] == '0' && strchr("xXsS", name[1]) != NULL && name[1] != '\0') {
        uint8_t octets[16384];
        size_t n = value_secret(name, octets, sizeof(octets));
        struct tree *value = tree_value("", span_of(octets, n));
        *ret_err = value == NULL ? ERR_NO_MEMORY : 0;
        return value;
    }
    if (name[0] == '/')
        (void)snprintf(path, sizeof(path), "%.*s", (int)sizeof(path) - 1, name);
    else
        (void)snprintf(path, sizeof(path), "%s/%s/%.255s", files->base, folder, name);
    return file_read(files, about, path, ret_err);
}

/* key_resolve - "certs = a.pem, b.pem" becomes a list of contents. */
static int key_resolve(struct files *files, struct tree *node, const char *folder)
{
    struct tree *names = tree_items(node);
    struct tree *list = tree_new(TREE_LIST, "");
    int err = names == NULL || list == NULL ? ERR_NO_MEMORY : 0;
    for (const struct tree *name = names == NULL ? NULL : names->first; err == 0 && name != NULL;
         name = name->next) {
        struct tree *value = contents(files, node, folder, (const char *)name->value, &err);
        if (value != NULL)
            tree_append(list, value);
    }
    tree_free(names);
    if (list != NULL) { /* even if a file is missing: that error is noted already */
        tree_free(node->first);
        free(node->value);
        node->kind = TREE_LIST;
        node->value = NULL;
        node->len = 0;
        node->first = list->first;
        node->last = list->last;
        list->first = list->last = NULL;
    }
    tree_free(list);
    return err;
}

/* section_resolve - "cert1 { file = a.pem }" becomes "certs = a.pem". */
static void section_resolve(struct tree *node, const char *key)
{
    const struct tree *file = key_node(node, "file");
    char *name = strdup(key);
    if (file == node || file->kind != TREE_VALUE || name == NULL) {
        free(name);
        return; /* a token, or no name: refused by name later */
    }
    struct tree *value = tree_value(key, span_of(file->value, file->len));
    if (value == NULL) {
        free(name);
        return;
    }
    free(node->name);
    tree_free(node->first);
    node->name = name;
    node->kind = TREE_VALUE;
    node->first = node->last = NULL;
    node->value = value->value;
    node->len = value->len;
    value->value = NULL;
    tree_free(value);
}

static int round_resolve(struct files *files, struct tree *round)
{
    static const struct {
        const char *section, *key, *folder;
    } rows[] = {
        {"cacert", "cacerts", "x509ca"}, {"cert", "certs", "x509"}, {"", "pubkeys", "pubkey"}};
    int first = 0;
    for (struct tree *node = round->first; node != NULL; node = node->next)
        for (size_t i = 0; i < LEN(rows); i++) {
            if (node->kind == TREE_SECTION && rows[i].section[0] != '\0' &&
                strncasecmp(node->name, rows[i].section, strlen(rows[i].section)) == 0)
                section_resolve(node, rows[i].key);
            if (node->kind == TREE_VALUE && strcasecmp(node->name, rows[i].key) == 0 &&
                !build_goes_on(files->error, key_resolve(files, node, rows[i].folder), &first))
                return first;
        }
    return first;
}

static int radius_resolve(struct files *files)
{
    const struct tree *servers = tree_get(files->root, "radius");
    int first = 0;
    for (struct tree *server = servers == NULL ? NULL : servers->first; server != NULL;
         server = server->next)
        if (server->kind == TREE_SECTION &&
            !build_goes_on(files->error, round_resolve(files, server), &first))
            return first;
    return first;
}

static int conns_resolve(struct files *files)
{
    const struct tree *conns = tree_get(files->root, "connections");
    int first = 0;
    for (const struct tree *conn = conns == NULL ? NULL : conns->first; conn != NULL;
         conn = conn->next)
        for (struct tree *round = conn->first; round != NULL; round = round->next)
            if (round->kind == TREE_SECTION &&
                (strncasecmp(round->name, "local", 5) == 0 ||
                 strncasecmp(round->name, "remote", 6) == 0) &&
                !build_goes_on(files->error, round_resolve(files, round), &first))
                return first;
    return first;
}

/* authorities_resolve - "cacert" is a file of x509ca, "file" one with its path. */
static int authorities_resolve(struct files *files)
{
    const struct tree *authorities = tree_get(files->root, "authorities");
    int first = 0;
    for (const struct tree *a = authorities == NULL ? NULL : authorities->first; a != NULL;
         a = a->next)
        for (struct tree *node = a->first; node != NULL; node = node->next) {
            bool is_file = strcasecmp(node->name, "file") == 0;
            if (node->kind != TREE_VALUE || (!is_file && strcasecmp(node->name, "cacert") != 0))
                continue;
            char *name = is_file ? strdup("cacert") : NULL;
            if (name != NULL) {
                free(node->name);
                node->name = name;
            }
            if (!build_goes_on(files->error, key_resolve(files, node, "x509ca"), &first))
                return first;
        }
    return first;
}

/* --- secrets of files --- */

static const struct folder *secret_folder(const struct tree *section)
{
    for (size_t i = LEN(folders); i-- > 0;) /* pkcs12 before the shorter names */
        if (folders[i].secrets != NULL &&
            strncasecmp(section->name, folders[i].secrets, strlen(folders[i].secrets)) == 0)
            return &folders[i];
    return NULL;
}

bool credential_files_secret(const struct tree *section)
{
    return secret_folder(section) != NULL;
}

static int secret_check(struct files *files, const struct tree *section)
{
    for (const struct tree *node = section->first; node != NULL; node = node->next)
        if (strcasecmp(node->name, "file") != 0 && strcasecmp(node->name, "secret") != 0)
            return build_fail(files->error, node, "unknown key, 'file' and 'secret' are expected");
    if (key_node(section, "file") == section)
        return build_fail(files->error, section, "'file' is missing");
    return 0;
}

/* passphrase_find - the passphrase of a file of the folder; NULL: none is given. */
static const struct tree *passphrase_find(const struct files *files, const struct folder *folder,
                                          const char *name)
{
    const struct tree *secrets = tree_get(files->root, "secrets");
    for (const struct tree *s = secrets == NULL ? NULL : secrets->first; s != NULL; s = s->next) {
        const struct tree *file = key_node(s, "file"), *secret = key_node(s, "secret");
        if (secret_folder(s) == folder && file != s && file->kind == TREE_VALUE && secret != s &&
            secret->kind == TREE_VALUE && strcmp((const char *)file->value, name) == 0)
            return secret;
    }
    return NULL;
}

static int secrets_check(struct files *files)
{
    const struct tree *secrets = tree_get(files->root, "secrets");
    int first = 0;
    for (const struct tree *s = secrets == NULL ? NULL : secrets->first; s != NULL; s = s->next)
        if (s->kind == TREE_SECTION && secret_folder(s) != NULL &&
            !build_goes_on(files->error, secret_check(files, s), &first))
            break;
    return first;
}

/* --- folders --- */

static bool element_add(struct tree *load, const char *name, struct span octets)
{
    struct tree *value = tree_value(name, octets);
    if (value != NULL)
        tree_append(load, value);
    return value != NULL;
}

static bool passphrase_add(struct tree *load, const struct tree *secret)
{
    uint8_t octets[SECRET_OCTETS_MAX];
    size_t n =
        secret == NULL ? 0 : value_secret((const char *)secret->value, octets, sizeof(octets));
    bool added = n == 0 || element_add(load, "secret", span_of(octets, n));
    wipe(octets, sizeof(octets));
    return added;
}

/* load_add - adds "PATH { type data secret }" to a section with the name of the command. */
static int load_add(struct files *files, const struct folder *folder, const char *path,
                    const struct tree *value)
{
    const char *name = strrchr(path, '/') + 1;
    struct tree *load = tree_new(TREE_SECTION, path);
    if (load == NULL || !element_add(load, "command", span_text(folder->command)) ||
        !element_add(load, "type", span_text(folder->name)) ||
        !element_add(load, "data", span_of(value->value, value->len)) ||
        !passphrase_add(load,
                        folder->secrets == NULL ? NULL : passphrase_find(files, folder, name))) {
        tree_free(load);
        return ERR_NO_MEMORY;
    }
    tree_append(files->loads, load);
    return 0;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int file_add(struct files *files, const struct folder *folder, const char *name)
{
    char path[PATH_MAX];
    int err;
    (void)snprintf(path, sizeof(path), "%s/%s/%.255s", files->base, folder->name, name);
    struct tree *value = file_read(files, files->root, path, &err);
    if (err == 0)
        err = load_add(files, folder, path, value);
    tree_free(value);
    return err;
}

static int folder_add(struct files *files, const struct folder *folder)
{
    char path[PATH_MAX];
    struct dirent **entries;
    int first = 0;
    (void)snprintf(path, sizeof(path), "%s/%s", files->base, folder->name);
    int n = scandir(path, &entries, visible, alphasort);
    if (n < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : why_not(files, files->root, path, strerror(errno));
    bool go = true;
    for (int i = 0; i < n; i++) {
        if (go)
            go = build_goes_on(files->error, file_add(files, folder, entries[i]->d_name), &first);
        free(entries[i]);
    }
    free(entries);
    return first;
}

static void base_set(struct files *files, const char *path)
{
    struct stat stat_of;
    (void)snprintf(files->base, sizeof(files->base), "%.*s", (int)sizeof(files->base) - 1, path);
    if (stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode))
        return;
    char *slash = strrchr(files->base, '/');
    if (slash == NULL)
        strcpy(files->base, ".");
    else
        *slash = '\0';
}

int credential_files_resolve(const char *path, struct tree *root, struct build_error *error)
{
    struct files files = {.root = root, .error = error};
    int first = 0;
    base_set(&files, path);
    files.loads = tree_new(TREE_SECTION, CREDENTIAL_FILES);
    if (files.loads == NULL)
        return ERR_NO_MEMORY;
    bool go = build_goes_on(error, conns_resolve(&files), &first) &&
              build_goes_on(error, authorities_resolve(&files), &first) &&
              build_goes_on(error, radius_resolve(&files), &first) &&
              build_goes_on(error, secrets_check(&files), &first);
    for (size_t i = 0; go && i < LEN(folders); i++)
        go = build_goes_on(error, folder_add(&files, &folders[i]), &first);
    tree_append(root, files.loads);
    return first;
}

bool credential_file_name(const struct tree *file, char out[CREDENTIAL_NAME_MAX])
{
    static const struct {
        const char *type, *role;
    } rows[] = {
        {"x509", "x509"}, {"x509ca", "x509ca"}, {"x509ocsp", "x509ocsp"}, {"pubkey", "pubkey"}};
    uint8_t room[VERIFIER_CERT_MAX], digest[CERT_DIGEST];
    const char *type = tree_text_or(file, "type", "");
    const struct tree *data = tree_get(file, "data");
    for (size_t i = 0; data != NULL && i < LEN(rows); i++) {
        if (strcmp(rows[i].type, type) != 0)
            continue;
        struct span der = pem_read(span_of(data->value, data->len), room, sizeof(room));
        SHA256(der.ptr, der.len, digest);
        size_t at = (size_t)snprintf(out, CREDENTIAL_NAME_MAX, "%s:", rows[i].role);
        for (size_t j = 0; j < sizeof(digest); j++)
            at += (size_t)snprintf(out + at, CREDENTIAL_NAME_MAX - at, "%02x", digest[j]);
        return true;
    }
    return false;
}
