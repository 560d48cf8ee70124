/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

/* A VICI client. Its calls block, except client_event_take(). */

#include "control/vici.h"

#define CLIENT_ANSWER_MS 5000 /* ikatd answers at once, unless it waits for a peer */

struct client;

/* client_open - connects to the daemon. NULL: not connected; `error` has the reason for a
 * person. */
struct client *client_open(const char *socket_path, char error[512]);
struct client *client_close(struct client *client); /* takes NULL; returns NULL */

/* client_event - called for events that arrive while a request runs. */
typedef void client_event(void *context, const char *name, struct tree *message);
bool client_register(struct client *client, const char *event);

/* client_request - sends the frame, frees the writer, gives events to `handler` (NULL: ignores
 * them) and returns the message of the response, which the caller frees. NULL: the connection
 * broke, or nothing arrived for `timeout_ms` (0: no timeout). After such a silence each further call
 * fails at once: a late response would be taken for that of another request. */
struct tree *client_request(struct client *client, struct vici_writer *w, client_event *handler,
                            void *context, int timeout_ms);

/* client_descriptor - to wait for events with poll(2). */
int client_descriptor(const struct client *client);

/* client_event_wait - waits for the next event, and gives it to `handler`. client_event_take -
 * gives it to `handler` if it has arrived whole, and never waits: part of a frame is kept for the
 * next call. false: the connection broke, or the daemon sent no event. */
bool client_event_wait(struct client *client, client_event *handler, void *context);
bool client_event_take(struct client *client, client_event *handler, void *context);

/* client_list - sends a request without arguments, and collects its `event`s. The result is one
 * section with the elements of all messages in order; the caller frees it. NULL: failed. */
struct tree *client_list(struct client *client, const char *command, const char *event);

#endif
