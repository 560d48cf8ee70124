/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ipsec_conf.h"

#include <ctype.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/secret.h"
#include "control/text_file.h"
#include "ctl/config_text.h"
#include "ctl/config_view.h"

#define DEPTH_MAX 10 /* of includes, and of `also` */
#define WORD_MAX  4096
#define IDS_MAX   64
#define ALSO_MAX  1000 /* sections from which one section inherits */

struct place {
    struct ipsec_conf *conf;
    const char *file; /* borrowed from conf->files; NULL: text in memory, without includes */
    const char *name;
    unsigned line, depth;
};

/* fail - keeps the first error, with the line; before the first line, with the file alone. */
static bool fail(const struct place *at, const char *why)
{
    struct ipsec_conf *conf = at->conf;
    char line[16] = "";
    if (at->line > 0)
        (void)snprintf(line, sizeof(line), ":%u", at->line);
    if (conf->error[0] == '\0')
        (void)snprintf(conf->error, sizeof(conf->error), "%.150s%s: %s", at->name, line, why);
    return false;
}

static struct tree *value_add(struct tree *section, const struct place *at, const char *key,
                              const char *text)
{
    struct tree *value = tree_value(key, span_text(text));
    if (value == NULL)
        return NULL;
    value->file = at->name;
    value->line = at->line;
    struct tree *old = tree_get(section, key);
    if (old != NULL && strcasecmp(key, "also") != 0)
        tree_remove(section, old);
    tree_append(section, value);
    return value;
}

/* --- words --- */

/* word_next - the next word or quoted string of a line. false: the line has no more, or the quotes
 * have no end. */
static bool word_next(const char **text, char word[WORD_MAX], bool *ret_quoted)
{
    const char *at = *text + strspn(*text, " \t");
    char quote = *at == '"' || *at == '\'' ? *at : '\0';
    size_t len = quote != '\0' ? strcspn(at + 1, (char[]){quote, '\0'}) : strcspn(at, " \t");
    if (*at == '\0' || len >= WORD_MAX || (quote != '\0' && at[1 + len] != quote))
        return false;
    *ret_quoted = quote != '\0';
    (void)snprintf(word, WORD_MAX, "%.*s", (int)len, at + *ret_quoted);
    *text = at + len + (quote != '\0' ? 2 : 0);
    return true;
}

/* comment_cut - cuts the line at a # that begins a word outside of quotes. */
static void comment_cut(char *line)
{
    char quote = '\0';
    for (char *c = line; *c != '\0'; c++) {
        if (quote != '\0')
            quote = *c == quote ? '\0' : quote;
        else if (*c == '"')
            quote = *c;
        else if (*c == '#' && (c == line || isspace((unsigned char)c[-1])))
            *c = '\0';
        if (*c == '\0')
            break;
    }
    for (size_t len = strlen(line); len > 0 && isspace((unsigned char)line[len - 1]); len--)
        line[len - 1] = '\0';
}

/* --- files --- */

typedef bool (*reader_of_lines)(struct place *at, char *line, struct tree **section);

static bool lines_read(struct place *at, const char *text, reader_of_lines read)
{
    struct tree *section = NULL;
    bool ok = true;
    while (ok && *text != '\0') {
        size_t len = strcspn(text, "\n");
        char *line = strndup(text, len);
        at->line++;
        if (line == NULL)
            return fail(at, "no memory");
        comment_cut(line);
        if (line[0] != '\0')
            ok = read(at, line, &section);
        free(line);
        text += len + (text[len] == '\n');
    }
    return ok;
}

/* name_keep - keeps a copy of a file name in `conf`, because nodes point to it. */
static const char *name_keep(struct ipsec_conf *conf, const char *name)
{
    char **grown = reallocarray(conf->files, conf->n_files + 1, sizeof(*grown));
    if (grown == NULL)
        return NULL;
    conf->files = grown;
    char *copy = strdup(name);
    if (copy != NULL)
        conf->files[conf->n_files++] = copy;
    return copy;
}

static bool file_parse(const struct place *from, const char *path, reader_of_lines read)
{
    struct place at = {.conf = from->conf, .name = path, .depth = from->depth + 1};
    const char *why;
    size_t len;
    char *text = text_file_read(path, NULL, &len, &why);
    if (text == NULL)
        return fail(&at, why);
    at.file = at.name = name_keep(from->conf, path);
    bool ok = at.name != NULL && (strlen(text) == len || fail(&at, "has NUL octets")) &&
              lines_read(&at, text, read);
    wipe(text, len);
    free(text);
    return ok;
}

static bool include(const struct place *at, const char *pattern, reader_of_lines read)
{
    char copy[PATH_MAX], path[2 * PATH_MAX];
    glob_t found = {0};
    bool ok = true;
    if (at->file == NULL || at->depth >= DEPTH_MAX)
        return fail(at, at->file == NULL ? "no include is possible here" : "includes are too deep");
    (void)snprintf(copy, sizeof(copy), "%s", at->file);
    (void)snprintf(path, sizeof(path), "%s%s%s", pattern[0] == '/' ? "" : dirname(copy),
                   pattern[0] == '/' ? "" : "/", pattern);
    if (glob(path, 0, NULL, &found) == 0)
        for (size_t i = 0; ok && i < found.gl_pathc; i++)
            ok = file_parse(at, found.gl_pathv[i], read);
    globfree(&found);
    return ok;
}

/* --- ipsec.conf --- */

static bool head_read(struct place *at, const char *line, struct tree **section)
{
    char kind[WORD_MAX], name[WORD_MAX], full[256];
    bool quoted;
    const char *rest = line;
    *section = NULL;
    if (!word_next(&rest, kind, &quoted))
        return fail(at, "a section is expected");
    bool named = word_next(&rest, name, &quoted);
    if (strcmp(kind, "version") == 0)
        return true;
    if (!named)
        return fail(at, "a name is expected behind the first word");
    if (strcmp(kind, "include") == 0)
        return true; /* by the caller */
    if (strcmp(kind, "conn") != 0 && strcmp(kind, "ca") != 0 && strcmp(kind, "config") != 0)
        return fail(at, "neither config, conn, ca nor include");
    (void)snprintf(full, sizeof(full), "%.8s %.200s", kind, name);
    *section = config_section(at->conf->sections, full, NULL);
    if (*section == NULL)
        return fail(at, "no memory");
    (*section)->file = at->name;
    (*section)->line = at->line;
    return true;
}

static bool conf_line(struct place *at, char *line, struct tree **section)
{
    if (!isspace((unsigned char)line[0])) {
        if (strncmp(line, "include", 7) == 0 && isspace((unsigned char)line[7]))
            return include(at, line + 7 + strspn(line + 7, " \t"), conf_line);
        return head_read(at, line, section);
    }
    char *key = line + strspn(line, " \t"), *equals = strchr(key, '=');
    if (*section == NULL)
        return fail(at, "a key outside of a section");
    if (equals == NULL || equals == key)
        return fail(at, "key = value is expected");
    size_t len = (size_t)(equals - key);
    while (len > 0 && isspace((unsigned char)key[len - 1]))
        len--;
    key[len] = '\0';
    char *value = equals + 1 + strspn(equals + 1, " \t");
    size_t end = strlen(value);
    if (value[0] == '"') {
        if (end < 2 || value[end - 1] != '"')
            return fail(at, "a string without an end");
        value[end - 1] = '\0';
        value++;
    }
    return value_add(*section, at, key, value) != NULL || fail(at, "no memory");
}

/* --- ipsec.secrets --- */

static void word_put(struct tree *secret, const struct place *at, const char *word, bool quoted)
{
    char key[32];
    unsigned n = 1;
    do
        (void)snprintf(key, sizeof(key), "word-%u", n);
    while (tree_get(secret, key) != NULL && n++ < IDS_MAX);
    (void)value_add(secret, at, key, word);
    if (quoted && n == 1)
        (void)value_add(secret, at, "quoted", "yes");
}

static bool words_read(struct place *at, const char *text, struct tree *secret)
{
    char word[WORD_MAX];
    bool quoted, ok = true;
    while (ok && text[strspn(text, " \t")] != '\0') {
        ok = word_next(&text, word, &quoted);
        if (ok)
            word_put(secret, at, word, quoted);
        wipe(word, sizeof(word));
    }
    return ok || fail(at, "a string without an end");
}

static bool secret_line(struct place *at, char *line, struct tree **section)
{
    char word[WORD_MAX], name[32];
    const char *rest = line;
    unsigned n = 0;
    bool quoted;
    if (isspace((unsigned char)line[0]) && *section != NULL)
        return words_read(at, line, *section); /* the entry before goes on */
    if (line[0] == '}')
        return true;
    if (strncmp(line, "include", 7) == 0 && isspace((unsigned char)line[7]))
        return include(at, line + 7 + strspn(line + 7, " \t"), secret_line);
    struct tree *secret = tree_new(TREE_SECTION, "secret");
    if (secret == NULL)
        return fail(at, "no memory");
    secret->file = at->name;
    secret->line = at->line;
    tree_append(at->conf->secrets, secret);
    *section = secret;
    while (word_next(&rest, word, &quoted) && (quoted || strcmp(word, ":") != 0)) {
        if (n++ == IDS_MAX)
            return fail(at, "too many identities");
        bool last = !quoted && word[0] != '\0' && word[strlen(word) - 1] == ':';
        if (last)
            word[strlen(word) - 1] = '\0';
        (void)snprintf(name, sizeof(name), "id-%u", n);
        if (word[0] != '\0')
            (void)value_add(secret, at, name, word);
        if (last)
            break;
    }
    if (!word_next(&rest, word, &quoted))
        return fail(at, "a type such as PSK is expected behind the colon");
    (void)value_add(secret, at, "type", word);
    return words_read(at, rest, secret);
}

/* --- all --- */

static bool conf_begin(struct ipsec_conf *conf)
{
    if (conf->sections == NULL)
        conf->sections = tree_new(TREE_SECTION, "");
    if (conf->secrets == NULL)
        conf->secrets = tree_new(TREE_SECTION, "");
    return conf->sections != NULL && conf->secrets != NULL;
}

bool ipsec_conf_parse(const char *name, const char *text, struct ipsec_conf *conf)
{
    struct place at = {.conf = conf, .name = name};
    return conf_begin(conf) && lines_read(&at, text, conf_line);
}

bool ipsec_secrets_parse(const char *name, const char *text, struct ipsec_conf *conf)
{
    struct place at = {.conf = conf, .name = name};
    return conf_begin(conf) && lines_read(&at, text, secret_line);
}

bool ipsec_conf_load(const char *path, struct ipsec_conf *ret_conf)
{
    char copy[PATH_MAX], secrets[PATH_MAX + 32];
    struct place at = {.conf = ret_conf, .name = path};
    struct stat status;
    *ret_conf = (struct ipsec_conf){0};
    (void)snprintf(copy, sizeof(copy), "%s", path);
    (void)snprintf(secrets, sizeof(secrets), "%s/ipsec.secrets", dirname(copy));
    return conf_begin(ret_conf) && file_parse(&at, path, conf_line) &&
           (stat(secrets, &status) != 0 || file_parse(&at, secrets, secret_line));
}

void ipsec_conf_done(struct ipsec_conf *conf)
{
    tree_free(conf->sections);
    tree_free(conf->secrets);
    for (size_t i = 0; i < conf->n_files; i++)
        free(conf->files[i]);
    free(conf->files);
    *conf = (struct ipsec_conf){0};
}

/* --- inheritance --- */

/* struct budget - bounds `also`: its depth, and the number of sections in all, which could grow
 * with a power of the depth. */
struct budget {
    unsigned depth;
    unsigned *sections;
};

/* missing_add - adds the keys of `from` that `to` lacks, then those of the sections in its
 * `also`. */
static bool missing_add(const struct ipsec_conf *conf, const struct tree *from, struct tree *to,
                        struct budget budget)
{
    char name[256];
    if (budget.depth-- == 0 || (*budget.sections)-- == 0)
        return false;
    for (const struct tree *key = from->first; key != NULL; key = key->next) {
        struct place at = {.name = key->file, .line = key->line};
        if (strcasecmp(key->name, "also") != 0 && config_key(to, key->name) == NULL &&
            value_add(to, &at, key->name, tree_value_text(key)) == NULL)
            return false;
    }
    for (const struct tree *key = from->first; key != NULL; key = key->next) {
        (void)snprintf(name, sizeof(name), "%.*s %.200s", (int)strcspn(from->name, " "), from->name,
                       tree_value_text(key));
        const struct tree *other =
            strcasecmp(key->name, "also") == 0 ? tree_get(conf->sections, name) : NULL;
        if (other != NULL && !missing_add(conf, other, to, budget))
            return false;
    }
    return true;
}

struct tree *ipsec_conf_merged(const struct ipsec_conf *conf, const struct tree *section)
{
    char name[32];
    struct tree *merged = tree_new(TREE_SECTION, section->name);
    unsigned sections = ALSO_MAX;
    const struct budget budget = {DEPTH_MAX, &sections};
    (void)snprintf(name, sizeof(name), "%.*s %%default", (int)strcspn(section->name, " "),
                   section->name);
    const struct tree *defaults = tree_get(conf->sections, name);
    if (merged == NULL)
        return NULL;
    merged->file = section->file;
    merged->line = section->line;
    if (missing_add(conf, section, merged, budget) &&
        (defaults == NULL || missing_add(conf, defaults, merged, budget)))
        return merged;
    return tree_free(merged);
}
