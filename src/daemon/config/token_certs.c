/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/token_certs.h"

#include <stdlib.h>
#include <strings.h>

#include "base/secret.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/token_build.h"

/* key_of - the key of the list for the section's certificate. NULL: it is no such section. */
static const char *key_of(const struct tree *section)
{
    if (section->kind != TREE_SECTION || key_node(section, "handle") == section)
        return NULL;
    return strncasecmp(section->name, "cacert", 6) == 0 ? "cacerts"
           : strncasecmp(section->name, "cert", 4) == 0 ? "certs"
                                                        : NULL;
}

/* node_become - the section becomes a list with one certificate, or with none. */
static int node_become(struct tree *node, const char *key, struct span der)
{
    char *name = strdup(key);
    struct tree *value = der.len == 0 ? NULL : tree_value("", der);
    if (name == NULL || (der.len > 0 && value == NULL)) {
        free(name);
        tree_free(value);
        return ERR_NO_MEMORY;
    }
    tree_free(node->first);
    free(node->name);
    node->name = name;
    node->kind = TREE_LIST;
    node->first = node->last = NULL;
    if (value != NULL)
        tree_append(node, value);
    return 0;
}

/* certificate_get - reads the certificate: *ret_n octets of `room`. ERR_NOT_FOUND and others:
 * *ret_answer may have the reason. */
static int certificate_get(const struct secret_doors *doors, const struct tree *node,
                           struct buffer room, struct key_answer *ret_answer,
                           struct build_error *error)
{
    struct key_token token;
    *ret_answer = (struct key_answer){0};
    int err = token_build(node, &token, error);
    if (err != 0)
        return err;
    ret_answer->error = secret_doors_cert(doors, &token, room, ret_answer);
    if (ret_answer->error == 0 && ret_answer->n_octets == 0)
        ret_answer->error = ERR_NOT_FOUND;
    wipe(&token, sizeof(token));
    return 0;
}

/* section_resolve - *ret_missing: the certificate is unavailable. */
static int section_resolve(const struct secret_doors *doors, struct tree *node, bool *ret_missing,
                           struct build_error *error)
{
    uint8_t room[TOKEN_ANSWER];
    struct key_answer answer;
    int err = certificate_get(doors, node, (struct buffer){room, sizeof(room)}, &answer, error);
    if (err != 0)
        return err;
    *ret_missing = answer.error != 0;
    if (*ret_missing)
        build_warn(error, node, "%s: the certificate is left out",
                   answer.reason[0] != '\0' ? answer.reason : error_text(answer.error));
    return node_become(node, key_of(node), span_of(room, *ret_missing ? 0 : answer.n_octets));
}

/* round_resolve - *ret_missing: at least one certificate is unavailable. */
static int round_resolve(const struct secret_doors *doors, struct tree *round, bool *ret_missing,
                         struct build_error *error)
{
    int err = 0;
    for (struct tree *node = round->first; err == 0 && node != NULL; node = node->next) {
        bool missing = false;
        if (key_of(node) != NULL)
            err = section_resolve(doors, node, &missing, error);
        *ret_missing |= missing;
    }
    return err;
}

/* conn_resolve - *ret_open: the demands on the peer would be weaker than in the files. Without the
 * certificates of a remote round, any peer of any CA could log in. */
static int conn_resolve(const struct secret_doors *doors, const struct tree *conn, bool *ret_open,
                        struct build_error *error)
{
    int err = 0;
    for (struct tree *round = conn->first; err == 0 && round != NULL; round = round->next) {
        bool missing = false, remote = strncasecmp(round->name, "remote", 6) == 0;
        if (round->kind != TREE_SECTION || (!remote && strncasecmp(round->name, "local", 5) != 0))
            continue;
        err = round_resolve(doors, round, &missing, error);
        *ret_open |= remote && missing;
    }
    return err;
}

int token_certs_resolve(const struct secret_doors *doors, struct tree *root,
                        struct build_error *error)
{
    struct tree *conns = tree_get(root, "connections"), *next;
    int err = 0;
    for (struct tree *conn = conns == NULL ? NULL : conns->first; err == 0 && conn != NULL;
         conn = next) {
        bool open = false;
        next = conn->next;
        err = conn_resolve(doors, conn, &open, error);
        if (err != 0 || !open)
            continue;
        build_warn(error, conn,
                   "a certificate that the peer is held to is missing: the connection is left out");
        tree_remove(conns, conn);
    }
    return err;
}
