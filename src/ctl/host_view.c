/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/host_view.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RULES_MAX    (4 * 1024 * 1024)
#define RTF_REJECTED 0x0200 /* RTF_REJECT, which only a header of the kernel has */
#define RTF_USABLE   0x0001 /* RTF_UP */

long host_number_read(const char *path)
{
    long value = -1;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    if (fscanf(file, "%ld", &value) != 1)
        value = -1;
    (void)fclose(file);
    return value;
}

/* --- addresses --- */

static bool address_of(const struct sockaddr *from, struct address *ret_address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)from;
    if (from != NULL && from->sa_family == AF_INET)
        return address_from(span_of(&in->sin_addr, 4), ret_address);
    if (from != NULL && from->sa_family == AF_INET6)
        return address_from(span_of(&in6->sin6_addr, 16), ret_address);
    return false;
}

static unsigned mask_len(const struct address *mask)
{
    unsigned len = 0;
    while (len < 8 * address_len(mask) && (mask->octets[len / 8] & 0x80 >> len % 8) != 0)
        len++;
    return len;
}

static void network_add(struct host_view *view, const struct ifaddrs *one)
{
    struct host_network network = {0};
    struct address mask;
    if ((one->ifa_flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) != 0 ||
        !address_of(one->ifa_addr, &network.address) || !address_of(one->ifa_netmask, &mask) ||
        address_is_link_local(&network.address) ||
        !range_from_prefix(&network.address, mask_len(&mask), &network.range))
        return;
    (void)snprintf(network.interface, sizeof(network.interface), "%.*s", IF_NAMESIZE - 1,
                   one->ifa_name);
    struct host_network *grown =
        reallocarray(view->networks, view->n_networks + 1, sizeof(network));
    if (grown == NULL)
        return;
    view->networks = grown;
    view->networks[view->n_networks++] = network;
}

static void networks_read(struct host_view *view)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next)
        network_add(view, one);
    freeifaddrs(all);
}

/* --- interfaces --- */

static bool has_address(const struct ifaddrs *all, const char *interface)
{
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        if (one->ifa_addr == NULL || strcmp(one->ifa_name, interface) != 0)
            continue;
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)one->ifa_addr;
        if (one->ifa_addr->sa_family == AF_INET ||
            (one->ifa_addr->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr)))
            return true;
    }
    return false;
}

static unsigned flags_of(const struct ifaddrs *all, const char *interface)
{
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next)
        if (strcmp(one->ifa_name, interface) == 0)
            return one->ifa_flags;
    return 0;
}

const char *host_interface_trouble(const struct ifaddrs *all, const char *interface)
{
    unsigned flags = flags_of(all, interface);
    if (if_nametoindex(interface) == 0)
        return "there is no such interface";
    if ((flags & IFF_UP) == 0)
        return "it is switched off: ip link set dev NAME up";
    if ((flags & IFF_RUNNING) == 0)
        return "it has no carrier: cable, Wi-Fi or modem is not connected";
    return has_address(all, interface) ? NULL : "it has no address: does DHCP run on it?";
}

/* --- routes --- */

static void route_add(struct host_view *view, struct host_route *route, const struct address *to)
{
    if (!range_from_prefix(to, route->prefix_len, &route->to))
        return;
    struct host_route *grown = reallocarray(view->routes, view->n_routes + 1, sizeof(*route));
    if (grown == NULL)
        return;
    view->routes = grown;
    view->routes[view->n_routes++] = *route;
}

void host_routes_read(struct host_view *view, FILE *file)
{
    char line[256], name[IF_NAMESIZE];
    uint32_t to, via, mask; /* in network order, printed as numbers of this host */
    unsigned flags;
    while (fgets(line, sizeof(line), file) != NULL) {
        struct address destination, mask_address;
        if (sscanf(line, "%15s %x %x %x %*d %*u %*u %x", name, &to, &via, &flags, &mask) != 5 ||
            (flags & (RTF_USABLE | RTF_REJECTED)) != RTF_USABLE)
            continue;
        struct host_route route = {0};
        (void)address_from(span_of(&to, 4), &destination);
        (void)address_from(span_of(&mask, 4), &mask_address);
        if (via != 0)
            (void)address_from(span_of(&via, 4), &route.via);
        route.prefix_len = mask_len(&mask_address);
        memcpy(route.interface, name, sizeof(name));
        route_add(view, &route, &destination);
    }
}

static bool address_of_hex(const char *text, struct address *ret_address)
{
    uint8_t octets[16];
    for (size_t i = 0; i < sizeof(octets); i++) {
        unsigned octet;
        if (sscanf(text + 2 * i, "%2x", &octet) != 1)
            return false;
        octets[i] = (uint8_t)octet;
    }
    return address_from(span_of(octets, sizeof(octets)), ret_address);
}

void host_routes6_read(struct host_view *view, FILE *file)
{
    char line[256], to[33], via[33], name[IF_NAMESIZE];
    while (fgets(line, sizeof(line), file) != NULL) {
        struct host_route route = {0};
        struct address destination;
        unsigned flags;
        if (sscanf(line, "%32s %x %*s %*s %32s %*x %*x %*x %x %15s", to, &route.prefix_len, via,
                   &flags, name) != 5 ||
            (flags & (RTF_USABLE | RTF_REJECTED)) != RTF_USABLE || strcmp(name, "lo") == 0 ||
            !address_of_hex(to, &destination) || !address_of_hex(via, &route.via))
            continue;
        if (address_is_any(&route.via))
            route.via = (struct address){0};
        memcpy(route.interface, name, sizeof(name));
        route_add(view, &route, &destination);
    }
}

const struct host_route *host_route_find(const struct host_view *view,
                                         const struct address_range *to)
{
    const struct host_route *best = NULL;
    for (size_t i = 0; i < view->n_routes; i++)
        if (range_within(to, &view->routes[i].to) &&
            (best == NULL || view->routes[i].prefix_len > best->prefix_len))
            best = &view->routes[i];
    return best;
}

static void routes_read(struct host_view *view)
{
    static const struct {
        const char *path;
        void (*read)(struct host_view *view, FILE *file);
    } files[] = {{"/proc/net/route", host_routes_read},
                 {"/proc/net/ipv6_route", host_routes6_read}};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        FILE *file = fopen(files[i].path, "re");
        if (file == NULL)
            continue;
        files[i].read(view, file);
        (void)fclose(file);
    }
}

/* --- firewall --- */

/* ports_name - whether the text behind `dport` ("4500", "{ 500, 4500 }", "400-5000") has the
 * port. */
static bool ports_name(const char *text, unsigned port)
{
    static const struct {
        const char *name;
        unsigned port;
    } services[] = {{"isakmp", 500}, {"ipsec-nat-t", 4500}};
    bool set = *text == '{';
    for (text += set; *text != '\0' && *text != '}'; text += strcspn(text, set ? ",}" : "")) {
        unsigned first, last;
        text += strspn(text, ", ");
        int n = sscanf(text, "%u-%u", &first, &last);
        if (n >= 1 && port >= first && port <= (n == 2 ? last : first))
            return true;
        for (size_t i = 0; n < 1 && i < sizeof(services) / sizeof(services[0]); i++)
            if (services[i].port == port &&
                strncmp(text, services[i].name, strlen(services[i].name)) == 0)
                return true;
    }
    return false;
}

static bool word_in(const char *line, const char *word)
{
    const char *at = strstr(line, word);
    size_t len = strlen(word);
    return at != NULL && (at == line || strchr(" \t", at[-1]) != NULL) &&
           strchr(" \t\n;", at[len]) != NULL;
}

/* rule_decides - whether the line of a rule accepts the port (HOST_YES) or drops it (HOST_NO). A
 * rule for some sources or interfaces only does not decide. */
static enum host_answer rule_decides(const char *line, unsigned port)
{
    const char *ports = strstr(line, "dport ");
    bool all = strstr(line, "meta l4proto udp") != NULL && ports == NULL;
    if (strstr(line, "policy ") != NULL || (word_in(line, "tcp") && !word_in(line, "udp")))
        return HOST_UNKNOWN;
    if (!all && (ports == NULL || strstr(line, "dport != ") != NULL ||
                 !ports_name(ports + strlen("dport "), port)))
        return HOST_UNKNOWN;
    bool of_some = strstr(line, "saddr") != NULL || strstr(line, "iif") != NULL;
    if (word_in(line, "drop") || word_in(line, "reject"))
        return of_some ? HOST_UNKNOWN : HOST_NO;
    return word_in(line, "accept") ? HOST_YES : HOST_UNKNOWN;
}

/* own_table - whether this line belongs to ikatd's own table; `own`: the answer for the line
 * before. */
static bool own_table(const char *line, bool own)
{
    static const char ours[] = "table inet ikat";
    if (strncmp(line, "table ", 6) != 0)
        return own;
    return strncmp(line, ours, sizeof(ours) - 1) == 0 && strchr(" {", line[sizeof(ours) - 1]);
}

enum host_answer host_firewall_lets_in(FILE *rules, unsigned port)
{
    char line[4096];
    bool closed = false, own = false, of_input = true;
    enum host_answer answer = HOST_UNKNOWN;
    while (fgets(line, sizeof(line), rules) != NULL) {
        own = own_table(line, own);
        if (own)
            continue;
        if (strstr(line, "chain ") != NULL)
            of_input = true; /* a chain without a hook may be the target of a jump */
        if (strstr(line, " hook ") != NULL)
            of_input = strstr(line, "hook input") != NULL;
        closed |=
            of_input && strstr(line, "hook input") != NULL && strstr(line, "policy drop") != NULL;
        if (of_input && answer == HOST_UNKNOWN)
            answer = rule_decides(line, port);
    }
    return answer != HOST_UNKNOWN ? answer : closed ? HOST_NO : HOST_YES;
}

static void firewall_read(struct host_view *view)
{
    char *text = geteuid() == 0 ? malloc(RULES_MAX) : NULL;
    FILE *rules = text == NULL ? NULL : popen("nft list ruleset 2>/dev/null", "re");
    size_t len = rules == NULL ? 0 : fread(text, 1, RULES_MAX, rules);
    if (rules != NULL && pclose(rules) == 0 && len < RULES_MAX) {
        static const unsigned ports[] = {500, 4500};
        enum host_answer *answers[] = {&view->lets_in_500, &view->lets_in_4500};
        for (size_t i = 0; i < 2; i++) {
            FILE *from = len == 0 ? NULL : fmemopen(text, len, "r");
            *answers[i] = from == NULL ? HOST_YES : host_firewall_lets_in(from, ports[i]);
            if (from != NULL)
                (void)fclose(from);
        }
    }
    free(text);
}

/* --- all --- */

static enum host_answer switch_read(const char *path)
{
    long value = host_number_read(path);
    return value < 0 ? HOST_UNKNOWN : value == 0 ? HOST_NO : HOST_YES;
}

void host_view_read(struct host_view *ret_view)
{
    *ret_view = (struct host_view){0};
    networks_read(ret_view);
    routes_read(ret_view);
    firewall_read(ret_view);
    ret_view->forwards_v4 = switch_read("/proc/sys/net/ipv4/ip_forward");
    ret_view->forwards_v6 = switch_read("/proc/sys/net/ipv6/conf/all/forwarding");
}

void host_view_done(struct host_view *view)
{
    free(view->networks);
    free(view->routes);
    *view = (struct host_view){0};
}
