/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/config_load.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "control/values.h"
#include "daemon/common/octets_io.h"
#include "daemon/config/authority_build.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/credential_files.h"
#include "daemon/config/permit_build.h"
#include "daemon/config/pool_overlap.h"
#include "daemon/config/token_build.h"
#include "daemon/config/token_certs.h"
#include "ike/terms/identity.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* --- secrets --- */

static int add_owner(struct engine_secret *secret, const struct tree *node,
                     struct build_error *error)
{
    const char *text = tree_value_text(node);
    if (secret->n_owners == LEN(secret->owners))
        return build_fail(error, node, "more than %zu identities", LEN(secret->owners));
    if (identity_parse(text, &secret->owners[secret->n_owners]) != 0)
        return build_fail(error, node, "'%.60s' is not an identity", text);
    if (secret->owners[secret->n_owners].type != 0) /* %any: without owners */
        secret->n_owners++;
    return 0;
}

static int apply_secret(const struct tree *node, uint8_t octets[SECRET_OCTETS_MAX],
                        struct engine_secret *secret, struct build_error *error)
{
    const char *text = tree_value_text(node);
    if (strncasecmp(node->name, "id", 2) == 0)
        return add_owner(secret, node, error);
    if (strcasecmp(node->name, "secret") != 0)
        return build_fail(error, node, "unknown key, 'secret' and 'id...' are expected");
    secret->n_octets = value_secret(text, octets, SECRET_OCTETS_MAX);
    /* the error must not contain the value */
    return secret->n_octets != 0
               ? 0
               : build_fail(error, node, "is empty, too long, or not valid 0x or 0s notation");
}

/* secret_kind_parse - the kind is the beginning of the section's name, as in swanctl. */
static bool secret_kind_parse(const char *name, enum engine_secret_kind *ret_kind)
{
    bool ike = strncasecmp(name, "ike", 3) == 0, eap = strncasecmp(name, "eap", 3) == 0;
    bool ntlm = strncasecmp(name, "ntlm", 4) == 0, ppk = strncasecmp(name, "ppk", 3) == 0;
    *ret_kind = ike   ? ENGINE_SECRET_IKE
                : eap ? ENGINE_SECRET_EAP
                : ppk ? ENGINE_SECRET_PPK
                      : ENGINE_SECRET_NTLM;
    return ike || eap || ntlm || ppk;
}

int secret_build(const struct tree *section, uint8_t octets[SECRET_OCTETS_MAX],
                 struct engine_secret *ret_secret, struct build_error *error)
{
    struct engine_secret secret = {.octets = octets};
    int err = key_name_copy(section, secret.id, error);
    if (err != 0)
        return err;
    if (!secret_kind_parse(section->name, &secret.kind))
        return build_fail(
            error, section,
            "not supported by ikat yet: only ike..., eap..., ntlm..., ppk... and token... secrets "
            "are, and those of files");
    for (const struct tree *node = section->first; node != NULL; node = node->next)
        if (!build_goes_on(error, apply_secret(node, octets, &secret, error), &err))
            break;
    if (err != 0)
        return err;
    if (secret.n_octets == 0)
        return build_fail(error, section, "'secret' is missing");
    *ret_secret = secret;
    return 0;
}

/* --- a whole file --- */

static int check_pool_name(const struct tree *node, const char *name, void *target,
                           struct build_error *error)
{
    const struct tree *const *pools = target;
    return tree_get(*pools, name) != NULL || strcmp(name, POOL_RADIUS) == 0
               ? 0
               : build_fail(error, node, "there is no pool '%.60s'", name);
}

#define SECRET_OCTETS_GOOD 16
#define PPK_OCTETS_GOOD    32

/* warn_secret - RFC 7296 section 2.15: a secret has at least the entropy of the strongest key. RFC
 * 8784 section 6: a PPK has 256 bits of entropy. A file that other users can read is no secret. */
static void warn_secret(const struct tree *section, const struct engine_secret *secret,
                        struct build_error *error)
{
    struct stat status;
    const struct tree *node = tree_get(section, "secret");
    bool ppk = secret->kind == ENGINE_SECRET_PPK;
    size_t good = ppk ? PPK_OCTETS_GOOD : SECRET_OCTETS_GOOD;
    if (secret->n_octets < good)
        build_warn(error, node != NULL ? node : section,
                   ppk ? "a PPK of less than %zu octets does not protect from a quantum computer"
                       : "a secret of less than %zu characters can be guessed",
                   good);
    if (section->file == NULL || stat(section->file, &status) != 0)
        return;
    bool group = (status.st_mode & S_IRGRP) != 0 && status.st_gid != 0;
    if (group || (status.st_mode & S_IROTH) != 0)
        build_warn(error, section, "the file has secrets, and others can read it (mode %04o)",
                   (unsigned)status.st_mode & 07777);
}

static int check_token(const struct tree *section, struct build_error *error)
{
    struct key_token token;
    int err = token_build(section, &token, error);
    wipe(&token, sizeof(token));
    return err;
}

static int check_section(const struct tree *root, const struct tree *top,
                         const struct tree *section, struct build_error *error)
{
    uint8_t octets[SECRET_OCTETS_MAX];
    struct ike_conn *conn = NULL;
    struct conn_credentials credentials;
    struct engine_secret secret = {0};
    struct pool_config pool;
    struct aaa_server server;
    int err;
    if (section->kind != TREE_SECTION)
        return build_fail(error, section, "a section is expected here, not a key");
    if (strcmp(top->name, "connections") == 0) {
        const struct tree *names = tree_get(section, "pools"), *pools = tree_get(root, "pools");
        int first = 0;
        err = conn_build(section, &conn, &credentials, error);
        conn_credentials_done(&credentials);
        ike_conn_unref(conn);
        if (build_goes_on(error, err, &first))
            (void)build_goes_on(error, key_for_items(names, &pools, error, check_pool_name),
                                &first);
        return first;
    }
    if (strcmp(top->name, "pools") == 0)
        return pool_build(section, &pool, error);
    if (strcmp(top->name, "radius") == 0) {
        err = radius_build(section, false, &server, error);
        wipe(&server, sizeof(server));
        return err;
    }
    if (strcmp(top->name, "authorities") == 0) {
        uint8_t der[VERIFIER_CERT_MAX];
        struct engine_authority authority;
        return authority_build(section, der, &authority, error);
    }
    if (strcmp(top->name, "pkcs11") == 0)
        return module_build(section, &(struct key_module){0}, error);
    if (token_secret(section))
        return check_token(section, error);
    if (credential_files_secret(section))
        return 0; /* credential_files_resolve() has checked it */
    err = secret_build(section, octets, &secret, error);
    wipe(octets, sizeof(octets));
    if (err == 0)
        warn_secret(section, &secret, error);
    return err;
}

/* check_secrets_room - checks the number of secrets for the keyholder. */
static int check_secrets_room(const struct tree *top, struct build_error *error)
{
    uint8_t octets[SECRET_OCTETS_MAX];
    size_t room = 0, n = 0;
    for (const struct tree *section = top->first; section != NULL; section = section->next) {
        const char *text = tree_text(section, "secret");
        enum engine_secret_kind kind;
        if (text == NULL || !secret_kind_parse(section->name, &kind) ||
            (kind != ENGINE_SECRET_IKE && kind != ENGINE_SECRET_PPK))
            continue;
        room += key_secret_room(value_secret(text, octets, sizeof(octets)));
        n++;
    }
    wipe(octets, sizeof(octets));
    return room <= KEY_SECRETS_ROOM
               ? 0
               : build_fail(error, top,
                            "%zu secrets take %zu octets of locked memory, at most %d are there", n,
                            room, KEY_SECRETS_ROOM);
}

static int check_top(const struct tree *root, const struct tree *top, struct build_error *error)
{
    static const char *const known[] = {"connections", "secrets", "pools", "radius",
                                        "authorities", "permits", "pkcs11"};
    bool found = false;
    int first = 0;
    if (strcmp(top->name, CREDENTIAL_FILES) == 0)
        return 0;
    for (size_t i = 0; i < LEN(known); i++)
        found |= strcmp(top->name, known[i]) == 0;
    if (!found && top->inherited)
        return 0; /* a template: the sections that inherit from it are checked */
    if (!found) {
        const char *near = value_nearest(top->name, known, LEN(known));
        return near == NULL ? build_fail(error, top, "unknown section")
                            : build_fail(error, top, "unknown section, did you mean '%s'?", near);
    }
    if (top->kind != TREE_SECTION)
        return build_fail(error, top, "is a key, a section is expected");
    if (strcmp(top->name, "permits") == 0)
        return permits_check(top, error);
    for (const struct tree *section = top->first; section != NULL; section = section->next)
        if (!build_goes_on(error, check_section(root, top, section, error), &first))
            return first;
    if (strcmp(top->name, "pools") == 0)
        (void)build_goes_on(error, pools_check_apart(top, error), &first);
    if (strcmp(top->name, "secrets") == 0)
        (void)build_goes_on(error, check_secrets_room(top, error), &first);
    return first;
}

int config_check(const struct tree *root, struct build_error *error)
{
    int first = 0;
    for (const struct tree *top = root->first; top != NULL; top = top->next)
        if (!build_goes_on(error, check_top(root, top, error), &first))
            break;
    return first;
}

int config_load(const char *path, struct settings *ret_settings, struct build_error *error)
{
    int first = 0, err = settings_load(path, ret_settings);
    for (size_t i = 0; i < ret_settings->n_errors; i++)
        build_note(error, ret_settings->errors[i]);
    for (size_t i = 0; i < ret_settings->n_warnings; i++)
        build_warn(error, ret_settings->root, "%s", ret_settings->warnings[i]);
    if (err != 0 && ret_settings->n_errors == 0)
        build_note(error, ret_settings->error);
    if (err == 0)
        err = credential_files_resolve(path, ret_settings->root, error);
    if (build_goes_on(error, err, &first))
        (void)build_goes_on(error, config_check(ret_settings->root, error), &first);
    err = first;
    if (err != 0)
        settings_done(ret_settings); /* the error has its own text */
    return err;
}

/* --- to the engine --- */

/* request - sends the frame, returns the response's message; NULL: the connection broke. */
static struct tree *request(int fd, struct vici_writer *w)
{
    uint8_t length[4];
    struct span frame = vici_writer_frame(w);
    bool ok = frame.len > 0 && octets_write(fd, frame) == 0 &&
              octets_read(fd, length, sizeof(length)) == 0;
    vici_writer_done(w);
    if (!ok)
        return NULL;
    size_t len =
        (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
    uint8_t *octets = len == 0 || len > VICI_FRAME_MAX ? NULL : malloc(len);
    struct vici_frame read;
    struct tree *message = NULL;
    if (octets != NULL && octets_read(fd, octets, len) == 0 &&
        vici_frame_read(span_of(octets, len), &read) && read.type == VICI_CMD_RESPONSE)
        message = vici_message_read(read.message);
    free(octets);
    return message;
}

static int response_check(const struct tree *response, const struct tree *about,
                          struct build_error *error)
{
    if (response == NULL)
        return build_fail(error, about, "the engine ended before it answered");
    if (strcmp(tree_text_or(response, "success", "no"), "yes") != 0)
        return build_fail(error, about, "%s", tree_text_or(response, "errmsg", "refused"));
    return 0;
}

static int run(int fd, struct vici_writer *w, const struct tree *about, struct build_error *error)
{
    struct tree *response = request(fd, w);
    int err = response_check(response, about, error);
    tree_free(response);
    return err;
}

static int list_add(struct tree *list, const char *text)
{
    struct tree *item = tree_value("", span_text(text));
    if (item == NULL)
        return ERR_NO_MEMORY;
    tree_append(list, item);
    return 0;
}

static int send_section(int fd, const char *command, const struct tree *section,
                        struct build_error *error)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, command);
    vici_section(&w, section->name);
    vici_tree(&w, section);
    vici_section_end(&w);
    return run(fd, &w, section, error);
}

/* told - notes the answer of a process that keeps secrets. */
static int told(int err, const char *reason, const struct tree *about, struct build_error *error)
{
    if (err == 0)
        return 0;
    return build_fail(error, about, "%s", reason[0] != '\0' ? reason : error_text(err));
}

/* send_secret - sends octets and owners to the process that keeps them, and the name to the
 * engine. */
static int send_secret(const struct config_channels *to, const struct tree *section,
                       struct build_error *error)
{
    static const char *const types[] = {"ike", "eap", "ntlm",
                                        "ppk"}; /* by enum engine_secret_kind */
    uint8_t octets[SECRET_OCTETS_MAX];
    struct engine_secret secret = {0};
    struct vici_writer w;
    int err = secret_build(section, octets, &secret, error);
    if (err != 0)
        return err;
    err = told(secret_doors_secret(&to->doors, &secret), "", section, error);
    wipe(octets, sizeof(octets));
    if (err != 0)
        return err;
    vici_begin(&w, VICI_CMD_REQUEST, "load-shared");
    vici_put(&w, "id", "%s", section->name);
    vici_put(&w, "type", "%s", types[secret.kind]);
    return run(to->vici_fd, &w, section, error);
}

/* value_put - writes a value, or a list of values. */
static void value_put(struct vici_writer *w, const struct tree *node)
{
    if (node->kind == TREE_VALUE)
        vici_octets(w, node->name, span_of(node->value, node->len));
    if (node->kind != TREE_LIST)
        return;
    vici_list(w, node->name);
    for (const struct tree *item = node->first; item != NULL; item = item->next)
        vici_item_span(w, span_of(item->value, item->len));
    vici_list_end(w);
}

/* send_radius - sends the whole server to the aaa process, and all but the secret to the engine. */
static int send_radius(const struct config_channels *to, const struct tree *section,
                       struct build_error *error)
{
    struct aaa_server server;
    struct vici_writer w;
    int err = radius_build(section, false, &server, error);
    if (err != 0)
        return err;
    err = told(secret_doors_radius(&to->doors, &server), "", section, error);
    wipe(&server, sizeof(server));
    if (err != 0)
        return err;
    vici_begin(&w, VICI_CMD_REQUEST, "load-radius");
    vici_section(&w, section->name);
    for (const struct tree *node = section->first; node != NULL; node = node->next)
        if (strcasecmp(node->name, "secret") != 0)
            value_put(&w, node);
    vici_section_end(&w);
    return run(to->vici_fd, &w, section, error);
}

static struct span value_of(const struct tree *section, const char *name)
{
    const struct tree *node = tree_get(section, name);
    return node == NULL ? (struct span){0} : span_of(node->value, node->len);
}

/* locked - a key or container whose passphrase the files do not have is left out of the load: `ikat
 * unlock` asks the user for it. */
static bool locked(int err, const char *reason, const struct tree *file, struct build_error *error)
{
    if (err != ERR_DENIED)
        return false;
    build_warn(error, file, "%s: 'ikat unlock' asks for it", reason);
    return true;
}

/* send_key_id - tells the engine the id of a key that the keyholder has. */
static int send_key_id(const struct config_channels *to, const uint8_t key_id[KEY_ID_SIZE],
                       const struct tree *about, struct tree *retain, struct build_error *error)
{
    struct vici_writer w;
    char text[2 * KEY_ID_SIZE + 1], name[CREDENTIAL_NAME_MAX];
    for (size_t i = 0; i < KEY_ID_SIZE; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", key_id[i]);
    vici_begin(&w, VICI_CMD_REQUEST, "load-key");
    vici_put(&w, "id", "%s", text);
    (void)snprintf(name, sizeof(name), "key:%s", text);
    int err = run(to->vici_fd, &w, about, error);
    return err != 0 ? err : list_add(retain, name);
}

/* send_key - sends a private key to the keyholder. */
static int send_key(const struct config_channels *to, const struct tree *file, struct span octets,
                    struct tree *retain, struct build_error *error)
{
    struct key_answer answer;
    int err = secret_doors_key(&to->doors, octets, value_of(file, "secret"), &answer);
    if (locked(err, answer.reason, file, error))
        return 0;
    err = told(err, answer.reason, file, error);
    return err != 0 ? err : send_key_id(to, answer.key_id, file, retain, error);
}

/* send_token - names a key on a token. An unavailable key is left out with a warning: a missing
 * card must not prevent the rest of the load. */
static int send_token(const struct config_channels *to, const struct tree *section,
                      struct tree *retain, struct build_error *error)
{
    struct key_token token;
    struct key_answer answer;
    int err = token_build(section, &token, error);
    if (err != 0)
        return err;
    err = secret_doors_token(&to->doors, &token, &answer);
    wipe(&token, sizeof(token));
    if (err == ERR_NOT_FOUND || err == ERR_AUTH || err == ERR_SYSTEM) {
        build_warn(error, section, "%s: the key is not loaded",
                   answer.reason[0] != '\0' ? answer.reason : error_text(err));
        return 0;
    }
    err = told(err, answer.reason, section, error);
    return err != 0 ? err : send_key_id(to, answer.key_id, section, retain, error);
}

static int send_tokens(const struct config_channels *to, const struct tree *root,
                       struct tree *retain, struct build_error *error)
{
    const struct tree *secrets = tree_get(root, "secrets");
    int err = 0;
    for (const struct tree *s = secrets == NULL ? NULL : secrets->first; err == 0 && s != NULL;
         s = s->next)
        if (token_secret(s))
            err = send_token(to, s, retain, error);
    return err;
}

/* send_modules - sends the PKCS#11 libraries: only the files may name them. */
static int send_modules(const struct config_channels *to, const struct tree *root,
                        struct build_error *error)
{
    const struct tree *modules = tree_get(root, "pkcs11");
    struct key_module module;
    int err = 0;
    for (const struct tree *s = modules == NULL ? NULL : modules->first; err == 0 && s != NULL;
         s = s->next) {
        err = module_build(s, &module, error);
        if (err == 0)
            err = told(secret_doors_module(&to->doors, &module), "", s, error);
    }
    return err;
}

/* send_cert - sends a certificate of the folders, and appends its name to `retain`. */
static int send_cert(int fd, const struct tree *file, struct tree *retain,
                     struct build_error *error)
{
    struct vici_writer w;
    char name[CREDENTIAL_NAME_MAX];
    vici_begin(&w, VICI_CMD_REQUEST, "load-cert");
    for (const struct tree *node = file->first; node != NULL; node = node->next)
        if (strcmp(node->name, "command") != 0)
            vici_octets(&w, node->name, span_of(node->value, node->len));
    int err = run(fd, &w, file, error);
    return err == 0 && credential_file_name(file, name) ? list_add(retain, name) : err;
}

/* send_contained - sends a certificate of a container like one of the folder x509, as swanctl does:
 * a CA in it is not trusted. */
static int send_contained(int fd, const struct tree *file, struct span der, struct tree *retain,
                          struct build_error *error)
{
    struct tree *cert = tree_new(TREE_SECTION, file->name);
    struct tree *type = tree_value("type", span_text("x509")), *data = tree_value("data", der);
    int err = cert == NULL || type == NULL || data == NULL ? ERR_NO_MEMORY : 0;
    if (err == 0) {
        tree_append(cert, type);
        tree_append(cert, data);
        err = send_cert(fd, cert, retain, error);
    } else {
        tree_free(type);
        tree_free(data);
    }
    tree_free(cert);
    return err;
}

static int send_items(const struct config_channels *to, const struct tree *file, struct span octets,
                      struct tree *retain, struct build_error *error)
{
    struct reader items = reader_of(octets);
    enum container_item kind;
    struct span item;
    int err = 0;
    while (err == 0 && container_next(&items, &kind, &item))
        err = kind == CONTAINER_KEY ? send_key(to, file, item, retain, error)
                                    : send_contained(to->vici_fd, file, item, retain, error);
    return err == 0 && !reader_done(&items)
               ? build_fail(error, file, "the unpacker answered with nonsense")
               : err;
}

/* send_container - sends each item of the container to the process that keeps it. */
static int send_container(const struct config_channels *to, const struct tree *file,
                          struct tree *retain, struct build_error *error)
{
    static uint8_t room[CONTAINER_MAX];
    struct unpack_answer answer;
    const struct span parts[2] = {value_of(file, "data"), value_of(file, "secret")};
    int err = secret_doors_unpack(&to->doors, parts, (struct buffer){room, sizeof(room)}, &answer);
    if (locked(err, answer.reason, file, error))
        return 0;
    err = told(err, answer.reason, file, error);
    if (err == 0)
        err = send_items(to, file, span_of(room, answer.n_octets), retain, error);
    wipe(room, sizeof(room));
    return err;
}

static int send_file(const struct config_channels *to, const struct tree *file, struct tree *retain,
                     struct build_error *error)
{
    const char *command = tree_text_or(file, "command", "");
    if (strcmp(command, "load-key") == 0)
        return send_key(to, file, value_of(file, "data"), retain, error);
    if (strcmp(command, "load-container") == 0)
        return send_container(to, file, retain, error);
    return send_cert(to->vici_fd, file, retain, error);
}

/* send_files - sends all files; credentials of other files are unloaded. */
static int send_files(const struct config_channels *to, const struct tree *root,
                      struct build_error *error)
{
    const struct tree *files = tree_get(root, CREDENTIAL_FILES);
    struct tree *retain = tree_new(TREE_LIST, "retain");
    struct vici_writer w;
    int err = retain == NULL ? ERR_NO_MEMORY : send_tokens(to, root, retain, error);
    for (const struct tree *s = files == NULL ? NULL : files->first; err == 0 && s != NULL;
         s = s->next)
        err = send_file(to, s, retain, error);
    if (err == 0 && files != NULL) {
        vici_begin(&w, VICI_CMD_REQUEST, "retain-credentials");
        vici_list(&w, "retain");
        for (const struct tree *item = retain->first; item != NULL; item = item->next)
            vici_item(&w, (const char *)item->value);
        vici_list_end(&w);
        err = run(to->vici_fd, &w, files, error);
    }
    tree_free(retain);
    return err;
}

static int send_plain(int fd, const char *command, const struct tree *about,
                      struct build_error *error)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, command);
    return run(fd, &w, about, error);
}

/* send_all - sends each section of one top section. */
static int send_all(int fd, const struct tree *top, const char *command, struct build_error *error)
{
    int err = 0;
    for (const struct tree *s = top == NULL ? NULL : top->first; err == 0 && s != NULL; s = s->next)
        err = send_section(fd, command, s, error);
    return err;
}

static int send_secrets(const struct config_channels *to, const struct tree *root,
                        struct build_error *error)
{
    const struct tree *secrets = tree_get(root, "secrets"), *servers = tree_get(root, "radius");
    int err = 0;
    for (const struct tree *s = secrets == NULL ? NULL : secrets->first; err == 0 && s != NULL;
         s = s->next)
        if (!credential_files_secret(s) && !token_secret(s))
            err = send_secret(to, s, error);
    for (const struct tree *s = servers == NULL ? NULL : servers->first; err == 0 && s != NULL;
         s = s->next)
        err = send_radius(to, s, error);
    return err;
}

/* send_commit - the engine refuses a load as a whole. A reason that begins with the name of a pool
 * gets the line of that pool. */
static int send_commit(int fd, const struct tree *root, struct build_error *error)
{
    struct vici_writer w;
    const struct tree *pools = tree_get(root, "pools"), *about = root;
    vici_begin(&w, VICI_CMD_REQUEST, "load-commit");
    struct tree *response = request(fd, &w);
    const char *why = tree_text_or(response, "errmsg", "");
    for (const struct tree *pool = pools == NULL ? NULL : pools->first; pool != NULL;
         pool = pool->next) {
        size_t len = strlen(pool->name);
        if (strncmp(why, "pool ", 5) == 0 && strncmp(why + 5, pool->name, len) == 0 &&
            why[5 + len] == ' ')
            about = pool;
    }
    int err = response_check(response, about, error);
    tree_free(response);
    return err;
}

int config_send(const struct config_channels *to, const struct settings *settings,
                struct build_error *error)
{
    const struct tree *root = settings->root;
    int fd = to->vici_fd, err = send_plain(fd, "load-begin", root, error);
    if (err == 0)
        err = send_modules(to, root, error);
    if (err == 0)
        err = token_certs_resolve(&to->doors, settings->root, error);
    if (err == 0)
        err = send_secrets(to, root, error);
    if (err == 0)
        err = send_all(fd, tree_get(root, "pools"), "load-pool", error);
    if (err == 0)
        err = send_all(fd, tree_get(root, "connections"), "load-conn", error);
    if (err == 0)
        err = send_files(to, root, error);
    if (err == 0)
        err = send_all(fd, tree_get(root, "authorities"), "load-authority", error);
    return err == 0 ? send_commit(fd, root, error) : err;
}

void config_say(int vici_fd, unsigned level, const char *text)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, "load-say");
    vici_put(&w, "level", "%u", level);
    vici_put(&w, "msg", "%s", text);
    tree_free(request(vici_fd, &w));
}
