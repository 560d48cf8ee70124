/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/token_build.h"

#include <stdio.h>
#include <strings.h>

#include "base/secret.h"
#include "control/values.h"
#include "daemon/config/conn_keys.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* set_handle - hexadecimal digits, with or without 0x in front. */
static int set_handle(const struct tree *node, void *target, struct build_error *error)
{
    struct key_token *token = target;
    const char *text = tree_value_text(node);
    char digits[2 * TOKEN_HANDLE + 3];
    bool marked = strncasecmp(text, "0x", 2) == 0;
    size_t n = 0;
    if (strlen(text) <= 2 * TOKEN_HANDLE) {
        (void)snprintf(digits, sizeof(digits), "0x%s", marked ? text + 2 : text);
        n = value_secret(digits, token->handle, sizeof(token->handle));
    }
    token->handle_len = (uint32_t)n;
    return n > 0 ? 0
                 : build_fail(error, node, "'%.60s' is not the id of a key (CKA_ID) in hexadecimal",
                              text);
}

static int set_slot(const struct tree *node, void *target, struct build_error *error)
{
    struct key_token *token = target;
    uint64_t slot;
    if (!value_u64(tree_value_text(node), &slot) || slot > INT64_MAX)
        return build_fail(error, node, "'%.60s' is not the number of a slot",
                          tree_value_text(node));
    token->slot = (int64_t)slot;
    return 0;
}

static int text_copy(const struct tree *node, char *room, size_t cap, struct build_error *error)
{
    const char *text = tree_value_text(node);
    if (text[0] == '\0' || strlen(text) >= cap)
        return build_fail(error, node, "is empty or longer than %zu characters", cap - 1);
    memcpy(room, text, strlen(text) + 1);
    return 0;
}

static int set_module(const struct tree *node, void *target, struct build_error *error)
{
    struct key_token *token = target;
    return text_copy(node, token->module, sizeof(token->module), error);
}

/* set_pin - the error must not contain the value. */
static int set_pin(const struct tree *node, void *target, struct build_error *error)
{
    struct key_token *token = target;
    const char *text = tree_value_text(node);
    size_t len = strlen(text);
    if (len == 0 || len > sizeof(token->pin))
        return build_fail(error, node, "is empty or longer than %d characters", TOKEN_PIN);
    memcpy(token->pin, text, len);
    token->pin_len = (uint32_t)len;
    return 0;
}

static const struct key token_keys[] = {
    {.name = "handle", .kind = KEY_FUNCTION, .function = set_handle},
    {.name = "slot", .kind = KEY_FUNCTION, .function = set_slot},
    {.name = "module", .kind = KEY_FUNCTION, .function = set_module},
    {.name = "pin", .kind = KEY_FUNCTION, .function = set_pin},
};

int token_build(const struct tree *section, struct key_token *ret_token, struct build_error *error)
{
    static const struct key_table table = {token_keys, LEN(token_keys), NULL, NULL};
    struct key_token token = {.slot = -1};
    int err = keys_apply(&table, section, &token, error);
    if (err == 0 && token.handle_len == 0)
        err = build_fail(error, section, "'handle' is missing: the id of the key (CKA_ID)");
    if (err == 0)
        *ret_token = token;
    wipe(&token, sizeof(token));
    return err;
}

static int set_path(const struct tree *node, void *target, struct build_error *error)
{
    struct key_module *module = target;
    if (tree_value_text(node)[0] != '/')
        return build_fail(error, node, "is not an absolute path");
    return text_copy(node, module->path, sizeof(module->path), error);
}

int module_build(const struct tree *section, struct key_module *ret_module,
                 struct build_error *error)
{
    static const struct key keys[] = {{.name = "path", .kind = KEY_FUNCTION, .function = set_path}};
    static const struct key_table table = {keys, LEN(keys), NULL, NULL};
    struct key_module module = {.name = ""};
    int err = key_name_copy(section, module.name, error);
    if (err == 0)
        err = keys_apply(&table, section, &module, error);
    if (err == 0 && module.path[0] == '\0')
        err = build_fail(error, section, "'path' is missing: the file of the PKCS#11 library");
    if (err == 0)
        *ret_module = module;
    return err;
}

bool token_secret(const struct tree *section)
{
    return strncasecmp(section->name, "token", 5) == 0;
}
