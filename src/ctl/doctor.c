/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ikat doctor`: checks the host for conditions that keep a VPN from working, asks the ports of the
 * gateways, and says what to do. Each check is a function. A check that cannot look (no rights, no
 * such file) prints nothing.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/host_view.h"
#include "ctl/port_ask.h"
#include "ctl/status.h"

#define IKE_PORT        500
#define NAT_PORT        4500       /* RFC 7296 section 2.23 */
#define MTU_LEAST       1280       /* RFC 8200 section 5: the smallest MTU of an IPv6 link */
#define CLOCK_PLAUSIBLE 1735689600 /* 2025-01-01: a clock before this date is wrong */

struct examination {
    struct status status; /* empty lists are NULL when the daemon does not answer */
    struct tree *pools, *conns;
    const char *only; /* the connection whose gateways are asked; NULL: all */
    struct host_view host;
    bool daemon, silent; /* it answers; it took the connection and does not answer */
    unsigned findings;
};

__attribute__((format(printf, 2, 3))) static void finding(struct examination *e, const char *format,
                                                          ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("problem: ", stdout);
    (void)vprintf(format, arguments);
    (void)putchar('\n');
    va_end(arguments);
    e->findings++;
}

static void check_device(struct examination *e)
{
    struct stat info;
    if (stat("/dev/net/tun", &info) != 0)
        finding(e,
                "/dev/net/tun is not there (%s); load the module tun, or give the container "
                "that device",
                strerror(errno));
}

static void check_clock(struct examination *e)
{
    if (time(NULL) < CLOCK_PLAUSIBLE)
        finding(e, "the clock of this host is wrong: certificates will look as if they were not "
                   "valid yet; set it, by NTP for example");
}

/* port_taken - a socket in this network namespace is bound to UDP port 500 (proc(5), net/udp). */
static bool port_taken(const char *path)
{
    char line[256];
    bool taken = false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (!taken && fgets(line, sizeof(line), file) != NULL) {
        unsigned port;
        taken = sscanf(line, "%*d: %*[0-9A-Fa-f]:%x", &port) == 1 && port == IKE_PORT;
    }
    (void)fclose(file);
    return taken;
}

static void check_other_daemon(struct examination *e)
{
    if (e->daemon || e->silent)
        return;
    if (port_taken("/proc/net/udp") || port_taken("/proc/net/udp6"))
        finding(e, "ikatd does not run, and another program holds UDP port 500 (strongSwan or "
                   "libreswan?); stop it: ss -ulnp 'sport = :500'");
    else
        finding(e, "ikatd does not run; start it: systemctl start ikatd");
}

static void check_interfaces(struct examination *e)
{
    struct ifaddrs *all = NULL;
    if (e->status.paths == NULL || getifaddrs(&all) != 0)
        return;
    for (const struct tree *path = e->status.paths->first; path != NULL; path = path->next) {
        const char *interface = tree_text_or(path, "interface", "");
        const char *why = interface[0] == '\0' ? NULL : host_interface_trouble(all, interface);
        if (strcmp(tree_text_or(path, "state", ""), "up") != 0 && why != NULL)
            finding(e, "path %s of %s, interface %s: %s", path->name,
                    tree_text_or(path, "conn", "?"), interface, why);
    }
    freeifaddrs(all);
}

static void check_mtu(struct examination *e)
{
    char file[128];
    if (e->status.paths == NULL)
        return;
    for (const struct tree *path = e->status.paths->first; path != NULL; path = path->next) {
        const char *interface = tree_text_or(path, "interface", "");
        (void)snprintf(file, sizeof(file), "/sys/class/net/%.15s/mtu", interface);
        long mtu = interface[0] == '\0' ? -1 : host_number_read(file);
        if (mtu >= 0 && mtu < MTU_LEAST)
            finding(e,
                    "interface %s of path %s carries %ld octets in a packet, at least %d are "
                    "expected",
                    interface, path->name, mtu, MTU_LEAST);
    }
}

/*
 * check_reverse_path - with strict filtering (RFC 3704 section 2.2) the kernel drops a packet that
 * arrives on another interface than the route to its source names. That affects all paths but one.
 */
static void check_reverse_path(struct examination *e)
{
    char file[128];
    long all = host_number_read("/proc/sys/net/ipv4/conf/all/rp_filter");
    unsigned paths = 0;
    for (const struct tree *path = e->status.paths == NULL ? NULL : e->status.paths->first;
         path != NULL; path = path->next)
        paths++;
    if (paths < 2)
        return;
    for (const struct tree *path = e->status.paths->first; path != NULL; path = path->next) {
        const char *interface = tree_text_or(path, "interface", "");
        (void)snprintf(file, sizeof(file), "/proc/sys/net/ipv4/conf/%.15s/rp_filter", interface);
        long own = interface[0] == '\0' ? -1 : host_number_read(file);
        if (own >= 0 && (own > all ? own : all) == 1) /* the kernel uses the larger of the two */
            finding(e,
                    "rp_filter is strict on %s: packets of a path that is not the default "
                    "route are dropped; sysctl -w net.ipv4.conf.%s.rp_filter=2",
                    interface, interface);
    }
}

static void check_forwarding(struct examination *e)
{
    if (e->pools == NULL || e->pools->first == NULL)
        return;
    if (e->host.forwards_v4 == HOST_NO)
        finding(e, "this host leases addresses to clients but forwards no IPv4: sysctl -w "
                   "net.ipv4.ip_forward=1");
}

static void check_firewall(struct examination *e)
{
    if (e->host.lets_in_500 == HOST_NO || e->host.lets_in_4500 == HOST_NO)
        finding(e,
                "the firewall drops UDP port %s: clients cannot reach this host; nft add rule ... "
                "udp dport { 500, 4500 } accept",
                e->host.lets_in_4500 == HOST_NO ? "4500" : "500");
}

/* --- the gateways --- */

/* struct gateway - the questions to one address over one interface: `n` of them, from `asks` on. */
struct gateway {
    const char *conn;
    char name[320]; /* "gateway ADDRESS of CONNECTION, over INTERFACE" */
    struct port_ask *asks;
    size_t n;
};

struct gateways {
    struct gateway items[PORT_ASKS / 2];
    struct port_ask asks[PORT_ASKS];
    size_t n, n_asks;
};

/* gateway_add - of a port other than 500, RFC 7296 section 2.23 leaves no second one. */
static void gateway_add(struct gateways *all, const struct tree *conn, const struct address *to,
                        const char *interface)
{
    char text[ADDRESS_TEXT_MAX];
    unsigned long port = strtoul(tree_text_or(conn, "remote_port", "500"), NULL, 10);
    size_t n = port == IKE_PORT ? 2 : 1;
    if (all->n == PORT_ASKS / 2 || all->n_asks + n > PORT_ASKS)
        return;
    struct gateway *one = &all->items[all->n++];
    *one = (struct gateway){.conn = conn->name, .asks = &all->asks[all->n_asks], .n = n};
    all->n_asks += n;
    (void)snprintf(one->name, sizeof(one->name), "gateway %s of %.200s%s%.15s",
                   address_print(to, text), conn->name, interface[0] == '\0' ? "" : ", over ",
                   interface);
    for (size_t i = 0; i < n; i++) {
        one->asks[i] = (struct port_ask){.to = *to, .port = i == 0 ? (uint16_t)port : NAT_PORT};
        one->asks[i].bare = one->asks[i].port == IKE_PORT;
        (void)snprintf(one->asks[i].interface, IF_NAMESIZE, "%.15s", interface);
    }
}

static void name_add(struct examination *e, struct gateways *all, const struct tree *conn,
                     const char *name)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int err = getaddrinfo(name, NULL, &wanted, &found);
    if (err != 0)
        finding(e, "%s of %s does not resolve: %s", name, conn->name, gai_strerror(err));
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        struct address to;
        const struct sockaddr_in *in = (const void *)one->ai_addr;
        const struct sockaddr_in6 *in6 = (const void *)one->ai_addr;
        if (address_from(one->ai_family == AF_INET ? span_of(&in->sin_addr, 4)
                                                   : span_of(&in6->sin6_addr, 16),
                         &to))
            gateway_add(all, conn, &to, "");
    }
    if (found != NULL)
        freeaddrinfo(found);
}

/* remotes_add - the addresses and names of the connection. Networks and %any wait for peers. */
static void remotes_add(struct examination *e, struct gateways *all, const struct tree *conn)
{
    struct tree *items = tree_items(tree_get(conn, "remote_addrs"));
    for (const struct tree *item = items == NULL ? NULL : items->first; item != NULL;
         item = item->next) {
        const char *text = tree_value_text(item);
        struct address_range range;
        bool numeric = range_parse(text, &range);
        if (text[0] == '%' || text[0] == '\0' ||
            (numeric &&
             (!address_equal(&range.first, &range.last) || address_is_any(&range.first))))
            continue;
        if (numeric)
            gateway_add(all, conn, &range.first, "");
        else
            name_add(e, all, conn, text);
    }
    tree_free(items);
}

/* conn_add - a path that is up needs no question; without any path the routes decide. */
static void conn_add(struct examination *e, struct gateways *all, const struct tree *conn)
{
    bool tried = false;
    for (const struct tree *path = e->status.paths->first; path != NULL; path = path->next) {
        struct address to;
        const char *interface = tree_text_or(path, "interface", "");
        if (strcmp(tree_text_or(path, "conn", ""), conn->name) != 0)
            continue;
        bool up = strcmp(tree_text_or(path, "state", ""), "up") == 0;
        bool asked = !up && if_nametoindex(interface) != 0 &&
                     address_parse(tree_text_or(path, "remote", ""), &to) && !address_is_any(&to);
        if (asked)
            gateway_add(all, conn, &to, interface);
        tried |= up || asked;
    }
    if (!tried)
        remotes_add(e, all, conn);
}

static void print_ask(struct examination *e, const struct gateway *gateway,
                      const struct port_ask *ask)
{
    char by[ADDRESS_TEXT_MAX] = "?";
    switch (ask->answer) {
    case PORT_ANSWERS: break;
    case PORT_SILENT:
        finding(e,
                "%s: UDP port %u does not answer: a firewall there or on the way drops it, or the "
                "address is wrong",
                gateway->name, ask->port);
        break;
    case PORT_REFUSED:
        finding(e, "%s: UDP port %u is refused by %s (%s)", gateway->name, ask->port,
                address_print(&ask->by, by), ask->why);
        break;
    case PORT_FILTERED:
        finding(e,
                "%s: the firewall of this host drops packets to UDP port %u; allow them in its "
                "output chain",
                gateway->name, ask->port);
        break;
    case PORT_UNASKED:
        finding(e, "%s: UDP port %u cannot be asked: %s", gateway->name, ask->port, ask->why);
        break;
    }
}

static void print_gateway(struct examination *e, const struct gateway *gateway)
{
    const struct port_ask *asks = gateway->asks;
    bool both = gateway->n == 2;
    if (both && asks[0].answer == PORT_SILENT && asks[1].answer == PORT_SILENT) {
        finding(e,
                "%s: UDP ports 500 and 4500 do not answer: is the address right, does the gateway "
                "run, and do the firewalls there and on the way let both ports through?",
                gateway->name);
    } else if (both && asks[0].answer == PORT_ANSWERS && asks[1].answer == PORT_SILENT) {
        finding(e,
                "%s: UDP port 500 answers, port 4500 does not: a firewall there or on the way "
                "drops it",
                gateway->name);
    } else {
        for (size_t i = 0; i < gateway->n; i++)
            print_ask(e, gateway, &asks[i]);
        if (asks[0].answer == PORT_ANSWERS && asks[gateway->n - 1].answer == PORT_ANSWERS)
            printf("%s: UDP port%s answer%s\n", gateway->name, both ? "s 500 and 4500" : "",
                   both ? "" : "s");
    }
}

static void check_gateways(struct examination *e)
{
    struct gateways all = {.n = 0};
    if (e->conns == NULL || e->status.paths == NULL)
        return;
    for (const struct tree *conn = e->conns->first; conn != NULL; conn = conn->next)
        if (e->only == NULL || strcmp(conn->name, e->only) == 0)
            conn_add(e, &all, conn);
    ports_ask(all.asks, all.n_asks);
    for (size_t i = 0; i < all.n; i++)
        print_gateway(e, &all.items[i]);
}

static void daemon_ask(struct examination *e, const struct ctl_options *options)
{
    char error[512];
    struct vici_writer w;
    struct client *client = client_open(options->socket, error);
    if (client == NULL) {
        printf("%s\n", error);
        return;
    }
    e->daemon = status_fetch(client, &e->status);
    e->silent = !e->daemon;
    if (e->silent)
        finding(e, "ikatd does not answer: its engine hangs or is stopped; restart it: systemctl "
                   "restart ikatd");
    vici_begin(&w, VICI_CMD_REQUEST, "get-pools");
    e->pools = client_request(client, &w, NULL, NULL, CLIENT_ANSWER_MS);
    e->conns = client_list(client, "list-conns", "list-conn");
    client_close(client);
}

static void examination_done(struct examination *e)
{
    status_done(&e->status);
    tree_free(e->pools);
    tree_free(e->conns);
    host_view_done(&e->host);
}

int command_doctor(const struct ctl_options *options, char **arguments, int n)
{
    static void (*const checks[])(struct examination *) = {
        check_other_daemon, check_device,     check_clock,    check_interfaces, check_mtu,
        check_reverse_path, check_forwarding, check_firewall, check_gateways,
    };
    struct examination e = {.only = n == 1 ? arguments[0] : NULL};
    daemon_ask(&e, options);
    if (e.only != NULL && e.conns != NULL && tree_get(e.conns, e.only) == NULL) {
        (void)fprintf(stderr, "ikat: there is no connection '%s'; see: ikat conns\n", e.only);
        examination_done(&e);
        return 1;
    }
    host_view_read(&e.host);
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        checks[i](&e);
    if (e.findings == 0)
        printf("nothing wrong was found on this host\n");
    examination_done(&e);
    return e.findings == 0 ? 0 : 1;
}
