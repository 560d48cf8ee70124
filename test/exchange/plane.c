/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/plane.h"

static struct inbound *inbound_of(struct plane *plane, ike_child_id child)
{
    size_t i = 0;
    while (i < plane->n_inbound && plane->inbound[i].child != child)
        i++;
    assert_true(i < plane->n_inbound);
    return &plane->inbound[i];
}

static void plane_send_on(struct plane *plane, ike_child_id child)
{
    struct inbound *in = inbound_of(plane, child);
    plane->sending = child;
    plane->spi_out = in->spi_out;
}

static void plane_take(struct plane *plane, const struct ike_event *event, nanos now)
{
    switch ((int)event->kind) {
    case IKE_EV_CHILD_INSTALL:
        assert_true(plane->n_inbound < PLANE_SPIS);
        plane->inbound[plane->n_inbound++] = (struct inbound){event->child, event->install.spi_in,
                                                              event->install.spi_out, NANOS_NEVER};
        /* a further Child SA beside the first one: who sends what on which is not the question */
        if (event->install.outbound_now && (event->install.replaces != 0 || plane->sending == 0))
            plane_send_on(plane, event->child);
        break;
    case IKE_EV_CHILD_SWITCH: plane_send_on(plane, event->child); break;
    case IKE_EV_CHILD_REMOVE:
        inbound_of(plane, event->child)->until_ns = nanos_after(now, event->linger_ns);
        if (plane->sending == event->child)
            plane->sending = 0;
        break;
    default: break;
    }
}

void plane_follow(struct plane *plane, const struct peer *peer)
{
    assert_true(peer->n_events - plane->seen <= WORLD_EVENTS);
    while (plane->seen < peer->n_events)
        plane_take(plane, &peer->events[plane->seen++ % WORLD_EVENTS], peer->world->now);
}

bool plane_gets_through(const struct plane *from, const struct plane *to, nanos now)
{
    for (size_t i = 0; i < to->n_inbound; i++)
        if (to->inbound[i].spi == from->spi_out && to->inbound[i].until_ns > now)
            return true;
    return false;
}
