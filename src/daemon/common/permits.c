/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/permits.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/common/channel.h"
#include "daemon/common/hook_script.h"

static bool range_sound(const struct address_range *range)
{
    return address_sound(&range->first) && address_sound(&range->last) &&
           range->first.family == range->last.family &&
           address_compare(&range->first, &range->last) <= 0;
}

static int range_add(struct permit_ranges *list, const struct address_range *range)
{
    if (!range_sound(range))
        return ERR_INVALID;
    if (list->n > 0 && memcmp(&list->ranges[list->n - 1].range, range, sizeof(*range)) == 0)
        return 0; /* as if a thousand connections named one network */
    if (list->n == PERMIT_RANGES_MAX)
        return ERR_FULL;
    if (list->n == list->cap) {
        size_t cap = list->cap == 0 ? 16 : list->cap * 2;
        struct permit_range *ranges = reallocarray(list->ranges, cap, sizeof(*ranges));
        if (ranges == NULL)
            return ERR_NO_MEMORY;
        list->ranges = ranges;
        list->cap = cap;
    }
    list->ranges[list->n++] = (struct permit_range){.range = *range};
    return 0;
}

static int link_add(struct permits *permits, const char link[PERMIT_LINK_NAME])
{
    if (link[0] == '\0' || memchr(link, '\0', PERMIT_LINK_NAME) == NULL)
        return ERR_INVALID;
    if (permits_link(permits, link))
        return 0;
    if (permits->n_links == PERMIT_LINKS)
        return ERR_FULL;
    memcpy(permits->links[permits->n_links++], link, PERMIT_LINK_NAME);
    return 0;
}

static bool device_named(const struct permits *permits, const struct inner_device *device)
{
    for (size_t i = 0; i < permits->n_devices; i++)
        if (inner_device_equal(&permits->devices[i], device))
            return true;
    return false;
}

static int device_add(struct permits *permits, const struct inner_device *device)
{
    if (!inner_device_sound(device))
        return ERR_INVALID;
    if (device_named(permits, device))
        return 0;
    if (permits->n_devices == PERMIT_DEVICES)
        return ERR_FULL;
    permits->devices[permits->n_devices++] = *device;
    return 0;
}

static int script_add(struct permit_scripts *list, const char script[POLICY_SCRIPT])
{
    if (memchr(script, '\0', POLICY_SCRIPT) == NULL || !hook_script_allowed(script))
        return ERR_INVALID;
    if (list->n > 0 && strcmp(list->lines[list->n - 1], script) == 0)
        return 0; /* as if a thousand connections named one script */
    if (list->n == PERMIT_SCRIPTS)
        return ERR_FULL;
    if (list->n == list->cap) {
        size_t cap = list->cap == 0 ? 16 : list->cap * 2;
        char(*lines)[POLICY_SCRIPT] = reallocarray(list->lines, cap, sizeof(*lines));
        if (lines == NULL)
            return ERR_NO_MEMORY;
        list->lines = lines;
        list->cap = cap;
    }
    strcpy(list->lines[list->n++], script);
    return 0;
}

int permits_add(struct permits *permits, const struct permit *permit)
{
    switch (permit->kind) {
    case PERMIT_ROUTE: return range_add(&permits->routes, &permit->range);
    case PERMIT_ADDRESS: return range_add(&permits->addresses, &permit->range);
    case PERMIT_PASS: return range_add(&permits->passes, &permit->range);
    case PERMIT_DROP: return range_add(&permits->drops, &permit->range);
    case PERMIT_DNS: return range_add(&permits->dns, &permit->range);
    case PERMIT_HOSTS: permits->hosts = true; return 0;
    case PERMIT_LINK: return link_add(permits, permit->link);
    case PERMIT_LINKS_ALL: permits->links_all = true; return 0;
    case PERMIT_LAN: permits->lan = true; return 0;
    case PERMIT_SCRIPT: return script_add(&permits->scripts, permit->script);
    case PERMIT_DEVICE: return device_add(permits, &permit->device);
    case PERMIT_DEVICES_ALL: permits->devices_all = true; return 0;
    case PERMIT_ALL: permits->all = true; return 0;
    default: return ERR_INVALID;
    }
}

static int by_first(const void *a, const void *b)
{
    const struct permit_range *one = a, *other = b;
    int order = address_compare(&one->range.first, &other->range.first);
    return order != 0 ? order : address_compare(&one->range.last, &other->range.last);
}

static void ranges_settle(struct permit_ranges *list)
{
    size_t n = 0;
    if (list->n > 0)
        qsort(list->ranges, list->n, sizeof(list->ranges[0]), by_first);
    for (size_t i = 0; i < list->n; i++)
        if (n == 0 || by_first(&list->ranges[n - 1], &list->ranges[i]) != 0)
            list->ranges[n++] = list->ranges[i];
    list->n = n;
    for (size_t i = 0; i < n; i++) {
        struct permit_range *range = &list->ranges[i];
        range->most = range->range.last;
        if (i > 0 && range[-1].most.family == range->most.family &&
            address_compare(&range[-1].most, &range->most) > 0)
            range->most = range[-1].most;
    }
}

static int by_line(const void *a, const void *b)
{
    return strcmp(a, b);
}

void permits_settle(struct permits *permits)
{
    const struct permit_scripts *scripts = &permits->scripts;
    if (scripts->n > 0)
        qsort(scripts->lines, scripts->n, sizeof(scripts->lines[0]), by_line);
    ranges_settle(&permits->routes);
    ranges_settle(&permits->addresses);
    ranges_settle(&permits->passes);
    ranges_settle(&permits->drops);
    ranges_settle(&permits->dns);
}

void permits_done(struct permits *permits)
{
    free(permits->routes.ranges);
    free(permits->addresses.ranges);
    free(permits->passes.ranges);
    free(permits->drops.ranges);
    free(permits->dns.ranges);
    free(permits->scripts.lines);
    *permits = (struct permits){0};
}

/* inside - the range lies within a single permit. Among the permits that begin before the range,
 * the one that ends last decides. */
static bool inside(const struct permit_ranges *list, const struct address_range *range)
{
    size_t low = 0, high = list->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (address_compare(&list->ranges[mid].range.first, &range->first) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 && list->ranges[low - 1].most.family == range->last.family &&
           address_compare(&list->ranges[low - 1].most, &range->last) >= 0;
}

bool permits_route(const struct permits *permits, const struct address *address,
                   unsigned prefix_len)
{
    struct address_range range;
    if (permits->all)
        return true;
    if (!range_from_prefix(address, prefix_len, &range))
        return false;
    return inside(&permits->routes, &range) ||
           (permits->hosts && prefix_len == address_len(address) * 8);
}

bool permits_narrowed(const struct permits *permits, const struct address *address,
                      unsigned prefix_len)
{
    struct address_range range, parent;
    if (prefix_len == 0 || !range_from_prefix(address, prefix_len, &range) ||
        !range_from_prefix(address, prefix_len - 1, &parent))
        return false;
    for (size_t i = 0; i < permits->routes.n; i++) {
        const struct address_range *whole = &permits->routes.ranges[i].range;
        if (range_within(&range, whole) && !range_within(&parent, whole))
            return false;
    }
    return true;
}

static bool policy_inside(const struct permits *permits, const struct permit_ranges *list,
                          const struct address *address, unsigned prefix_len)
{
    struct address_range range;
    return permits->all || (range_from_prefix(address, prefix_len, &range) && inside(list, &range));
}

bool permits_pass(const struct permits *permits, const struct address *address, unsigned prefix_len)
{
    return policy_inside(permits, &permits->passes, address, prefix_len);
}

bool permits_drop(const struct permits *permits, const struct address *address, unsigned prefix_len)
{
    return policy_inside(permits, &permits->drops, address, prefix_len);
}

bool permits_address(const struct permits *permits, const struct address *address)
{
    const struct address_range range = {*address, *address};
    return permits->all || inside(&permits->addresses, &range);
}

bool permits_dns(const struct permits *permits, const struct address *server)
{
    const struct address_range range = {*server, *server};
    return permits->all || inside(&permits->dns, &range);
}

bool permits_lan(const struct permits *permits)
{
    return permits->all || permits->lan;
}

bool permits_link(const struct permits *permits, const char *link)
{
    if (permits->all || permits->links_all)
        return true;
    for (size_t i = 0; i < permits->n_links; i++)
        if (strncmp(permits->links[i], link, PERMIT_LINK_NAME) == 0)
            return true;
    return false;
}

bool permits_device(const struct permits *permits, const struct inner_device *device)
{
    bool ours = strncmp(device->name, INNER_DEVICE_PREFIX, strlen(INNER_DEVICE_PREFIX)) == 0;
    return permits->all || (permits->devices_all && ours) || device_named(permits, device);
}

bool permits_script(const struct permits *permits, const char script[POLICY_SCRIPT])
{
    const struct permit_scripts *scripts = &permits->scripts;
    return permits->all || (scripts->n > 0 && bsearch(script, scripts->lines, scripts->n,
                                                      sizeof(scripts->lines[0]), by_line) != NULL);
}

/* --- the way to the supervisor --- */

static int send_one(int fd, const struct permit *permit)
{
    return channel_send(fd, permit, sizeof(*permit), NULL, 0);
}

static int send_ranges(int fd, const struct permit_ranges *list, enum permit_kind kind)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < list->n; i++) {
        const struct permit permit = {.kind = kind, .range = list->ranges[i].range};
        error = send_one(fd, &permit);
    }
    return error;
}

static int send_links(int fd, const struct permits *permits)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < permits->n_links; i++) {
        struct permit permit = {.kind = PERMIT_LINK};
        memcpy(permit.link, permits->links[i], sizeof(permit.link));
        error = send_one(fd, &permit);
    }
    return error;
}

static int send_devices(int fd, const struct permits *permits)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < permits->n_devices; i++) {
        const struct permit permit = {.kind = PERMIT_DEVICE, .device = permits->devices[i]};
        error = send_one(fd, &permit);
    }
    if (error == 0 && permits->devices_all)
        error = send_one(fd, &(struct permit){.kind = PERMIT_DEVICES_ALL});
    return error;
}

static int send_scripts(int fd, const struct permit_scripts *list)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < list->n; i++) {
        struct permit permit = {.kind = PERMIT_SCRIPT};
        strcpy(permit.script, list->lines[i]);
        error = send_one(fd, &permit);
    }
    return error;
}

int permits_send(int fd, const struct permits *permits)
{
    struct permit_answer answer;
    int error = send_ranges(fd, &permits->routes, PERMIT_ROUTE);
    if (error == 0)
        error = send_ranges(fd, &permits->addresses, PERMIT_ADDRESS);
    if (error == 0)
        error = send_ranges(fd, &permits->passes, PERMIT_PASS);
    if (error == 0)
        error = send_ranges(fd, &permits->drops, PERMIT_DROP);
    if (error == 0)
        error = send_ranges(fd, &permits->dns, PERMIT_DNS);
    if (error == 0)
        error = send_links(fd, permits);
    if (error == 0)
        error = send_devices(fd, permits);
    if (error == 0)
        error = send_scripts(fd, &permits->scripts);
    if (error == 0 && permits->hosts)
        error = send_one(fd, &(struct permit){.kind = PERMIT_HOSTS});
    if (error == 0 && permits->links_all)
        error = send_one(fd, &(struct permit){.kind = PERMIT_LINKS_ALL});
    if (error == 0 && permits->lan)
        error = send_one(fd, &(struct permit){.kind = PERMIT_LAN});
    if (error == 0 && permits->all)
        error = send_one(fd, &(struct permit){.kind = PERMIT_ALL});
    if (error == 0)
        error = send_one(fd, &(struct permit){.kind = PERMIT_END});
    if (error == 0 && channel_recv(fd, &answer, sizeof(answer), NULL, NULL) != 0)
        return ERR_SYSTEM;
    return error != 0 ? error : answer.error;
}
