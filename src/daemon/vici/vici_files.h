/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VICI_FILES_H
#define DAEMON_VICI_FILES_H

/*
 * The names of what ikatd loaded from its files. swanctl unloads all objects that its own files do
 * not have, so no client can unload these. An object that a client loads under the same name
 * belongs to the client until the next load of the files.
 */

#include "daemon/vici/engine_ops.h"

enum vici_file_kind {
    VICI_FILE_CONN,
    VICI_FILE_POOL,
    VICI_FILE_SECRET,
    VICI_FILE_AUTHORITY,
    VICI_FILE_KEY, /* named by its id in hexadecimal */
    VICI_FILE_KINDS
};

#define KEY_ID_TEXT (2 * KEY_ID_SIZE + 1)

struct vici_files;

/* vici_files_new - the names of a load. NULL: no memory. */
struct vici_files *vici_files_new(const struct engine_load *load);
struct vici_files *vici_files_free(struct vici_files *files); /* takes NULL; returns NULL */
/* vici_files_have, vici_files_forget - take NULL: no files were loaded. */
bool vici_files_have(const struct vici_files *files, enum vici_file_kind kind, const char *name);
void vici_files_forget(struct vici_files *files, enum vici_file_kind kind, const char *name);

/* vici_key_id_print - the name of a private key, in hexadecimal. Returns `out`. */
const char *vici_key_id_print(const uint8_t *key_id, char out[KEY_ID_TEXT]);

#endif
