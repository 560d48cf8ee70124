/* SPDX-License-Identifier: Apache-2.0 */
#include "control/values.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

bool value_bool(const char *text, bool *ret_value)
{
    static const char *const yes[] = {"yes", "true", "1", "enabled"};
    static const char *const no[] = {"no", "false", "0", "disabled"};
    for (size_t i = 0; i < 4; i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *ret_value = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool number(const char *text, uint64_t *ret_value, const char **ret_rest)
{
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    unsigned long long value =
        strtoull(text, &end, text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10);
    if (errno != 0)
        return false;
    *ret_value = value;
    *ret_rest = end;
    return true;
}

bool value_u64(const char *text, uint64_t *ret_value)
{
    const char *rest;
    uint64_t value;
    if (!number(text, &value, &rest) || *rest != '\0')
        return false;
    *ret_value = value;
    return true;
}

bool value_time(const char *text, nanos *ret_value)
{
    static const struct {
        const char *unit;
        nanos ns;
    } units[] = {{"", NANOS_PER_SEC},         {"s", NANOS_PER_SEC},
                 {"ms", NANOS_PER_MS},        {"m", 60 * NANOS_PER_SEC},
                 {"h", 3600 * NANOS_PER_SEC}, {"d", 86400 * NANOS_PER_SEC}};
    const char *rest;
    uint64_t value;
    if (!number(text, &value, &rest))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcasecmp(rest, units[i].unit) == 0 &&
            value <= (uint64_t)(INT64_MAX / 4 / units[i].ns)) {
            *ret_value = (nanos)value * units[i].ns;
            return true;
        }
    return false;
}

bool value_bytes(const char *text, uint64_t *ret_value)
{
    const char *rest;
    uint64_t value;
    unsigned shift = 0;
    if (!number(text, &value, &rest))
        return false;
    switch (tolower((unsigned char)rest[0])) {
    case 'g': shift = 30; break;
    case 'm': shift = 20; break;
    case 'k': shift = 10; break;
    case '\0': break;
    default: return false;
    }
    if ((rest[0] != '\0' && rest[1] != '\0') || value > UINT64_MAX >> (shift + 1))
        return false;
    *ret_value = value << shift;
    return true;
}

static int digit(char c, int base)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (base == 64) {
        const char *at = c == '\0' ? NULL : strchr(base64, c);
        return at == NULL ? -1 : (int)(at - base64);
    }
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t decode(const char *text, int base, uint8_t *out, size_t size)
{
    unsigned bits = base == 64 ? 6 : 4, have = 0;
    uint32_t value = 0;
    size_t n = 0;
    for (; *text != '\0' && *text != '='; text++) {
        int d = digit(*text, base);
        if (d < 0)
            return 0;
        value = (value << bits | (uint32_t)d) & 0xffff;
        have += bits;
        if (have >= 8) {
            if (n == size)
                return 0;
            have -= 8;
            out[n++] = (uint8_t)(value >> have);
        }
    }
    return base == 16 && have != 0 ? 0 : n;
}

size_t value_secret(const char *text, uint8_t *out, size_t size)
{
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return decode(text + 2, 16, out, size);
    if (text[0] == '0' && (text[1] == 's' || text[1] == 'S'))
        return decode(text + 2, 64, out, size);
    size_t len = strlen(text);
    if (len > size)
        return 0;
    memcpy(out, text, len);
    return len;
}

/* distance - Levenshtein, at most 40 characters. */
static size_t distance(const char *a, const char *b)
{
    size_t row[41], n = strlen(b);
    if (strlen(a) > 40 || n > 40)
        return 40;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t keep = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = keep;
        }
    }
    return row[n];
}

const char *value_nearest(const char *typed, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t best_distance = strlen(typed) < 5 ? 2 : 3;
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(typed, words[i]);
        if (d < best_distance) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}
