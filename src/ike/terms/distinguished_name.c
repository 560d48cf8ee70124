/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/distinguished_name.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/der.h"

/* Types of attributes: RFC 4519, RFC 2985, X.520. The first name of an object identifier is used
 * for printing. */
static const struct attribute {
    const char *name;
    uint8_t string; /* how a value is written; 0: PrintableString or UTF8String */
    uint8_t n;
    uint8_t oid[10];
} attributes[] = {
    {"C", DER_PRINTABLE_STRING, 3, {0x55, 4, 6}},
    {"O", 0, 3, {0x55, 4, 10}},
    {"OU", 0, 3, {0x55, 4, 11}},
    {"CN", 0, 3, {0x55, 4, 3}},
    {"L", 0, 3, {0x55, 4, 7}},
    {"ST", 0, 3, {0x55, 4, 8}},
    {"S", 0, 3, {0x55, 4, 4}},
    {"SN", DER_PRINTABLE_STRING, 3, {0x55, 4, 5}},
    {"serialNumber", DER_PRINTABLE_STRING, 3, {0x55, 4, 5}},
    {"T", 0, 3, {0x55, 4, 12}},
    {"D", 0, 3, {0x55, 4, 13}},
    {"N", 0, 3, {0x55, 4, 41}},
    {"G", 0, 3, {0x55, 4, 42}},
    {"GN", 0, 3, {0x55, 4, 42}},
    {"I", 0, 3, {0x55, 4, 43}},
    {"ID", 0, 3, {0x55, 4, 45}},
    {"dnQualifier", DER_PRINTABLE_STRING, 3, {0x55, 4, 46}},
    {"pseudonym", 0, 3, {0x55, 4, 65}},
    {"street", 0, 3, {0x55, 4, 9}},
    {"postalCode", 0, 3, {0x55, 4, 17}},
    {"E", DER_IA5_STRING, 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}},
    {"emailAddress", DER_IA5_STRING, 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}},
    {"unstructuredName", DER_IA5_STRING, 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2}},
    {"unstructuredAddress", 0, 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 8}},
    {"DC", DER_IA5_STRING, 10, {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25}},
    {"UID", 0, 10, {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1}},
};
#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))
#define VALUE_MAX  200 /* octets of one value in text */

/* --- text to DER --- */

static const struct attribute *attribute_named(const char *name, size_t len)
{
    for (size_t i = 0; i < ATTRIBUTES; i++)
        if (strlen(attributes[i].name) == len && strncasecmp(attributes[i].name, name, len) == 0)
            return &attributes[i];
    return NULL;
}

/* printable - PrintableString can hold the value (X.680 table 10). RFC 5280 section 4.1.2.4: other
 * values are UTF8String. */
static bool printable(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!isalnum(value.ptr[i]) && strchr(" '()+,-./:=?", value.ptr[i]) == NULL)
            return false;
    return true;
}

static void header_write(struct writer *w, uint8_t tag, size_t len)
{
    write_u8(w, tag);
    if (len >= 0x100) {
        write_u8(w, 0x82);
        write_u16(w, (uint16_t)len);
        return;
    }
    if (len >= 0x80)
        write_u8(w, 0x81);
    write_u8(w, (uint8_t)len);
}

static size_t header_size(size_t len)
{
    return len >= 0x100 ? 4 : len >= 0x80 ? 3 : 2;
}

static void rdn_write(struct writer *w, const struct attribute *attribute, struct span value)
{
    uint8_t string = attribute->string;
    if (string == 0 || (string == DER_PRINTABLE_STRING && !printable(value)))
        string = printable(value) ? DER_PRINTABLE_STRING : DER_UTF8_STRING;
    size_t pair = 2u + attribute->n + header_size(value.len) + value.len;
    header_write(w, DER_SET, header_size(pair) + pair);
    header_write(w, DER_SEQUENCE, pair);
    header_write(w, DER_OID, attribute->n);
    write_bytes(w, span_of(attribute->oid, attribute->n));
    header_write(w, string, value.len);
    write_bytes(w, value);
}

/* value_take - reads a value up to the separator, without backslashes and surrounding blanks.
 * Returns the rest behind it; NULL: too long. */
static const char *value_take(const char *at, char separator, uint8_t out[VALUE_MAX],
                              size_t *ret_len)
{
    size_t len = 0;
    while (*at == ' ')
        at++;
    for (; *at != '\0' && *at != separator; at++) {
        if (*at == '\\' && (at[1] == separator || at[1] == '\\'))
            at++;
        if (len == VALUE_MAX)
            return NULL;
        out[len++] = (uint8_t)*at;
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    *ret_len = len;
    return at;
}

static const char *rdn_parse(const char *at, char separator, struct writer *w)
{
    uint8_t value[VALUE_MAX];
    size_t len = 0, name = strcspn(at, "=");
    if (at[name] != '=')
        return NULL;
    size_t end = name;
    while (end > 0 && at[end - 1] == ' ')
        end--;
    const struct attribute *attribute = attribute_named(at, end);
    if (attribute == NULL)
        return NULL;
    at = value_take(at + name + 1, separator, value, &len);
    for (size_t i = 0; at != NULL && i < len; i++)
        if (value[i] < 0x20 || value[i] == 0x7f)
            return NULL;
    if (at == NULL || len == 0)
        return NULL;
    rdn_write(w, attribute, span_of(value, len));
    return at;
}

int dn_parse(const char *text, struct writer *w)
{
    uint8_t octets[1024];
    struct writer inner = writer_of(octets, sizeof(octets));
    char separator = text[0] == '/' ? '/' : ',';
    const char *at = text;
    do {
        at += strspn(at, separator == '/' ? "/ " : ", ");
        at = rdn_parse(at, separator, &inner);
    } while (at != NULL && *at != '\0');
    if (at == NULL)
        return ERR_INVALID;
    struct span rdns = writer_span(&inner);
    header_write(w, DER_SEQUENCE, rdns.len);
    write_bytes(w, rdns);
    return writer_failed(&inner) || writer_failed(w) ? ERR_TRUNCATED : 0;
}

/* --- reading --- */

/* struct walk - visits all attributes of a name, in all its RDNs. */
struct walk {
    struct reader rdns, set;
    bool failed;
    struct span oid, value;
    uint8_t string;
    bool first; /* of its RDN */
};

static struct walk walk_of(struct span dn)
{
    struct reader outer = reader_of(dn);
    struct walk walk = {.rdns = der_read(&outer, DER_SEQUENCE)};
    walk.failed = !reader_done(&outer) || walk.rdns.left == 0;
    return walk;
}

static bool is_string(uint8_t tag)
{
    return tag == DER_UTF8_STRING || tag == DER_PRINTABLE_STRING || tag == DER_IA5_STRING ||
           tag == DER_T61_STRING || tag == DER_BMP_STRING || tag == DER_UNIVERSAL_STRING;
}

/* walk_next - false: the end, or `failed`. */
static bool walk_next(struct walk *walk)
{
    walk->first = walk->set.left == 0;
    if (walk->failed || (walk->first && walk->rdns.left == 0))
        return false;
    if (walk->first)
        walk->set = der_read(&walk->rdns, DER_SET);
    struct reader pair = der_read(&walk->set, DER_SEQUENCE);
    struct reader oid = der_read(&pair, DER_OID);
    walk->oid = read_rest(&oid);
    walk->string = der_next(&pair);
    (void)der_element(&pair, &walk->value);
    walk->failed = walk->rdns.failed || walk->set.failed || !reader_done(&pair) ||
                   walk->oid.len == 0 || !is_string(walk->string);
    return !walk->failed;
}

bool dn_sound(struct span dn)
{
    struct walk walk = walk_of(dn);
    while (walk_next(&walk))
        ;
    return !walk.failed;
}

/* --- printing --- */

struct text {
    char *out;
    size_t cap, len;
};

static void put(struct text *text, const char *octets, size_t len)
{
    if (len >= text->cap - text->len)
        len = text->cap - text->len - 1;
    memcpy(text->out + text->len, octets, len);
    text->len += len;
    text->out[text->len] = '\0';
}

static void put_number(struct text *text, uint32_t number)
{
    char digits[16];
    int len = snprintf(digits, sizeof(digits), "%s%u", text->len == 0 ? "" : ".", number);
    put(text, digits, (size_t)len);
}

/* put_oid - prints a type without a name as dotted numbers. */
static void put_oid(struct text *out, struct span oid)
{
    char room[64];
    struct text text = {.out = room, .cap = sizeof(room)};
    uint32_t number = 0;
    for (size_t i = 0; i < oid.len; i++) {
        number = number << 7 | (oid.ptr[i] & 0x7f);
        if (oid.ptr[i] & 0x80)
            continue;
        if (text.len == 0) {
            uint32_t root = number < 80 ? number / 40 : 2;
            put_number(&text, root);
            number -= root * 40;
        }
        put_number(&text, number);
        number = 0;
    }
    put(out, room, text.len);
}

static void put_type(struct text *text, struct span oid)
{
    for (size_t i = 0; i < ATTRIBUTES; i++)
        if (span_equal(oid, span_of(attributes[i].oid, attributes[i].n))) {
            put(text, attributes[i].name, strlen(attributes[i].name));
            return;
        }
    put_oid(text, oid);
}

static void put_value(struct text *text, struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        char octet[5];
        bool plain = value.ptr[i] >= 0x20 && value.ptr[i] < 0x7f && value.ptr[i] != '\\' &&
                     value.ptr[i] != '"';
        int len = snprintf(octet, sizeof(octet), plain ? "%c" : "\\x%02x", value.ptr[i]);
        put(text, octet, (size_t)len);
    }
}

const char *dn_print(struct span dn, char *out, size_t cap)
{
    struct text text = {.out = out, .cap = cap};
    struct walk walk = walk_of(dn);
    out[0] = '\0';
    for (bool more = false; walk_next(&walk); more = true) {
        if (more)
            put(&text, ", ", 2);
        put_type(&text, walk.oid);
        put(&text, "=", 1);
        put_value(&text, walk.value);
    }
    return out;
}

/* --- comparing --- */

static bool wild(const struct walk *walk)
{
    return walk->value.len == 1 && walk->value.ptr[0] == '*';
}

/* folded_next - the next octet of a value in the form for comparison: lower case, a run of blanks
 * as one, none at the ends. -1: the end. */
static int folded_next(struct span value, size_t *at)
{
    size_t blanks = 0, start = *at;
    while (*at < value.len && value.ptr[*at] == ' ')
        (*at)++, blanks++;
    if (*at == value.len)
        return -1;
    if (blanks > 0 && start > 0)
        return ' ';
    return tolower(value.ptr[(*at)++]);
}

static bool values_equal(const struct walk *a, const struct walk *b)
{
    bool wide = a->string == DER_BMP_STRING || a->string == DER_UNIVERSAL_STRING ||
                b->string == DER_BMP_STRING || b->string == DER_UNIVERSAL_STRING;
    if (wide) /* two or four octets a character */
        return a->string == b->string && span_equal(a->value, b->value);
    size_t i = 0, j = 0;
    int one, two;
    do {
        one = folded_next(a->value, &i);
        two = folded_next(b->value, &j);
    } while (one == two && one >= 0);
    return one == two;
}

static bool compare(struct span pattern, struct span dn, bool wildcards)
{
    struct walk a = walk_of(pattern), b = walk_of(dn);
    for (;;) {
        bool more = walk_next(&a);
        if (walk_next(&b) != more || a.failed || b.failed)
            return false;
        if (!more)
            return true;
        if (a.first != b.first || !span_equal(a.oid, b.oid))
            return false;
        if (!(wildcards && wild(&a)) && !values_equal(&a, &b))
            return false;
    }
}

bool dn_equal(struct span a, struct span b)
{
    return compare(a, b, false);
}

bool dn_covers(struct span pattern, struct span dn)
{
    return compare(pattern, dn, true);
}

bool dn_is_pattern(struct span dn)
{
    struct walk walk = walk_of(dn);
    while (walk_next(&walk))
        if (wild(&walk))
            return true;
    return false;
}

static uint32_t hash_octet(uint32_t hash, int octet)
{
    return (hash ^ (uint32_t)octet) * 16777619u; /* FNV-1a */
}

uint32_t dn_hash(struct span dn, uint32_t seed)
{
    struct walk walk = walk_of(dn);
    uint32_t hash = seed ^ 2166136261u;
    while (walk_next(&walk)) {
        size_t at = 0;
        int octet;
        for (size_t i = 0; i < walk.oid.len; i++)
            hash = hash_octet(hash, walk.oid.ptr[i]);
        while ((octet = folded_next(walk.value, &at)) >= 0)
            hash = hash_octet(hash, octet);
    }
    return hash;
}
