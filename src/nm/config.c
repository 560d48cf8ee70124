/* SPDX-License-Identifier: Apache-2.0 */
#include "nm/config.h"

#include <NetworkManager.h>

/* ip_variant - IPv4: a number whose octets are in network order; IPv6: octets. */
static GVariant *ip_variant(const struct address *address)
{
    guint32 number;
    if (address->family == ADDRESS_V6)
        return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, address->octets, 16, 1);
    memcpy(&number, address->octets, sizeof(number));
    return g_variant_new_uint32(number);
}

static void put(GVariantBuilder *builder, const char *name, GVariant *value)
{
    g_variant_builder_add(builder, "{sv}", name, value);
}

GVariant *nm_config_general(const struct nm_grant *grant, const char *device, bool persists)
{
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    put(&builder, NM_VPN_PLUGIN_CONFIG_TUNDEV, g_variant_new_string(device));
    /* NetworkManager insists on it, and has a route to it by the device below the connection */
    put(&builder, NM_VPN_PLUGIN_CONFIG_EXT_GATEWAY, ip_variant(&grant->gateway));
    put(&builder, NM_VPN_PLUGIN_CONFIG_HAS_IP4,
        g_variant_new_boolean(nm_grant_has(grant, ADDRESS_V4)));
    put(&builder, NM_VPN_PLUGIN_CONFIG_HAS_IP6,
        g_variant_new_boolean(nm_grant_has(grant, ADDRESS_V6)));
    put(&builder, NM_VPN_PLUGIN_CAN_PERSIST, g_variant_new_boolean(persists));
    return g_variant_builder_end(&builder);
}

static GVariant *name_servers(const struct nm_grant *grant, enum address_family family)
{
    GVariantBuilder builder;
    g_variant_builder_init(&builder,
                           family == ADDRESS_V6 ? G_VARIANT_TYPE("aay") : G_VARIANT_TYPE("au"));
    for (uint8_t i = 0; i < grant->n_dns; i++)
        if (grant->dns[i].family == family)
            g_variant_builder_add_value(&builder, ip_variant(&grant->dns[i]));
    return g_variant_builder_end(&builder);
}

/* domains - the domains for which the servers are asked. The "~" keeps them out of the search list,
 * since the Gateway chose them. "~." sends all names to the Gateway's servers. Without it a
 * resolver with one list for each device would ask others, because NetworkManager gives the
 * connection no default route. */
static GVariant *domains(const struct nm_grant *grant)
{
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("as"));
    for (uint8_t i = 0; i < grant->n_domains; i++) {
        char *routed = g_strconcat("~", grant->domains[i], NULL);
        g_variant_builder_add(&builder, "s", routed);
        g_free(routed);
    }
    if (grant->n_domains == 0 && grant->n_dns > 0)
        g_variant_builder_add(&builder, "s", "~.");
    return g_variant_builder_end(&builder);
}

GVariant *nm_config_ip(const struct nm_grant *grant, enum address_family family)
{
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (uint8_t i = 0; i < grant->n_addresses; i++) {
        if (grant->addresses[i].family != family)
            continue;
        put(&builder, NM_VPN_PLUGIN_IP4_CONFIG_ADDRESS, ip_variant(&grant->addresses[i]));
        put(&builder, NM_VPN_PLUGIN_IP4_CONFIG_PREFIX,
            g_variant_new_uint32(family == ADDRESS_V6 ? 128 : 32));
        break; /* NetworkManager takes one of each family */
    }
    put(&builder, NM_VPN_PLUGIN_IP4_CONFIG_DNS, name_servers(grant, family));
    put(&builder, NM_VPN_PLUGIN_IP4_CONFIG_DOMAINS, domains(grant));
    put(&builder, NM_VPN_PLUGIN_IP4_CONFIG_NEVER_DEFAULT, g_variant_new_boolean(TRUE));
    return g_variant_builder_end(&builder);
}
