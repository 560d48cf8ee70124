/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vici/vici_files.h"

#include <stdio.h>
#include <stdlib.h>

typedef char file_name[LIMIT_NAME];

const char *vici_key_id_print(const uint8_t *key_id, char out[KEY_ID_TEXT])
{
    for (size_t i = 0; i < KEY_ID_SIZE; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", key_id[i]);
    return out;
}

struct vici_files {
    struct {
        size_t n;
        file_name *names; /* owned, sorted */
    } of[VICI_FILE_KINDS];
};

/* load_count - the number of objects of that kind. */
static size_t load_count(const struct engine_load *load, enum vici_file_kind kind)
{
    const size_t counts[VICI_FILE_KINDS] = {
        [VICI_FILE_CONN] = load->n_conns,     [VICI_FILE_POOL] = load->n_pools,
        [VICI_FILE_SECRET] = load->n_secrets, [VICI_FILE_AUTHORITY] = load->n_authorities,
        [VICI_FILE_KEY] = load->n_keys,
    };
    return counts[kind];
}

static void load_name(const struct engine_load *load, enum vici_file_kind kind, size_t i,
                      file_name ret_name)
{
    char key[KEY_ID_TEXT];
    const char *name = kind == VICI_FILE_CONN        ? load->conns[i]->name
                       : kind == VICI_FILE_POOL      ? load->pools[i].name
                       : kind == VICI_FILE_SECRET    ? load->secrets[i].id
                       : kind == VICI_FILE_AUTHORITY ? load->authorities[i].name
                                                     : vici_key_id_print(load->keys[i].id, key);
    (void)snprintf(ret_name, LIMIT_NAME, "%s", name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

struct vici_files *vici_files_new(const struct engine_load *load)
{
    struct vici_files *files = calloc(1, sizeof(*files));
    for (int kind = 0; files != NULL && kind < VICI_FILE_KINDS; kind++) {
        size_t n = load_count(load, (enum vici_file_kind)kind);
        file_name *names = calloc(n + 1, sizeof(*names));
        if (names == NULL)
            return vici_files_free(files);
        for (size_t i = 0; i < n; i++)
            load_name(load, (enum vici_file_kind)kind, i, names[i]);
        qsort(names, n, sizeof(*names), by_name);
        files->of[kind].names = names;
        files->of[kind].n = n;
    }
    return files;
}

struct vici_files *vici_files_free(struct vici_files *files)
{
    for (int kind = 0; files != NULL && kind < VICI_FILE_KINDS; kind++)
        free(files->of[kind].names);
    free(files);
    return NULL;
}

/* place - the index of the first name that does not sort before `name`. */
static size_t place(const struct vici_files *files, enum vici_file_kind kind, const char *name)
{
    size_t low = 0, high = files->of[kind].n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(files->of[kind].names[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool vici_files_have(const struct vici_files *files, enum vici_file_kind kind, const char *name)
{
    size_t at = files == NULL ? 0 : place(files, kind, name);
    return files != NULL && at < files->of[kind].n && strcmp(files->of[kind].names[at], name) == 0;
}

void vici_files_forget(struct vici_files *files, enum vici_file_kind kind, const char *name)
{
    if (!vici_files_have(files, kind, name))
        return;
    size_t at = place(files, kind, name), left = --files->of[kind].n - at;
    file_name *names = files->of[kind].names;
    memmove(names[at], names[at + 1], left * sizeof(*names));
}
