/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyholder/ticket_file.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/secret.h"

#define MAGIC   UINT64_C(0x31746b74616b6900) /* "\0ikatkt1", as this host writes numbers */
#define SKEW_MS (300 * INT64_C(1000))        /* how far the clock of the host may go back */

/* struct head, struct record - as they lie in the file, which no other host reads. */
struct head {
    uint64_t magic;
    struct ticket_key keys[2]; /* in use, and before */
    uint64_t from_ms;          /* older tickets do not count */
    uint64_t n;                /* records behind the head */
};

struct record {
    uint64_t family, from_ms;
    int64_t until_s;
};

struct ticket_file {
    const struct random *random;
    int fd;
    struct head *head; /* owned, in locked memory */
    struct record *records;
    struct map places; /* family -> its record */
    size_t cap;
};

/* --- the file --- */

static bool write_at(const struct ticket_file *file, size_t offset, struct span octets)
{
    if (file->fd < 0)
        return true;
    return lseek(file->fd, (off_t)offset, SEEK_SET) == (off_t)offset &&
           write(file->fd, octets.ptr, octets.len) == (ssize_t)octets.len;
}

static bool read_at(const struct ticket_file *file, size_t offset, struct buffer room)
{
    return file->fd >= 0 && lseek(file->fd, (off_t)offset, SEEK_SET) == (off_t)offset &&
           read(file->fd, room.ptr, room.len) == (ssize_t)room.len;
}

static size_t record_offset(size_t index)
{
    return sizeof(struct head) + index * sizeof(struct record);
}

static bool head_write(const struct ticket_file *file)
{
    return write_at(file, 0, span_of(file->head, sizeof(*file->head)));
}

static bool record_write(const struct ticket_file *file, const struct record *record)
{
    return write_at(file, record_offset((size_t)(record - file->records)),
                    span_of(record, sizeof(*record)));
}

/* --- records --- */

static int records_reserve(struct ticket_file *file, size_t n)
{
    if (n <= file->cap)
        return 0;
    size_t cap = file->cap == 0 ? 64 : 2 * file->cap;
    while (cap < n)
        cap *= 2;
    struct record *larger = calloc(cap, sizeof(*larger));
    if (larger == NULL || map_reserve(&file->places, cap) != 0) {
        free(larger);
        return ERR_NO_MEMORY;
    }
    if (file->head->n > 0)
        memcpy(larger, file->records, file->head->n * sizeof(*larger));
    free(file->records);
    file->records = larger;
    file->cap = cap;
    for (size_t i = 0; i < file->head->n; i++)
        if (map_set(&file->places, larger[i].family, &larger[i]) != 0)
            return ERR_NO_MEMORY; /* never: the place was reserved */
    return 0;
}

/* records_compact - those that are over leave. */
static void records_compact(struct ticket_file *file, int64_t now_s)
{
    size_t kept = 0;
    for (size_t i = 0; i < file->head->n; i++) {
        const struct record record = file->records[i];
        if (record.until_s < now_s) {
            (void)map_take(&file->places, record.family);
            continue;
        }
        file->records[kept] = record;
        map_replace(&file->places, record.family, &file->records[kept++]);
    }
    file->head->n = kept;
}

/* records_give_up - too many: all tickets issued so far stop to count. */
static void records_give_up(struct ticket_file *file, int64_t now_ms)
{
    for (size_t i = 0; i < file->head->n; i++)
        (void)map_take(&file->places, file->records[i].family);
    file->head->n = 0;
    file->head->from_ms = (uint64_t)now_ms + 1;
}

/* records_make_room - rewrites the file. The head comes first: with fewer records than the file
 * has, and the later time, no ticket counts that did not before. */
static bool records_make_room(struct ticket_file *file, int64_t now_ms)
{
    records_compact(file, now_ms / 1000);
    if (file->head->n > LIMIT_TICKET_RECORDS * 3 / 4)
        records_give_up(file, now_ms);
    bool written = write_at(file, record_offset(0),
                            span_of(file->records, file->head->n * sizeof(struct record)));
    return head_write(file) && written;
}

static bool record_sound(const struct ticket_file *file, const struct record *record)
{
    return record->family != 0 && map_get(&file->places, record->family) == NULL;
}

/* records_read - false: not all of them can be read, so that a used ticket might count. */
static bool records_read(struct ticket_file *file, size_t n)
{
    file->head->n = 0;
    if (records_reserve(file, n) != 0 ||
        (n > 0 && !read_at(file, record_offset(0),
                           (struct buffer){(uint8_t *)file->records, n * sizeof(struct record)})))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct record *record = &file->records[i];
        if (!record_sound(file, record) || map_put(&file->places, record->family, record) != 0)
            return false;
        file->head->n++;
    }
    return true;
}

/* --- keys --- */

static void key_new(struct ticket_file *file, int64_t now_ms)
{
    struct head *head = file->head;
    struct ticket_key *key = &head->keys[0];
    head->keys[1] = *key;
    random_fill(file->random, key->id, sizeof(key->id));
    random_fill(file->random, key->key, sizeof(key->key));
    key->made_s = now_ms / 1000;
}

static bool head_sound(const struct head *head, int64_t now_ms)
{
    return head->magic == MAGIC && head->n <= LIMIT_TICKET_RECORDS && head->keys[0].made_s > 0 &&
           head->keys[0].made_s <= (now_ms + SKEW_MS) / 1000;
}

static void file_begin(struct ticket_file *file, int64_t now_ms)
{
    map_done(&file->places);
    file->places = (struct map){0};
    free(file->records);
    file->records = NULL;
    file->cap = 0;
    *file->head = (struct head){.magic = MAGIC};
    key_new(file, now_ms);
    (void)head_write(file); /* tickets then count as long as the process lives */
}

struct ticket_file *ticket_file_new(const struct random *random, int fd, int64_t now_ms)
{
    struct ticket_file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        return NULL;
    file->random = random;
    file->fd = fd;
    file->head = OPENSSL_secure_zalloc(sizeof(*file->head));
    if (file->head == NULL)
        return ticket_file_free(file);
    struct buffer head = {(uint8_t *)file->head, sizeof(*file->head)};
    if (!read_at(file, 0, head) || !head_sound(file->head, now_ms) ||
        !records_read(file, file->head->n))
        file_begin(file, now_ms);
    return file;
}

struct ticket_file *ticket_file_free(struct ticket_file *file)
{
    if (file == NULL)
        return NULL;
    OPENSSL_secure_clear_free(file->head, sizeof(*file->head));
    map_done(&file->places);
    free(file->records);
    free(file);
    return NULL;
}

/* before_over - no ticket of the key before is good any more. */
static bool before_over(const struct head *head, int64_t now_s)
{
    return head->keys[1].made_s != 0 && now_s > head->keys[0].made_s + LIMIT_TICKET_LIFE;
}

const struct ticket_key *ticket_file_key(struct ticket_file *file, int64_t now_ms)
{
    struct head *head = file->head;
    int64_t now_s = now_ms / 1000;
    bool renew = now_s - head->keys[0].made_s >= TICKET_KEY_S, over = before_over(head, now_s);
    if (renew)
        key_new(file, now_ms);
    else if (over)
        wipe(&head->keys[1], sizeof(head->keys[1]));
    if (renew || over)
        (void)head_write(file);
    return &head->keys[0];
}

const struct ticket_key *ticket_file_key_of(const struct ticket_file *file,
                                            const uint8_t id[TICKET_KEY_ID], int64_t now_ms)
{
    const struct head *head = file->head;
    if (memcmp(head->keys[0].id, id, TICKET_KEY_ID) == 0)
        return &head->keys[0];
    return head->keys[1].made_s != 0 && !before_over(head, now_ms / 1000) &&
                   memcmp(head->keys[1].id, id, TICKET_KEY_ID) == 0
               ? &head->keys[1]
               : NULL;
}

/* --- which tickets count --- */

uint64_t ticket_file_from(const struct ticket_file *file, uint64_t family)
{
    const struct record *record = map_get(&file->places, family);
    return record == NULL ? 0 : record->from_ms;
}

bool ticket_file_counts(const struct ticket_file *file, uint64_t family, uint64_t issued_ms)
{
    return issued_ms >= file->head->from_ms && issued_ms >= ticket_file_from(file, family);
}

/* record_add - NULL: no memory. */
static struct record *record_add(struct ticket_file *file, uint64_t family)
{
    if (records_reserve(file, file->head->n + 1) != 0)
        return NULL;
    struct record *record = &file->records[file->head->n];
    *record = (struct record){.family = family};
    if (map_put(&file->places, family, record) != 0)
        return NULL;
    file->head->n++;
    return record;
}

bool ticket_file_bar(struct ticket_file *file, uint64_t family, uint64_t from_ms, int64_t now_ms)
{
    struct record *record = map_get(&file->places, family);
    bool fresh = record == NULL, written = true;
    if (fresh && file->head->n >= LIMIT_TICKET_RECORDS)
        written = records_make_room(file, now_ms);
    if (fresh)
        record = record_add(file, family);
    if (record == NULL) {
        records_give_up(file, now_ms);
        return head_write(file);
    }
    if (from_ms > record->from_ms)
        record->from_ms = from_ms;
    record->until_s = now_ms / 1000 + LIMIT_TICKET_LIFE + 1;
    /* the record comes first: the head counts it */
    written = record_write(file, record) && written;
    if (!written && file->head->from_ms <= (uint64_t)now_ms)
        file->head->from_ms = (uint64_t)now_ms + 1; /* a full disk: the head is there already */
    return fresh || !written ? head_write(file) : written;
}
