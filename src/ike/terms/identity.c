/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/identity.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/writer.h"
#include "ike/terms/distinguished_name.h"

static int set(struct ike_id *id, uint8_t type, const void *octets, size_t len)
{
    if (len == 0 || len > sizeof(id->data))
        return ERR_INVALID;
    memset(id, 0, sizeof(*id));
    id->type = type;
    id->len = (uint16_t)len;
    memcpy(id->data, octets, len);
    return 0;
}

static bool is_name(uint8_t type)
{
    return type == ID_FQDN || type == ID_RFC822_ADDR;
}

static struct span octets_of(const struct ike_id *id)
{
    return span_of(id->data, id->len);
}

int identity_from_address(const struct address *address, struct ike_id *ret_id)
{
    return set(ret_id, address->family == ADDRESS_V4 ? ID_IPV4_ADDR : ID_IPV6_ADDR, address->octets,
               address_len(address));
}

/* set_name - sets the name of a host or user. Terminators (section 3.5) and other octets that no
 * name has are refused. */
static int set_name(struct ike_id *id, uint8_t type, const char *text)
{
    for (const char *c = text; type != ID_KEY_ID && *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return ERR_INVALID;
    return set(id, type, text, strlen(text));
}

static int set_address(struct ike_id *id, const char *text, uint8_t family)
{
    struct address address;
    if (!address_parse(text, &address) || (family != 0 && address.family != family))
        return ERR_INVALID;
    return identity_from_address(&address, id);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    int lower = tolower((unsigned char)c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static int set_hex(struct ike_id *id, uint8_t type, const char *text)
{
    uint8_t octets[sizeof(id->data)];
    size_t len = strlen(text);
    if (len % 2 != 0 || len / 2 > sizeof(octets))
        return ERR_INVALID;
    for (size_t i = 0; i < len / 2; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_INVALID;
        octets[i] = (uint8_t)(high << 4 | low);
        if (is_name(type) && (octets[i] < 0x20 || octets[i] == 0x7f))
            return ERR_INVALID; /* a terminator in a name */
    }
    return set(id, type, octets, len / 2);
}

static int set_dn(struct ike_id *id, const char *text)
{
    uint8_t octets[sizeof(id->data)];
    struct writer w = writer_of(octets, sizeof(octets));
    int err = dn_parse(text, &w);
    return err != 0 ? ERR_INVALID : set(id, ID_DER_ASN1_DN, octets, w.len);
}

static int set_dn_octets(struct ike_id *id, const char *text)
{
    int err = set_hex(id, ID_DER_ASN1_DN, text);
    return err == 0 && !dn_sound(span_of(id->data, id->len)) ? ERR_INVALID : err;
}

static const struct prefix {
    const char *text;
    uint8_t type;
} prefixes[] = {
    {"fqdn:", ID_FQDN},          {"dns:", ID_FQDN},
    {"email:", ID_RFC822_ADDR},  {"rfc822:", ID_RFC822_ADDR},
    {"ipv4:", ID_IPV4_ADDR},     {"ipv6:", ID_IPV6_ADDR},
    {"keyid:", ID_KEY_ID},       {"userfqdn:", ID_RFC822_ADDR},
    {"asn1dn:", ID_DER_ASN1_DN},
};

/* typed - reads a text with a type prefix such as "fqdn:". false: no such prefix. */
static bool typed(const char *text, struct ike_id *id, int *ret_err)
{
    if (strncasecmp(text, "asn1gn:", 7) == 0) {
        *ret_err = ERR_INVALID;
        return true;
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t len = strlen(prefixes[i].text);
        if (strncasecmp(text, prefixes[i].text, len) != 0)
            continue;
        const char *rest = text + len;
        if (prefixes[i].type == ID_IPV4_ADDR || prefixes[i].type == ID_IPV6_ADDR)
            *ret_err =
                set_address(id, rest, prefixes[i].type == ID_IPV4_ADDR ? ADDRESS_V4 : ADDRESS_V6);
        else if (prefixes[i].type == ID_DER_ASN1_DN)
            *ret_err = rest[0] == '#' ? set_dn_octets(id, rest + 1) : set_dn(id, rest);
        else if (rest[0] == '#')
            *ret_err = set_hex(id, prefixes[i].type, rest + 1);
        else
            *ret_err = set_name(id, prefixes[i].type, rest);
        return true;
    }
    return false;
}

int identity_parse(const char *text, struct ike_id *ret_id)
{
    struct ike_id id = {0};
    int err = 0;
    if (text[0] == '\0' || strcmp(text, "%any") == 0)
        memset(&id, 0, sizeof(id));
    else if (typed(text, &id, &err))
        ;
    else if (strncmp(text, "@#", 2) == 0)
        err = set_hex(&id, ID_KEY_ID, text + 2);
    else if (strncmp(text, "@@", 2) == 0)
        err = set_name(&id, ID_RFC822_ADDR, text + 2);
    else if (text[0] == '@')
        err = set_name(&id, ID_FQDN, text + 1);
    else if (set_address(&id, text, 0) == 0)
        ;
    else if (strchr(text, '=') != NULL)
        err = set_dn(&id, text);
    else
        err = set_name(&id, strchr(text, '@') != NULL ? ID_RFC822_ADDR : ID_FQDN, text);
    if (err == 0)
        *ret_id = id;
    return err;
}

const char *identity_print(const struct ike_id *id, char out[IDENTITY_TEXT_MAX])
{
    struct address address;
    size_t at = 0;
    if (id->type == ID_ANY)
        return strcpy(out, "%any");
    if (id->type == ID_DER_ASN1_DN)
        return dn_print(octets_of(id), out, IDENTITY_TEXT_MAX);
    if ((id->type == ID_IPV4_ADDR || id->type == ID_IPV6_ADDR) &&
        address_from(span_of(id->data, id->len), &address))
        return address_print(&address, out);
    for (uint16_t i = 0; i < id->len && at + 5 < IDENTITY_TEXT_MAX; i++) {
        uint8_t c = id->data[i];
        if (c > 0x20 && c < 0x7f && c != '\\' && c != '"')
            out[at++] = (char)c;
        else
            at += (size_t)snprintf(out + at, 5, "\\x%02x", c);
    }
    out[at] = '\0';
    return out;
}

const char *identity_print_hex(const struct ike_id *id, char out[IDENTITY_TEXT_MAX])
{
    bool readable = true;
    for (uint16_t i = 0; i < id->len; i++)
        readable &= id->data[i] >= 0x20 && id->data[i] < 0x7f;
    if (id->type != ID_KEY_ID || readable || id->len * 3u > IDENTITY_TEXT_MAX)
        return identity_print(id, out);
    for (uint16_t i = 0; i < id->len; i++)
        (void)snprintf(out + 3u * i, 4, "%02x%s", id->data[i], i + 1 < id->len ? ":" : "");
    return out;
}

size_t identity_octets(const char *text, uint8_t out[IDENTITY_TEXT_MAX])
{
    size_t n = 0;
    while (*text != '\0' && n < IDENTITY_TEXT_MAX) {
        bool escaped = text[0] == '\\' && text[1] == 'x' && hex_digit(text[2]) >= 0;
        if (escaped && hex_digit(text[3]) >= 0) {
            out[n++] = (uint8_t)(hex_digit(text[2]) << 4 | hex_digit(text[3]));
            text += 4;
        } else {
            out[n++] = (uint8_t)*text++;
        }
    }
    return n;
}

bool identity_from_wire(const struct wire_id *id, struct ike_id *ret_id)
{
    switch (id->type) {
    case ID_IPV4_ADDR:
        return id->data.len == 4 && set(ret_id, id->type, id->data.ptr, id->data.len) == 0;
    case ID_IPV6_ADDR:
        return id->data.len == 16 && set(ret_id, id->type, id->data.ptr, id->data.len) == 0;
    case ID_FQDN:
    case ID_RFC822_ADDR:
    case ID_KEY_ID: return set(ret_id, id->type, id->data.ptr, id->data.len) == 0;
    case ID_DER_ASN1_DN:
        return dn_sound(id->data) && set(ret_id, id->type, id->data.ptr, id->data.len) == 0;
    default: return false;
    }
}

struct span identity_body(const struct ike_id *id, uint8_t room[4 + LIMIT_ID])
{
    struct writer w = writer_of(room, 4 + LIMIT_ID);
    write_u8(&w, id->type);
    write_zeros(&w, 3);
    write_bytes(&w, span_of(id->data, id->len));
    return writer_span(&w);
}

bool identity_is_pattern(const struct ike_id *id)
{
    return (is_name(id->type) && id->data[0] == '*') ||
           (id->type == ID_DER_ASN1_DN && dn_is_pattern(octets_of(id)));
}

bool identity_equal(const struct ike_id *a, const struct ike_id *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == ID_DER_ASN1_DN)
        return dn_equal(octets_of(a), octets_of(b));
    if (a->len != b->len)
        return false;
    if (!is_name(a->type))
        return memcmp(a->data, b->data, a->len) == 0;
    for (uint16_t i = 0; i < a->len; i++)
        if (tolower(a->data[i]) != tolower(b->data[i]))
            return false;
    return true;
}

uint32_t identity_hash(const struct ike_id *id, uint32_t seed)
{
    if (id->type == ID_DER_ASN1_DN)
        return dn_hash(octets_of(id), seed);
    uint32_t hash = seed ^ 2166136261u; /* FNV-1a; names have no case */
    for (uint16_t i = 0; i < id->len; i++)
        hash = (hash ^ (uint32_t)(id->data[i] | 0x20)) * 16777619u;
    return hash;
}

uint64_t identity_keyed_hash(const struct ike_id *id, const uint8_t key[SIPHASH_KEY_LEN],
                             uint64_t seed)
{
    uint8_t octets[sizeof(seed) + sizeof(id->data)];
    memcpy(octets, &seed, sizeof(seed));
    if (id->type ==
        ID_DER_ASN1_DN) { /* equal names may differ in octets: hash the folded form instead */
        const uint32_t hashes[] = {dn_hash(octets_of(id), 0), dn_hash(octets_of(id), 0x9e3779b9)};
        memcpy(octets + sizeof(seed), hashes, sizeof(hashes));
        return siphash(key, span_of(octets, sizeof(seed) + sizeof(hashes)));
    }
    for (uint16_t i = 0; i < id->len; i++)
        octets[sizeof(seed) + i] = id->data[i] | 0x20; /* names have no case */
    return siphash(key, span_of(octets, sizeof(seed) + id->len));
}

enum identity_rank identity_covers(const struct ike_id *pattern, const struct ike_id *id)
{
    if (pattern->type == ID_ANY)
        return IDENTITY_ANY;
    if (identity_equal(pattern, id))
        return IDENTITY_EXACT;
    if (!identity_is_pattern(pattern) || pattern->type != id->type)
        return IDENTITY_NO;
    if (pattern->type == ID_DER_ASN1_DN)
        return dn_covers(octets_of(pattern), octets_of(id)) ? IDENTITY_PATTERN : IDENTITY_NO;
    /* "*.example" covers "a.example" and "a.b.example", but neither "example" nor ".example" */
    uint16_t tail = (uint16_t)(pattern->len - 1);
    if (id->len <= tail)
        return IDENTITY_NO;
    for (uint16_t i = 0; i < tail; i++)
        if (tolower(pattern->data[i + 1]) != tolower(id->data[id->len - tail + i]))
            return IDENTITY_NO;
    return memchr(id->data, '\0', id->len) == NULL ? IDENTITY_PATTERN : IDENTITY_NO;
}

enum identity_rank identity_match(const char *pattern, const struct ike_id *id)
{
    struct ike_id parsed;
    return identity_parse(pattern, &parsed) == 0 ? identity_covers(&parsed, id) : IDENTITY_NO;
}

/* --- of EAP --- */

#define DER_SEQUENCE 0x30 /* how a distinguished name begins: strongSwan sends it in binary */

/* name_of_text - a distinguished name as text, as in the configuration. */
static bool name_of_text(struct span octets, struct ike_id *ret)
{
    char text[IDENTITY_TEXT_MAX];
    if (octets.len >= sizeof(text) || memchr(octets.ptr, 0, octets.len) != NULL ||
        memchr(octets.ptr, '=', octets.len) == NULL)
        return false;
    memcpy(text, octets.ptr, octets.len);
    text[octets.len] = '\0';
    return identity_parse(text, ret) == 0 && ret->type == ID_DER_ASN1_DN;
}

bool identity_from_eap(struct span octets, struct ike_id *ret)
{
    const struct wire_id name = {.type = ID_DER_ASN1_DN, .data = octets};
    if (octets.len == 0 || octets.len > sizeof(ret->data))
        return false;
    if ((octets.ptr[0] == DER_SEQUENCE && identity_from_wire(&name, ret)) ||
        name_of_text(octets, ret))
        return true;
    bool address = memchr(octets.ptr, '@', octets.len) != NULL;
    *ret = (struct ike_id){.type = address ? ID_RFC822_ADDR : ID_FQDN, .len = (uint16_t)octets.len};
    memcpy(ret->data, octets.ptr, octets.len);
    return true;
}

bool identity_fits_eap(const char *pattern, struct span identity)
{
    struct ike_id id;
    return pattern[0] == '\0' ||
           (identity_from_eap(identity, &id) && identity_match(pattern, &id) != IDENTITY_NO);
}
