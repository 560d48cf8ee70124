/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include "base/time.h"

/* Every bound of the program on one screen, each with its reason. Configuration keys may lower or
 * raise some. */

/* --- messages --- */
#define LIMIT_DATAGRAM 65535 /* the largest UDP payload we look at */
/* reassembled IKE message; certificates and ML-KEM fit, floods do not */
#define LIMIT_IKE_MESSAGE 16384
/* payloads in one message: 20 N + 20 D + 20 V + 20 CERTREQ + 8 CERT + the rest */
#define LIMIT_PAYLOADS 96
/* notifies in one message: 8 additional addresses and all status types we know */
#define LIMIT_NOTIFIES          24
#define LIMIT_DELETES           20
#define LIMIT_VENDOR_IDS        20
#define LIMIT_CERTS             8
#define LIMIT_CERTREQS          20
#define LIMIT_PROPOSALS         32 /* proposals in one SA payload */
#define LIMIT_TRANSFORMS        96 /* in one proposal; strongSwan's default has all that it knows */
#define LIMIT_TRAFFIC_SELECTORS 16 /* selectors in one TS payload */
#define LIMIT_CP_ATTRIBUTES     32
#define LIMIT_DELETE_SPIS       64
#define LIMIT_NONCE             256 /* RFC 7296 section 3.9 */
#define LIMIT_ID                512 /* identification data; a DN fits */
#define LIMIT_COOKIE            64  /* RFC 7296 section 2.6 */
#define LIMIT_FRAGMENTS         64  /* RFC 7383 fragments of one message */
#define LIMIT_ADDITIONAL        8 /* ADDITIONAL_IP*_ADDRESS kept of a peer; strongSwan sends at most 8 */

/* --- IKE endpoint --- */
/* IKE SAs before authentication; beyond, one of the largest IPv6 /48 or IPv4 /24 goes */
#define LIMIT_HALF_OPEN          1000
#define LIMIT_HALF_OPEN_RESERVED 125 /* of them for sources that have logged in before */
#define LIMIT_HALF_OPEN_NS       (30 * NANOS_PER_SEC) /* until IKE_AUTH is over; table half full */
#define LIMIT_HALF_OPEN_FULL_NS  (5 * NANOS_PER_SEC)  /* the same with a full table */
/* half-open IKE SAs and failed key exchanges, all sources, from which COOKIE is demanded */
#define LIMIT_COOKIE_THRESHOLD   30
#define LIMIT_COOKIE_PER_ADDRESS 3 /* the same per source: one IPv4 address, one /64 */
/* Half-open IKE SAs of one source; beyond: dropped. A /56 and a /24 may have 4 times, a /48 16
 * times what one source may. */
#define LIMIT_BLOCK_PER_ADDRESS 16
#define LIMIT_KE_FAILURES       1024                 /* failed key exchanges that are remembered */
#define LIMIT_KE_FAILURE_NS     (30 * NANOS_PER_SEC) /* and count as half-open for so long */
#define LIMIT_KNOWN_SOURCES     8192 /* sources that have logged in; the oldest is forgotten */
/* Key exchange time for logins in one second, per core. Half of it is only for sources that are
 * known or have returned a cookie. */
#define LIMIT_KE_BUDGET_NS        (NANOS_PER_SEC / 2)
#define LIMIT_REFUSALS_PER_SECOND 32 /* unprotected answers to IKE_SA_INIT of one source */
#define LIMIT_HINTS_PER_SECOND    10 /* other unprotected answers to one source: INVALID_IKE_SPI */
/* Repetitions of one response of an IKE SA: a host that saw the request can repeat it with any source
 * address. */
#define LIMIT_REPEATS_PER_SECOND 16
/* From IKE_AUTH to the answer that it failed; each failure before of the source or the identity
 * doubles it. */
#define LIMIT_AUTH_WAIT_NS      (NANOS_PER_SEC / 4)
#define LIMIT_AUTH_WAIT_MOST_NS (8 * NANOS_PER_SEC)
/* The traps of one connection with %any. TRAP_HOSTS: hosts with a session. TRAP_LOGINS: hosts
 * without one, for which a login is under way or has failed. Packets from forged sources can fill
 * the second list, but not the first. */
#define LIMIT_TRAP_HOSTS      256
#define LIMIT_TRAP_LOGINS     64
#define LIMIT_IKE_SAS_SESSION 8 /* default of max_ike_sas */
/* Child SAs of one session, all its IKE SAs together (RFC 7791 section 8) */
#define LIMIT_CHILD_SAS_SESSION 64
/* default of max_sessions: the devices of a person, each with a session to come */
#define LIMIT_SESSIONS_IDENTITY 16
/* Sessions of all peers; 17 GiB in the engine. Not by source: a NAT hides many people, and each of
 * them has its own max_sessions. */
#define LIMIT_SESSIONS 262144
/* default of max_leases: one for each VPN of a session, twice */
#define LIMIT_LEASES_IDENTITY 16
#define LIMIT_INTENTS         16 /* intents queued on one IKE SA */
/* What an importer takes of one session: IKE SAs with max_ike_sas at its most of 256, and Child SAs of
 * all of them, each of which may be there twice while it is rekeyed. */
#define LIMIT_EXPORT_SAS      255
#define LIMIT_EXPORT_CHILDREN (2 * LIMIT_CHILD_SAS_SESSION)
/* Events between two calls of ike_event, and those of the end of one session: 96 Child SAs with two each, 32 IKE SAs
 * with 18 each. */
#define LIMIT_EVENTS         4096
#define LIMIT_EVENTS_SESSION 1024

/* Entries of the trace of IKE messages (ike/message_trace.h): some hours of a laptop, a minute of a busy Gateway.
 * Together they take 2 MB once all are used. */
#define LIMIT_TRACE_SESSIONS  4096
#define LIMIT_TRACE_PROBES    2048
#define LIMIT_TRACE_STRANGERS 2048

#define LIMIT_CERTREQ_IDS         64 /* key ids of a peer that we remember */
#define LIMIT_EAP_PACKETS         120 /* EAP packets of one login; a chain of 64 KiB in parts of 1 KiB */
#define LIMIT_LOGIN_CONNS         16   /* connections that one login of a peer is tried with */
#define LIMIT_PATIENT             1000 /* logins in EAP, where a person may have to type */
#define LIMIT_PATIENT_PER_ADDRESS 64   /* the same from one address (one /64) */
#define LIMIT_REFUSED             128  /* refused logins, kept to repeat the response */
#define LIMIT_REFUSED_PER_ADDRESS 16   /* the same from one address (one /64) */

/* --- session tickets (RFC 5723) --- */
#define LIMIT_TICKET         1024   /* octets: IKE_SESSION_RESUME is one datagram, unfragmented */
#define LIMIT_TICKET_EXTRA   512    /* of it, what the engine has to know */
#define LIMIT_TICKET_LIFE    86400  /* seconds */
#define LIMIT_TICKET_RECORDS 262144 /* families of tickets that do not count: 6 MiB of the file */

/* --- data plane --- */
#define LIMIT_REPLAY_WINDOW 8192 /* packets; the default is 1024 */
#define LIMIT_WORKERS       8
#define LIMIT_DEVICES       64   /* TUN devices, the first one included */
#define LIMIT_COMPARISONS   1024 /* selectors that are compared for one outbound packet */
#define LIMIT_SESSION_PATHS 16
#define LIMIT_CLASSES       16 /* of traffic, in a connection */
#define LIMIT_CLASS_RANGES  4  /* of addresses, in a class */
/* Order spaces whose flows use several paths at once; fewer if they would fill half of the engine's memory. One half of
 * them is for first spaces of sessions. */
#define LIMIT_ORDER_SPACES       256
#define LIMIT_ORDER_SPACE_OCTETS (19 << 20) /* of one of them, at most */
#define LIMIT_NAME               64         /* name of a connection, child, pool, path */

#endif
