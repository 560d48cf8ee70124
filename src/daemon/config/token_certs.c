/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/token_certs.h"

#include <stdlib.h>
#include <strings.h>

#include "base/secret.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/token_build.h"

/* key_of - the list that the certificate of a section goes to. NULL: it is no such section. */
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

static int section_resolve(const struct secret_doors *doors, struct tree *node, const char *key,
                           struct build_error *error)
{
    uint8_t room[TOKEN_ANSWER];
    struct key_token token;
    struct key_answer answer;
    int err = token_build(node, &token, error);
    if (err != 0)
        return err;
    err = secret_doors_cert(doors, &token, (struct buffer){room, sizeof(room)}, &answer);
    wipe(&token, sizeof(token));
    if (err != 0)
        build_warn(error, node, "%s: the certificate is left out",
                   answer.reason[0] != '\0' ? answer.reason : error_text(err));
    return node_become(node, key, span_of(room, err == 0 ? answer.n_octets : 0));
}

static int round_resolve(const struct secret_doors *doors, struct tree *round,
                         struct build_error *error)
{
    int err = 0;
    for (struct tree *node = round->first; err == 0 && node != NULL; node = node->next) {
        const char *key = key_of(node);
        if (key != NULL)
            err = section_resolve(doors, node, key, error);
    }
    return err;
}

int token_certs_resolve(const struct secret_doors *doors, struct tree *root,
                        struct build_error *error)
{
    const struct tree *conns = tree_get(root, "connections");
    int err = 0;
    for (const struct tree *conn = conns == NULL ? NULL : conns->first; err == 0 && conn != NULL;
         conn = conn->next)
        for (struct tree *round = conn->first; err == 0 && round != NULL; round = round->next)
            if (round->kind == TREE_SECTION && (strncasecmp(round->name, "local", 5) == 0 ||
                                                strncasecmp(round->name, "remote", 6) == 0))
                err = round_resolve(doors, round, error);
    return err;
}
