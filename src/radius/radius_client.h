/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RADIUS_RADIUS_CLIENT_H
#define RADIUS_RADIUS_CLIENT_H

/*
 * A RADIUS client for several servers and many requests at once, without I/O. The caller gives it
 * requests and received datagrams; it returns datagrams to send and the outcomes of requests.
 *
 * Lanes: an Identifier has one octet and is unique per source port. So the client uses several
 * sockets for a server, which it calls lanes, and a server holds RADIUS_LANES x 256 requests.
 *
 * Dead servers: the client repeats a request as RFC 5080 section 2.2.1 says. A server that answers no
 * repetition, and no other request meanwhile, is dead for a while. All requests that wait for it go
 * to the next server, except those that belong to a conversation with it (attribute State). When the
 * while is over the server is doubtful: it gets one request at a time until it answers. The access
 * port and the accounting port of a server die separately.
 *
 * A watched server (RFC 5997) is different: while it is dead the client sends it a Status-Server from
 * time to time, and other requests only if no other server can take them.
 *
 * Connections (RADIUS/TLS, RFC 6614): such a server has no ports. A lane is a connection, which the
 * caller makes, and the client repeats no request over it. A request without a connection waits for
 * one, or goes to another server once the caller says that no connection can be made. A connection
 * that breaks under a request counts as a transmission. A request stays with such a server for at
 * most twice the time of a reply. Status-Server is the watchdog of the first connection.
 */

#include "base/random.h"
#include "base/time.h"
#include "radius/radius.h"

#define RADIUS_SERVERS  8
#define RADIUS_LANES    4
#define RADIUS_REQUESTS 2048 /* in flight, for all servers together */
#define RADIUS_TRIES    3
#define RADIUS_FIRST_NS (2 * NANOS_PER_SEC)
#define RADIUS_DEAD_NS  (60 * NANOS_PER_SEC)
#define RADIUS_WATCH_NS (30 * NANOS_PER_SEC) /* Tw of RFC 3539 section 3.4.1; at most `dead_ns` */
#define RADIUS_MOST     (RADIUS_LANES * 256)

struct radius_server {
    struct radius_key key;
    int preference;  /* the highest is asked first */
    bool accounting; /* the server takes Accounting-Requests */
    bool watched;    /* the server answers Status-Server */
    bool stream;     /* lanes are connections */
    /* for each of these, 0 stands for the default */
    unsigned tries; /* transmissions of a request */
    nanos first_ns; /* time until the first repetition; each later time is twice as long */
    nanos dead_ns;  /* how long a silent server stays dead */
    unsigned most;  /* requests in flight at most; a server that has so many is passed over */
};

/* struct radius_ask - a request. `attributes` has no Message-Authenticator, and is copied. */
struct radius_ask {
    enum radius_code code;
    uint64_t tag;    /* comes back in the outcome */
    unsigned server; /* RADIUS_SERVERS: any server; else only this server may get it */
    struct span attributes;
};

struct radius_datagram {
    unsigned server, lane;
    bool accounting;    /* UDP: it is for the accounting port. TLS: it is an Accounting-Request */
    struct span octets; /* borrowed until the next call */
};

/* struct radius_outcome - how one request ended. Spans are borrowed until the next call. */
struct radius_outcome {
    uint64_t tag;
    int error;       /* 0; ERR_AGAIN: no server answers */
    unsigned server; /* the server that answered, or that was asked last */
    uint32_t asked;  /* a bit for each server that was asked */
    struct radius_packet reply;
    int msk_error; /* the result of radius_msk(); ERR_NOT_FOUND without an Access-Accept */
    uint8_t msk[RADIUS_MSK];
};

struct radius_client;

struct radius_client *
radius_client_new(const struct random *random); /* borrowed; NULL: no memory */
struct radius_client *radius_client_free(struct radius_client *client); /* wipes; takes NULL */

/* radius_client_server_set - replaces server `index` (below RADIUS_SERVERS); NULL removes it. All
 * requests that are in flight to it end. */
void radius_client_server_set(struct radius_client *client, unsigned index,
                              const struct radius_server *server);

/* radius_client_key - the secret of a server, borrowed until the server is replaced; NULL: no server
 * has this index. */
const struct radius_key *radius_client_key(const struct radius_client *client, unsigned index);

/* radius_client_ask - takes a request. ERR_NOT_FOUND: no server is configured for it; ERR_FULL: each
 * server has as many requests as it takes; ERR_TRUNCATED: too many attributes; ERR_CRYPTO.
 * radius_client_forget - ends the request; it has no outcome. */
int radius_client_ask(struct radius_client *client, const struct radius_ask *ask,
                      nanos now) MUST_USE;
void radius_client_forget(struct radius_client *client, uint64_t tag);

/* radius_client_recv - takes a datagram that came from a server's address on a lane. true: it is the
 * reply to a request, whose outcome is *ret_outcome. false: it is dropped. */
bool radius_client_recv(struct radius_client *client, const struct radius_datagram *from, nanos now,
                        struct radius_outcome *ret_outcome);

/* radius_client_send - the next datagram that is due. false: none. */
bool radius_client_send(struct radius_client *client, nanos now, struct radius_datagram *ret);

/* radius_client_failed - the outcome of the next request that no server answered. false: none. */
bool radius_client_failed(struct radius_client *client, struct radius_outcome *ret_outcome);

nanos radius_client_deadline(const struct radius_client *client);

/* --- servers with connections --- */

/*
 * The caller reports the state of connections:
 * radius_client_up: the connection is made. Requests that wait for it are due.
 * radius_client_lost: the connection has ended. Its requests wait for the next one.
 * radius_client_down: no connection can be made now. Requests that are not bound to this server go
 * to other servers, if there are any.
 */
void radius_client_up(struct radius_client *client, unsigned server, unsigned lane, nanos now);
void radius_client_lost(struct radius_client *client, unsigned server, unsigned lane);
void radius_client_down(struct radius_client *client, unsigned server, nanos now);

/* radius_client_wants - requests are in flight over the connection, or wait for it. */
bool radius_client_wants(const struct radius_client *client, unsigned server, unsigned lane);
/* radius_client_broken - the watchdog got no reply, or an authenticator was wrong: the caller must
 * close all connections of the server. It is true until the first connection is up again. */
bool radius_client_broken(const struct radius_client *client, unsigned server);
/* radius_client_refuses - the server said that it wants no Accounting-Requests. */
bool radius_client_refuses(const struct radius_client *client, unsigned server);

/* radius_client_dead - the server does not answer on that port. */
bool radius_client_dead(const struct radius_client *client, unsigned server, bool accounting,
                        nanos now);

#endif
