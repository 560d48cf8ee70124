/* SPDX-License-Identifier: Apache-2.0 */
/* The command `list-trace` and the event `trace`: types and sizes of the latest IKE messages. */
#include <stdio.h>
#include <time.h>

#include "daemon/vici/vici_server.h"
#include "daemon/vici/vici_trace.h"
#include "linux/clock.h"
#include "wire/iana.h"

#define PARTS_TEXT (IKE_TRACE_PARTS * 48)

/* part_print - "SA", "N(COOKIE)"; a type without a name is printed as its number. Returns the length. */
static size_t part_print(const struct ike_trace_part *part, char *text, size_t cap)
{
    static const char unknown[] = "unknown";
    const bool notify = part->payload == WIRE_PAYLOAD_N;
    const char *name = notify ? wire_notify_name(part->notify) : wire_payload_name(part->payload);
    unsigned number = notify ? part->notify : part->payload;
    char digits[12];
    (void)snprintf(digits, sizeof(digits), "%u", number);
    if (strcmp(name, unknown) == 0)
        name = digits;
    int n = snprintf(text, cap, notify ? "N(%s)" : "%s", name);
    return n < 0 || (size_t)n >= cap ? 0 : (size_t)n;
}

static void put_parts(struct vici_writer *w, const struct ike_trace_entry *entry)
{
    char text[PARTS_TEXT] = "";
    size_t at = 0;
    for (uint8_t i = 0; i < entry->n_parts && at + 2 < sizeof(text); i++) {
        if (i > 0)
            text[at++] = ' ';
        at += part_print(&entry->parts[i], text + at, sizeof(text) - at);
    }
    text[at] = '\0';
    vici_put(w, "payloads", "%s%s", text, entry->more_parts ? " ..." : "");
}

/* has_error - a notify of an error type (RFC 7296 section 3.10.1). Type 0: it could not be read. */
static bool has_error(const struct ike_trace_entry *entry)
{
    for (uint8_t i = 0; i < entry->n_parts; i++)
        if (entry->parts[i].notify != 0 && entry->parts[i].notify < WIRE_FIRST_STATUS_NOTIFY)
            return true;
    return false;
}

static void put_message(struct vici_writer *w, const struct ike_trace_entry *entry)
{
    vici_put(w, "exchange", "%s", wire_exchange_name(entry->exchange));
    vici_put(w, "type", "%s", entry->response ? "response" : "request");
    vici_put(w, "message-id", "%u", entry->message_id);
    put_parts(w, entry);
    vici_put(w, "datagrams", "%u", entry->datagrams);
    vici_put(w, "octets", "%u", entry->octets);
    if (entry->again)
        vici_put(w, "again", "yes");
    if (has_error(entry))
        vici_put(w, "error", "yes");
}

/* wall_ms - the wall clock of a moment of the monotonic one. */
static long long wall_ms(nanos at_ns)
{
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    long long now_ms = (long long)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    return now_ms - (clock_now() - at_ns) / NANOS_PER_MS;
}

static void put_entry(struct vici_writer *w, const struct engine_ops *ops,
                      const struct ike_trace_entry *entry)
{
    static const char *const kinds[] = {"out", "in", "ended"};
    char text[ENDPOINT_TEXT_MAX], interface[16] = "";
    vici_put(w, "number", "%llu", (unsigned long long)entry->number);
    vici_put(w, "time-ms", "%lld", wall_ms(entry->at_ns));
    vici_put(w, "at-us", "%lld", (long long)(entry->at_ns / NANOS_PER_US));
    vici_put(w, "kind", "%s", kinds[entry->kind]);
    vici_put(w, "sa", "%u", entry->sa);
    vici_put(w, "session", "%u", entry->session);
    vici_put(w, "conn", "%s", entry->conn);
    vici_put(w, "local", "%s", endpoint_print(&entry->path.local, text));
    vici_put(w, "remote", "%s", endpoint_print(&entry->path.remote, text));
    if (ops->interface_name(ops->engine, entry->path.interface, interface))
        vici_put(w, "interface", "%s", interface);
    if (entry->kind == IKE_TRACE_ENDED)
        vici_put(w, "outcome", "%s", ike_outcome_name(entry->outcome));
    else
        put_message(w, entry);
}

static bool next_entry(struct vici_client *client, const struct tree *m, uint64_t *at)
{
    const struct engine_ops *ops = vici_client_ops(client);
    struct ike_trace_entry entry;
    struct vici_writer w;
    (void)m;
    if (!ike_trace_next(ops->ike(ops->engine), *at, &entry))
        return false;
    *at = entry.number;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_TRACE));
    put_entry(&w, ops, &entry);
    vici_client_send(client, &w);
    return true;
}

void vici_list_trace(struct vici_client *client, const struct tree *m)
{
    (void)m;
    vici_client_list(client, VICI_EV_LIST_TRACE, next_entry);
}

void vici_trace_event(struct vici_client *client, const struct ike_trace_entry *entry)
{
    struct vici_writer w;
    vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_TRACE));
    put_entry(&w, vici_client_ops(client), entry);
    vici_client_send(client, &w);
}
