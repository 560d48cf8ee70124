/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/conn_keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "control/values.h"
#include "ike/terms/proposal.h"

#define SUGGESTIONS_MAX 64

bool build_goes_on(const struct build_error *error, int err, int *first)
{
    if (*first == 0)
        *first = err;
    return err == 0 || (err == ERR_INVALID && error->all != NULL && !error->all->more);
}

/* list_add - adds a text once: several sections may inherit the same fault. */
static void list_add(struct build_errors *list, const char *text)
{
    for (unsigned i = 0; i < list->n; i++)
        if (strcmp(list->text[i], text) == 0)
            return;
    if (list->n == BUILD_ERRORS_MAX)
        list->more = true;
    else
        (void)snprintf(list->text[list->n++], ENGINE_ERROR_MAX, "%s", text);
}

void build_note(struct build_error *error, const char *text)
{
    struct build_errors *all = error->all;
    if (all == NULL || all->n == 0)
        (void)snprintf(error->text, sizeof(error->text), "%s", text);
    if (all != NULL)
        list_add(all, text);
}

/* about - "file:line: key: why". */
static void about(const struct tree *node, const char *why, char text[ENGINE_ERROR_MAX])
{
    if (node->file != NULL)
        (void)snprintf(text, ENGINE_ERROR_MAX, "%.100s:%u: %.50s: %.352s", node->file, node->line,
                       node->name, why);
    else if (node->name[0] == '\0') /* the whole configuration */
        (void)snprintf(text, ENGINE_ERROR_MAX, "%.352s", why);
    else
        (void)snprintf(text, ENGINE_ERROR_MAX, "%.100s: %.352s", node->name, why);
}

int build_fail(struct build_error *error, const struct tree *node, const char *format, ...)
{
    char why[ENGINE_ERROR_MAX - 160], text[ENGINE_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    about(node, why, text);
    build_note(error, text);
    return ERR_INVALID;
}

void build_warn(struct build_error *error, const struct tree *node, const char *format, ...)
{
    char why[ENGINE_ERROR_MAX - 160], text[ENGINE_ERROR_MAX];
    va_list arguments;
    if (error->warnings == NULL)
        return;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    about(node, why, text);
    list_add(error->warnings, text);
}

static int unknown(const struct key_table *table, const struct tree *node,
                   struct build_error *error)
{
    const char *words[SUGGESTIONS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < table->n && n < SUGGESTIONS_MAX; i++)
        words[n++] = table->keys[i].name;
    const char *near = value_nearest(node->name, words, n);
    return near == NULL ? build_fail(error, node, "unknown key")
                        : build_fail(error, node, "unknown key, did you mean '%s'?", near);
}

static int set_word(const struct key *key, const struct tree *node, const char *text, int *field,
                    struct build_error *error)
{
    char list[256] = "";
    size_t at = 0;
    for (int i = 0; key->words[i] != NULL; i++) {
        if (strcasecmp(key->words[i], text) == 0) {
            *field = i;
            return 0;
        }
        at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", i == 0 ? "" : ", ",
                               key->words[i]);
    }
    return build_fail(error, node, "'%.60s' is not one of %s", text, list);
}

static int check_only(const struct key *key, const struct tree *node, const char *text,
                      struct build_error *error)
{
    for (int i = 0; key->words[i] != NULL; i++)
        if (strcasecmp(key->words[i], text) == 0)
            return 0;
    return build_fail(error, node, "'%.60s' is not supported by ikat: %s", text, key->why);
}

static int set_number(const struct key *key, const struct tree *node, const char *text, void *field,
                      struct build_error *error)
{
    uint64_t value;
    bool ok = key->kind == KEY_BYTES ? value_bytes(text, &value) : value_u64(text, &value);
    uint64_t max = key->kind == KEY_U16   ? UINT16_MAX
                   : key->kind == KEY_U32 ? UINT32_MAX
                                          : UINT64_MAX;
    if (!ok)
        return build_fail(error, node, "'%.60s' is not a %s", text,
                          key->kind == KEY_BYTES ? "size (such as 500m)" : "number");
    if (value > max)
        return build_fail(error, node, "%.60s is too large, at most %llu", text,
                          (unsigned long long)max);
    if (key->kind == KEY_U16)
        *(uint16_t *)field = (uint16_t)value;
    else if (key->kind == KEY_U32)
        *(uint32_t *)field = (uint32_t)value;
    else
        *(uint64_t *)field = value;
    return 0;
}

static int set_key(const struct key *key, const struct tree *node, void *target,
                   struct build_error *error)
{
    void *field = (char *)target + key->offset;
    if (key->kind == KEY_FUNCTION)
        return key->function(node, target, error);
    if (key->kind == KEY_IGNORED)
        return 0;
    if (key->kind == KEY_UNSUPPORTED)
        return build_fail(error, node, "not supported by ikat: %s", key->why);
    if (node->kind != TREE_VALUE)
        return build_fail(error, node, "is a list, one value is expected");
    const char *text = (const char *)node->value;
    if (text[0] == '\0')
        return 0; /* `key =` cancels an inherited value: the default applies */
    switch (key->kind) {
    case KEY_BOOL:
        return value_bool(text, field) ? 0
                                       : build_fail(error, node, "'%.60s' is not yes or no", text);
    case KEY_TIME:
        return value_time(text, field)
                   ? 0
                   : build_fail(error, node, "'%.60s' is not a time (such as 90s, 5m, 4h)", text);
    case KEY_WORD: return set_word(key, node, text, field, error);
    case KEY_ONLY: return check_only(key, node, text, error);
    case KEY_U16:
    case KEY_U32:
    case KEY_U64:
    case KEY_BYTES: return set_number(key, node, text, field, error);
    case KEY_FUNCTION:
    case KEY_IGNORED:
    case KEY_UNSUPPORTED: break;
    }
    return 0;
}

static int apply(const struct key_table *table, const struct tree *node, void *target,
                 struct build_error *error)
{
    int err = ERR_NOT_FOUND;
    if (node->kind == TREE_SECTION) {
        if (table->subsection != NULL)
            err = table->subsection(node, target, error);
        return err != ERR_NOT_FOUND ? err
               : table->sections == NULL
                   ? build_fail(error, node, "unknown section")
                   : build_fail(error, node, "unknown section, %s are expected", table->sections);
    }
    for (size_t i = 0; err == ERR_NOT_FOUND && i < table->n; i++)
        if (strcasecmp(table->keys[i].name, node->name) == 0)
            err = set_key(&table->keys[i], node, target, error);
    return err == ERR_NOT_FOUND ? unknown(table, node, error) : err;
}

int keys_apply(const struct key_table *table, const struct tree *section, void *target,
               struct build_error *error)
{
    int first = 0;
    for (const struct tree *node = section->first; node != NULL; node = node->next)
        if (!build_goes_on(error, apply(table, node, target, error), &first))
            break;
    return first;
}

const struct tree *key_node(const struct tree *section, const char *name)
{
    for (const struct tree *node = section->first; node != NULL; node = node->next)
        if (strcasecmp(node->name, name) == 0)
            return node;
    return section;
}

int key_name_copy(const struct tree *node, char out[LIMIT_NAME], struct build_error *error)
{
    if (node->name[0] == '\0' || strlen(node->name) >= LIMIT_NAME)
        return build_fail(error, node, "a name has 1 to %d characters", LIMIT_NAME - 1);
    strcpy(out, node->name);
    return 0;
}

int key_for_items(const struct tree *node, void *target, struct build_error *error,
                  int (*function)(const struct tree *node, const char *text, void *target,
                                  struct build_error *error))
{
    struct tree *items = tree_items(node);
    int first = items == NULL ? ERR_NO_MEMORY : 0;
    for (const struct tree *item = items == NULL ? NULL : items->first; item != NULL;
         item = item->next)
        if (!build_goes_on(error, function(node, (const char *)item->value, target, error), &first))
            break;
    tree_free(items);
    return first;
}

int key_add_proposal(const struct tree *node, const char *text, void *target,
                     struct build_error *error)
{
    const struct key_proposals *proposals = target;
    struct ike_proposal room[POLICY_PROPOSALS];
    struct ike_proposal_list defaults = {.proposals = room};
    char why[PROPOSAL_TEXT_MAX];
    struct ike_proposal_list *list = proposals->list;
    if (strcmp(text, "default") == 0) {
        proposal_default(proposals->protocol, &defaults);
        for (size_t i = 0; i < defaults.n && list->n < POLICY_PROPOSALS; i++)
            list->proposals[list->n++] = defaults.proposals[i];
        return 0;
    }
    if (list->n == POLICY_PROPOSALS)
        return build_fail(error, node, "more than %d proposals", POLICY_PROPOSALS);
    if (proposal_parse(proposals->protocol, text, &list->proposals[list->n], why) != 0)
        return build_fail(error, node, "%s", why);
    list->n++;
    return 0;
}
