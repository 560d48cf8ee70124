/* SPDX-License-Identifier: Apache-2.0 */
#include "multipath/install.h"

#include "base/assert.h"

struct esp_ts_list install_selectors(const struct ike_ts_list *from)
{
    struct esp_ts_list to = {.n = from->n};
    ASSERT(from->n <= ESP_TS_MAX);
    for (size_t i = 0; i < from->n; i++)
        to.ts[i] = (struct esp_ts){.protocol = from->ts[i].protocol,
                                   .start_port = from->ts[i].start_port,
                                   .end_port = from->ts[i].end_port,
                                   .range = from->ts[i].range};
    return to;
}

struct esp_path install_path(const struct ike_path *path)
{
    return (struct esp_path){path->local, path->remote, path->interface};
}

/* behind_nat - a NAT is in front of us, and the connection wants keepalives (RFC 3948 section 4). */
static bool behind_nat(const struct ike *ike, ike_sa_id id, const struct ike_conn *conn)
{
    struct ike_sa_info sa;
    return conn->nat_keepalive_ns > 0 && ike_sa_get(ike, id, &sa) && sa.nat_local;
}

void install_config(const struct ike *ike, const struct ike_child_install *install,
                    struct esp_child_config *ret_config)
{
    const struct ike_child_policy *policy = install->policy;
    *ret_config = (struct esp_child_config){
        .child = install->child,
        .session = install->session,
        .replaces = install->replaces,
        .spi_in = install->spi_in,
        .spi_out = install->spi_out,
        .encr = install->keys.encr,
        .encr_key_bits = install->keys.encr_key_bits,
        .integ = install->keys.integ,
        .encr_in = secret_span(&install->keys.encr_in),
        .integ_in = secret_span(&install->keys.integ_in),
        .encr_out = secret_span(&install->keys.encr_out),
        .integ_out = secret_span(&install->keys.integ_out),
        .esn = install->esn,
        .order = install->order,
        .transport = install->transport,
        .udp_encap = install->udp_encap,
        .outbound_now = install->outbound_now,
        .replay_window = install->replay_window,
        .path = install_path(&install->path),
        .local_ts = install_selectors(&install->local_ts),
        .remote_ts = install_selectors(&install->remote_ts),
        .rank = policy->priority,
        .icmp = policy->icmp,
        .copy_ecn = policy->copy_ecn,
        .copy_dscp_out = policy->copy_dscp_out,
        .copy_dscp_in = policy->copy_dscp_in,
        .keepalive_ns = install->conn->nat_keepalive_ns,
        .keepalive = behind_nat(ike, install->sa, install->conn),
        .soft_packets = install->soft_packets,
        .hard_packets = policy->lifetime.life_packets,
        .soft_octets = install->soft_octets,
        .hard_octets = policy->lifetime.life_bytes,
        .priority = 1,
        .weight = 1,
        .usable = true,
    };
}

int install_move(const struct ike *ike, struct data_plane *plane, const struct ike_event *event,
                 uint16_t mtu)
{
    struct ike_child_info child;
    struct ike_session_info session;
    const struct esp_path path = install_path(&event->path);
    if (!ike_child_get(ike, event->child, &child) || !ike_session_get(ike, child.session, &session))
        return ERR_NOT_FOUND;
    int error = data_plane_move(plane, child.id, &path, event->udp_encap, mtu);
    if (error == 0)
        error = data_plane_keepalive(plane, child.id, behind_nat(ike, child.sa, session.conn));
    if (error != 0)
        return error;
    const struct esp_ts_list local = install_selectors(&child.local_ts),
                             remote = install_selectors(&child.remote_ts);
    return data_plane_select(plane, child.id, &local, &remote);
}

int install_order(struct data_plane *plane, const struct path_order *order)
{
    if (order->kind == PATH_ORDER_MODE)
        return data_plane_mode(plane, order->session, order->mode, order->follow);
    if (order->kind == PATH_ORDER_CLASSES)
        return data_plane_classes(plane, order->session, &order->classes);
    int error =
        data_plane_state(plane, order->child, order->priority, order->weight, order->usable);
    return error != 0 ? error : data_plane_carries(plane, order->child, order->carries);
}

void install_tell(struct ike *ike, const struct esp_event *event, nanos now)
{
    switch (event->kind) {
    case ESP_EVENT_TRAFFIC: ike_traffic_seen(ike, event->child, now); break;
    case ESP_EVENT_SOFT:
    case ESP_EVENT_HARD:
        ike_child_expiring(ike, event->child, event->kind == ESP_EVENT_HARD, now);
        break;
    case ESP_EVENT_REBOUND: ike_peer_rebound(ike, event->child, &event->endpoint, now); break;
    case ESP_EVENT_ENCAP: ike_peer_encapsulates(ike, event->child, &event->endpoint, now); break;
    case ESP_EVENT_STRAY: ike_stray_esp(ike, &event->endpoint, event->spi, now); break;
    case ESP_EVENT_UNREACHABLE: ike_unreachable(ike, &event->endpoint, now); break;
    case ESP_EVENT_MTU:
    case ESP_EVENT_ACQUIRE: break;
    }
}
