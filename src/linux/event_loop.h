/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_EVENT_LOOP_H
#define LINUX_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/time.h"

/*
 * Calls handlers for descriptors that are ready; level-triggered epoll; one thread. A handler may
 * add, change and remove any descriptor, its own included. An event that was fetched for a
 * descriptor and not yet delivered is dropped when the descriptor is removed, even if its number is
 * used again.
 */
struct event_loop;

#define EVENT_READ  1u
#define EVENT_WRITE 2u
#define EVENT_GONE  4u /* hang-up or error: always reported */

/* events: EVENT_* bits that are true. */
typedef void event_handler(void *context, int fd, unsigned events);

struct event_loop *event_loop_new(void); /* NULL: no memory or descriptors */
/* event_loop_free - the descriptors stay the caller's. Takes NULL, returns NULL. */
struct event_loop *event_loop_free(struct event_loop *loop);

/* event_loop_add - ERR_INVALID (there already), ERR_NO_MEMORY, ERR_SYSTEM. context is borrowed. */
int event_loop_add(struct event_loop *loop, int fd, unsigned events, event_handler *handler,
                   void *context) MUST_USE;
int event_loop_change(struct event_loop *loop, int fd, unsigned events) MUST_USE;
/* event_loop_remove - call it before the descriptor is closed. Unknown descriptors are ignored. */
void event_loop_remove(struct event_loop *loop, int fd);

/*
 * event_loop_wait - waits until a descriptor is ready or `deadline` of linux/clock.h is reached,
 * then calls the handlers. NANOS_NEVER: no deadline; a deadline in the past: no wait. *ret_now: the
 * time when the wait ended. Returns the number of handlers called, 0 also after a signal.
 * ERR_SYSTEM.
 */
int event_loop_wait(struct event_loop *loop, nanos deadline, nanos *ret_now) MUST_USE;

#endif
