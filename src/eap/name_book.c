/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/name_book.h"

#include <stdlib.h>

#include "base/reader.h"
#include "base/secret.h"
#include "base/table.h"

#define BLOCK 16
#define TAG   16
#define SEALED_MAX                                                                                 \
    160 /* octets of a sealed user name; in base32 an identity has no room for more */
#define REAUTH_RAW 16
#define REAUTH_LEN 27 /* a digit, and 16 octets in base32 */
#define PLAIN_HEAD 5

struct book_entry {
    uint8_t id[REAUTH_LEN]; /* without the realm: RFC 4187 section 4.1.1.7 */
    uint32_t hour;
    struct eap_named named;
    UT_hash_handle hh;
};

struct name_book {
    struct eap_crypto *crypto;
    const struct random *random;
    uint8_t k_encr[16], k_mac[32];
    struct book_entry *by_id; /* the oldest entry is first: uthash keeps the order of insertion */
};

/* --- base32 --- */

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

static void base32_write(struct writer *w, struct span octets)
{
    uint32_t bits = 0, n = 0;
    for (size_t i = 0; i < octets.len; i++) {
        bits = (bits & 0xff) << 8 | octets.ptr[i];
        for (n += 8; n >= 5; n -= 5)
            write_u8(w, (uint8_t)alphabet[bits >> (n - 5) & 31]);
    }
    if (n > 0)
        write_u8(w, (uint8_t)alphabet[bits << (5 - n) & 31]);
}

/* base32_read - the unused last bits must be zeros, so that only one text stands for the octets. */
static bool base32_read(struct span text, struct writer *w)
{
    uint32_t bits = 0, n = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.ptr[i] == 0 ? NULL : strchr(alphabet, text.ptr[i]);
        if (at == NULL)
            return false;
        bits = (bits & 0xff) << 5 | (uint32_t)(at - alphabet);
        n += 5;
        if (n >= 8) {
            n -= 8;
            write_u8(w, (uint8_t)(bits >> n));
        }
    }
    return n < 5 && (bits & ((1u << n) - 1)) == 0 && !writer_failed(w);
}

/* --- forms --- */

static uint8_t digit_of(enum eap_type type, bool reauth)
{
    return (uint8_t)(type == EAP_TYPE_AKA   ? reauth ? '4' : '2'
                     : type == EAP_TYPE_SIM ? reauth ? '5' : '3'
                     : reauth               ? '8'
                                            : '7');
}

static struct span user_of(struct span identity)
{
    return span_of(identity.ptr, identity.len - eap_realm(identity).len);
}

enum form { FORM_OTHER, FORM_PSEUDONYM, FORM_REAUTH };

/* form_of - the first digit and the length tell the form of a name, for all methods alike. */
static enum form form_of(struct span user, uint8_t raw[SEALED_MAX], size_t *ret_len)
{
    struct writer w = writer_of(raw, SEALED_MAX);
    if (user.len < REAUTH_LEN || !base32_read(span_of(user.ptr + 1, user.len - 1), &w))
        return FORM_OTHER;
    bool reauth = user.ptr[0] == '4' || user.ptr[0] == '5' || user.ptr[0] == '8';
    bool pseudonym = user.ptr[0] == '2' || user.ptr[0] == '3' || user.ptr[0] == '7';
    *ret_len = w.len;
    return reauth && user.len == REAUTH_LEN                              ? FORM_REAUTH
           : pseudonym && w.len >= 2 * BLOCK + TAG && w.len % BLOCK == 0 ? FORM_PSEUDONYM
                                                                         : FORM_OTHER;
}

/* --- pseudonyms --- */

static int tag_make(struct name_book *book, uint8_t digit, struct span sealed, struct span realm,
                    uint8_t out[TAG])
{
    const struct span parts[] = {span_of(&digit, 1), sealed, realm};
    return eap_hmac(book->crypto, "SHA256", span_of(book->k_mac, sizeof(book->k_mac)), parts, 3,
                    (struct buffer){out, TAG});
}

size_t name_book_pseudonym(struct name_book *book, enum eap_type type, struct span permanent,
                           uint32_t hour, uint8_t ret[EAP_IDENTITY])
{
    uint8_t plain[SEALED_MAX] = {0}, sealed[SEALED_MAX];
    struct span user = user_of(permanent), realm = eap_realm(permanent);
    uint8_t digit = digit_of(type, false);
    size_t len = (PLAIN_HEAD + user.len + BLOCK - 1) / BLOCK * BLOCK;
    if (BLOCK + len + TAG > sizeof(sealed) || user.len == 0)
        return 0;
    struct writer p = writer_of(plain, sizeof(plain)), out = writer_of(ret, EAP_IDENTITY);
    write_u32(&p, hour);
    write_u8(&p, (uint8_t)user.len);
    write_bytes(&p, user);
    random_fill(book->random, sealed, BLOCK);
    if (eap_cipher(book->crypto, book->crypto->aes_128_cbc, true, book->k_encr, sealed,
                   span_of(plain, len), sealed + BLOCK) != 0 ||
        tag_make(book, digit, span_of(sealed, BLOCK + len), realm, sealed + BLOCK + len) != 0)
        return 0;
    write_u8(&out, digit);
    base32_write(&out, span_of(sealed, BLOCK + len + TAG));
    bool fits = !writer_failed(&out) && out.len + realm.len <= EAP_IDENTITY;
    return fits ? out.len : 0;
}

/* pseudonym_open - decrypts a pseudonym; `raw` comes from form_of(). */
static bool pseudonym_open(struct name_book *book, struct span raw, struct span name, uint32_t hour,
                           struct eap_named *ret)
{
    uint8_t tag[TAG], plain[SEALED_MAX];
    struct span realm = eap_realm(name);
    const struct span sealed = span_of(raw.ptr, raw.len - TAG);
    const struct span cipher = span_of(raw.ptr + BLOCK, sealed.len - BLOCK);
    if (tag_make(book, name.ptr[0], sealed, realm, tag) != 0 ||
        !ct_equal(tag, raw.ptr + sealed.len, TAG) ||
        eap_cipher(book->crypto, book->crypto->aes_128_cbc, false, book->k_encr, raw.ptr, cipher,
                   plain) != 0)
        return false;
    struct reader r = reader_of(span_of(plain, cipher.len));
    uint32_t made = read_u32(&r);
    struct span user = read_bytes(&r, read_u8(&r));
    struct writer w = writer_of(ret->identity, sizeof(ret->identity));
    write_bytes(&w, user);
    write_bytes(&w, realm);
    ret->identity_len = w.len;
    return !reader_failed(&r) && !writer_failed(&w) && hour - made < EAP_PSEUDONYM_HOURS;
}

/* --- re-authentication identities --- */

size_t name_book_reauth(struct name_book *book, enum eap_type type, struct span permanent,
                        uint8_t ret[EAP_IDENTITY])
{
    uint8_t raw[REAUTH_RAW];
    struct writer w = writer_of(ret, EAP_IDENTITY);
    random_fill(book->random, raw, sizeof(raw));
    write_u8(&w, digit_of(type, true));
    base32_write(&w, span_of(raw, sizeof(raw)));
    write_bytes(&w, eap_realm(permanent));
    return writer_failed(&w) ? 0 : w.len;
}

static void entry_drop(struct name_book *book, struct book_entry *entry)
{
    HASH_DEL(book->by_id, entry);
    wipe(entry, sizeof(*entry));
    free(entry);
}

void name_book_put(struct name_book *book, struct span reauth_id, const struct eap_named *named,
                   uint32_t hour)
{
    if (user_of(reauth_id).len != REAUTH_LEN)
        return;
    if (HASH_COUNT(book->by_id) >= EAP_NAME_BOOK)
        entry_drop(book, book->by_id);
    struct book_entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return;
    memcpy(entry->id, reauth_id.ptr, REAUTH_LEN);
    entry->hour = hour;
    entry->named = *named;
    HASH_ADD(hh, book->by_id, id, REAUTH_LEN, entry);
    if (!TABLE_HAS(entry)) {
        wipe(entry, sizeof(*entry));
        free(entry);
    }
}

static bool reauth_take(struct name_book *book, struct span user, uint32_t hour,
                        struct eap_named *ret)
{
    struct book_entry *entry;
    HASH_FIND(hh, book->by_id, user.ptr, REAUTH_LEN, entry);
    if (entry == NULL)
        return false;
    bool valid = hour - entry->hour < EAP_REAUTH_HOURS;
    *ret = entry->named;
    entry_drop(book, entry);
    return valid;
}

/* --- the book --- */

enum eap_name_kind name_book_find(struct name_book *book, enum eap_type type, struct span name,
                                  uint32_t hour, struct eap_named *ret)
{
    uint8_t raw[SEALED_MAX];
    size_t len = 0;
    struct span user = user_of(name);
    enum form form = form_of(user, raw, &len);
    *ret = (struct eap_named){0};
    if (form == FORM_OTHER)
        return EAP_NAME_OTHER;
    bool reauth = form == FORM_REAUTH;
    bool known = user.ptr[0] == digit_of(type, reauth) &&
                 (reauth ? reauth_take(book, user, hour, ret)
                         : pseudonym_open(book, span_of(raw, len), name, hour, ret));
    if (reauth)
        return known ? EAP_NAME_REAUTH : EAP_NAME_OLD_REAUTH;
    return known ? EAP_NAME_PSEUDONYM : EAP_NAME_OLD_PSEUDONYM;
}

struct name_book *name_book_new(struct eap_crypto *crypto, const struct random *random)
{
    struct name_book *book = calloc(1, sizeof(*book));
    if (book == NULL)
        return NULL;
    book->crypto = crypto;
    book->random = random;
    random_fill(random, book->k_encr, sizeof(book->k_encr));
    random_fill(random, book->k_mac, sizeof(book->k_mac));
    return book;
}

struct name_book *name_book_free(struct name_book *book)
{
    if (book == NULL)
        return NULL;
    while (book->by_id != NULL)
        entry_drop(book, book->by_id);
    wipe(book, sizeof(*book));
    free(book);
    return NULL;
}
