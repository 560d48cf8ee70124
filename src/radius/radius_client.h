/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RADIUS_RADIUS_CLIENT_H
#define RADIUS_RADIUS_CLIENT_H

/*
 * A RADIUS client for many requests at once and several servers, without I/O. Requests go in,
 * datagrams come out; datagrams go in, outcomes come out.
 *
 * A server holds RADIUS_LANES x 256 requests: an Identifier is unique on its source port only, so a
 * lane is a socket. A request is repeated as RFC 5080 section 2.2.1 says. A server that answers none
 * of its repetitions, and nothing else meanwhile, is dead for a while. The request goes to the next
 * one then, with all others that wait for it, unless they belong to a conversation with this server
 * (State). After that while it is doubtful: it gets one request at a time until it answers. Its two
 * ports die each for itself. A server with as many requests as it takes is passed over.
 *
 * A watched server that is dead gets a Status-Server now and then (RFC 5997), and no other request
 * that another server could take, until it answers.
 *
 * A server with connections (RADIUS/TLS, RFC 6614) has no ports: a lane is a connection, which the
 * caller makes, and nothing is repeated over it. What has no connection waits for it, or goes to
 * another server once none can be made. A connection that breaks under a request counts as one of
 * its transmissions. No request stays with such a server for more than twice the time of an answer.
 * Status-Server is the watchdog of the first connection.
 */

#include "base/random.h"
#include "base/time.h"
#include "radius/radius.h"

#define RADIUS_SERVERS  8
#define RADIUS_LANES    4
#define RADIUS_REQUESTS 2048 /* in flight, all servers together */
#define RADIUS_TRIES    3
#define RADIUS_FIRST_NS (2 * NANOS_PER_SEC)
#define RADIUS_DEAD_NS  (60 * NANOS_PER_SEC)
#define RADIUS_WATCH_NS (30 * NANOS_PER_SEC) /* Tw of RFC 3539 section 3.4.1; at most `dead_ns` */
#define RADIUS_MOST     (RADIUS_LANES * 256)

struct radius_server {
    struct radius_key key;
    int preference;  /* the highest is asked first */
    bool accounting; /* it takes Accounting-Requests; only such servers get them */
    bool watched;    /* it answers Status-Server */
    bool stream;     /* lanes are connections */
    /* 0: the default */
    unsigned tries; /* transmissions of a request */
    nanos first_ns; /* until the first repetition; doubles */
    nanos dead_ns;  /* a silent server is not asked that long */
    unsigned most;  /* requests in flight */
};

/* struct radius_ask - a request. `attributes` without Message-Authenticator; copied. */
struct radius_ask {
    enum radius_code code;
    uint64_t tag;    /* comes back in the outcome */
    unsigned server; /* RADIUS_SERVERS: any; else this one, and no other */
    struct span attributes;
};

struct radius_datagram {
    unsigned server, lane;
    bool accounting;    /* to the accounting port; with connections: what it is */
    struct span octets; /* borrowed until the next call */
};

/* struct radius_outcome - of one request. Spans are borrowed until the next call. */
struct radius_outcome {
    uint64_t tag;
    int error;       /* 0; ERR_AGAIN: no server answers */
    unsigned server; /* which answered, or was asked last */
    uint32_t asked;  /* servers by bit */
    struct radius_packet reply;
    int msk_error; /* of radius_msk(), with an Access-Accept */
    uint8_t msk[RADIUS_MSK];
};

struct radius_client;

struct radius_client *
radius_client_new(const struct random *random); /* borrowed; NULL: no memory */
struct radius_client *radius_client_free(struct radius_client *client); /* wipes; takes NULL */

/* radius_client_server_set - server `index` of RADIUS_SERVERS; NULL: there is none. Requests to it
 * that are in flight end. */
void radius_client_server_set(struct radius_client *client, unsigned index,
                              const struct radius_server *server);

/* radius_client_key - the secret of a server, borrowed until it is set anew; NULL: there is none. */
const struct radius_key *radius_client_key(const struct radius_client *client, unsigned index);

/* radius_client_ask - ERR_NOT_FOUND: no server is configured; ERR_FULL: all of them have as many
 * requests as they take; ERR_TRUNCATED; ERR_CRYPTO. */
int radius_client_ask(struct radius_client *client, const struct radius_ask *ask,
                      nanos now) MUST_USE;
void radius_client_forget(struct radius_client *client, uint64_t tag);

/* radius_client_recv - a datagram from a server's address on a lane. What does not fit a request is
 * dropped. true: *ret_outcome is that of its request. */
bool radius_client_recv(struct radius_client *client, const struct radius_datagram *from, nanos now,
                        struct radius_outcome *ret_outcome);

/* radius_client_send - the next datagram that is due. false: none. */
bool radius_client_send(struct radius_client *client, nanos now, struct radius_datagram *ret);

/* radius_client_failed - the next request that no server answers. false: none. */
bool radius_client_failed(struct radius_client *client, struct radius_outcome *ret_outcome);

nanos radius_client_deadline(const struct radius_client *client);

/* --- servers with connections --- */

/* radius_client_up - the connection is there: what waits for it is due. radius_client_lost - it
 * is gone: its requests wait for the next one. radius_client_down - none can be made now: requests
 * without a State go to other servers, if there are any. */
void radius_client_up(struct radius_client *client, unsigned server, unsigned lane, nanos now);
void radius_client_lost(struct radius_client *client, unsigned server, unsigned lane);
void radius_client_down(struct radius_client *client, unsigned server, nanos now);

/* radius_client_wants - requests are in flight over that connection, or wait for it. */
bool radius_client_wants(const struct radius_client *client, unsigned server, unsigned lane);
/* radius_client_broken - the watchdog got no answer, or an authenticator was wrong: close all
 * connections of the server. True until the first one is up again. */
bool radius_client_broken(const struct radius_client *client, unsigned server);
/* radius_client_refuses - the server said that it wants no Accounting-Requests. */
bool radius_client_refuses(const struct radius_client *client, unsigned server);

/* radius_client_dead - the server does not answer on that port. */
bool radius_client_dead(const struct radius_client *client, unsigned server, bool accounting,
                        nanos now);

#endif
