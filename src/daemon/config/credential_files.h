/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CREDENTIAL_FILES_H
#define DAEMON_CREDENTIAL_FILES_H

/*
 * The folders beside the configuration, as swanctl has them: x509, x509ca, x509ocsp, x509crl,
 * pubkey, private, rsa, ecdsa, pkcs8 and pkcs12. The loader treats them as swanctl does.
 */

#include "daemon/config/conn_build.h"

/* The section that credential_files_resolve() adds to the root: one section a file, with the name
 * of the load command and the elements of its message. No file can have a section of this name. */
#define CREDENTIAL_FILES " files"

#define CREDENTIAL_FILE_MAX (1024 * 1024) /* octets of one file */

/* credential_files_resolve - names of files in the rounds of connections
 * and in RADIUS servers become their contents, and
 * all files of the folders are listed for loading. `path`: of the configuration, a file or a
 * directory. ERR_INVALID with error; ERR_NO_MEMORY. */
int credential_files_resolve(const char *path, struct tree *root,
                             struct build_error *error) MUST_USE;

/* credential_files_secret - a section of `secrets` is about a file: "private1 { file secret }". */
bool credential_files_secret(const struct tree *section);

/* credential_file_name - "ROLE:HEX" for retain-credentials, for a file of a certificate or public
 * key. false: other files, such as lists of revocations, have no name. */
#define CREDENTIAL_NAME_MAX 96
bool credential_file_name(const struct tree *file, char out[CREDENTIAL_NAME_MAX]);

#endif
