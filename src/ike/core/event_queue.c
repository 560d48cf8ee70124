/* SPDX-License-Identifier: Apache-2.0 */
/* The two queues that the endpoint's user pulls: events and datagrams. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"

#define NOTICES_PER_SA 8

struct ike_event *event_add(struct ike *ike, enum ike_event_kind kind)
{
    struct event_node *node = calloc(1, sizeof(*node));
    ASSERT(node != NULL);
    node->event.kind = kind;
    if (ike->events_last == NULL)
        ike->events = node;
    else
        ike->events_last->next = node;
    ike->events_last = node;
    return &node->event;
}

void event_octets(struct ike *ike, uint8_t *octets, size_t len)
{
    struct event_node *node = ike->events_last;
    ASSERT(node != NULL && node->octets == NULL);
    node->octets = octets;
    node->n_octets = len;
}

struct ike_event *event_sa(struct sa *sa, enum ike_event_kind kind)
{
    struct ike_event *event = event_add(sa->ike, kind);
    event->sa = sa->id;
    event->session = sa->session == NULL ? sa->of : sa->session->id;
    event->path = sa->path;
    return event;
}

void event_notice(struct sa *sa, const char *format, ...)
{
    if (sa->notices >= NOTICES_PER_SA)
        return; /* a peer must not be able to fill the log */
    sa->notices++;
    struct ike_event *event = event_sa(sa, IKE_EV_NOTICE);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(event->notice, sizeof(event->notice), format, arguments);
    va_end(arguments);
}

void event_gone(const struct sa *sa, const struct child *child, bool replaced)
{
    struct event_node *node = sa->ike->events_last;
    struct ike_gone *gone = calloc(1, sizeof(*gone));
    ASSERT(node != NULL && node->gone == NULL);
    if (gone == NULL)
        return;
    info_gone(sa, child, gone);
    gone->replaced = replaced;
    node->gone = gone;
    node->event.gone = gone;
}

static void event_node_free(struct event_node *node)
{
    if (node == NULL)
        return;
    for (size_t i = 0; node->gone != NULL && i < 2; i++)
        ike_conn_unref(node->gone->conns[i]);
    free(node->gone);
    if (node->octets != NULL)
        wipe(node->octets, node->n_octets);
    free(node->octets);
    if (node->event.kind == IKE_EV_KE)
        wipe(&node->event.ke, sizeof(node->event.ke));
    if (node->event.kind == IKE_EV_CHILD_INSTALL)
        wipe(&node->event.install.keys, sizeof(node->event.install.keys));
    free(node);
}

bool ike_event(struct ike *ike, struct ike_event *ret_event)
{
    event_node_free(ike->event_taken);
    struct event_node *node = ike->events;
    ike->event_taken = node;
    if (node == NULL)
        return false;
    ike->events = node->next;
    if (ike->events == NULL)
        ike->events_last = NULL;
    *ret_event = node->event;
    return true;
}

void output_add(struct ike *ike, const struct ike_path *path, uint8_t dscp, struct span octets)
{
    ASSERT(octets.len <= LIMIT_IKE_MESSAGE);
    struct output_node *node = malloc(sizeof(*node) + octets.len);
    if (node == NULL)
        return; /* as if the network had lost it */
    node->next = NULL;
    node->path = *path;
    node->dscp = dscp;
    node->len = (uint32_t)octets.len;
    memcpy(node->octets, octets.ptr, octets.len);
    if (ike->outputs_last == NULL)
        ike->outputs = node;
    else
        ike->outputs_last->next = node;
    ike->outputs_last = node;
}

void output_packet(struct sa *sa, const struct packet *packet, const struct ike_path *path)
{
    uint8_t dscp = sa->session == NULL ? 0 : sa->session->conn->dscp;
    for (size_t i = 0; i < packet->n; i++)
        output_add(sa->ike, path, dscp, packet_part(packet, i));
}

bool ike_send(struct ike *ike, struct ike_datagram *ret_datagram)
{
    struct output_node *node = ike->outputs;
    if (node == NULL)
        return false;
    ike->outputs = node->next;
    if (ike->outputs == NULL)
        ike->outputs_last = NULL;
    ret_datagram->path = node->path;
    ret_datagram->dscp = node->dscp;
    ret_datagram->len = node->len;
    memcpy(ret_datagram->octets, node->octets, node->len);
    free(node);
    ike->stats.sent++;
    return true;
}

void queues_done(struct ike *ike)
{
    struct ike_event event;
    while (ike_event(ike, &event))
        ;
    event_node_free(ike->event_taken);
    ike->event_taken = NULL;
    while (ike->outputs != NULL) {
        struct output_node *node = ike->outputs;
        ike->outputs = node->next;
        free(node);
    }
    ike->outputs_last = NULL;
}
