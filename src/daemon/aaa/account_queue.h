/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ACCOUNT_QUEUE_H
#define DAEMON_ACCOUNT_QUEUE_H

/*
 * Accounting records that no RADIUS server has acknowledged yet. A file holds a copy of each
 * record, in a slot of fixed size, so that the next process finds it. The records of a session are
 * sent one after another. A new Interim-Update replaces an unsent one of its session.
 *
 * The file also holds the last known state of each established session. After an abrupt end, the
 * next process sends a Stop made from that state.
 *
 * A write goes to the kernel's page cache. It survives the end of our processes, but not a power
 * failure.
 */

#include "daemon/common/aaa_channel.h"

#define ACCOUNT_RECORDS 16384                 /* limit of all records, live sessions included */
#define ACCOUNT_ALIVE   (ACCOUNT_RECORDS / 2) /* limit of live sessions; further ones are not kept */
#define ACCOUNT_WINDOW  32                    /* requests at a time */
#define ACCOUNT_WAIT_NS (30 * NANOS_PER_SEC)  /* pause after no server has answered */

struct account_queue;

/* account_queue_new - reads the file; invalid slots are dropped. `fd` stays the caller's; -1:
 * memory only. `handed`: sessions of the engine before this one go on, and account_queue_settle tells which do not.
 * NULL: no memory. */
struct account_queue *account_queue_new(int fd, bool handed);
struct account_queue *account_queue_free(struct account_queue *queue); /* takes NULL */

/* account_queue_add - adds a record. ERR_INVALID: the record is malformed; ERR_FULL, ERR_NO_MEMORY:
 * it is lost. */
int account_queue_add(struct account_queue *queue, const struct aaa_account *account) MUST_USE;

/* account_queue_keep - the session continues: no record is sent. ERR_INVALID, ERR_NO_MEMORY.
 * account_queue_settle - ends the sessions that were not kept. */
int account_queue_keep(struct account_queue *queue, const struct aaa_account *account) MUST_USE;
void account_queue_settle(struct account_queue *queue);

/*
 * account_queue_next - a record to be sent now; NULL: none. It is in flight until
 * account_queue_sent or account_queue_failed is called. *ret_tag: its number, never 0.
 */
const struct aaa_account *account_queue_next(struct account_queue *queue, nanos now,
                                             uint64_t *ret_tag);
/* account_queue_sent - removes the record, which a server has acknowledged. false: no such
 * record. */
bool account_queue_sent(struct account_queue *queue, uint64_t tag, nanos now);
/*
 * account_queue_failed - no server acknowledged the record. If a server has acknowledged another
 * record since, only this record waits for ACCOUNT_WAIT_NS, and an Accounting-On is dropped. If no
 * server has, the queue sends no record for ACCOUNT_WAIT_NS, then a single one, if possible another
 * record than the failed one.
 */
bool account_queue_failed(struct account_queue *queue, uint64_t tag, nanos now);

/* account_queue_hurry - a server was added: waiting records are sent now. */
void account_queue_hurry(struct account_queue *queue);

/* account_queue_deadline - when account_queue_next() may return a record; NANOS_NEVER: not before
 * another function is called. */
nanos account_queue_deadline(const struct account_queue *queue);

/* account_queue_busy - a record is in flight, or can be sent now. */
bool account_queue_busy(const struct account_queue *queue, nanos now);

size_t account_queue_waiting(const struct account_queue *queue); /* records to be sent */
uint64_t account_queue_lost(const struct account_queue *queue);  /* since it was made */
/* account_queue_unwritten - number of writes that failed. */
uint64_t account_queue_unwritten(const struct account_queue *queue);

#endif
