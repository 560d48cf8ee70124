/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyholder/tickets.h"

#include <errno.h>
#include <stdlib.h>

#include "base/secret.h"
#include "crypto/prf.h"
#include "daemon/common/log.h"
#include "daemon/keyholder/ticket_file.h"

#define VERSION 1
#define NONCE   12
#define TAG     16
#define OPEN    (1 + TICKET_KEY_ID) /* associated data */
#define AROUND  (OPEN + NONCE + TAG)
#define SKEW_MS (300 * UINT64_C(1000)) /* how far the clock of the host may go back */

struct tickets {
    struct crypto_provider *crypto;
    const struct random *random;
    struct ticket_file *file;
    bool told; /* the log says that the file cannot be written */
};

struct tickets *tickets_new(struct crypto_provider *crypto, const struct random *random, int fd,
                            int64_t now_ms)
{
    struct tickets *tickets = calloc(1, sizeof(*tickets));
    if (tickets == NULL)
        return NULL;
    tickets->crypto = crypto;
    tickets->random = random;
    tickets->file = ticket_file_new(random, fd, now_ms);
    return tickets->file == NULL ? tickets_free(tickets) : tickets;
}

struct tickets *tickets_free(struct tickets *tickets)
{
    if (tickets == NULL)
        return NULL;
    ticket_file_free(tickets->file);
    free(tickets);
    return NULL;
}

int tickets_secret_id(struct tickets *tickets, struct span secret, uint8_t ret_id[TICKET_SECRET_ID])
{
    uint8_t hash[CRYPTO_HASH_MAX];
    const struct span parts[] = {span_text("ikat session ticket"), secret};
    int error = crypto_digest(tickets->crypto, CRYPTO_SHA2_256, parts, 2, hash);
    if (error == 0)
        memcpy(ret_id, hash, TICKET_SECRET_ID);
    wipe(hash, sizeof(hash));
    return error;
}

/* --- the plain text --- */

static void text_write(struct writer *w, const char *text)
{
    size_t len = strnlen(text, LIMIT_NAME);
    write_u8(w, (uint8_t)len);
    write_bytes(w, span_of(text, len));
}

static void text_read(struct reader *r, char *ret, size_t cap)
{
    struct span text = read_bytes(r, read_u8(r));
    if (text.len >= cap) {
        reader_fail(r);
        return;
    }
    if (text.len > 0)
        memcpy(ret, text.ptr, text.len);
    ret[text.len] = '\0';
}

static void id_write(struct writer *w, const struct ike_id *id)
{
    write_u8(w, id->type);
    write_u16(w, id->len);
    write_bytes(w, span_of(id->data, id->len));
}

static void id_read(struct reader *r, struct ike_id *ret)
{
    *ret = (struct ike_id){.type = read_u8(r), .len = read_u16(r)};
    struct span data = read_bytes(r, ret->len);
    if (data.len > sizeof(ret->data))
        reader_fail(r);
    else if (data.len > 0)
        memcpy(ret->data, data.ptr, data.len);
}

static void plain_write(struct writer *w, const struct key_ticket *t,
                        const struct ticket_inside *inside)
{
    write_u64(w, t->family);
    write_u64(w, t->issued_ms);
    write_u64(w, (uint64_t)t->expires_s);
    write_u64(w, (uint64_t)t->valid_until_s);
    write_u64(w, (uint64_t)t->certs_until_s);
    write_u8(w, (uint8_t)(t->ppk | t->shared << 1));
    const uint16_t algorithms[] = {t->encr, t->encr_key_bits, t->integ, t->prf, t->ke};
    for (size_t i = 0; i < 5; i++)
        write_u16(w, algorithms[i]);
    text_write(w, t->conn);
    id_write(w, &t->local);
    id_write(w, &t->remote);
    id_write(w, &t->proven);
    write_bytes(w, span_of(inside->secret, TICKET_SECRET_ID));
    write_u8(w, (uint8_t)inside->sk_d.len);
    write_bytes(w, inside->sk_d);
    write_u16(w, (uint16_t)inside->extra.len);
    write_bytes(w, inside->extra);
}

static bool plain_read(struct span plain, struct key_ticket *t, struct ticket_inside *inside)
{
    struct reader r = reader_of(plain);
    *t = (struct key_ticket){.family = read_u64(&r), .issued_ms = read_u64(&r)};
    t->expires_s = (int64_t)read_u64(&r);
    t->valid_until_s = (int64_t)read_u64(&r);
    t->certs_until_s = (int64_t)read_u64(&r);
    uint8_t flags = read_u8(&r);
    t->ppk = flags & 1;
    t->shared = flags >> 1 & 1;
    uint16_t *algorithms[] = {&t->encr, &t->encr_key_bits, &t->integ, &t->prf, &t->ke};
    for (size_t i = 0; i < 5; i++)
        *algorithms[i] = read_u16(&r);
    text_read(&r, t->conn, sizeof(t->conn));
    id_read(&r, &t->local);
    id_read(&r, &t->remote);
    id_read(&r, &t->proven);
    struct span secret = read_bytes(&r, TICKET_SECRET_ID);
    if (secret.len == TICKET_SECRET_ID)
        memcpy(inside->secret, secret.ptr, TICKET_SECRET_ID);
    inside->sk_d = read_bytes(&r, read_u8(&r));
    inside->extra = read_bytes(&r, read_u16(&r));
    t->sk_d_len = (uint16_t)inside->sk_d.len;
    t->extra_len = (uint16_t)inside->extra.len;
    return reader_done(&r);
}

/* --- sealed --- */

/* encrypt - in place: `text` becomes the ciphertext, with the tag behind it. */
static int encrypt(const struct tickets *tickets, const struct ticket_key *key, uint8_t *octets,
                   int text_len)
{
    EVP_CIPHER_CTX *c = tickets->crypto->cipher;
    uint8_t *text = octets + OPEN + NONCE;
    int n;
    bool done =
        EVP_EncryptInit_ex2(c, tickets->crypto->aes_gcm_256, key->key, octets + OPEN, NULL) == 1 &&
        EVP_EncryptUpdate(c, NULL, &n, octets, OPEN) == 1 &&
        EVP_EncryptUpdate(c, text, &n, text, text_len) == 1 &&
        EVP_EncryptFinal_ex(c, text + n, &n) == 1 &&
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, text + text_len) == 1;
    crypto_forget(tickets->crypto);
    return done ? 0 : ERR_CRYPTO;
}

static int decrypt(const struct tickets *tickets, const struct ticket_key *key, struct span sealed,
                   uint8_t *ret_plain)
{
    EVP_CIPHER_CTX *c = tickets->crypto->cipher;
    int len = (int)(sealed.len - AROUND), n;
    uint8_t tag[TAG];
    memcpy(tag, sealed.ptr + sealed.len - TAG, TAG);
    bool done = EVP_DecryptInit_ex2(c, tickets->crypto->aes_gcm_256, key->key, sealed.ptr + OPEN,
                                    NULL) == 1 &&
                EVP_DecryptUpdate(c, NULL, &n, sealed.ptr, OPEN) == 1 &&
                EVP_DecryptUpdate(c, ret_plain, &n, sealed.ptr + OPEN + NONCE, len) == 1 &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
                EVP_DecryptFinal_ex(c, ret_plain + n, &n) == 1;
    crypto_forget(tickets->crypto);
    return done ? 0 : ERR_AUTH;
}

static bool id_sound(const struct ike_id *id)
{
    return id->len <= sizeof(id->data);
}

static bool ticket_sound(const struct key_ticket *t, const struct ticket_inside *inside)
{
    return t->ppk <= 1 && t->shared <= 1 && memchr(t->conn, '\0', sizeof(t->conn)) != NULL &&
           id_sound(&t->local) && id_sound(&t->remote) && id_sound(&t->proven) &&
           inside->sk_d.len > 0 && inside->sk_d.len <= CRYPTO_HASH_MAX &&
           inside->extra.len <= LIMIT_TICKET_EXTRA;
}

/* lifetime_set - not longer than its session may live (section 6.2). false: it is over. */
static bool lifetime_set(struct key_ticket *t, int64_t now_ms)
{
    int64_t life = t->lifetime_s < LIMIT_TICKET_LIFE ? t->lifetime_s : LIMIT_TICKET_LIFE;
    const int64_t ends[] = {t->valid_until_s, t->certs_until_s};
    for (size_t i = 0; i < 2; i++)
        if (ends[i] != 0 && ends[i] - now_ms / 1000 < life)
            life = ends[i] - now_ms / 1000;
    t->lifetime_s = life < 1 ? 0 : (uint32_t)life;
    t->expires_s = now_ms / 1000 + life;
    return life >= 1;
}

/* bar - false: the next process would not know of it. */
static bool bar(struct tickets *tickets, uint64_t family, uint64_t from_ms, int64_t now_ms)
{
    bool kept = ticket_file_bar(tickets->file, family, from_ms, now_ms);
    if (!kept && !tickets->told)
        log_line(LOG_LEVEL_WARNING, "event=tickets-not-kept reason=\"%s\"", strerror(errno));
    tickets->told |= !kept;
    return kept;
}

/* issue - gives the ticket its place in its family. ERR_DENIED: the session has ended. */
static int issue(struct tickets *tickets, struct key_ticket *t, int64_t now_ms)
{
    uint64_t from = ticket_file_from(tickets->file, t->family);
    bool fresh = t->family == 0;
    while (t->family == 0 || (fresh && from != 0)) {
        t->family = random_u64(tickets->random);
        from = ticket_file_from(tickets->file, t->family);
    }
    if (from == UINT64_MAX)
        return ERR_DENIED;
    t->issued_ms = from > (uint64_t)now_ms ? from : (uint64_t)now_ms;
    if (!fresh)
        (void)bar(tickets, t->family, ++t->issued_ms, now_ms);
    return 0;
}

int tickets_seal(struct tickets *tickets, struct key_ticket *ticket,
                 const struct ticket_inside *inside, int64_t now_ms, struct writer *ret)
{
    uint8_t octets[LIMIT_TICKET];
    const struct ticket_key *key = ticket_file_key(tickets->file, now_ms);
    struct writer w = writer_of(octets + OPEN + NONCE, sizeof(octets) - AROUND);
    if (!ticket_sound(ticket, inside))
        return ERR_INVALID;
    if (!lifetime_set(ticket, now_ms))
        return ERR_FULL;
    int error = issue(tickets, ticket, now_ms);
    if (error != 0)
        return error;
    octets[0] = VERSION;
    memcpy(octets + 1, key->id, TICKET_KEY_ID);
    random_fill(tickets->random, octets + OPEN, NONCE);
    plain_write(&w, ticket, inside);
    error = writer_failed(&w) ? ERR_FULL : encrypt(tickets, key, octets, (int)w.len);
    if (error == 0)
        write_bytes(ret, span_of(octets, AROUND + w.len));
    wipe(octets, sizeof(octets));
    return error;
}

/* current - the ticket counts, and has not expired. It is none of the future: then the clock went
 * back, and its expiry says nothing. */
static bool current(const struct tickets *tickets, const struct key_ticket *t, int64_t now_ms)
{
    return t->expires_s > now_ms / 1000 && t->issued_ms <= (uint64_t)now_ms + SKEW_MS &&
           ticket_file_counts(tickets->file, t->family, t->issued_ms);
}

int tickets_open(struct tickets *tickets, struct span sealed, int64_t now_ms,
                 struct key_ticket *ret_ticket, struct ticket_inside *ret_inside)
{
    struct key_ticket ticket;
    *ret_inside = (struct ticket_inside){0};
    if (sealed.len <= AROUND || sealed.len > LIMIT_TICKET || sealed.ptr[0] != VERSION)
        return ERR_AUTH;
    const struct ticket_key *key = ticket_file_key_of(tickets->file, sealed.ptr + 1, now_ms);
    if (key == NULL || decrypt(tickets, key, sealed, ret_inside->room) != 0 ||
        !plain_read(span_of(ret_inside->room, sealed.len - AROUND), &ticket, ret_inside) ||
        !ticket_sound(&ticket, ret_inside))
        return ERR_AUTH;
    if (!current(tickets, &ticket, now_ms))
        return ERR_DENIED;
    *ret_ticket = ticket;
    return 0;
}

int tickets_use(struct tickets *tickets, uint64_t family, uint64_t issued_ms, int64_t now_ms)
{
    if (family == 0 || issued_ms == UINT64_MAX)
        return ERR_INVALID;
    if (!ticket_file_counts(tickets->file, family, issued_ms))
        return ERR_DENIED;
    return bar(tickets, family, issued_ms + 1, now_ms) ? 0 : ERR_DENIED;
}

void tickets_end(struct tickets *tickets, uint64_t family, int64_t now_ms)
{
    if (family != 0)
        (void)bar(tickets, family, UINT64_MAX, now_ms);
}
