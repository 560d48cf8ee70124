/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ikat doctor`: checks the host for conditions that keep a VPN from working, asks the ports of the
 * gateways, and says what to do. Each check is a function. A check that cannot look (no rights, no
 * such file) prints nothing.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
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
#include "ctl/gateways.h"
#include "ctl/host_view.h"
#include "ctl/json_out.h"
#include "ctl/status.h"

#define IKE_PORT        500
#define MTU_LEAST       1280       /* RFC 8200 section 5: the smallest MTU of an IPv6 link */
#define CLOCK_PLAUSIBLE 1735689600 /* 2025-01-01: a clock before this date is wrong */

struct examination {
    struct status status; /* empty lists are NULL when the daemon does not answer */
    struct tree *pools, *conns;
    const char *only; /* the connection whose gateways are asked; NULL: all */
    struct host_view host;
    bool daemon, silent; /* the daemon answers; it accepts the connection, but does not answer */
    unsigned findings;
    json_t *problems, *sound; /* owned: with --json, what else is printed; else NULL */
};

__attribute__((format(printf, 2, 3))) static void finding(struct examination *e, const char *format,
                                                          ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    e->findings++;
    if (e->problems != NULL)
        (void)json_array_append_new(e->problems, json_string(text));
    else
        printf("problem: %s\n", text);
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

/* pool_hidden - the interface in whose IPv4 network the pool begins; NULL: none, or the kernel answers there for the
 * addresses of the pool. */
static const struct host_network *pool_hidden(const struct host_view *host,
                                              const struct address *base)
{
    char file[128];
    for (size_t i = 0; i < host->n_networks; i++) {
        const struct host_network *network = &host->networks[i];
        (void)snprintf(file, sizeof(file), "/proc/sys/net/ipv4/conf/%.15s/proxy_arp",
                       network->interface);
        if (base->family == ADDRESS_V4 && range_contains(&network->range, base) &&
            host_number_read(file) != 1)
            return network;
    }
    return NULL;
}

static void check_pools(struct examination *e)
{
    for (const struct tree *pool = e->pools == NULL ? NULL : e->pools->first; pool != NULL;
         pool = pool->next) {
        struct address base;
        if (pool->kind != TREE_SECTION || !address_parse(tree_text_or(pool, "base", ""), &base))
            continue;
        const struct host_network *network = pool_hidden(&e->host, &base);
        if (network != NULL)
            finding(e,
                    "pool %s lies in the network of %s: hosts there look for its addresses on "
                    "their own link; give the pool a network that is nowhere else",
                    pool->name, network->interface);
    }
}

static void check_firewall(struct examination *e)
{
    if (e->host.lets_in_500 == HOST_NO || e->host.lets_in_4500 == HOST_NO)
        finding(e,
                "the firewall drops UDP port %s: clients cannot reach this host; nft add rule ... "
                "udp dport { 500, 4500 } accept",
                e->host.lets_in_4500 == HOST_NO ? "4500" : "500");
}

static void gateway_told(void *context, bool trouble, const char *text)
{
    struct examination *e = context;
    if (trouble)
        finding(e, "%s", text);
    else if (e->sound != NULL)
        (void)json_array_append_new(e->sound, json_string(text));
    else
        printf("%s\n", text);
}

static void check_gateways(struct examination *e)
{
    const struct gateways_question question = {
        .conns = e->conns, .paths = e->status.paths, .only = e->only};
    if (e->conns != NULL && e->status.paths != NULL)
        gateways_ask(&question, gateway_told, e);
}

static void daemon_ask(struct examination *e, const struct ctl_options *options)
{
    char error[512];
    struct vici_writer w;
    struct client *client = client_open(options->socket, error);
    if (client == NULL) {
        (void)fprintf(stderr, "%s\n", error);
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
    json_decref(e->problems);
    json_decref(e->sound);
    host_view_done(&e->host);
}

int command_doctor(const struct ctl_options *options, char **arguments, int n)
{
    static void (*const checks[])(struct examination *) = {
        check_other_daemon, check_device,     check_clock, check_interfaces, check_mtu,
        check_reverse_path, check_forwarding, check_pools, check_firewall,   check_gateways,
    };
    struct examination e = {.only = n == 1 ? arguments[0] : NULL,
                            .problems = options->json ? json_array() : NULL,
                            .sound = options->json ? json_array() : NULL};
    daemon_ask(&e, options);
    if (e.only != NULL && e.conns != NULL && tree_get(e.conns, e.only) == NULL) {
        (void)fprintf(stderr, "ikat: there is no connection '%s'; see: ikat conns\n", e.only);
        examination_done(&e);
        return 1;
    }
    host_view_read(&e.host);
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        checks[i](&e);
    if (options->json)
        json_print(json_pack("{s:O, s:O}", "problems", e.problems, "sound", e.sound),
                   JSON_INDENT(2));
    else if (e.findings == 0)
        printf("nothing wrong was found on this host\n");
    examination_done(&e);
    return e.findings == 0 ? 0 : 1;
}
