/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/eap/usim_book.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/siphash.h"

#define SLOT_MAGIC 0x696b7531u /* "iku1": another layout gets another one */

/* struct slot - as it lies in the file. */
struct slot {
    uint32_t magic, identity_len;
    uint64_t order; /* of its last use; 0: it is free */
    uint64_t sqn;
    uint8_t identity[EAP_IDENTITY + 3];
    struct eap_names names;
    uint64_t digest; /* of all before: a slot that was written in part is none */
};

struct usim_book {
    struct slot *slots; /* USIM_BOOK, mapped */
    uint64_t order;
};

static uint64_t slot_digest(const struct slot *slot)
{
    static const uint8_t key[SIPHASH_KEY_LEN] = "ikat-usim-book.";
    return siphash(key, span_of(slot, offsetof(struct slot, digest)));
}

static bool slot_sound(const struct slot *slot)
{
    const struct eap_names *n = &slot->names;
    return slot->magic == SLOT_MAGIC && slot->digest == slot_digest(slot) && slot->order > 0 &&
           slot->identity_len <= EAP_IDENTITY && n->pseudonym_len <= EAP_IDENTITY &&
           n->reauth_id_len <= EAP_IDENTITY;
}

static struct slot *slots_map(int fd)
{
    const size_t size = USIM_BOOK * sizeof(struct slot);
    struct stat file;
    _Static_assert(sizeof(struct slot) * USIM_BOOK <= USIM_BOOK_ROOM, "the file has room");
    /* a write behind the end of the file would end the process */
    bool kept = fd >= 0 && fstat(fd, &file) == 0 && file.st_size >= USIM_BOOK_ROOM;
    void *at = kept ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                    : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    (void)madvise(at, size, MADV_DONTDUMP);
    return at;
}

struct usim_book *usim_book_new(int fd)
{
    struct usim_book *book = calloc(1, sizeof(*book));
    if (book == NULL)
        return NULL;
    book->slots = slots_map(fd);
    if (book->slots == NULL) {
        free(book);
        return NULL;
    }
    for (size_t i = 0; i < USIM_BOOK; i++) {
        if (!slot_sound(&book->slots[i]))
            book->slots[i] = (struct slot){0};
        if (book->slots[i].order > book->order)
            book->order = book->slots[i].order;
    }
    return book;
}

struct usim_book *usim_book_free(struct usim_book *book)
{
    if (book != NULL)
        munmap(book->slots, USIM_BOOK * sizeof(struct slot));
    free(book);
    return NULL;
}

static struct slot *slot_find(const struct usim_book *book, struct span identity)
{
    for (size_t i = 0; i < USIM_BOOK; i++) {
        struct slot *slot = &book->slots[i];
        if (slot->order > 0 && span_equal(span_of(slot->identity, slot->identity_len), identity))
            return slot;
    }
    return NULL;
}

/* slot_take - that of the identity, or the one that was used longest ago. */
static struct slot *slot_take(struct usim_book *book, struct span identity)
{
    struct slot *slot = slot_find(book, identity);
    if (slot != NULL || identity.len > EAP_IDENTITY)
        return slot;
    slot = &book->slots[0];
    for (size_t i = 1; i < USIM_BOOK; i++)
        if (book->slots[i].order < slot->order)
            slot = &book->slots[i];
    *slot = (struct slot){.magic = SLOT_MAGIC, .identity_len = (uint32_t)identity.len};
    if (identity.len > 0)
        memcpy(slot->identity, identity.ptr, identity.len);
    return slot;
}

static void slot_seal(struct usim_book *book, struct slot *slot)
{
    slot->order = ++book->order;
    slot->digest = slot_digest(slot);
}

bool usim_book_names(const struct usim_book *book, struct span identity, struct eap_names *ret)
{
    const struct slot *slot = slot_find(book, identity);
    if (slot == NULL || slot->names.type == 0)
        return false;
    *ret = slot->names;
    return true;
}

void usim_book_keep(struct usim_book *book, struct span identity, const struct eap_names *names)
{
    struct slot *slot = slot_take(book, identity);
    if (slot == NULL)
        return;
    slot->names = *names;
    slot_seal(book, slot);
}

bool usim_book_sqn_take(struct usim_book *book, struct span identity, uint64_t sqn,
                        uint64_t *ret_highest)
{
    struct slot *slot = slot_take(book, identity);
    *ret_highest = slot == NULL ? 0 : slot->sqn;
    if (slot == NULL || sqn <= slot->sqn)
        return false;
    slot->sqn = sqn;
    slot_seal(book, slot);
    return true;
}
