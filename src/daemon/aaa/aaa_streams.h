/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_STREAMS_H
#define DAEMON_AAA_STREAMS_H

/*
 * The connections of the aaa process to servers with RADIUS/TLS (RFC 6614). Each server has one
 * connection, and further ones while more requests wait than one connection has Identifiers.
 *
 *   closed --connect()--> TCP --> TLS handshake --> up --> lost: again at once, if anything had come
 *      ^                    |          |                   over it
 *      +---- a pause <------+----------+      pauses: 1 s, doubling to 30 s or dead_time
 *
 * No function blocks, except while the keyholder or the verifier answers.
 */

#include "daemon/aaa/aaa_service.h"
#include "daemon/aaa/aaa_tls.h"
#include "linux/event_loop.h"

struct aaa_streams;

struct aaa_streams_config {
    struct aaa_service *service; /* all borrowed */
    struct event_loop *loop;
    const struct random *random;
    struct aaa_tls_home *tls;
    const nanos *now; /* the time of the loop's last wait */
    /* packet - of a server; the octets are borrowed during the call */
    void (*packet)(void *context, const struct radius_datagram *from);
    void *context;
};

struct aaa_streams *aaa_streams_new(const struct aaa_streams_config *config); /* NULL: no memory */

/* aaa_streams_renew - the server with this index was replaced or removed: closes its
 * connections. */
void aaa_streams_renew(struct aaa_streams *streams, unsigned server);

/* aaa_streams_send - sends a packet over a connection; a connection that is not up loses it. */
void aaa_streams_send(struct aaa_streams *streams, const struct radius_datagram *datagram);

/* aaa_streams_settle - makes, gives up and closes the connections for which that is due. */
void aaa_streams_settle(struct aaa_streams *streams);
nanos aaa_streams_deadline(const struct aaa_streams *streams);

#endif
