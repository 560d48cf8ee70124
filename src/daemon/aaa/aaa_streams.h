/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_STREAMS_H
#define DAEMON_AAA_STREAMS_H

/*
 * The connections of the aaa process to servers with RADIUS/TLS (RFC 6614). The first connection to a
 * server is always wanted; further ones while it has more requests than the first has Identifiers.
 *
 *   closed --connect()--> TCP --> TLS handshake --> up --> lost: again at once, if anything had come
 *      ^                    |          |                   over it
 *      +---- a pause <------+----------+      pauses: 1 s, doubling to 30 s or dead_time
 *
 * Nothing here waits, except for the keyholder and the verifier.
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

/* aaa_streams_renew - the server of that index is another one now, or none. */
void aaa_streams_renew(struct aaa_streams *streams, unsigned server);

/* aaa_streams_send - to a server whose lane is up; else it is lost. */
void aaa_streams_send(struct aaa_streams *streams, const struct radius_datagram *datagram);

/* aaa_streams_settle - connects, gives up and closes what is due. */
void aaa_streams_settle(struct aaa_streams *streams);
nanos aaa_streams_deadline(const struct aaa_streams *streams);

#endif
