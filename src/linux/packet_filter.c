/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/packet_filter.h"

#include <errno.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linux/udp_socket.h"

#define TABLE "inet ikat"

enum { INNER4, INNER6, PROTECTED4, PROTECTED6, N_SETS };
static const char *const set_names[N_SETS] = {"inner4", "inner6", "protected4", "protected6"};

/* struct picture - the contents of the table, as it is or as it will be. */
struct picture {
    struct element_set {
        struct packet_filter_prefix *elements; /* owned; in order, none inside of another */
        size_t n;
    } sets[N_SETS];
    char *chains; /* owned; NULL: there is no table */
};

struct packet_filter {
    struct nft_ctx *nft;
    char device[IF_NAMESIZE];
    struct picture now;
};

static void picture_done(struct picture *picture)
{
    for (size_t i = 0; i < N_SETS; i++)
        free(picture->sets[i].elements);
    free(picture->chains);
    *picture = (struct picture){0};
}

/* nft_run - runs one command; its output stays in the buffers of libnftables. */
static int nft_run(struct packet_filter *filter, const char *commands)
{
    if (nft_run_cmd_from_buffer(filter->nft, commands) == 0)
        return 0;
    errno = EOPNOTSUPP;
    return ERR_SYSTEM;
}

static bool prefix_contains(const struct packet_filter_prefix *outer,
                            const struct packet_filter_prefix *inner)
{
    struct address_range range;
    return outer->address.family == inner->address.family &&
           outer->prefix_len <= inner->prefix_len &&
           range_from_prefix(&outer->address, outer->prefix_len, &range) &&
           range_contains(&range, &inner->address);
}

static int prefix_order(const void *left, const void *right)
{
    const struct packet_filter_prefix *a = left, *b = right;
    int order = address_compare(&a->address, &b->address);
    return order != 0 ? order : (int)a->prefix_len - (int)b->prefix_len;
}

/* set_fill - the prefixes of one family. An interval set allows no overlaps. A prefix that lies in
 * another one follows it directly in the order, and is left out. */
static int set_fill(struct element_set *set, enum address_family family,
                    const struct packet_filter_prefix *prefixes, size_t n)
{
    set->elements = calloc(n + 1, sizeof(set->elements[0]));
    if (set->elements == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const struct packet_filter_prefix *prefix = &prefixes[i];
        if (prefix->address.family == family &&
            (set->n == 0 || !prefix_contains(&set->elements[set->n - 1], prefix)))
            set->elements[set->n++] = *prefix;
    }
    return 0;
}

/* elements_print - prints the elements of `set` that `others` lacks, with `before` in front of the
 * first. Returns their number. */
static size_t elements_print(FILE *out, const struct element_set *set,
                             const struct element_set *others, const char *before)
{
    char text[ADDRESS_TEXT_MAX];
    size_t printed = 0;
    for (size_t i = 0, k = 0; i < set->n; i++) {
        const struct packet_filter_prefix *prefix = &set->elements[i];
        while (k < others->n && prefix_order(&others->elements[k], prefix) < 0)
            k++;
        if (k < others->n && prefix_order(&others->elements[k], prefix) == 0)
            continue;
        fprintf(out, "%s %s/%u", printed++ == 0 ? before : ",",
                address_print(&prefix->address, text), (unsigned)prefix->prefix_len);
    }
    return printed;
}

static void set_print(FILE *out, size_t index, const struct element_set *set)
{
    static const struct element_set none;
    fprintf(out, "set %s { type %s; flags interval;", set_names[index],
            index == INNER6 || index == PROTECTED6 ? "ipv6_addr" : "ipv4_addr");
    fprintf(out, "%s }\n", elements_print(out, set, &none, " elements = {") == 0 ? "" : " };");
}

static int shunt_order(const void *left, const void *right)
{
    const struct packet_filter_shunt *a = left, *b = right;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static void end_print(FILE *out, const char *way, const struct packet_filter_prefix *prefix,
                      const uint16_t ports[2])
{
    char text[ADDRESS_TEXT_MAX];
    bool v6 = prefix->address.family == ADDRESS_V6;
    const char *family = v6 ? "ip6" : "ip";
    if (prefix->prefix_len > 0)
        fprintf(out, " %s %saddr %s/%u", family, way, address_print(&prefix->address, text),
                (unsigned)prefix->prefix_len);
    if (ports[0] != 0 || ports[1] != UINT16_MAX)
        fprintf(out, " th %sport %u-%u", way, ports[0], ports[1]);
}

/* shunt_print - one direction of a policy. */
static void shunt_print(FILE *out, const struct packet_filter_shunt *shunt, bool inbound)
{
    fprintf(out, "meta nfproto %s", shunt->remote.address.family == ADDRESS_V6 ? "ipv6" : "ipv4");
    if (shunt->device[0] != '\0')
        fprintf(out, " %s \"%s\"", inbound ? "iifname" : "oifname", shunt->device);
    if (shunt->protocol != 0)
        fprintf(out, " meta l4proto %u", shunt->protocol);
    end_print(out, inbound ? "s" : "d", &shunt->remote, shunt->remote_ports);
    end_print(out, inbound ? "d" : "s", &shunt->local, shunt->local_ports);
    if (!shunt->pass)
        fprintf(out, " counter drop\n");
    else if (inbound)
        fprintf(out, " meta mark set %#x accept\n", OUTER_MARK);
    else
        fprintf(out, " accept\n");
}

/* devices_print - "ikat0", "ikat-m8" */
static void devices_print(FILE *out, const char *first, const struct packet_filter_lists *lists)
{
    fprintf(out, "\"%s\"", first);
    for (size_t i = 0; i < lists->n_devices; i++)
        fprintf(out, ", \"%s\"", lists->devices[i].name);
}

/* marks_print - prints the rules that mark the packets from each device. */
static void marks_print(FILE *out, const struct packet_filter_lists *lists)
{
    for (size_t i = 0; i < lists->n_devices; i++) {
        const struct packet_filter_device *device = &lists->devices[i];
        if (device->mask == UINT32_MAX)
            fprintf(out, "iifname \"%s\" meta mark set %#x\n", device->name, device->mark);
        else if (device->mask != 0)
            fprintf(out, "iifname \"%s\" meta mark set meta mark & %#x | %#x\n", device->name,
                    ~device->mask, device->mark);
    }
}

static bool some_drop(const struct packet_filter_lists *lists)
{
    bool some = false;
    for (size_t i = 0; i < lists->n_shunts; i++)
        some |= !lists->shunts[i].pass;
    return some;
}

/* outbound_print - packets of the host or its network that a drop policy names. Packets of our
 * tunnels carry the mark. Packets to the inner device are checked there (esp/shunt.h). */
static void outbound_print(FILE *out, const char *device, const struct packet_filter_lists *lists)
{
    static const char *const hooks[] = {"output", "forward"};
    for (size_t h = 0; some_drop(lists) && h < 2; h++) {
        fprintf(out,
                "chain %s { type filter hook %s priority -1; policy accept;\n"
                "oifname { \"lo\", ",
                hooks[h], hooks[h]);
        devices_print(out, device, lists);
        fprintf(
            out,
            " } accept\n"
            "meta mark %#x accept\n"
            "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept\n",
            OUTER_MARK);
        for (size_t i = 0; i < lists->n_shunts; i++)
            shunt_print(out, &lists->shunts[i], false);
        fprintf(out, "}\n");
    }
}

/* chains_print - the mark serves strict reverse path filters with src_valid_mark: packets that carry a
 * full tunnel do not arrive through the tunnel. */
static void chains_print(FILE *out, const char *device, const struct packet_filter_lists *lists)
{
    fprintf(out, "chain inbound { type filter hook prerouting priority -300; policy accept;\n"
                 "iifname { ");
    devices_print(out, device, lists);
    fprintf(out, " } icmpv6 type { nd-router-advert, nd-redirect } drop\n");
    marks_print(out, lists);
    fprintf(out, "iifname { \"lo\", ");
    devices_print(out, device, lists);
    fprintf(out,
            " } accept\n"
            "ip daddr @inner4 counter drop\n"
            "ip6 daddr @inner6 counter drop\n"
            "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept\n"
            "fib daddr type local udp dport { 500, 4500 } meta mark set %#x accept\n"
            "fib daddr type local meta l4proto esp meta mark set %#x accept\n",
            OUTER_MARK, OUTER_MARK);
    for (size_t i = 0; i < lists->n_shunts; i++)
        shunt_print(out, &lists->shunts[i], true);
    fprintf(out, "ip saddr @protected4 counter drop\n"
                 "ip6 saddr @protected6 counter drop\n}\n");
    outbound_print(out, device, lists);
}

static int chains_make(struct picture *picture, const char *device,
                       const struct packet_filter_lists *lists)
{
    size_t len;
    FILE *out = open_memstream(&picture->chains, &len);
    if (out == NULL)
        return ERR_NO_MEMORY;
    chains_print(out, device, lists);
    return fclose(out) == 0 ? 0 : ERR_NO_MEMORY;
}

static int picture_make(struct picture *picture, const char *device,
                        const struct packet_filter_lists *lists)
{
    if (lists->n_inner > 0)
        qsort(lists->inner, lists->n_inner, sizeof(lists->inner[0]), prefix_order);
    if (lists->n_protected > 0)
        qsort(lists->protected, lists->n_protected, sizeof(lists->protected[0]), prefix_order);
    if (lists->n_shunts > 0)
        qsort(lists->shunts, lists->n_shunts, sizeof(lists->shunts[0]), shunt_order);
    int error = chains_make(picture, device, lists);
    for (size_t i = 0; error == 0 && i < N_SETS; i++) {
        enum address_family family = i == INNER6 || i == PROTECTED6 ? ADDRESS_V6 : ADDRESS_V4;
        bool inner = i == INNER4 || i == INNER6;
        error = set_fill(&picture->sets[i], family, inner ? lists->inner : lists->protected,
                         inner ? lists->n_inner : lists->n_protected);
    }
    return error;
}

/* table_print - the first two commands remove an older table, if one exists. */
static void table_print(FILE *out, const struct picture *picture)
{
    fprintf(out, "add table " TABLE "\ndelete table " TABLE "\ntable " TABLE " {\n");
    for (size_t i = 0; i < N_SETS; i++)
        set_print(out, i, &picture->sets[i]);
    fprintf(out, "%s}\n", picture->chains);
}

/* changes_print - old elements go first, because the kernel refuses overlaps. */
static void changes_print(FILE *out, const struct picture *from, const struct picture *to)
{
    char before[64];
    for (int add = 0; add < 2; add++)
        for (size_t i = 0; i < N_SETS; i++) {
            const struct element_set *set = add ? &to->sets[i] : &from->sets[i],
                                     *others = add ? &from->sets[i] : &to->sets[i];
            (void)snprintf(before, sizeof(before), "%s element " TABLE " %s {",
                           add ? "add" : "delete", set_names[i]);
            if (elements_print(out, set, others, before) > 0)
                fprintf(out, " }\n");
        }
}

/* picture_show - one transaction: the kernel has `from` until it has `to`. `from` NULL: the whole
 * table. */
static int picture_show(struct packet_filter *filter, const struct picture *from,
                        const struct picture *to)
{
    char *commands = NULL;
    size_t len;
    FILE *out = open_memstream(&commands, &len);
    if (out == NULL)
        return ERR_NO_MEMORY;
    if (from == NULL)
        table_print(out, to);
    else
        changes_print(out, from, to);
    int error = fclose(out) == 0 ? 0 : ERR_NO_MEMORY;
    if (error == 0 && len > 0)
        error = nft_run(filter, commands);
    free(commands);
    return error;
}

int packet_filter_set(struct packet_filter *filter, const struct packet_filter_lists *lists)
{
    struct picture next = {0};
    const struct picture *now = &filter->now;
    int error = picture_make(&next, filter->device, lists);
    bool elements_only = error == 0 && now->chains != NULL && strcmp(now->chains, next.chains) == 0;
    if (elements_only)
        error = picture_show(filter, now, &next);
    /* ERR_SYSTEM: another program may have changed our table, so write all of it */
    if ((error == 0 && !elements_only) || error == ERR_SYSTEM)
        error = picture_show(filter, NULL, &next);
    if (error == 0) {
        picture_done(&filter->now);
        filter->now = next;
    } else {
        picture_done(&next);
    }
    return error;
}

int packet_filter_new(const char *device, struct packet_filter **ret_filter)
{
    struct packet_filter *filter = calloc(1, sizeof(*filter));
    if (filter == NULL)
        return ERR_NO_MEMORY;
    (void)snprintf(filter->device, sizeof(filter->device), "%s", device);
    filter->nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (filter->nft == NULL || nft_ctx_buffer_output(filter->nft) != 0 ||
        nft_ctx_buffer_error(filter->nft) != 0) {
        packet_filter_free(filter, true);
        return ERR_SYSTEM;
    }
    *ret_filter = filter;
    return 0;
}

struct packet_filter *packet_filter_free(struct packet_filter *filter, bool keep)
{
    if (filter == NULL)
        return NULL;
    if (filter->nft != NULL) {
        if (!keep)
            (void)nft_run(filter, "add table " TABLE "\ndelete table " TABLE "\n");
        nft_ctx_free(filter->nft);
    }
    picture_done(&filter->now);
    free(filter);
    return NULL;
}
