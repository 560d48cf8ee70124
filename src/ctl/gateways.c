/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/gateways.h"

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/port_ask.h"

#define IKE_PORT 500
#define NAT_PORT 4500 /* RFC 7296 section 2.23 */

struct asking {
    const struct gateways_question *question;
    gateways_tell *tell;
    void *context;
};

__attribute__((format(printf, 2, 3))) static void trouble(const struct asking *asking,
                                                          const char *format, ...)
{
    char text[768];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    asking->tell(asking->context, true, text);
}

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

/* gateway_add - a gateway on port 500 is also asked on port 4500. A gateway on another port has no
 * second port (RFC 7296 section 2.23). */
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

static void name_add(const struct asking *asking, struct gateways *all, const struct tree *conn,
                     const char *name)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int err = getaddrinfo(name, NULL, &wanted, &found);
    if (err != 0)
        trouble(asking, "%s of %s does not resolve: %s", name, conn->name, gai_strerror(err));
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
static void remotes_add(const struct asking *asking, struct gateways *all, const struct tree *conn)
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
            name_add(asking, all, conn, text);
    }
    tree_free(items);
}

/* conn_add - a path that is up needs no question; without any path the routes decide. */
static void conn_add(const struct asking *asking, struct gateways *all, const struct tree *conn)
{
    bool tried = false;
    for (const struct tree *path = asking->question->paths->first; path != NULL;
         path = path->next) {
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
        remotes_add(asking, all, conn);
}

static void print_ask(const struct asking *asking, const struct gateway *gateway,
                      const struct port_ask *ask)
{
    char by[ADDRESS_TEXT_MAX] = "?";
    switch (ask->answer) {
    case PORT_ANSWERS: break;
    case PORT_SILENT:
        trouble(asking,
                "%s: UDP port %u does not answer: a firewall there or on the way drops it, or the "
                "address is wrong",
                gateway->name, ask->port);
        break;
    case PORT_REFUSED:
        trouble(asking, "%s: UDP port %u is refused by %s (%s)", gateway->name, ask->port,
                address_print(&ask->by, by), ask->why);
        break;
    case PORT_FILTERED:
        trouble(asking,
                "%s: the firewall of this host drops packets to UDP port %u; allow them in its "
                "output chain",
                gateway->name, ask->port);
        break;
    case PORT_UNASKED:
        trouble(asking, "%s: UDP port %u cannot be asked: %s", gateway->name, ask->port, ask->why);
        break;
    }
}

static void answers(const struct asking *asking, const struct gateway *gateway)
{
    char text[400];
    (void)snprintf(text, sizeof(text), "%s: UDP %s", gateway->name,
                   gateway->n == 2 ? "ports 500 and 4500 answer" : "port answers");
    asking->tell(asking->context, false, text);
}

static void print_gateway(const struct asking *asking, const struct gateway *gateway)
{
    const struct port_ask *asks = gateway->asks;
    bool both = gateway->n == 2;
    if (both && asks[0].answer == PORT_SILENT && asks[1].answer == PORT_SILENT) {
        trouble(asking,
                "%s: UDP ports 500 and 4500 do not answer: is the address right, does the gateway "
                "run, and do the firewalls there and on the way let both ports through?",
                gateway->name);
    } else if (both && asks[0].answer == PORT_ANSWERS && asks[1].answer == PORT_SILENT) {
        trouble(asking,
                "%s: UDP port 500 answers, port 4500 does not: a firewall there or on the way "
                "drops it",
                gateway->name);
    } else {
        for (size_t i = 0; i < gateway->n; i++)
            print_ask(asking, gateway, &asks[i]);
        if (asks[0].answer == PORT_ANSWERS && asks[gateway->n - 1].answer == PORT_ANSWERS)
            answers(asking, gateway);
    }
}

void gateways_ask(const struct gateways_question *question, gateways_tell *tell, void *context)
{
    const struct asking asking = {question, tell, context};
    struct gateways all = {.n = 0};
    for (const struct tree *conn = question->conns->first; conn != NULL; conn = conn->next)
        if (question->only == NULL || strcmp(conn->name, question->only) == 0)
            conn_add(&asking, &all, conn);
    ports_ask(all.asks, all.n_asks);
    for (size_t i = 0; i < all.n; i++)
        print_gateway(&asking, &all.items[i]);
}
