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

void install_config(const struct ike_child_install *install, struct esp_child_config *ret_config)
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
        .soft_packets = install->soft_packets,
        .hard_packets = policy->lifetime.life_packets,
        .soft_octets = install->soft_octets,
        .hard_octets = policy->lifetime.life_bytes,
        .priority = 1,
        .weight = 1,
        .usable = true,
    };
}
