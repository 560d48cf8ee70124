/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TICKET_FILE_H
#define DAEMON_TICKET_FILE_H

/*
 * The file that lets session tickets outlive the daemon. It holds the keys that seal tickets, and a
 * record of the tickets that are no longer valid. The supervisor opens it, and only the keyholder
 * reads and writes it.
 *
 *      head      the key in use and the one before it, and a time: older tickets do not count
 *      records   family | from when on tickets of the family count | when the record is over
 *
 * A family has one record, which is kept until the last ticket of the family has expired. If the
 * table is full, all tickets issued so far become invalid, and the table is cleared. Then peers log
 * in again, but no used ticket is ever accepted.
 *
 * The file is not synced: it survives the end of each process, but a crash of the host may lose the
 * last seconds.
 */

#include "base/error.h"
#include "base/random.h"
#include "base/span.h"

#define TICKET_KEY    32
#define TICKET_KEY_ID 8
#define TICKET_KEY_S  (7 * 24 * INT64_C(3600)) /* then a new key seals */

struct ticket_key {
    uint8_t id[TICKET_KEY_ID];
    uint8_t key[TICKET_KEY];
    int64_t made_s; /* 0: there is no key */
};

struct ticket_file;

/* ticket_file_new - `fd` -1: keeps everything in memory only. A file of another kind, or from a
 * future time, is replaced by a new one with a new key. NULL: no memory. */
struct ticket_file *ticket_file_new(const struct random *random, int fd, int64_t now_ms);
struct ticket_file *
ticket_file_free(struct ticket_file *file); /* wipes; takes NULL; returns NULL */

/* ticket_file_key - the key that seals now. ticket_file_key_of - the key with this id; NULL: no
 * such key, or all its tickets have expired. */
const struct ticket_key *ticket_file_key(struct ticket_file *file, int64_t now_ms);
const struct ticket_key *ticket_file_key_of(const struct ticket_file *file,
                                            const uint8_t id[TICKET_KEY_ID], int64_t now_ms);

/* ticket_file_counts - a ticket of the family, issued at that time, is valid. */
bool ticket_file_counts(const struct ticket_file *file, uint64_t family, uint64_t issued_ms);
/* ticket_file_from - when the oldest ticket of the family that counts was issued; 0: no record. */
uint64_t ticket_file_from(const struct ticket_file *file, uint64_t family);

/* ticket_file_bar - tickets of the family that were issued before `from_ms` do not count any more.
 * Without memory for a record, or room for it on the disk, all tickets issued so far stop to count.
 * false: that could not be written either, and holds as long as the process lives. */
bool ticket_file_bar(struct ticket_file *file, uint64_t family, uint64_t from_ms, int64_t now_ms);

#endif
