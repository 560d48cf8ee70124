/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

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
#define LIMIT_HALF_OPEN 1000 /* IKE SAs before authentication; beyond, new ones are refused */
/* half-open IKE SAs, all sources, from which COOKIE is demanded */
#define LIMIT_COOKIE_THRESHOLD   30
#define LIMIT_COOKIE_PER_ADDRESS 3 /* the same per source address */
/* half-open IKE SAs of one address (one /64); beyond: dropped */
#define LIMIT_BLOCK_PER_ADDRESS 16
#define LIMIT_IKE_SAS_SESSION   8 /* default of max_ike_sas */
/* Child SAs of one session, all its IKE SAs together (RFC 7791 section 8) */
#define LIMIT_CHILD_SAS_SESSION 64
#define LIMIT_INTENTS           16   /* intents queued on one IKE SA */
#define LIMIT_EVENTS            4096 /* events waiting to be pulled */

/* --- data plane --- */
#define LIMIT_REPLAY_WINDOW 8192 /* packets; the default is 1024 */
#define LIMIT_WORKERS       8
#define LIMIT_COMPARISONS   1024 /* of selectors for one outbound packet: all of one session */
#define LIMIT_SESSION_PATHS 16
#define LIMIT_NAME          64 /* name of a connection, child, pool, path */

#endif
