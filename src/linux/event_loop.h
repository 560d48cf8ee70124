/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_EVENT_LOOP_H
#define LINUX_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/time.h"

/*
 * Calls handlers for descriptors that are ready; level-triggered epoll; one thread. A handler may
 * add, change and remove any descriptor, its own included. An event that was fetched for a removed
 * descriptor is not delivered, even if the number was reused.
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
/* event_loop_remove - before the descriptor is closed; unknown ones are ignored. */
void event_loop_remove(struct event_loop *loop, int fd);

/*
 * event_loop_wait - until something is ready or `deadline` of linux/clock.h is reached
 * (NANOS_NEVER: no deadline; in the past: only look). *ret_now gets the time of waking up, then the
 * handlers are called. Returns how many, 0 also when a signal came. ERR_SYSTEM.
 */
int event_loop_wait(struct event_loop *loop, nanos deadline, nanos *ret_now) MUST_USE;

#endif
