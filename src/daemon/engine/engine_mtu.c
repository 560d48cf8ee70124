/* SPDX-License-Identifier: Apache-2.0 */
/* MTUs: of the links, of the outer paths of Child SAs, and of the inner device. */
#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"

uint16_t engine_link_mtu(const struct engine *e, uint32_t interface)
{
    for (size_t i = 0; i < PATH_LINKS; i++)
        if (interface != 0 && e->links[i].index == interface)
            return e->links[i].mtu <= UINT16_MAX ? (uint16_t)e->links[i].mtu : UINT16_MAX;
    return 0;
}

/* inner_over - the largest inner packet that fits a link of `mtu` octets. A link of 1500 octets or
 * more counts as PATH_MTU_MOST, because the path behind it may be narrower, and ICMP about that is
 * often lost. */
static uint16_t inner_over(const struct engine_carrier *carrier, uint16_t mtu)
{
    return esp_overhead_inner_max(carrier->overhead, mtu < PATH_MTU_MOST ? mtu : PATH_MTU_MOST);
}

/* inner_mtu_settle - sets the MTU of the inner device to the largest packet that fits each link in
 * use. While no link is in use it stays. */
static void inner_mtu_settle(struct engine *e)
{
    uint16_t least = UINT16_MAX;
    if (e->start->tun_mtu_fixed)
        return;
    for (size_t i = 0; i < PATH_LINKS; i++) {
        struct engine_carrier *carrier = &e->carriers[i];
        uint16_t mtu = engine_link_mtu(e, carrier->interface);
        if (mtu == 0)
            *carrier = (struct engine_carrier){0}; /* the link is gone */
        else if (inner_over(carrier, mtu) < least)
            least = inner_over(carrier, mtu);
    }
    uint16_t mtu = least > TUN_MTU_MIN ? least : TUN_MTU_MIN;
    if (least == UINT16_MAX || mtu == (e->inner_mtu != 0 ? e->inner_mtu : TUN_MTU))
        return;
    host_mtu(e->host, mtu);
    e->inner_mtu = mtu;
    log_line(LOG_LEVEL_INFO, "event=inner-mtu mtu=%u", (unsigned)mtu);
}

/* carrier_of - the entry of the interface, or a free one. NULL: neither. */
static struct engine_carrier *carrier_of(struct engine *e, uint32_t interface)
{
    struct engine_carrier *found = NULL;
    for (size_t i = 0; i < PATH_LINKS; i++) {
        if (e->carriers[i].interface == interface)
            return &e->carriers[i];
        if (e->carriers[i].interface == 0)
            found = &e->carriers[i];
    }
    return found;
}

void engine_mtu_carrier(struct engine *e, ike_child_id child, const struct ike_path *path)
{
    struct ike_child_info info;
    struct engine_carrier *carrier = carrier_of(e, path->interface);
    if (path->interface == 0 || carrier == NULL || !ike_child_get(e->ike, child, &info))
        return;
    const struct esp_algorithms algorithms = {info.encr, info.encr_key_bits, info.integ};
    struct engine_carrier its = {
        path->interface, esp_overhead_of(&algorithms, path->remote.address.family == ADDRESS_V6,
                                         info.udp_encap, info.order)};
    if (carrier->interface != 0 &&
        inner_over(carrier, PATH_MTU_MOST) <= inner_over(&its, PATH_MTU_MOST))
        return;
    *carrier = its;
    inner_mtu_settle(e);
}

void engine_mtu_check(struct engine *e, const struct path_link before[PATH_LINKS])
{
    struct ike_child_info child = {0};
    struct ike_sa_info sa;
    while (ike_child_next(e->ike, child.id, &child)) {
        if (!ike_sa_get(e->ike, child.sa, &sa))
            continue;
        uint16_t mtu = engine_link_mtu(e, sa.path.interface);
        bool same = mtu == 0;
        for (size_t i = 0; i < PATH_LINKS && mtu != 0; i++)
            same |= before[i].index == sa.path.interface && before[i].mtu == mtu;
        if (!same && data_plane_mtu(e->plane, child.id, mtu) == 0)
            log_line(LOG_LEVEL_DEBUG, "event=link-mtu child=%u mtu=%u", child.id, (unsigned)mtu);
    }
    inner_mtu_settle(e);
}
