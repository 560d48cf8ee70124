/* SPDX-License-Identifier: Apache-2.0 */
/* Child SAs and their packets, in UDP (RFC 3948): esp/small_plane.h between the cores and the outputs. */
#include "esp/small_plane.h"
#include "lib/endpoint.h"
#include "multipath/install.h"

static int datagram_queue(void *context, const struct small_packet *packet)
{
    const struct esp_path *at = &packet->child->path;
    const struct ike_path path = {at->local, at->remote, at->interface};
    const struct ikat_output output = {.kind = IKAT_DATAGRAM,
                                       .place = lib_place_out(&path),
                                       .octets = packet->octets.ptr,
                                       .len = packet->octets.len};
    return lib_queue(context, &output) == IKAT_OK ? 0 : ERR_FULL;
}

struct small_plane *lib_esp_new(struct ikat *ikat)
{
    return small_plane_new(&(struct small_plane_options){
        .random = ikat->random, .send = datagram_queue, .context = ikat});
}

static uint16_t link_mtu(const struct ikat *ikat, uint32_t index)
{
    for (size_t i = 0; i < ikat->n_links; i++)
        if (ikat->links[i].index == index)
            return ikat->links[i].mtu < UINT16_MAX ? (uint16_t)ikat->links[i].mtu : UINT16_MAX;
    return 0;
}

int lib_esp_install(struct ikat *ikat, const struct ike_child_install *install)
{
    struct esp_child_config config;
    install_config(ikat->ike, install, &config);
    config.mtu = link_mtu(ikat, install->path.interface);
    return data_plane_install(lib_plane(ikat), &config, ikat->now);
}

/* Without memory for the switch the predecessor goes on sending, until the peer deletes it. */
void lib_esp_switch(struct ikat *ikat, ike_child_id child)
{
    int error = data_plane_switch(lib_plane(ikat), child);
    if (error != 0 && error != ERR_NOT_FOUND)
        ike_child_expiring(ikat->ike, child, true, ikat->now);
}

void lib_esp_move(struct ikat *ikat, const struct ike_event *event)
{
    int error =
        install_move(ikat->ike, lib_plane(ikat), event, link_mtu(ikat, event->path.interface));
    if (error != 0 && error != ERR_NOT_FOUND)
        ike_child_expiring(ikat->ike, event->child, true, ikat->now);
}

void lib_esp_links(struct ikat *ikat)
{
    for (const struct small_child *child = small_plane_first(ikat->esp); child != NULL;
         child = child->next_child)
        if (data_plane_mtu(lib_plane(ikat), child->esp->id,
                           link_mtu(ikat, child->path.interface)) != 0)
            return; /* never: the Child SA exists */
}

/* told - tells the IKE core of the events that the packets have caused. */
static void told(struct ikat *ikat)
{
    struct esp_event event;
    while (data_plane_event(lib_plane(ikat), ikat->now, &event))
        install_tell(ikat->ike, &event, ikat->now);
}

int lib_esp_send(struct ikat *ikat, struct span packet)
{
    int error = small_plane_send(ikat->esp, packet, ikat->now);
    told(ikat);
    switch (error) {
    case 0: return IKAT_OK;
    case ERR_INVALID: return IKAT_INVALID;
    case ERR_NOT_FOUND: return IKAT_NO_SA;
    case ERR_TRUNCATED: return IKAT_TOO_BIG;
    case ERR_FULL: return IKAT_FULL;
    default: return IKAT_NO_MEMORY;
    }
}

void lib_esp_receive(struct ikat *ikat, const struct ike_path *path, struct buffer octets)
{
    struct esp_opened packet;
    const struct small_child *child =
        small_plane_recv(ikat->esp, &path->remote, octets, ikat->now, &packet);
    told(ikat);
    if (child == NULL || packet.verdict != ESP_PASS)
        return;
    const struct ikat_output output = {.kind = IKAT_PACKET,
                                       .session = child->esp->session,
                                       .octets = packet.packet,
                                       .len = packet.len};
    if (lib_queue(ikat, &output) != IKAT_OK)
        return; /* lost, as a packet may be */
}
