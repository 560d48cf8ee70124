/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/lib_config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "control/settings.h"
#include "daemon/config/conn_build.h"

/* --- what a connection may not say here --- */

static bool shared_keys_only(const struct ike_auth_policy *rounds, uint8_t n)
{
    for (uint8_t i = 0; i < n; i++)
        if (rounds[i].method != IKE_AUTH_PSK)
            return false;
    return true;
}

/* conn_check - refuses what libikat cannot do. */
static int conn_check(const struct tree *section, const struct ike_conn *conn,
                      const struct data_plane *plane, struct build_error *error)
{
    if (!shared_keys_only(conn->local, conn->n_local_rounds) ||
        !shared_keys_only(conn->remote, conn->n_remote_rounds))
        return build_fail(error, section,
                          "libikat has pre-shared keys only: auth = psk on both sides");
    if (ike_conn_ordered(conn) && !data_plane_can(plane, DATA_PLANE_ORDER))
        return build_fail(error, section, "libikat spreads flows: multipath = failover or balance");
    if (conn->n_shunts > 0)
        return build_fail(error, section, "libikat has no policies with mode = pass or drop");
    for (uint8_t i = 0; i < conn->n_children; i++)
        if (conn->children[i].mode != IKE_MODE_TUNNEL &&
            !data_plane_can(plane, DATA_PLANE_TRANSPORT))
            return build_fail(error, section, "libikat has tunnel mode only: child %s",
                              conn->children[i].name);
    return 0;
}

static int conn_read(const struct tree *section, struct lib_config *config,
                     struct build_error *error)
{
    static struct conn_credentials none;
    struct conn_credentials *credentials = malloc(sizeof(*credentials));
    struct ike_conn *conn = NULL;
    if (credentials == NULL)
        return ERR_NO_MEMORY;
    *credentials = none;
    int err = conn_build(section, &conn, credentials, error);
    conn_credentials_done(credentials);
    free(credentials);
    if (err == 0)
        err = conn_check(section, conn, config->plane, error);
    if (err != 0) {
        ike_conn_unref(conn);
        return err;
    }
    conn->encap |= !data_plane_can(config->plane, DATA_PLANE_RAW);
    config->conns[config->n_conns++] = conn;
    return 0;
}

static int pool_read(const struct tree *section, struct lib_config *config,
                     struct build_error *error)
{
    return pool_build(section, &config->pools[config->n_pools++], error);
}

static int secret_read(const struct tree *section, struct lib_config *config,
                       struct build_error *error)
{
    uint8_t octets[SECRET_OCTETS_MAX];
    struct engine_secret secret;
    int err = secret_build(section, octets, &secret, error);
    if (err != 0)
        return err;
    bool ppk = secret.kind == ENGINE_SECRET_PPK;
    if (ppk || secret.kind == ENGINE_SECRET_IKE) {
        struct key_load load = {
            .secret_len = (uint32_t)secret.n_octets, .n_owners = secret.n_owners, .ppk = ppk};
        memcpy(load.name, secret.id, sizeof(load.name));
        memcpy(load.owners, secret.owners, sizeof(load.owners));
        err = shared_keys_load(config->secrets, &load, span_of(secret.octets, secret.n_octets));
        config->any_ppk |= ppk;
    } else {
        err = build_fail(error, section, "libikat has secrets of ike... and ppk... only");
    }
    wipe(octets, sizeof(octets));
    return err;
}

/* --- a whole text --- */

typedef int (*section_reader)(const struct tree *section, struct lib_config *config,
                              struct build_error *error);

static size_t sections(const struct tree *top)
{
    size_t n = 0;
    for (const struct tree *node = top == NULL ? NULL : top->first; node != NULL; node = node->next)
        n++;
    return n;
}

static int sections_read(const struct tree *root, struct lib_config *config,
                         struct build_error *error)
{
    static const struct {
        const char *name;
        section_reader read;
    } readers[] = {{"connections", conn_read}, {"pools", pool_read}, {"secrets", secret_read}};
    for (const struct tree *top = root->first; top != NULL; top = top->next) {
        section_reader read = NULL;
        for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
            if (strcmp(top->name, readers[i].name) == 0)
                read = readers[i].read;
        if (read == NULL)
            return build_fail(error, top, "libikat has connections, pools and secrets only");
        for (const struct tree *section = top->first; section != NULL; section = section->next) {
            int err = read(section, config, error);
            if (err != 0)
                return err;
        }
    }
    return 0;
}

static int config_fill(const struct tree *root, struct lib_config *config,
                       struct build_error *error)
{
    size_t conns = sections(tree_get(root, "connections")),
           pools = sections(tree_get(root, "pools"));
    config->conns = calloc(conns + 1, sizeof(struct ike_conn *));
    config->pools = calloc(pools + 1, sizeof(*config->pools));
    config->secrets = shared_keys_new();
    if (config->conns == NULL || config->pools == NULL || config->secrets == NULL)
        return ERR_NO_MEMORY;
    int err = config_check(root, error);
    return err != 0 ? err : sections_read(root, config, error);
}

int lib_config_read(const char *name, const char *text, struct lib_config *config,
                    char error[IKAT_TEXT_MAX])
{
    struct settings settings;
    struct build_error first = {.text = ""};
    *config = (struct lib_config){.plane = config->plane};
    int err = settings_parse(name, span_text(text), NULL, &settings);
    if (err != 0)
        (void)snprintf(error, IKAT_TEXT_MAX, "%s", settings.error);
    else if ((err = config_fill(settings.root, config, &first)) != 0)
        (void)snprintf(error, IKAT_TEXT_MAX, "%s",
                       first.text[0] != '\0' ? first.text : error_text(err));
    settings_done(&settings);
    if (err != 0)
        lib_config_done(config);
    return err;
}

void lib_config_done(struct lib_config *config)
{
    for (size_t i = 0; i < config->n_conns; i++)
        ike_conn_unref(config->conns[i]);
    free(config->conns);
    free(config->pools);
    shared_keys_free(config->secrets);
    *config = (struct lib_config){0};
}
