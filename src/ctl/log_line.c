/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/log_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* text_json - octets that are no UTF-8 become "?". */
static json_t *text_json(const char *text, size_t len)
{
    json_t *value = json_stringn(text, len);
    return value != NULL ? value : json_string("?");
}

/* value_end - where the value that begins here ends; a quoted one with its quotation mark. */
static size_t value_end(const char *value)
{
    if (*value != '"')
        return strcspn(value, " ");
    size_t len = 1 + strcspn(value + 1, "\"");
    return len + (value[len] == '"');
}

/* value_add - takes "key=value" off the line. Returns the rest of the line; NULL: it does not begin so. */
static const char *value_add(json_t *values, const char *line)
{
    char key[64];
    size_t len = strcspn(line, "= \"");
    if (len == 0 || len >= sizeof(key) || line[len] != '=')
        return NULL;
    (void)snprintf(key, sizeof(key), "%.*s", (int)len, line);
    const char *value = line + len + 1;
    size_t end = value_end(value);
    bool quoted = *value == '"';
    size_t inner = quoted ? strcspn(value + 1, "\"") : end;
    if (json_object_set_new(values, key, text_json(value + quoted, inner)) != 0)
        return NULL;
    return value + end + strspn(value + end, " ");
}

json_t *log_line_json(long long time, const char *msg)
{
    json_t *values = json_object();
    const char *rest = strncmp(msg, "event=", 6) == 0 ? msg : "";
    while (rest != NULL && *rest != '\0')
        rest = value_add(values, rest);
    json_t *event = json_incref(json_object_get(values, "event"));
    (void)json_object_del(values, "event");
    return json_pack("{s:I, s:o?, s:o, s:o}", "time", (json_int_t)time, "event", event, "values",
                     values, "msg", text_json(msg, strlen(msg)));
}
