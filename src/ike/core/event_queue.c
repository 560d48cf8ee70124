/* SPDX-License-Identifier: Apache-2.0 */
/* The two queues that the endpoint's user pulls: events and datagrams. */
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"
#include "ike/core/jobs.h"
#include "ike/core/trace.h"

#define NOTICES_PER_SA 8
#define NOTICE_MAX     512

/* --- nodes --- */

size_t ike_event_size(enum ike_event_kind kind)
{
    const size_t head = offsetof(struct ike_event, path_old);
    switch ((int)kind) {
    case IKE_EV_AUTH_SIGN:
    case IKE_EV_AUTH_VERIFY: return head + sizeof(struct ike_auth_job);
    case IKE_EV_PPK: return head + sizeof(struct ike_ppk_job);
    case IKE_EV_EAP: return head + sizeof(struct ike_eap_job);
    case IKE_EV_EAP_END: return head + sizeof(struct ike_eap_end);
    case IKE_EV_TICKET_SEAL:
    case IKE_EV_TICKET_OPEN:
    case IKE_EV_TICKET_USE: return head + sizeof(struct ike_ticket_job);
    case IKE_EV_LEASE: return head + sizeof(struct ike_lease_job);
    case IKE_EV_KE: return head + sizeof(struct ike_ke_job);
    case IKE_EV_CHILD_INSTALL: return head + sizeof(struct ike_child_install);
    case IKE_EV_SA_MOVED: return head + sizeof(struct ike_path);
    default: return head;
    }
}

static size_t node_size(enum ike_event_kind kind)
{
    return offsetof(struct event_node, event) + ike_event_size(kind);
}

/* POOL_NODE - octets of a node of the pool. The largest event without a job fits. */
#define NODE_ALIGN alignof(struct event_node)
#define POOL_NODE                                                                                  \
    ((offsetof(struct event_node, event.path_old) + sizeof(struct ike_path) + NODE_ALIGN - 1) /    \
     NODE_ALIGN * NODE_ALIGN)

bool event_pool_init(struct ike *ike)
{
    ike->event_pool = calloc(LIMIT_EVENTS, POOL_NODE);
    ike->n_pool_free = LIMIT_EVENTS;
    return ike->event_pool != NULL;
}

bool events_room(const struct ike *ike)
{
    return ike->n_pool_free >= LIMIT_EVENTS_SESSION;
}

/* pool_take - a node that was never used, or one that came back. NULL: all are in use. */
static struct event_node *pool_take(struct ike *ike)
{
    struct event_node *node = ike->events_free;
    if (ike->n_pool_free == 0)
        return NULL;
    ike->n_pool_free--;
    if (node != NULL)
        ike->events_free = node->next;
    else
        node = (struct event_node *)(void *)(ike->event_pool + ike->n_pool_used++ * POOL_NODE);
    memset(node, 0, POOL_NODE);
    node->pooled = true;
    return node;
}

static void node_queue(struct ike *ike, struct event_node *node)
{
    if (ike->events_last == NULL)
        ike->events = node;
    else
        ike->events_last->next = node;
    ike->events_last = node;
}

static void node_free(struct ike *ike, struct event_node *node)
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
    if (!node->pooled) {
        free(node);
        return;
    }
    node->next = ike->events_free;
    ike->events_free = node;
    ike->n_pool_free++;
}

/* --- events --- */

struct ike_event *event_add(struct ike *ike, enum ike_event_kind kind)
{
    if (ike->closing)
        (void)ike_event(ike); /* the caller does not pull events: drop the oldest */
    struct event_node *node = pool_take(ike);
    if (node == NULL)
        node = calloc(1, POOL_NODE);
    ASSERT(node != NULL && node_size(kind) <= POOL_NODE);
    node->event.kind = kind;
    node->event.what = node->event.notice = "";
    node_queue(ike, node);
    return &node->event;
}

static void event_of_sa(const struct sa *sa, struct ike_event *event)
{
    event->sa = sa->id;
    event->session = sa->session == NULL ? sa->of : sa->session->id;
    event->path = sa->path;
}

struct ike_event *event_job(struct sa *sa, enum ike_event_kind kind, ike_child_id child,
                            struct span octets)
{
    struct event_node *node = calloc(1, node_size(kind));
    ike_job_id job = node == NULL ? 0 : job_add(sa, kind, child);
    if (job == 0) {
        if (octets.ptr != NULL)
            wipe((uint8_t *)octets.ptr, octets.len);
        free((uint8_t *)octets.ptr);
        free(node);
        return NULL;
    }
    node->octets = (uint8_t *)octets.ptr;
    node->n_octets = octets.len;
    node->event.kind = kind;
    node->event.job = job;
    node->event.what = node->event.notice = "";
    event_of_sa(sa, &node->event);
    node_queue(sa->ike, node);
    return &node->event;
}

/* texts_keep - copies both texts into the newest event, as `notice` and `what`. */
static void texts_keep(struct ike *ike, const char *notice, const char *what)
{
    struct event_node *node = ike->events_last;
    ASSERT(node != NULL && node->octets == NULL);
    size_t len = strlen(notice) + 1, more = strlen(what) + 1;
    node->octets = len > 1 ? malloc(len + more) : NULL;
    if (node->octets == NULL)
        return;
    memcpy(node->octets, notice, len);
    memcpy(node->octets + len, what, more);
    node->n_octets = len + more;
    node->event.notice = (const char *)node->octets;
    node->event.what = (const char *)node->octets + len;
}

void event_text(struct ike *ike, const char *text)
{
    texts_keep(ike, text, "");
}

struct ike_event *event_sa(struct sa *sa, enum ike_event_kind kind)
{
    struct ike_event *event = event_add(sa->ike, kind);
    event_of_sa(sa, event);
    return event;
}

void event_notice(struct sa *sa, const char *format, ...)
{
    char text[NOTICE_MAX];
    if (sa->notices >= NOTICES_PER_SA)
        return; /* a peer must not be able to fill the log */
    sa->notices++;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)event_sa(sa, IKE_EV_NOTICE);
    event_text(sa->ike, text);
}

void event_refused(struct sa *sa, const char *peer, const char *why)
{
    char text[NOTICE_MAX];
    (void)snprintf(text, sizeof(text), "login of %s refused: %s", peer, why);
    event_sa(sa, IKE_EV_NOTICE)->outcome = IKE_PEER_AUTH_FAILED;
    texts_keep(sa->ike, text, peer);
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

const struct ike_event *ike_event(struct ike *ike)
{
    node_free(ike, ike->event_taken);
    struct event_node *node = ike->events;
    ike->event_taken = node;
    if (node == NULL)
        return NULL;
    ike->events = node->next;
    if (ike->events == NULL)
        ike->events_last = NULL;
    return &node->event;
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

void output_packet(struct sa *sa, struct packet *packet, const struct ike_path *path)
{
    trace_sent(sa, packet, path);
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
    while (ike_event(ike) != NULL)
        ;
    free(ike->event_pool);
    while (ike->outputs != NULL) {
        struct output_node *node = ike->outputs;
        ike->outputs = node->next;
        free(node);
    }
    ike->outputs_last = NULL;
}
