/* SPDX-License-Identifier: Apache-2.0 */
#include "radius/radius_client.h"

#include <stdlib.h>

#include "base/secret.h"

enum request_state { REQUEST_FREE, REQUEST_WAITS, REQUEST_FAILED };

struct request {
    enum request_state state;
    enum radius_code code;
    uint64_t tag;
    bool bound;      /* the caller named the server: no other server may get the request */
    bool accounting; /* an Accounting-Request, or a Status-Server for that port */
    unsigned server, lane, port, tries;
    bool answered;
    unsigned losses; /* connections that broke while the client waited for the reply */
    uint8_t identifier;
    uint8_t authenticator[RADIUS_AUTHENTICATOR];
    nanos begun;    /* when this server got the request */
    nanos due;      /* when the client sends it again, or gives up */
    uint32_t asked; /* a bit for each server that was asked */
    size_t attributes_len, len;
    uint8_t attributes[RADIUS_PACKET];
    uint8_t octets[RADIUS_PACKET]; /* the sealed packet */
};

/* LATE - in place of a request that ended before its reply came over the connection. Its Identifier
 * stays taken: a new request with that Identifier would take the late reply for a forged one. */
#define LATE UINT16_MAX

struct server {
    bool set;
    struct radius_server config;
    /* Arrays of two: index 0 is the access port, 1 the accounting port. A server with connections
     * uses index 0 only. */
    nanos dead_until[2];
    nanos watch_at[2];    /* the earliest time of the next Status-Server; see watch_due() */
    bool watching[2];     /* a Status-Server waits for its reply */
    nanos heard[2];       /* the time of the last valid answer; -1: none yet */
    bool doubtful[2];     /* the port was dead, and has not answered since */
    unsigned n_flight[2]; /* requests that wait for a reply */
    /* for a server with connections only */
    bool up[RADIUS_LANES];      /* the connection is there */
    bool down;                  /* no connection can be made */
    bool broken;                /* its connections are to be closed */
    bool refuses;               /* the server wants no accounting (RFC 6614 section 2.5) */
    uint8_t next[RADIUS_LANES]; /* the Identifier that the search for a free one starts with */
    /* by lane and Identifier: 0 (free), the index of the request plus 1, or LATE */
    uint16_t in_flight[RADIUS_LANES][256];
};

struct radius_client {
    const struct random *random;
    struct server servers[RADIUS_SERVERS];
    struct request *requests[RADIUS_REQUESTS]; /* NULL: never used */
};

struct radius_client *radius_client_new(const struct random *random)
{
    struct radius_client *client = calloc(1, sizeof(*client));
    if (client != NULL)
        client->random = random;
    return client;
}

struct radius_client *radius_client_free(struct radius_client *client)
{
    if (client == NULL)
        return NULL;
    for (size_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++) {
        wipe(client->requests[i], sizeof(*client->requests[i]));
        free(client->requests[i]);
    }
    wipe(client, sizeof(*client));
    free(client);
    return NULL;
}

static bool is_accounting(enum radius_code code)
{
    return code == RADIUS_ACCOUNTING_REQUEST;
}

/* datagrams_of - how often a request is transmitted over UDP. */
static unsigned datagrams_of(const struct server *server)
{
    return server->config.tries == 0 ? RADIUS_TRIES : server->config.tries;
}

static unsigned tries_of(const struct server *server)
{
    /* RFC 6613 section 2.6.1: TCP retransmits, so the client does not */
    return server->config.stream ? 1 : datagrams_of(server);
}

static nanos first_of(const struct server *server)
{
    return server->config.first_ns == 0 ? RADIUS_FIRST_NS : server->config.first_ns;
}

/* wait_of - how long the client waits for a reply after transmission `try`. Over a connection, which
 * has one transmission only, it waits as long as for all transmissions of a datagram together. */
static nanos wait_of(const struct server *server, unsigned try)
{
    return server->config.stream ? first_of(server) * ((INT64_C(1) << datagrams_of(server)) - 1)
                                 : first_of(server) << try;
}

/* lost_often - too many connections broke under the request: each counts as a transmission. */
static bool lost_often(const struct server *server, const struct request *r)
{
    return r->losses >= datagrams_of(server);
}

/* latest_of - when the request leaves the server at the latest, however often connections break. The
 * time allows one wait for a connection and one for the reply. */
static nanos latest_of(const struct server *server, const struct request *r)
{
    return server->config.stream ? nanos_after(r->begun, 2 * wait_of(server, 0)) : NANOS_NEVER;
}

static unsigned port_of(const struct server *server, bool accounting)
{
    return server->config.stream ? 0 : accounting;
}

/* sendable - a request over a connection waits until the connection is up. */
static bool sendable(const struct server *server, const struct request *r)
{
    return !server->config.stream || server->up[r->lane];
}

static void flight_end(struct radius_client *client, const struct request *r)
{
    struct server *s = &client->servers[r->server];
    bool late = s->config.stream && s->up[r->lane] && r->tries > 0 && !r->answered;
    s->in_flight[r->lane][r->identifier] = late ? LATE : 0;
    s->n_flight[r->port]--;
    if (r->code == RADIUS_STATUS_SERVER)
        s->watching[r->port] = false;
}

static void request_end(struct radius_client *client, struct request *r)
{
    if (r->state == REQUEST_WAITS)
        flight_end(client, r);
    wipe(r, sizeof(*r));
}

static struct request *request_new(struct radius_client *client, uint16_t *ret_index)
{
    for (uint16_t i = 0; i < RADIUS_REQUESTS; i++) {
        if (client->requests[i] == NULL)
            client->requests[i] = calloc(1, sizeof(struct request));
        if (client->requests[i] == NULL)
            return NULL;
        if (client->requests[i]->state == REQUEST_FREE) {
            *ret_index = i;
            return client->requests[i];
        }
    }
    return NULL;
}

static bool server_room(const struct server *server)
{
    unsigned most = server->config.most == 0 ? RADIUS_MOST : server->config.most;
    return server->n_flight[0] + server->n_flight[1] < most;
}

/* server_serves - the server takes requests of this kind. */
static bool server_serves(const struct server *server, bool accounting)
{
    return server->set && (!accounting || (server->config.accounting && !server->refuses));
}

/* server_lives - the port can get a request now. A doubtful port gets one request at a time. */
static bool server_lives(const struct server *server, unsigned port, nanos now)
{
    return !server->down && server->dead_until[port] <= now &&
           !(server->doubtful[port] && server->n_flight[port] > 0);
}

/* server_dead_until - when the server revives; NANOS_NEVER without a connection, so that such a
 * server is the last choice. */
static nanos server_dead_until(const struct server *server, bool accounting)
{
    return server->down ? NANOS_NEVER : server->dead_until[port_of(server, accounting)];
}

/* server_better - a living server before a dead one. Among living servers the preference decides,
 * among dead servers the time at which they revive. */
static bool server_better(const struct server *one, const struct server *other, bool accounting,
                          nanos now)
{
    bool lives = server_lives(one, port_of(one, accounting), now);
    bool other_lives = server_lives(other, port_of(other, accounting), now);
    if (lives != other_lives)
        return lives;
    if (lives)
        return one->config.preference > other->config.preference;
    return server_dead_until(one, accounting) < server_dead_until(other, accounting);
}

/* server_choose - the best server that can take the request. `asked` has a bit for each server that
 * is left out. false: no server is left. */
static bool server_choose(const struct radius_client *client, bool accounting, uint32_t asked,
                          nanos now, unsigned *ret_server)
{
    const struct server *servers = client->servers;
    unsigned best = RADIUS_SERVERS;
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        if (!server_serves(&servers[i], accounting) || !server_room(&servers[i]) ||
            (asked & 1u << i) != 0)
            continue;
        if (best == RADIUS_SERVERS || server_better(&servers[i], &servers[best], accounting, now))
            best = i;
    }
    *ret_server = best;
    return best < RADIUS_SERVERS;
}

/* RFC 6613 section 2.6.5: on each connection this Identifier is reserved for Status-Server. */
#define WATCH_IDENTIFIER 0

/* identifier_choose - a free Identifier on any lane of the server. */
static bool identifier_choose(struct server *server, bool watch, unsigned *ret_lane,
                              uint8_t *ret_identifier)
{
    if (server->config.stream && watch) {
        *ret_lane = 0;
        *ret_identifier = WATCH_IDENTIFIER;
        return server->in_flight[0][WATCH_IDENTIFIER] == 0;
    }
    for (unsigned lane = 0; lane < RADIUS_LANES; lane++)
        for (unsigned i = 0; i < 256; i++) {
            uint8_t identifier = server->next[lane]++;
            if (server->in_flight[lane][identifier] != 0 ||
                (server->config.stream && identifier == WATCH_IDENTIFIER))
                continue;
            *ret_lane = lane;
            *ret_identifier = identifier;
            return true;
        }
    return false;
}

static int request_begin(struct radius_client *client, struct request *r, uint16_t index,
                         unsigned server, nanos now)
{
    struct server *s = &client->servers[server];
    struct writer w = writer_of(r->octets, sizeof(r->octets));
    if (!identifier_choose(s, r->code == RADIUS_STATUS_SERVER, &r->lane, &r->identifier))
        return ERR_FULL;
    random_fill(client->random, r->authenticator, sizeof(r->authenticator));
    const struct radius_request request = {r->code, r->identifier,
                                           span_of(r->attributes, r->attributes_len)};
    int error = radius_request_seal(&request, &s->config.key, r->authenticator, &w);
    if (error != 0)
        return error;
    r->len = w.len;
    r->server = server;
    r->asked |= 1u << server;
    r->tries = r->losses = 0;
    r->answered = false;
    r->begun = r->due = now;
    if (!sendable(s, r))
        r->due = nanos_after(now, wait_of(s, 0));
    r->state = REQUEST_WAITS;
    r->port = port_of(s, r->accounting);
    s->n_flight[r->port]++;
    s->in_flight[r->lane][r->identifier] = (uint16_t)(index + 1);
    return 0;
}

/* server_for - the server that the caller named, or the best one. ERR_NOT_FOUND, ERR_FULL. */
static int server_for(const struct radius_client *client, const struct radius_ask *ask, nanos now,
                      unsigned *ret_server)
{
    bool accounting = is_accounting(ask->code), any = false;
    if (ask->server < RADIUS_SERVERS) {
        *ret_server = ask->server;
        return !client->servers[ask->server].set             ? ERR_NOT_FOUND
               : !server_room(&client->servers[ask->server]) ? ERR_FULL
                                                             : 0;
    }
    for (unsigned i = 0; i < RADIUS_SERVERS; i++)
        any |= server_serves(&client->servers[i], accounting);
    if (!any)
        return ERR_NOT_FOUND;
    return server_choose(client, accounting, 0, now, ret_server) ? 0 : ERR_FULL;
}

int radius_client_ask(struct radius_client *client, const struct radius_ask *ask, nanos now)
{
    uint16_t index = 0;
    unsigned server = ask->server;
    int error = server_for(client, ask, now, &server);
    if (error != 0)
        return error;
    if (ask->attributes.len > RADIUS_PACKET)
        return ERR_TRUNCATED;
    struct request *r = request_new(client, &index);
    if (r == NULL)
        return ERR_FULL;
    r->code = ask->code;
    r->tag = ask->tag;
    r->accounting = is_accounting(ask->code);
    r->bound = ask->server < RADIUS_SERVERS;
    r->attributes_len = ask->attributes.len;
    if (ask->attributes.len > 0)
        memcpy(r->attributes, ask->attributes.ptr, ask->attributes.len);
    error = request_begin(client, r, index, server, now);
    if (error != 0)
        wipe(r, sizeof(*r));
    return error;
}

void radius_client_forget(struct radius_client *client, uint64_t tag)
{
    for (size_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++)
        if (client->requests[i]->state != REQUEST_FREE && client->requests[i]->tag == tag)
            request_end(client, client->requests[i]);
}

void radius_client_server_set(struct radius_client *client, unsigned index,
                              const struct radius_server *server)
{
    struct server *s = &client->servers[index];
    for (size_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++) {
        struct request *r = client->requests[i];
        if (r->state != REQUEST_WAITS || r->server != index)
            continue;
        if (r->code == RADIUS_STATUS_SERVER)
            request_end(client, r);
        else
            r->state = REQUEST_FAILED;
    }
    wipe(s, sizeof(*s));
    if (server != NULL)
        *s = (struct server){.set = true, .config = *server, .heard = {-1, -1}};
}

const struct radius_key *radius_client_key(const struct radius_client *client, unsigned index)
{
    return client->servers[index].set ? &client->servers[index].config.key : NULL;
}

/* --- times of a server --- */

static nanos dead_of(const struct server *server)
{
    return server->config.dead_ns == 0 ? RADIUS_DEAD_NS : server->config.dead_ns;
}

static nanos watch_wait(const struct server *s)
{
    return dead_of(s) < RADIUS_WATCH_NS ? dead_of(s) : RADIUS_WATCH_NS;
}

/* watch_next - when the next Status-Server is due. RFC 3539 section 3.4.1: the interval varies at
 * random by two seconds, so that clients do not send in step. */
static nanos watch_next(const struct radius_client *client, const struct server *s, nanos now)
{
    nanos wait = watch_wait(s);
    nanos most = wait / 15;
    uint32_t chance;
    random_fill(client->random, &chance, sizeof(chance));
    return nanos_after(now, wait - most + (nanos)(chance % 1024) * most / 512);
}

/* --- replies --- */

static bool code_answers(enum radius_code reply, enum radius_code request)
{
    if (request == RADIUS_ACCOUNTING_REQUEST)
        return reply == RADIUS_ACCOUNTING_RESPONSE;
    if (request == RADIUS_STATUS_SERVER && reply == RADIUS_ACCOUNTING_RESPONSE)
        return true; /* RFC 5997 section 4.1: any response says that the server lives */
    return reply == RADIUS_ACCESS_ACCEPT || reply == RADIUS_ACCESS_REJECT ||
           reply == RADIUS_ACCESS_CHALLENGE;
}

static struct request *request_find(struct radius_client *client,
                                    const struct radius_datagram *from, uint8_t identifier)
{
    if (from->server >= RADIUS_SERVERS || from->lane >= RADIUS_LANES)
        return NULL;
    uint16_t *place = &client->servers[from->server].in_flight[from->lane][identifier];
    if (*place == LATE)
        *place = 0;
    return *place == 0 ? NULL : client->requests[*place - 1];
}

#define UNSUPPORTED_EXTENSION 406 /* Error-Cause, RFC 5176 section 3.5 */

/* accounting_refused - the server says that it supports no accounting (RFC 6614 section 2.5). */
static bool accounting_refused(const struct server *s, const struct request *r,
                               const struct radius_packet *reply)
{
    uint32_t cause = 0;
    return s->config.stream && r->code == RADIUS_ACCOUNTING_REQUEST &&
           radius_find_u32(reply, RADIUS_ERROR_CAUSE, &cause) && cause == UNSUPPORTED_EXTENSION;
}

bool radius_client_recv(struct radius_client *client, const struct radius_datagram *from, nanos now,
                        struct radius_outcome *ret)
{
    struct radius_packet reply;
    if (!radius_packet_read(from->octets, &reply))
        return false;
    struct request *r = request_find(client, from, reply.identifier);
    if (r == NULL || !code_answers(reply.code, r->code))
        return false;
    struct server *s = &client->servers[r->server];
    if (r->port != port_of(s, from->accounting))
        return false;
    if (radius_reply_check(&reply, r->code, &s->config.key, r->authenticator) != 0) {
        s->broken = s->config.stream; /* RFC 6613 section 2.6.4: the connection is closed */
        return false;
    }
    r->answered = true;
    s->dead_until[r->port] = 0;
    s->doubtful[r->port] = false;
    s->heard[r->port] = now;
    if (s->config.stream)
        s->watch_at[0] = watch_next(client, s, now);
    if (r->code == RADIUS_STATUS_SERVER) {
        request_end(client, r);
        return false;
    }
    if (accounting_refused(s, r, &reply)) {
        s->refuses = true;
        r->tries = tries_of(s);
        r->due = now; /* another server may take it */
        return false;
    }
    *ret = (struct radius_outcome){
        .tag = r->tag, .server = r->server, .asked = r->asked, .reply = reply};
    ret->msk_error = ERR_NOT_FOUND;
    if (reply.code == RADIUS_ACCESS_ACCEPT)
        ret->msk_error = radius_msk(&reply, &s->config.key, r->authenticator, ret->msk);
    request_end(client, r);
    return true;
}

/* --- servers that do not answer --- */

/* server_dies - marks the port dead. Each request on it is due for another server at once, unless it
 * is bound to this server. */
static void server_dies(struct radius_client *client, unsigned server, unsigned port, nanos now)
{
    struct server *s = &client->servers[server];
    if (s->dead_until[port] > now)
        return;
    s->dead_until[port] = s->config.watched ? NANOS_NEVER : nanos_after(now, dead_of(s));
    s->doubtful[port] = true;
    for (size_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++) {
        struct request *r = client->requests[i];
        if (r->state != REQUEST_WAITS || r->server != server || r->bound || r->port != port)
            continue;
        r->tries = tries_of(s);
        r->due = now;
    }
}

/* silence_note - draws the conclusion from a request without a reply. A server that answered other
 * requests meanwhile ignores this request only, and is not dead. A server with a connection is dead
 * only if the watchdog says so (RFC 6613 section 2.4). */
static void silence_note(struct radius_client *client, const struct request *r, nanos now)
{
    struct server *s = &client->servers[r->server];
    bool watchdog = s->config.stream && s->config.watched;
    bool lost = s->config.stream && lost_often(s, r);
    if (s->heard[r->port] > r->begun || (s->config.stream && r->tries == 0 && !lost))
        return;
    if (lost) {
        server_dies(client, r->server, r->port, now);
        return;
    }
    if (watchdog && r->code != RADIUS_STATUS_SERVER) {
        s->watch_at[r->port] = now;
        return;
    }
    s->broken = s->config.stream;
    server_dies(client, r->server, r->port, now);
}

/* request_give_up - the server did not answer: the request goes to another server, or fails. */
static void request_give_up(struct radius_client *client, struct request *r, uint16_t index,
                            nanos now)
{
    unsigned next;
    flight_end(client, r);
    r->state = REQUEST_FAILED;
    silence_note(client, r, now);
    if (r->code == RADIUS_STATUS_SERVER)
        wipe(r, sizeof(*r)); /* no caller waits for a Status-Server */
    else if (!r->bound && server_choose(client, r->accounting, r->asked, now, &next) &&
             request_begin(client, r, index, next, now) != 0)
        r->state = REQUEST_FAILED;
}

/* --- Status-Server --- */

/* watch_due - when the port gets a Status-Server; NANOS_NEVER: not now. Over UDP, only a dead port
 * gets one. A connection gets one after a silence (RFC 3539 section 3.4.1), and after a request
 * without a reply. */
static nanos watch_due(const struct server *s, unsigned port)
{
    bool dead = s->dead_until[port] != 0;
    bool wanted = s->set && s->config.watched && !s->watching[port] &&
                  (s->config.stream ? port == 0 && s->up[0] && !s->broken
                                    : dead && (port == 0 || s->config.accounting));
    return wanted ? s->watch_at[port] : NANOS_NEVER;
}

/* watch_ask - sends a Status-Server. Without memory or an Identifier, the next one is due later. */
static void watch_ask(struct radius_client *client, unsigned server, unsigned port, nanos now)
{
    uint16_t index = 0;
    struct server *s = &client->servers[server];
    struct writer w;
    s->watch_at[port] = watch_next(client, s, now);
    struct request *r = request_new(client, &index);
    if (r == NULL)
        return;
    *r = (struct request){.code = RADIUS_STATUS_SERVER, .bound = true, .accounting = port == 1};
    w = writer_of(r->attributes, sizeof(r->attributes));
    radius_attribute_write(&w, RADIUS_NAS_IDENTIFIER, span_text("ikat"));
    r->attributes_len = w.len;
    s->watching[port] = request_begin(client, r, index, server, now) == 0;
    if (!s->watching[port])
        wipe(r, sizeof(*r));
}

static void watch(struct radius_client *client, nanos now)
{
    for (unsigned i = 0; i < RADIUS_SERVERS; i++)
        for (unsigned port = 0; port < 2; port++)
            if (watch_due(&client->servers[i], port) <= now)
                watch_ask(client, i, port, now);
}

/* --- sending --- */

bool radius_client_send(struct radius_client *client, nanos now, struct radius_datagram *ret)
{
    watch(client, now);
    for (uint16_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++) {
        struct request *r = client->requests[i];
        const struct server *s = &client->servers[r->server];
        if (r->state == REQUEST_WAITS && r->due <= now &&
            (r->tries >= tries_of(s) || !sendable(s, r) || now >= latest_of(s, r)))
            request_give_up(client, r, i, now);
        if (r->state != REQUEST_WAITS || r->due > now)
            continue;
        s = &client->servers[r->server];
        r->due = nanos_min(nanos_after(now, wait_of(s, r->tries++)), latest_of(s, r));
        if (r->code == RADIUS_STATUS_SERVER)
            r->tries = tries_of(s); /* RFC 5997 section 4.1: it is never retransmitted */
        *ret = (struct radius_datagram){.server = r->server,
                                        .lane = r->lane,
                                        .accounting = r->accounting,
                                        .octets = span_of(r->octets, r->len)};
        return true;
    }
    return false;
}

bool radius_client_failed(struct radius_client *client, struct radius_outcome *ret)
{
    for (size_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++) {
        struct request *r = client->requests[i];
        if (r->state != REQUEST_FAILED)
            continue;
        *ret = (struct radius_outcome){
            .tag = r->tag, .error = ERR_AGAIN, .server = r->server, .asked = r->asked};
        request_end(client, r);
        return true;
    }
    return false;
}

/* --- connections --- */

static bool waits_on_lane(const struct request *r, unsigned server, unsigned lane)
{
    return r->state == REQUEST_WAITS && r->server == server && r->lane == lane;
}

/* lane_requests_send - sends the requests of the lane over its new connection. */
static void lane_requests_send(struct radius_client *client, unsigned server, unsigned lane,
                               nanos now)
{
    for (size_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++) {
        struct request *r = client->requests[i];
        if (!waits_on_lane(r, server, lane))
            continue;
        r->tries = 0;
        r->due = now;
    }
}

/* lane_requests_lost - the requests of the lane wait for a new connection until their time is over.
 * A request that lost too many connections is given up at once. */
static void lane_requests_lost(struct radius_client *client, unsigned server, unsigned lane)
{
    for (size_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++) {
        struct request *r = client->requests[i];
        if (!waits_on_lane(r, server, lane))
            continue;
        if (r->tries > 0)
            r->losses++;
        r->tries = 0;
        if (lost_often(&client->servers[server], r))
            r->due = 0;
    }
}

void radius_client_up(struct radius_client *client, unsigned server, unsigned lane, nanos now)
{
    struct server *s = &client->servers[server];
    s->up[lane] = true;
    /* With TLS 1.3 our handshake ends before the server has checked our certificate. */
    if (s->down)
        s->doubtful[0] = true;
    s->down = false;
    if (lane == 0) {
        s->broken = false;
        s->watch_at[0] = now; /* a server that does not answer is found before a login needs it */
    }
    lane_requests_send(client, server, lane, now);
}

/* watch_forget - ends the Status-Server of a lost connection, as it tested that connection. */
static void watch_forget(struct radius_client *client, unsigned server)
{
    for (size_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++) {
        struct request *r = client->requests[i];
        if (r->state == REQUEST_WAITS && r->server == server && r->code == RADIUS_STATUS_SERVER)
            request_end(client, r);
    }
}

static void late_forget(struct server *s, unsigned lane)
{
    for (unsigned i = 0; i < 256; i++)
        if (s->in_flight[lane][i] == LATE)
            s->in_flight[lane][i] = 0;
}

void radius_client_lost(struct radius_client *client, unsigned server, unsigned lane)
{
    struct server *s = &client->servers[server];
    s->up[lane] = false;
    late_forget(s, lane);
    if (lane == 0)
        watch_forget(client, server);
    lane_requests_lost(client, server, lane);
}

void radius_client_down(struct radius_client *client, unsigned server, nanos now)
{
    struct server *s = &client->servers[server];
    unsigned next;
    s->down = true;
    for (size_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++) {
        struct request *r = client->requests[i];
        if (r->state == REQUEST_WAITS && r->server == server && !r->bound && !sendable(s, r) &&
            server_choose(client, r->accounting, r->asked, now, &next))
            r->due = now; /* without another server it waits: this server may come back in time */
    }
}

bool radius_client_wants(const struct radius_client *client, unsigned server, unsigned lane)
{
    const struct server *s = &client->servers[server];
    for (unsigned i = 0; s->config.stream && i < 256; i++)
        if (s->in_flight[lane][i] != 0 && s->in_flight[lane][i] != LATE)
            return true;
    return false;
}

bool radius_client_broken(const struct radius_client *client, unsigned server)
{
    return client->servers[server].broken;
}

bool radius_client_refuses(const struct radius_client *client, unsigned server)
{
    return client->servers[server].refuses;
}

/* --- time --- */

nanos radius_client_deadline(const struct radius_client *client)
{
    nanos deadline = NANOS_NEVER;
    for (size_t i = 0; i < RADIUS_REQUESTS && client->requests[i] != NULL; i++)
        if (client->requests[i]->state == REQUEST_WAITS)
            deadline = nanos_min(deadline, client->requests[i]->due);
    for (unsigned i = 0; i < RADIUS_SERVERS; i++)
        for (unsigned port = 0; port < 2; port++)
            deadline = nanos_min(deadline, watch_due(&client->servers[i], port));
    return deadline;
}

bool radius_client_dead(const struct radius_client *client, unsigned server, bool accounting,
                        nanos now)
{
    const struct server *s = &client->servers[server];
    return s->dead_until[port_of(s, accounting)] > now;
}
