/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/aaa/change_requests.h"

#include <limits.h>
#include <stdlib.h>

#include "base/secret.h"
#include "daemon/aaa/aaa_grant.h"

#define PROXY_STATES                                                                               \
    512 /* octets; a request with more is dropped, because it could not be answered */

enum entry_state { ENTRY_FREE, ENTRY_ASKED, ENTRY_ANSWERED };

struct entry {
    enum entry_state state;
    uint64_t job;
    nanos since;
    bool stream;
    unsigned server, lane;
    struct endpoint source;
    struct address local;
    uint16_t port;
    uint8_t code, identifier;
    uint8_t authenticator[RADIUS_AUTHENTICATOR];
    size_t n_proxy_states, n_reply;
    uint8_t proxy_states[PROXY_STATES]; /* attributes, whole and in order */
    uint8_t reply[CHANGE_REPLY];
};

struct change_requests {
    uint64_t jobs;
    struct entry entries[CHANGE_REQUESTS];
};

struct change_requests *change_requests_new(void)
{
    return calloc(1, sizeof(struct change_requests));
}

struct change_requests *change_requests_free(struct change_requests *requests)
{
    free(requests);
    return NULL;
}

/* --- the contents of a request --- */

static bool text_take(struct span value, char *out, size_t cap)
{
    if (value.len == 0 || value.len >= cap || memchr(value.ptr, 0, value.len) != NULL)
        return false;
    memcpy(out, value.ptr, value.len);
    out[value.len] = '\0';
    return true;
}

static bool address_take(struct span value, size_t len, struct address *ret)
{
    return value.len == len && address_from(value, ret);
}

static bool number_take(struct span value, uint32_t *ret)
{
    struct reader r = reader_of(value);
    *ret = read_u32(&r);
    return reader_done(&r);
}

static bool user_take(struct span value, struct aaa_change *change)
{
    change->user_len = (uint32_t)value.len;
    if (value.len == 0 || value.len > RADIUS_VALUE)
        return false;
    memcpy(change->user, value.ptr, value.len);
    return true;
}

static bool group_take(struct span value, struct aaa_change *change)
{
    struct aaa_groups *groups = &change->groups;
    change->filter = true;
    return groups->n < AAA_GROUPS && text_take(value, groups->names[groups->n++], LIMIT_NAME);
}

/* identification_take - reads an attribute if it identifies the NAS or a session; *ret_known: it
 * does. Returns whether its value is valid. */
static bool identification_take(uint8_t type, struct span value, struct aaa_change *c,
                                bool *ret_known)
{
    *ret_known = true;
    switch (type) {
    case RADIUS_USER_NAME: return user_take(value, c);
    case RADIUS_NAS_IP_ADDRESS: return address_take(value, 4, &c->nas_address);
    case RADIUS_NAS_IPV6_ADDRESS: return address_take(value, 16, &c->nas_address);
    case RADIUS_NAS_IDENTIFIER: return text_take(value, c->nas, sizeof(c->nas));
    case RADIUS_NAS_PORT: return number_take(value, &c->port) && c->port != 0;
    case RADIUS_NAS_PORT_ID: return text_take(value, c->conn, sizeof(c->conn));
    case RADIUS_FRAMED_IP_ADDRESS: return address_take(value, 4, &c->framed4);
    case RADIUS_FRAMED_IPV6_ADDRESS: return address_take(value, 16, &c->framed6);
    case RADIUS_CALLING_STATION_ID: return text_take(value, c->calling, sizeof(c->calling));
    case RADIUS_ACCT_SESSION_ID: return text_take(value, c->session_id, sizeof(c->session_id));
    default: *ret_known = false; return true;
    }
}

/* change_take - reads an attribute with a new value for the sessions. */
static bool change_take(uint8_t type, struct span value, struct aaa_change *c, bool *ret_known)
{
    *ret_known = !c->disconnect;
    if (c->disconnect)
        return true;
    switch (type) {
    case RADIUS_SESSION_TIMEOUT:
        c->timeout = true;
        return number_take(value, &c->session_timeout_s) && c->session_timeout_s > 0;
    case RADIUS_IDLE_TIMEOUT: c->idle = true; return number_take(value, &c->idle_timeout_s);
    case RADIUS_FILTER_ID: return group_take(value, c);
    default: *ret_known = false; return true;
    }
}

static bool identifies(const struct aaa_change *c)
{
    return c->user_len > 0 || c->session_id[0] != '\0' || c->calling[0] != '\0' || c->port != 0 ||
           c->framed4.family != ADDRESS_NONE || c->framed6.family != ADDRESS_NONE;
}

/* RFC 5176 section 2.3: all attributes are mandatory. */
static enum aaa_error request_read(const struct radius_packet *packet, struct aaa_change *c)
{
    struct reader r = reader_of(packet->attributes);
    struct span value;
    uint8_t type;
    *c = (struct aaa_change){.disconnect = packet->code == RADIUS_DISCONNECT_REQUEST};
    while (radius_next(&r, &type, &value)) {
        bool known, sound, several = type == RADIUS_PROXY_STATE || type == RADIUS_FILTER_ID;
        if (!several && radius_count(packet, (enum radius_attribute)type) > 1)
            return AAA_INVALID_REQUEST;
        if (type == RADIUS_SERVICE_TYPE && !c->disconnect)
            return AAA_UNSUPPORTED_SERVICE; /* "Authorize Only" */
        if (type == RADIUS_PROXY_STATE || type == RADIUS_EVENT_TIMESTAMP ||
            type == RADIUS_MESSAGE_AUTHENTICATOR)
            continue;
        sound = identification_take(type, value, c, &known);
        if (!known)
            sound = change_take(type, value, c, &known);
        if (!known)
            return AAA_UNSUPPORTED_ATTRIBUTE;
        if (!sound)
            return AAA_INVALID_VALUE;
    }
    bool changes = c->disconnect || c->timeout || c->idle || c->filter;
    return identifies(c) && changes ? AAA_DONE : AAA_MISSING_ATTRIBUTE;
}

/* --- replies --- */

static void reply_make(struct entry *entry, uint32_t cause, const struct radius_key *key)
{
    uint8_t octets[CHANGE_REPLY];
    struct writer attributes = writer_of(octets, sizeof(octets));
    struct writer w = writer_of(entry->reply, sizeof(entry->reply));
    bool disconnect = entry->code == RADIUS_DISCONNECT_REQUEST;
    enum radius_code code = cause == AAA_DONE
                                ? (disconnect ? RADIUS_DISCONNECT_ACK : RADIUS_COA_ACK)
                                : (disconnect ? RADIUS_DISCONNECT_NAK : RADIUS_COA_NAK);
    write_bytes(&attributes, span_of(entry->proxy_states, entry->n_proxy_states));
    if (cause != AAA_DONE)
        radius_u32_write(&attributes, RADIUS_ERROR_CAUSE, cause);
    const struct radius_request reply = {code, entry->identifier, writer_span(&attributes)};
    int error = radius_reply_seal(&reply, key, entry->authenticator, &w);
    entry->n_reply = error == 0 ? w.len : 0; /* without a reply the server asks again */
    entry->state = entry->stream ? ENTRY_FREE : ENTRY_ANSWERED;
}

static struct change_reply reply_of(const struct entry *entry)
{
    return (struct change_reply){.to = entry->source,
                                 .local = entry->local,
                                 .port = entry->port,
                                 .stream = entry->stream,
                                 .server = entry->server,
                                 .lane = entry->lane,
                                 .octets = span_of(entry->reply, entry->n_reply)};
}

/* --- requests --- */

/* entry_find - the entry of the same request, from any port. The authenticator, a digest of packet
 * and secret, tells requests apart. */
static struct entry *entry_find(struct change_requests *requests, const struct change_from *from,
                                const uint8_t *authenticator)
{
    for (size_t i = 0; i < CHANGE_REQUESTS; i++) {
        struct entry *entry = &requests->entries[i];
        if (entry->state != ENTRY_FREE && !entry->stream && entry->server == from->server &&
            memcmp(entry->authenticator, authenticator, RADIUS_AUTHENTICATOR) == 0)
            return entry;
    }
    return NULL;
}

/* A timestamp may lie in the future, so duplicates are remembered for both halves of the window. */
static struct entry *entry_new(struct change_requests *requests, nanos now)
{
    for (size_t i = 0; i < CHANGE_REQUESTS; i++) {
        struct entry *entry = &requests->entries[i];
        if (entry->state != ENTRY_FREE && now - entry->since > 2 * CHANGE_WINDOW_S * NANOS_PER_SEC)
            entry->state = ENTRY_FREE;
        if (entry->state == ENTRY_FREE)
            return entry;
    }
    return NULL;
}

static bool proxy_states_keep(const struct radius_packet *packet, struct entry *entry)
{
    struct reader r = reader_of(packet->attributes);
    struct writer w = writer_of(entry->proxy_states, sizeof(entry->proxy_states));
    struct span value;
    uint8_t type;
    while (radius_next(&r, &type, &value))
        if (type == RADIUS_PROXY_STATE)
            radius_attribute_write(&w, RADIUS_PROXY_STATE, value);
    entry->n_proxy_states = w.len;
    return !writer_failed(&w);
}

/* timely - checks Event-Timestamp (RFC 5176 section 6.3). */
static bool timely(const struct radius_packet *packet, bool undated, int64_t wall_s)
{
    uint32_t at;
    if (radius_count(packet, RADIUS_EVENT_TIMESTAMP) == 0)
        return undated;
    return radius_find_u32(packet, RADIUS_EVENT_TIMESTAMP, &at) &&
           (int64_t)at >= wall_s - CHANGE_WINDOW_S && (int64_t)at <= wall_s + CHANGE_WINDOW_S;
}

/* packet_of - RFC 5176 section 2.3: octets behind the packet are padding. */
static bool packet_of(struct span octets, struct radius_packet *ret)
{
    size_t len = octets.len < RADIUS_HEADER ? 0 : (size_t)octets.ptr[2] << 8 | octets.ptr[3];
    if (len < RADIUS_HEADER || len > octets.len ||
        !radius_packet_read(span_of(octets.ptr, len), ret))
        return false;
    return ret->code == RADIUS_DISCONNECT_REQUEST || ret->code == RADIUS_COA_REQUEST;
}

enum change_verdict change_requests_recv(struct change_requests *requests,
                                         const struct change_from *from, uint16_t port,
                                         const struct change_when *when, struct change_result *ret)
{
    struct radius_packet packet;
    if (!packet_of(from->octets, &packet) || radius_change_check(&packet, from->key) != 0 ||
        (!from->stream && !timely(&packet, from->undated, when->wall_s)))
        return CHANGE_DROP;
    struct entry *entry = from->stream ? NULL : entry_find(requests, from, packet.octets.ptr + 4);
    if (entry != NULL) {
        entry->source = from->source;
        ret->reply = reply_of(entry);
        return entry->state == ENTRY_ANSWERED && entry->n_reply > 0 ? CHANGE_REPLY_NOW
                                                                    : CHANGE_DROP;
    }
    entry = entry_new(requests, when->now);
    if (entry == NULL || !proxy_states_keep(&packet, entry))
        return CHANGE_DROP;
    entry->state = ENTRY_ASKED;
    entry->job = ret->job = ++requests->jobs;
    entry->since = when->now;
    entry->server = from->server;
    entry->stream = from->stream;
    entry->lane = from->lane;
    entry->source = from->source;
    entry->local = from->local;
    entry->port = port;
    entry->code = (uint8_t)packet.code;
    entry->identifier = packet.identifier;
    entry->n_reply = 0;
    memcpy(entry->authenticator, packet.octets.ptr + 4, RADIUS_AUTHENTICATOR);
    enum aaa_error error = from->stream && !from->allowed
                               ? AAA_UNSUPPORTED_EXTENSION /* RFC 6614 section 2.5 */
                               : request_read(&packet, &ret->change);
    if (error == AAA_DONE)
        return CHANGE_ASK;
    reply_make(entry, error, from->key);
    ret->reply = reply_of(entry);
    return CHANGE_REPLY_NOW;
}

static struct entry *entry_asked(struct change_requests *requests, uint64_t job)
{
    for (size_t i = 0; i < CHANGE_REQUESTS; i++)
        if (requests->entries[i].state == ENTRY_ASKED && requests->entries[i].job == job)
            return &requests->entries[i];
    return NULL;
}

unsigned change_requests_server(struct change_requests *requests, uint64_t job)
{
    const struct entry *entry = entry_asked(requests, job);
    return entry == NULL ? UINT_MAX : entry->server;
}

bool change_requests_done(struct change_requests *requests, uint64_t job, uint32_t cause,
                          const struct radius_key *key, struct change_reply *ret)
{
    struct entry *entry = entry_asked(requests, job);
    if (entry == NULL)
        return false;
    reply_make(entry, cause, key);
    *ret = reply_of(entry);
    return entry->n_reply > 0;
}
