/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/selector.h"

static bool ts_equal(const struct esp_ts *a, const struct esp_ts *b)
{
    return a->protocol == b->protocol && a->start_port == b->start_port &&
           a->end_port == b->end_port && address_equal(&a->range.first, &b->range.first) &&
           address_equal(&a->range.last, &b->range.last);
}

bool esp_ts_list_equal(const struct esp_ts_list *a, const struct esp_ts_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!ts_equal(&a->ts[i], &b->ts[i]))
            return false;
    return true;
}

static bool port_match(const struct esp_ts *ts, bool has_port, uint16_t port)
{
    if (ts->start_port == 0 && ts->end_port == UINT16_MAX)
        return true;
    if (ts->start_port == UINT16_MAX && ts->end_port == 0) /* OPAQUE, RFC 4301 section 4.4.1.1 */
        return !has_port;
    return has_port && ts->start_port <= port && port <= ts->end_port;
}

bool esp_ts_match(const struct esp_ts *ts, const struct address *address,
                  const struct esp_inner *inner, uint16_t port)
{
    return (ts->protocol == 0 || ts->protocol == inner->protocol) &&
           range_contains(&ts->range, address) && port_match(ts, inner->has_ports, port);
}

static bool list_match(const struct esp_ts_list *list, const struct address *address,
                       const struct esp_inner *inner, uint16_t port)
{
    for (size_t i = 0; i < list->n; i++)
        if (esp_ts_match(&list->ts[i], address, inner, port))
            return true;
    return false;
}

bool esp_selector_out(const struct esp_ts_list *local, const struct esp_ts_list *remote,
                      const struct esp_inner *inner)
{
    return list_match(remote, &inner->dst, inner, inner->dst_port) &&
           list_match(local, &inner->src, inner, inner->src_port);
}

bool esp_selector_in(const struct esp_ts_list *local, const struct esp_ts_list *remote,
                     const struct esp_inner *inner)
{
    if (address_is_any(&inner->src) || address_is_loopback(&inner->src) ||
        address_is_multicast(&inner->src) || address_is_loopback(&inner->dst))
        return false;
    return list_match(remote, &inner->src, inner, inner->src_port) &&
           list_match(local, &inner->dst, inner, inner->dst_port);
}
