/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_OUTBOX_H
#define DAEMON_OUTBOX_H

/*
 * Messages for another process, in order. A channel holds some hundred of them; more wait here
 * until it is writable. So a full channel delays a request and never fails it.
 */

#include "base/error.h"
#include "base/span.h"

/* 64 MiB hold four times one AUTH job of each half-open IKE SA, with the largest message. */
#define OUTBOX_MESSAGES 65536
#define OUTBOX_OCTETS   (64u << 20)

struct outbox;

/* outbox_new - for a non-blocking channel, which stays the caller's. NULL: no memory. */
struct outbox *outbox_new(int fd);
struct outbox *
outbox_free(struct outbox *outbox); /* wipes waiting octets; takes NULL; returns NULL */

/* outbox_send - sends at once if no message waits, else keeps a copy. ERR_FULL: OUTBOX_* messages
 * wait already; ERR_NO_MEMORY; ERR_SYSTEM: the other process has ended. */
int outbox_send(struct outbox *outbox, struct span message, struct span tail) MUST_USE;

/* outbox_flush - call it when the channel is writable. 0: no message waits any more; ERR_AGAIN:
 * some still do; ERR_SYSTEM. */
int outbox_flush(struct outbox *outbox) MUST_USE;

size_t outbox_waiting(const struct outbox *outbox); /* messages */

#endif
