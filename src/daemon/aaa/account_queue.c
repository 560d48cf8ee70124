/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/aaa/account_queue.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/siphash.h"
#include "base/table.h"

#define SLOT_MAGIC 0x696b6131u /* "ika1"; a new layout needs a new value */

enum slot_kind { SLOT_FREE, SLOT_RECORD, SLOT_ALIVE };

/* struct slot - a record in the file. */
struct slot {
    uint32_t magic, kind; /* enum slot_kind */
    uint64_t order;
    struct aaa_account account;
    uint64_t digest; /* of all members before it; a slot written in part has a wrong one */
};

struct record {
    uint64_t tag;
    size_t place; /* slot */
    bool in_flight;
    bool doubted; /* of a live session: no engine has said yet that it goes on */
    nanos sent, not_before;
    struct slot slot;
    struct record *next, *previous; /* in order of arrival */
    struct record *earlier, *later; /* of the same session, to be sent */
    UT_hash_handle hh;              /* by tag */
};

/* struct session - a session with records in the queue. */
struct session {
    char id[AAA_SESSION_ID];
    struct record *first, *last; /* to be sent */
    struct record *alive;        /* its last known state; NULL: it has ended, or had no room */
    UT_hash_handle hh;           /* by id */
};

struct account_queue {
    int fd;
    uint64_t order, tags, lost, unwritten;
    size_t n_alive, waiting;
    size_t in_flight, beside; /* records that count in the window, and those that do not */
    size_t window;
    nanos not_before, heard;          /* heard: a server acknowledged a record; -1: never */
    struct record *oldest, *youngest; /* to be sent */
    struct record *by_tag;
    struct session *by_session;
    uint32_t n_free;
    uint32_t *free_places; /* owned */
};

/* --- the file --- */

static uint64_t slot_digest(const struct slot *slot)
{
    static const uint8_t key[SIPHASH_KEY_LEN] = "ikat-accounting";
    return siphash(key, span_of(slot, offsetof(struct slot, digest)));
}

/* slot_write - writes a slot. If the disk is full, the record is in memory only. */
static void slot_write(struct account_queue *q, size_t place, struct slot *slot)
{
    off_t at = (off_t)(place * sizeof(*slot));
    slot->digest = slot_digest(slot);
    if (q->fd >= 0)
        q->unwritten += pwrite(q->fd, slot, sizeof(*slot), at) != (ssize_t)sizeof(*slot);
}

static void slot_clear(struct account_queue *q, size_t place)
{
    struct slot nothing = {.kind = SLOT_FREE};
    slot_write(q, place, &nothing);
}

/* --- records --- */

static bool text_sound(const char *text, size_t cap)
{
    return memchr(text, 0, cap) != NULL;
}

static bool family_sound(const struct address *a)
{
    return a->family == ADDRESS_NONE || a->family == ADDRESS_V4 || a->family == ADDRESS_V6;
}

static bool account_sound(const struct aaa_account *a)
{
    bool known =
        aaa_account_of_session(a->kind) || a->kind == AAA_ACCOUNT_ON || a->kind == AAA_ACCOUNT_OFF;
    bool sound = known && a->by_server <= 1 && text_sound(a->session_id, sizeof(a->session_id)) &&
                 a->session_id[0] != '\0' && text_sound(a->conn, sizeof(a->conn)) &&
                 text_sound(a->nas, sizeof(a->nas)) && family_sound(&a->nas_address) &&
                 text_sound(a->called, sizeof(a->called)) &&
                 text_sound(a->calling, sizeof(a->calling)) && a->user_len <= sizeof(a->user) &&
                 a->n_classes <= AAA_CLASSES && a->n_paths <= AAA_PATHS &&
                 family_sound(&a->framed4) && family_sound(&a->framed6);
    for (uint32_t i = 0; sound && i < a->n_paths; i++)
        sound = text_sound(a->paths[i].interface, sizeof(a->paths[i].interface)) &&
                family_sound(&a->paths[i].local) && family_sound(&a->paths[i].remote);
    return sound;
}

static struct session *session_of(struct account_queue *q, const char *id)
{
    struct session *session;
    HASH_FIND(hh, q->by_session, id, strlen(id), session);
    if (session != NULL || (session = calloc(1, sizeof(*session))) == NULL)
        return session;
    memcpy(session->id, id, strlen(id));
    HASH_ADD(hh, q->by_session, id, strlen(id), session);
    if (TABLE_HAS(session))
        return session;
    free(session);
    return NULL;
}

static void session_tidy(struct account_queue *q, struct session *session)
{
    if (session->first != NULL || session->alive != NULL)
        return;
    HASH_DELETE(hh, q->by_session, session);
    free(session);
}

/* record_new - makes a record with a slot in the file; NULL: no slot is free, or no memory. */
static struct record *record_new(struct account_queue *q, const struct aaa_account *account,
                                 enum slot_kind kind)
{
    struct record *record = q->n_free == 0 ? NULL : calloc(1, sizeof(*record));
    if (record == NULL)
        return NULL;
    record->place = q->free_places[--q->n_free];
    record->slot.magic = SLOT_MAGIC;
    record->slot.kind = kind;
    record->slot.order = ++q->order;
    record->slot.account = *account;
    return record;
}

static void record_free(struct account_queue *q, struct record *record)
{
    slot_clear(q, record->place);
    q->free_places[q->n_free++] = (uint32_t)record->place;
    free(record);
}

/* queue_append - puts the record at the end of the queue. */
static void queue_append(struct account_queue *q, struct session *session, struct record *record)
{
    record->tag = ++q->tags;
    record->previous = q->youngest;
    *(q->youngest != NULL ? &q->youngest->next : &q->oldest) = record;
    q->youngest = record;
    record->earlier = session->last;
    *(session->last != NULL ? &session->last->later : &session->first) = record;
    session->last = record;
    HASH_ADD(hh, q->by_tag, tag, sizeof(record->tag), record);
    q->waiting++;
}

/* flying - the counter for a record in flight. An Accounting-On has a counter of its own, so that
 * no session waits for it: some servers never acknowledge it. */
static size_t *flying(struct account_queue *q, const struct record *record)
{
    return record->slot.account.kind == AAA_ACCOUNT_ON ? &q->beside : &q->in_flight;
}

static void queue_remove(struct account_queue *q, struct record *record)
{
    struct session *session = session_of(q, record->slot.account.session_id);
    *(record->previous != NULL ? &record->previous->next : &q->oldest) = record->next;
    *(record->next != NULL ? &record->next->previous : &q->youngest) = record->previous;
    *(record->earlier != NULL ? &record->earlier->later : &session->first) = record->later;
    *(record->later != NULL ? &record->later->earlier : &session->last) = record->earlier;
    if (TABLE_HAS(record))
        HASH_DELETE(hh, q->by_tag, record);
    q->waiting--;
    if (record->in_flight)
        (*flying(q, record))--;
    record_free(q, record);
    session_tidy(q, session);
}

/* --- adding --- */

/* alive_set - keeps the state of a live session. If the processes end abruptly, the next ones make
 * a Stop from it. */
static void alive_set(struct account_queue *q, struct session *session,
                      const struct aaa_account *account)
{
    if (q->fd < 0)
        return;
    if (session->alive == NULL && q->n_alive < ACCOUNT_ALIVE) {
        session->alive = record_new(q, account, SLOT_ALIVE);
        q->n_alive += session->alive != NULL;
    }
    if (session->alive == NULL)
        return; /* an abrupt end would leave it without a Stop */
    session->alive->slot.account = *account;
    slot_write(q, session->alive->place, &session->alive->slot);
}

/* alive_stop - one write puts the Stop into the slot of the session's last state, so that the file
 * always has one of the two. Unsent interim records go: the Stop has all their figures. */
static void alive_stop(struct account_queue *q, struct session *session,
                       const struct aaa_account *stop)
{
    struct record *last = session->last, *record = session->alive;
    bool idle = last != NULL && !last->in_flight && last->slot.account.kind == AAA_ACCOUNT_INTERIM;
    session->alive = NULL;
    q->n_alive--;
    record->slot.kind = SLOT_RECORD;
    record->slot.order = ++q->order;
    record->slot.account = *stop;
    queue_append(q, session, record);
    slot_write(q, record->place, &record->slot);
    if (idle)
        queue_remove(q, last);
}

/* room_make - removes the oldest interim record to make room. */
static void room_make(struct account_queue *q)
{
    struct record *record = q->n_free > 0 ? NULL : q->oldest;
    while (record != NULL &&
           (record->in_flight || record->slot.account.kind != AAA_ACCOUNT_INTERIM))
        record = record->next;
    if (record == NULL)
        return;
    q->lost++;
    queue_remove(q, record);
}

static int record_add(struct account_queue *q, const struct aaa_account *account)
{
    room_make(q);
    struct session *session = session_of(q, account->session_id);
    if (session == NULL)
        return ERR_NO_MEMORY;
    struct record *last = session->last;
    if (last != NULL && !last->in_flight && last->slot.account.kind == AAA_ACCOUNT_INTERIM) {
        last->slot.account = *account;
        slot_write(q, last->place, &last->slot);
        return 0;
    }
    struct record *record = record_new(q, account, SLOT_RECORD);
    if (record == NULL) {
        session_tidy(q, session);
        return ERR_FULL;
    }
    queue_append(q, session, record);
    slot_write(q, record->place, &record->slot);
    return 0;
}

int account_queue_add(struct account_queue *q, const struct aaa_account *account)
{
    if (!account_sound(account))
        return ERR_INVALID;
    struct session *session = session_of(q, account->session_id);
    if (session == NULL)
        return ERR_NO_MEMORY;
    if (account->kind == AAA_ACCOUNT_STOP && session->alive != NULL) {
        alive_stop(q, session, account);
        return 0;
    }
    session_tidy(q, session);
    int error = record_add(q, account);
    session = error == 0 ? session_of(q, account->session_id) : NULL;
    if (session != NULL &&
        (account->kind == AAA_ACCOUNT_START || account->kind == AAA_ACCOUNT_INTERIM))
        alive_set(q, session, account);
    q->lost += error != 0;
    return error;
}

/* --- reading the file --- */

static int by_order(const void *a, const void *b)
{
    const struct record *const *one = a, *const *other = b;
    return (*one)->slot.order < (*other)->slot.order ? -1 : 1;
}

/* file_read - reads the valid slots; *ret_n: their number. */
static struct record **file_read(struct account_queue *q, size_t *ret_n)
{
    struct record **found = calloc(ACCOUNT_RECORDS, sizeof(struct record *));
    struct slot slot;
    struct stat file = {.st_size = 0};
    size_t n = 0;
    bool there = q->fd >= 0 && fstat(q->fd, &file) == 0;
    for (size_t place = ACCOUNT_RECORDS; found != NULL && place-- > 0;) {
        bool whole = there && (size_t)file.st_size >= (place + 1) * sizeof(slot) &&
                     pread(q->fd, &slot, sizeof(slot), (off_t)(place * sizeof(slot))) ==
                         (ssize_t)sizeof(slot);
        bool used = whole && slot.magic == SLOT_MAGIC && slot.digest == slot_digest(&slot) &&
                    (slot.kind == SLOT_RECORD || slot.kind == SLOT_ALIVE) &&
                    account_sound(&slot.account);
        struct record *record = used ? calloc(1, sizeof(*record)) : NULL;
        if (record == NULL) {
            q->free_places[q->n_free++] = (uint32_t)place;
            continue;
        }
        record->place = place;
        record->slot = slot;
        found[n++] = record;
    }
    *ret_n = n;
    return found;
}

/* record_revive - makes a Stop, from the last known state, for a session that had none when the
 * last process ended. */
static void record_revive(struct account_queue *q, struct record *record)
{
    struct aaa_account *account = &record->slot.account;
    if (record->slot.kind == SLOT_ALIVE) {
        account->kind = AAA_ACCOUNT_STOP;
        account->cause = AAA_CAUSE_NAS_REBOOT;
        record->slot.kind = SLOT_RECORD;
    }
    struct session *session = session_of(q, account->session_id);
    if (session == NULL) {
        q->free_places[q->n_free++] = (uint32_t)record->place;
        free(record);
        return;
    }
    record->slot.order = ++q->order;
    queue_append(q, session, record);
    slot_write(q, record->place, &record->slot);
}

/* record_doubt - the session lives, if an engine says so before account_queue_settle. */
static void record_doubt(struct account_queue *q, struct record *record)
{
    struct session *session = session_of(q, record->slot.account.session_id);
    if (session == NULL || session->alive != NULL) {
        record_revive(q, record);
        return;
    }
    record->doubted = true;
    session->alive = record;
    q->n_alive++;
}

int account_queue_keep(struct account_queue *q, const struct aaa_account *account)
{
    struct aaa_account alive = *account;
    alive.kind = AAA_ACCOUNT_INTERIM;
    struct session *session = account_sound(&alive) ? session_of(q, alive.session_id) : NULL;
    if (session == NULL)
        return account_sound(&alive) ? ERR_NO_MEMORY : ERR_INVALID;
    alive_set(q, session, &alive);
    if (session->alive != NULL)
        session->alive->doubted = false;
    session_tidy(q, session);
    return 0;
}

void account_queue_settle(struct account_queue *q)
{
    struct session *session, *next;
    HASH_ITER(hh, q->by_session, session, next)
    {
        if (session->alive == NULL || !session->alive->doubted)
            continue;
        struct aaa_account stop = session->alive->slot.account;
        stop.kind = AAA_ACCOUNT_STOP;
        stop.cause = AAA_CAUSE_NAS_REBOOT;
        alive_stop(q, session, &stop);
    }
}

struct account_queue *account_queue_new(int fd, bool handed)
{
    struct account_queue *q = calloc(1, sizeof(*q));
    size_t n = 0;
    if (q == NULL)
        return NULL;
    *q = (struct account_queue){.fd = fd, .window = 1, .heard = -1};
    q->free_places = calloc(ACCOUNT_RECORDS, sizeof(uint32_t));
    struct record **found = q->free_places == NULL ? NULL : file_read(q, &n);
    if (found == NULL)
        return account_queue_free(q);
    /* sessions that lived come last: their Start may still be on its way */
    if (n > 0)
        qsort(found, n, sizeof(struct record *), by_order);
    for (size_t i = 0; i < n; i++)
        if (found[i]->slot.kind == SLOT_RECORD) {
            record_revive(q, found[i]);
            found[i] = NULL;
        }
    for (size_t i = 0; i < n; i++)
        if (found[i] != NULL && handed)
            record_doubt(q, found[i]);
        else if (found[i] != NULL)
            record_revive(q, found[i]);
    free(found);
    return q;
}

struct account_queue *account_queue_free(struct account_queue *q)
{
    struct session *session, *next_session;
    struct record *record, *next;
    if (q == NULL)
        return NULL;
    HASH_ITER(hh, q->by_session, session, next_session)
    {
        HASH_DELETE(hh, q->by_session, session);
        free(session->alive);
        free(session);
    }
    HASH_CLEAR(hh, q->by_tag);
    for (record = q->oldest; record != NULL; record = next) {
        next = record->next;
        free(record);
    }
    free(q->free_places);
    free(q);
    return NULL;
}

/* --- sending --- */

/* record_ready - no earlier record of its session waits. An Accounting-Off waits for all Stops. */
static bool record_ready(const struct record *record)
{
    bool off = record->slot.account.kind == AAA_ACCOUNT_OFF;
    return !record->in_flight && record->earlier == NULL && (!off || record->previous == NULL);
}

static nanos record_due(const struct account_queue *q, const struct record *record)
{
    return q->not_before > record->not_before ? q->not_before : record->not_before;
}

/* ready_find - the next record to send: the first that is due; of several the oldest. So a record
 * that servers refuse does not hold back other records. */
static struct record *ready_find(const struct account_queue *q)
{
    struct record *best = NULL, *record = q->in_flight >= q->window ? NULL : q->oldest;
    for (; record != NULL && (best == NULL || best->not_before > 0); record = record->next)
        if (record_ready(record) && (best == NULL || record->not_before < best->not_before))
            best = record;
    return best;
}

const struct aaa_account *account_queue_next(struct account_queue *q, nanos now, uint64_t *ret_tag)
{
    struct record *record = ready_find(q);
    if (record == NULL || now < record_due(q, record))
        return NULL;
    record->in_flight = true;
    record->sent = now;
    (*flying(q, record))++;
    *ret_tag = record->tag;
    return &record->slot.account;
}

static struct record *flying_find(const struct account_queue *q, uint64_t tag)
{
    struct record *record;
    HASH_FIND(hh, q->by_tag, &tag, sizeof(tag), record);
    for (record = record != NULL ? record : q->oldest; record != NULL && record->tag != tag;)
        record = record->next; /* the table had no memory for it */
    return record != NULL && record->in_flight ? record : NULL;
}

bool account_queue_sent(struct account_queue *q, uint64_t tag, nanos now)
{
    struct record *record = flying_find(q, tag);
    if (record == NULL)
        return false;
    queue_remove(q, record);
    q->window = q->window >= ACCOUNT_WINDOW / 2 ? ACCOUNT_WINDOW : 2 * q->window;
    q->not_before = 0;
    q->heard = now;
    return true;
}

bool account_queue_failed(struct account_queue *q, uint64_t tag, nanos now)
{
    struct record *record = flying_find(q, tag);
    if (record == NULL)
        return false;
    bool refused = q->heard >= record->sent;
    if (refused && record->slot.account.kind == AAA_ACCOUNT_ON) {
        /* later it would end sessions that have begun since */
        q->lost++;
        queue_remove(q, record);
        return true;
    }
    record->in_flight = false;
    (*flying(q, record))--;
    record->not_before = nanos_after(now, ACCOUNT_WAIT_NS);
    if (!refused) {
        q->window = 1;
        q->not_before = record->not_before;
    }
    return true;
}

void account_queue_hurry(struct account_queue *q)
{
    q->not_before = 0;
    for (struct record *record = q->oldest; record != NULL; record = record->next)
        record->not_before = 0;
}

nanos account_queue_deadline(const struct account_queue *q)
{
    const struct record *record = ready_find(q);
    return record == NULL ? NANOS_NEVER : record_due(q, record);
}

bool account_queue_busy(const struct account_queue *q, nanos now)
{
    return q->in_flight + q->beside > 0 || account_queue_deadline(q) <= now;
}

size_t account_queue_waiting(const struct account_queue *q)
{
    return q->waiting;
}

uint64_t account_queue_lost(const struct account_queue *q)
{
    return q->lost;
}

uint64_t account_queue_unwritten(const struct account_queue *q)
{
    return q->unwritten;
}
