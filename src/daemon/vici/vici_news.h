/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VICI_NEWS_H
#define DAEMON_VICI_NEWS_H

/* The VICI event that belongs to an event of the IKE core, and its body. The event of an end has
 * names, identities, addresses, selectors and counters, too. A rekey is one event with `old` and
 * `new`. */

#include "daemon/vici/vici_server.h"

/* vici_news_of - finds the VICI event. false: clients get no event. */
bool vici_news_of(const struct engine_ops *ops, const struct ike_event *event,
                  enum vici_event_id *ret_id);
void vici_news_body(struct vici_writer *w, const struct engine_ops *ops,
                    const struct ike_event *event, enum vici_event_id id);

#endif
