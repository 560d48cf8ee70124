/* SPDX-License-Identifier: Apache-2.0 */
#include "control/settings.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/text_file.h"

#define INCLUDE_DEPTH_MAX 10
#define SECTION_DEPTH_MAX 12
#define NAME_MAX_LEN      255

struct parser {
    struct settings *settings;
    const char *file; /* borrowed from settings->files */
    char *base;       /* owned: directory of the file; NULL: no includes */
    const char *pos, *end;
    unsigned line, include_depth;
};

static int parse_section(struct parser *p, struct tree *section, unsigned depth);

/* error_add - false: the list of errors is full. */
static bool error_add(struct settings *settings, const char *text)
{
    if (settings->n_errors == 0)
        (void)snprintf(settings->error, sizeof(settings->error), "%s", text);
    if (settings->n_errors == SETTINGS_ERRORS_MAX)
        return false;
    char *copy = strdup(text);
    if (copy != NULL) /* of several errors for want of memory, the first one is reported */
        settings->errors[settings->n_errors++] = copy;
    return true;
}

static void warn(struct parser *p, const char *what, const char *why)
{
    struct settings *settings = p->settings;
    char text[SETTINGS_ERROR_MAX];
    (void)snprintf(text, sizeof(text), "%s:%u: %.80s: %.300s", p->file, p->line, what, why);
    char *copy = settings->n_warnings == SETTINGS_ERRORS_MAX ? NULL : strdup(text);
    if (copy != NULL)
        settings->warnings[settings->n_warnings++] = copy;
}

static void errors_forget(struct settings *settings)
{
    while (settings->n_errors > 0)
        free(settings->errors[--settings->n_errors]);
}

/* settings_error - adds the error "file:line: key: why" for a node. Returns ERR_INVALID. */
__attribute__((format(printf, 3, 4))) static int
settings_error(struct settings *settings, const struct tree *node, const char *format, ...)
{
    char why[SETTINGS_ERROR_MAX / 2], text[SETTINGS_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    (void)snprintf(text, sizeof(text), "%s:%u: %s: %s", node->file == NULL ? "?" : node->file,
                   node->line, node->name, why);
    (void)error_add(settings, text);
    return ERR_INVALID;
}

static int fail(struct parser *p, const char *what, const char *why)
{
    char text[SETTINGS_ERROR_MAX];
    if (p->line == 0) /* no file is open: `what` is the path */
        (void)snprintf(text, sizeof(text), "%.400s: %s", what, why);
    else
        (void)snprintf(text, sizeof(text), "%s:%u: %.80s%s%s", p->file, p->line, what,
                       what[0] == '\0' ? "" : ": ", why);
    (void)error_add(p->settings, text);
    return ERR_INVALID;
}

/* --- words --- */

static void skip_blanks(struct parser *p, bool lines)
{
    while (p->pos < p->end) {
        if (*p->pos == '#') {
            while (p->pos < p->end && *p->pos != '\n')
                p->pos++;
        } else if (*p->pos == '\n' && lines) {
            p->line++;
            p->pos++;
        } else if (*p->pos == ' ' || *p->pos == '\t' || *p->pos == '\r') {
            p->pos++;
        } else {
            return;
        }
    }
}

static bool name_char(char c)
{
    return isgraph((unsigned char)c) && strchr(".,:{}=\"#", c) == NULL;
}

static int read_name(struct parser *p, char name[NAME_MAX_LEN + 1])
{
    size_t len = 0;
    while (p->pos < p->end && name_char(*p->pos)) {
        if (len == NAME_MAX_LEN)
            return fail(p, "", "a name of more than 255 characters");
        name[len++] = *p->pos++;
    }
    name[len] = '\0';
    if (len == 0) {
        char found[8] = {'\'', p->pos < p->end ? *p->pos : '?', '\'', '\0'};
        return fail(p, p->pos < p->end && isprint((unsigned char)*p->pos) ? found : "",
                    p->pos < p->end ? "unexpected character" : "unexpected end of file");
    }
    return 0;
}

struct text {
    char *octets;
    size_t len, cap;
    bool second; /* a word "=" without quotes, or one that ends with ';' */
};

static bool put(struct text *text, char c)
{
    if (text->len + 1 >= text->cap) {
        size_t cap = text->cap == 0 ? 64 : 2 * text->cap;
        char *grown = realloc(text->octets, cap);
        if (grown == NULL)
            return false;
        text->octets = grown;
        text->cap = cap;
    }
    text->octets[text->len++] = c;
    return true;
}

static int read_quoted(struct parser *p, struct text *text)
{
    unsigned start = p->line;
    p->pos++;
    while (p->pos < p->end && *p->pos != '"') {
        char c = *p->pos++;
        if (c == '\n')
            p->line++;
        if (c == '\0')
            return fail(p, "", "a NUL character in a string");
        if (c == '\\' && p->pos < p->end) {
            c = *p->pos++;
            if (c == '\n') {
                p->line++;
                continue;
            }
            c = (char)(c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c);
        }
        if (!put(text, c))
            return ERR_NO_MEMORY;
    }
    if (p->pos == p->end) {
        p->line = start;
        return fail(p, "", "a string without its closing quote");
    }
    p->pos++;
    return 0;
}

static int read_plain(struct parser *p, struct text *text)
{
    static const char ends[] = {' ', '\t', '\r', '\n', '}', '#', '"'};
    while (p->pos < p->end && memchr(ends, *p->pos, sizeof(ends)) == NULL) {
        char c = *p->pos++;
        if (!isprint((unsigned char)c) && (unsigned char)c < 0x80)
            return fail(p, "", "a control character");
        if (!put(text, c))
            return ERR_NO_MEMORY;
    }
    return 0;
}

/* read_text - words and quoted strings to the end of the line, one space between any two. */
static int read_text(struct parser *p, struct text *text)
{
    for (bool first = true;; first = false) {
        skip_blanks(p, false);
        if (p->pos == p->end || *p->pos == '\n' || *p->pos == '}')
            return 0;
        if (!first && !put(text, ' '))
            return ERR_NO_MEMORY;
        bool quoted = *p->pos == '"';
        size_t begun = text->len;
        int err = quoted ? read_quoted(p, text) : read_plain(p, text);
        if (err != 0)
            return err;
        text->second |= !quoted && text->len > begun &&
                        (text->octets[text->len - 1] == ';' ||
                         (text->len == begun + 1 && text->octets[begun] == '='));
    }
}

/* --- files --- */

static const char *keep_name(struct settings *settings, const char *name)
{
    char **files = realloc(settings->files, (settings->n_files + 1) * sizeof(files[0]));
    if (files == NULL)
        return NULL;
    settings->files = files;
    files[settings->n_files] = strdup(name);
    return files[settings->n_files] == NULL ? NULL : files[settings->n_files++];
}

/* owner_fault - any user who can write the file could change the configuration. */
static const char *owner_fault(const struct stat *status)
{
    if (status->st_uid != 0 && status->st_uid != geteuid())
        return "belongs to another user";
    if ((status->st_mode & S_IWOTH) != 0)
        return "can be written by everybody";
    if ((status->st_mode & S_IWGRP) != 0 && status->st_gid != 0 && status->st_gid != getegid())
        return "can be written by a group";
    return NULL;
}

/* encoding_fault - editors of Windows write marks in front of a text. NULL: none is there. */
static const char *encoding_fault(struct span text)
{
    if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
        return "the file begins with a byte order mark; save it as UTF-8 without one";
    if (text.len >= 2 &&
        (memcmp(text.ptr, "\xff\xfe", 2) == 0 || memcmp(text.ptr, "\xfe\xff", 2) == 0))
        return "the file is UTF-16; save it as UTF-8";
    return NULL;
}

static int parse_text(struct parser *p, struct span text, struct tree *section, unsigned depth)
{
    p->pos = (const char *)text.ptr;
    p->end = p->pos + text.len;
    p->line = 1;
    const char *fault = encoding_fault(text);
    int err = fault != NULL ? fail(p, "", fault) : parse_section(p, section, depth);
    if (err == 0 && p->pos < p->end)
        err = fail(p, "'}'", "without a section that it could close");
    return err == 0 && p->settings->n_errors > 0 ? ERR_INVALID : err;
}

static int include_file(struct parser *outer, const char *path, struct tree *section,
                        unsigned depth)
{
    struct parser p = {.settings = outer->settings,
                       .file = keep_name(outer->settings, path),
                       .include_depth = outer->include_depth + 1};
    if (p.include_depth > INCLUDE_DEPTH_MAX)
        return fail(outer, "include", "more than 10 files deep; does a file include itself?");
    size_t len = 0;
    const char *why;
    char *text = text_file_read(path, owner_fault, &len, &why);
    if (text == NULL || p.file == NULL) {
        free(text);
        return fail(outer, path, why != NULL ? why : strerror(ENOMEM));
    }
    const char *slash = strrchr(path, '/');
    p.base = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path));
    int err = p.base == NULL ? ERR_NO_MEMORY : parse_text(&p, span_of(text, len), section, depth);
    free(p.base);
    free(text);
    return err;
}

static int include(struct parser *p, const char *pattern, struct tree *section, unsigned depth)
{
    char path[PATH_MAX];
    glob_t found;
    int err = 0;
    if (p->base == NULL)
        return fail(p, "include", "not possible here");
    int n = pattern[0] == '/' ? snprintf(path, sizeof(path), "%s", pattern)
                              : snprintf(path, sizeof(path), "%s/%s", p->base, pattern);
    if (n < 0 || (size_t)n >= sizeof(path))
        return fail(p, "include", "the name is too long");
    if (glob(path, 0, NULL, &found) != 0) {
        /* A pattern may fit no file; a name is meant to be there. Both are skipped, as swanctl does. */
        if (strpbrk(pattern, "*?[") == NULL)
            warn(p, pattern, "there is no such file, so nothing is included");
        return 0;
    }
    for (size_t i = 0; err == 0 && i < found.gl_pathc; i++)
        err = include_file(p, found.gl_pathv[i], section, depth);
    globfree(&found);
    return err;
}

/* --- sections --- */

/* find - the node of that name in a section that new_node() has filled; NULL: none. */
static struct tree *find(const struct parser *p, const struct tree *parent, const char *name)
{
    return name_index_find(&p->settings->names, parent, name);
}

static struct tree *new_node(struct parser *p, struct tree *parent, enum tree_kind kind,
                             const char *name)
{
    struct tree *node =
        kind == TREE_VALUE ? tree_value(name, (struct span){0}) : tree_new(kind, name);
    if (node == NULL || name_index_add(&p->settings->names, parent, node) != 0)
        return tree_free(node);
    node->file = p->file;
    node->line = p->line;
    tree_append(parent, node);
    return node;
}

/* replaced_warn - warns if two files have the same key: the earlier value is lost. Within one file,
 * the later value overrides a default on purpose. */
static void replaced_warn(struct parser *p, const struct tree *node, const struct text *text)
{
    char why[SETTINGS_ERROR_MAX / 2];
    bool same = node->len == text->len &&
                (text->len == 0 || memcmp(node->value, text->octets, text->len) == 0);
    (void)snprintf(why, sizeof(why),
                   "takes the place of another value in %.150s:%u: two sections "
                   "of one name are merged",
                   node->file, node->line);
    if (!same && strcmp(node->file, p->file) != 0)
        warn(p, node->name, why);
}

static int assign(struct parser *p, struct tree *section, const char *name)
{
    struct text text = {0};
    unsigned line = p->line;
    p->pos++;
    int err = read_text(p, &text);
    struct tree *node = find(p, section, name);
    if (err == 0 && node != NULL && node->kind != TREE_VALUE)
        err = fail(p, name, "is a section, not a key");
    if (err == 0 && text.second && strstr(name, "id") == NULL && strcasecmp(name, "updown") != 0)
        warn(p, name,
             "is there a second key in this line? Each key has a line of its own, without "
             "';' at its end");
    if (err == 0 && node != NULL)
        replaced_warn(p, node, &text);
    if (err == 0 && node == NULL)
        node = new_node(p, section, TREE_VALUE, name);
    if (err == 0 && node != NULL) {
        free(node->value);
        node->len = text.len;
        node->value = (uint8_t *)text.octets;
        if (text.octets == NULL)
            node->value = calloc(1, 1);
        else
            text.octets[text.len] = '\0';
        node->file = p->file;
        node->line = line;
        text.octets = NULL;
    }
    free(text.octets);
    return err != 0 ? err : node == NULL || node->value == NULL ? ERR_NO_MEMORY : 0;
}

/* The names of inherited sections are kept as a list child ":" and resolved when all is read. */
static int read_parents(struct parser *p, struct tree *section)
{
    struct tree *parents = find(p, section, ":");
    if (parents == NULL)
        parents = new_node(p, section, TREE_LIST, ":");
    do {
        p->pos++;
        skip_blanks(p, true);
        char path[1024];
        size_t len = 0;
        while (p->pos < p->end && (name_char(*p->pos) || *p->pos == '.') && len < sizeof(path) - 1)
            path[len++] = *p->pos++;
        path[len] = '\0';
        struct tree *item = len == 0 || parents == NULL ? NULL : tree_value("", span_text(path));
        if (item == NULL)
            return fail(p, section->name, "the name of a section is missing behind ':'");
        item->file = p->file;
        item->line = p->line;
        tree_append(parents, item);
        skip_blanks(p, true);
    } while (p->pos < p->end && *p->pos == ',');
    return 0;
}

static int open_section(struct parser *p, struct tree *parent, const char *name, unsigned depth)
{
    struct tree *section = find(p, parent, name);
    if (depth == SECTION_DEPTH_MAX)
        return fail(p, name, "sections are nested too deep");
    if (section != NULL && section->kind != TREE_SECTION)
        return fail(p, name, "is a key, not a section");
    if (section == NULL)
        section = new_node(p, parent, TREE_SECTION, name);
    if (section == NULL)
        return ERR_NO_MEMORY;
    unsigned line = p->line;
    int err = *p->pos == ':' ? read_parents(p, section) : 0;
    if (err != 0)
        return err;
    if (p->pos == p->end || *p->pos != '{')
        return fail(p, name, "expected '{'");
    p->pos++;
    err = parse_section(p, section, depth + 1);
    if (err != 0)
        return err;
    if (p->pos == p->end) {
        char why[96];
        (void)snprintf(why, sizeof(why),
                       "the section is never closed with '}': the file ends in line %u", p->line);
        p->line = line;
        return fail(p, name, why);
    }
    p->pos++;
    return 0;
}

static int parse_include(struct parser *p, struct tree *section, unsigned depth)
{
    struct text text = {0};
    int err = read_text(p, &text);
    if (err == 0 && text.octets == NULL)
        err = fail(p, "include", "the name of a file is missing");
    if (err == 0) {
        text.octets[text.len] = '\0';
        err = include(p, text.octets, section, depth);
    }
    free(text.octets);
    return err;
}

/* recover - skips the line with an error, to find further errors. false: the rest cannot be read
 * without guessing. */
static bool recover(struct parser *p)
{
    const char *at = p->pos;
    while (at < p->end && *at != '\n' && *at != '{' && *at != '}')
        at++;
    if (at == p->end || *at != '\n' || p->settings->n_errors == SETTINGS_ERRORS_MAX)
        return false;
    p->pos = at;
    return true;
}

/* parse_section - until '}' or the end of the text, which the caller judges. */
static int parse_section(struct parser *p, struct tree *section, unsigned depth)
{
    char name[NAME_MAX_LEN + 1];
    for (;;) {
        skip_blanks(p, true);
        if (p->pos == p->end || *p->pos == '}')
            return 0;
        int err = read_name(p, name);
        if (err == ERR_INVALID && recover(p))
            continue;
        if (err != 0)
            return err;
        bool blank = p->pos < p->end && isblank((unsigned char)*p->pos);
        skip_blanks(p, false);
        char c = p->pos < p->end ? *p->pos : '\0';
        if (c != '=' && c != '{' && c != ':' && blank && strcmp(name, "include") == 0) {
            err = parse_include(p, section, depth);
        } else if (c == '=') {
            err = assign(p, section, name);
        } else {
            const struct parser before = *p;
            skip_blanks(p, true);
            c = p->pos < p->end ? *p->pos : '\0';
            if (c == '{' || c == ':') {
                err = open_section(p, section, name, depth);
            } else {
                *p = before;
                err = fail(p, name, "expected '=' or '{'");
            }
        }
        if (err != 0 && !(err == ERR_INVALID && recover(p)))
            return err;
    }
}

/* --- inheritance --- */

/* find_path - a section by its path from the root; it and those around it are marked as inherited.
 */
static struct tree *find_path(struct tree *root, const char *path)
{
    char name[NAME_MAX_LEN + 1];
    while (root != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        if (len > NAME_MAX_LEN)
            return NULL;
        memcpy(name, path, len);
        name[len] = '\0';
        root = tree_get(root, name);
        if (root != NULL)
            root->inherited = true;
        path += path[len] == '.' ? len + 1 : len;
    }
    return root;
}

static int inherit(struct settings *settings, struct tree *to, const struct tree *from,
                   unsigned depth);

static int inherit_child(struct settings *settings, struct tree *to, const struct tree *child,
                         unsigned depth)
{
    struct tree *own = tree_get(to, child->name);
    if (strcmp(child->name, ":") == 0)
        return 0;
    if (own != NULL && (own->kind != TREE_SECTION || child->kind != TREE_SECTION))
        return 0; /* own values win */
    if (own == NULL) {
        own = child->kind == TREE_VALUE ? tree_value(child->name, span_of(child->value, child->len))
                                        : tree_new(child->kind, child->name);
        if (own == NULL)
            return ERR_NO_MEMORY;
        own->file = child->file;
        own->line = child->line;
        tree_append(to, own);
    }
    return child->kind == TREE_SECTION ? inherit(settings, own, child, depth + 1) : 0;
}

static int inherit(struct settings *settings, struct tree *to, const struct tree *from,
                   unsigned depth)
{
    if (depth > SECTION_DEPTH_MAX)
        return settings_error(settings, to, "inherits from itself");
    for (const struct tree *child = from->first; child != NULL; child = child->next) {
        int err = inherit_child(settings, to, child, depth);
        if (err != 0)
            return err;
    }
    return 0;
}

static int resolve(struct settings *settings, struct tree *section, unsigned depth)
{
    const struct tree *parents = tree_get(section, ":");
    if (depth > SECTION_DEPTH_MAX)
        return settings_error(settings, section, "inherits from itself");
    for (const struct tree *item = parents == NULL ? NULL : parents->first; item != NULL;
         item = item->next) {
        struct tree *from = find_path(settings->root, (const char *)item->value);
        if (from == NULL || from->kind != TREE_SECTION || from == section)
            return settings_error(settings, section, "no section '%.100s' to inherit from",
                                  (const char *)item->value);
        int err = tree_get(from, ":") != NULL ? resolve(settings, from, depth + 1) : 0;
        if (err == 0)
            err = inherit(settings, section, from, 0);
        if (err != 0)
            return err;
    }
    for (struct tree *child = section->first; child != NULL; child = child->next) {
        int err = child->kind == TREE_SECTION ? resolve(settings, child, depth + 1) : 0;
        if (err != 0)
            return err;
    }
    return 0;
}

/* strip - the lists of parents have done their work. */
static void strip(struct tree *section)
{
    struct tree **link = &section->first;
    section->last = NULL;
    while (*link != NULL) {
        struct tree *child = *link;
        if (strcmp(child->name, ":") == 0) {
            *link = child->next;
            child->next = NULL;
            tree_free(child);
            continue;
        }
        strip(child);
        section->last = child;
        link = &child->next;
    }
}

/* cannot - one thing that is wrong with all of it. `path` NULL: none. */
static void cannot(struct settings *settings, const char *path, const char *why)
{
    char text[SETTINGS_ERROR_MAX];
    errors_forget(settings);
    (void)snprintf(text, sizeof(text), "%s%s%s", path != NULL ? path : "", path != NULL ? ": " : "",
                   why);
    (void)error_add(settings, text);
}

static int finish(struct settings *settings, int err)
{
    name_index_done(&settings->names);
    if (err == 0)
        err = resolve(settings, settings->root, 0);
    if (err == 0)
        strip(settings->root);
    if (err == ERR_NO_MEMORY)
        cannot(settings, NULL, "out of memory");
    return err;
}

int settings_parse(const char *name, struct span text, const char *base,
                   struct settings *ret_settings)
{
    *ret_settings = (struct settings){.root = tree_new(TREE_SECTION, "")};
    struct parser p = {.settings = ret_settings, .file = keep_name(ret_settings, name)};
    p.base = base == NULL ? NULL : strdup(base);
    int err = ret_settings->root == NULL || p.file == NULL
                  ? ERR_NO_MEMORY
                  : parse_text(&p, text, ret_settings->root, 0);
    free(p.base);
    return finish(ret_settings, err);
}

int settings_load(const char *path, struct settings *ret_settings)
{
    struct stat info;
    *ret_settings = (struct settings){.root = tree_new(TREE_SECTION, "")};
    struct parser p = {.settings = ret_settings, .file = path, .line = 0};
    if (ret_settings->root == NULL)
        return finish(ret_settings, ERR_NO_MEMORY);
    if (stat(path, &info) != 0) {
        cannot(ret_settings, path, strerror(errno));
        return ERR_INVALID;
    }
    if (!S_ISDIR(info.st_mode)) {
        int err = include_file(&p, path, ret_settings->root, 0);
        if (err == ERR_INVALID && ret_settings->n_files <= 1 && access(path, R_OK) != 0)
            cannot(ret_settings, path, strerror(EACCES));
        return finish(ret_settings, err);
    }
    if (access(path, R_OK | X_OK) != 0) {
        cannot(ret_settings, path, strerror(errno));
        return ERR_INVALID;
    }
    p.base = strdup(path);
    int err = p.base == NULL ? ERR_NO_MEMORY : include(&p, "*.conf", ret_settings->root, 0);
    free(p.base);
    return finish(ret_settings, err);
}

void settings_done(struct settings *settings)
{
    tree_free(settings->root);
    for (size_t i = 0; i < settings->n_files; i++)
        free(settings->files[i]);
    free(settings->files);
    errors_forget(settings);
    while (settings->n_warnings > 0)
        free(settings->warnings[--settings->n_warnings]);
    *settings = (struct settings){0};
}
