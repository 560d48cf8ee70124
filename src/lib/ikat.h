/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKAT_H
#define IKAT_H

/*
 * libikat: IKEv2, ESP in UDP and the path manager of ikat in the caller's process. Sans-I/O: the
 * library opens no socket or file, starts no thread and reads no clock. Datagrams, links and time
 * come in as arguments; datagrams, packets and news are pulled out.
 *
 *      ikat_configure, ikat_links_set, ikat_up
 *      for each input: ikat_receive (a UDP datagram) / ikat_send (an inner IP packet) / ikat_tick
 *          while (ikat_next(ikat, &output))    send the datagram, deliver the packet, tell the news
 *          wait until ikat_deadline() or the next input
 *
 * Both roles. An End User logs in once, clones the IKE SA for each further path (RFC 7791,
 * draft-mglt-ipsecme-keep-old-ike-sa-00), moves the clones there (RFC 4555) and keeps a Child SA on
 * each. A Gateway answers, and leases inner addresses.
 *
 * Compared with the daemon: identities are proven by pre-shared keys alone; ESP is in tunnel mode
 * and always in UDP; traffic is spread by flow (multipath = failover or balance). Other
 * configurations are refused by ikat_configure. A REDIRECT to a name (RFC 5685) is not followed, as
 * nobody resolves it; one to an address is.
 *
 * One thread at a time uses an endpoint; different endpoints may be used by different threads.
 * Nothing that a peer sends, and no lack of memory, ends the process. A kernel that refuses
 * getrandom(2) does.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define IKAT_NAME_MAX  64  /* octets of a name of the configuration, with its NUL */
#define IKAT_TEXT_MAX  512 /* octets of other texts, with the NUL */
#define IKAT_ADDRESSES 4   /* inner addresses of a session */
#define IKAT_LINKS     32  /* interfaces that are looked at */

enum ikat_error {
    IKAT_OK = 0,
    IKAT_NO_MEMORY = -1,
    IKAT_INVALID = -2,   /* an argument, or the configuration */
    IKAT_NOT_FOUND = -3, /* no connection, child or session of that name */
    IKAT_FULL = -4,      /* a limit of the library */
    IKAT_NO_SA = -5,     /* no Child SA may carry the packet */
    IKAT_TOO_BIG = -6,   /* the packet does not fit the path */
};
const char *ikat_error_text(int error); /* for a person; static */

/* ikat_time - nanoseconds of a clock that never goes back, such as CLOCK_MONOTONIC; above 0. */
typedef int64_t ikat_time;
#define IKAT_NEVER INT64_MAX

/* struct ikat_address - `octets` in network byte order, those behind an IPv4 address are 0; `port` in
 * host byte order. */
struct ikat_address {
    uint8_t family; /* 4 or 6; 0: none */
    uint8_t octets[16];
    uint16_t port;
};

/* struct ikat_place - the two ends of a datagram, seen from here. `interface`: the index of
 * struct ikat_link. */
struct ikat_place {
    struct ikat_address local, remote;
    uint32_t interface;
};

struct ikat; /* an endpoint: both roles, all its sessions */

struct ikat_options {
    bool allow_loopback; /* 127/8 and ::1 may be outer addresses: for tests */
};

/* ikat_new - `options` NULL: the defaults. NULL: no memory, or libcrypto lacks an algorithm. */
struct ikat *ikat_new(const struct ikat_options *options);
/* ikat_free - sends nothing, wipes keys. Takes NULL. */
void ikat_free(struct ikat *ikat);

/*
 * ikat_configure - connections, pools and secrets in the syntax of ikat.conf(5). They take the place
 * of the former ones as a whole; after an error nothing has changed. `error` (NULL: not wanted) then
 * says "name:line: key: why"; `name` is what it calls the text. Sessions stay. Keys that only a
 * daemon can follow (start_action, updown) have no effect. IKAT_INVALID, IKAT_FULL,
 * IKAT_NO_MEMORY.
 */
int ikat_configure(struct ikat *ikat, const char *name, const char *text,
                   char error[IKAT_TEXT_MAX]);

/* struct ikat_link - an interface of the host that leads everywhere. Leave out inner devices. */
struct ikat_link {
    uint32_t index;             /* not 0; the caller's */
    char name[16];              /* as `interface` of a path names it */
    uint32_t mtu;               /* octets of an IP packet; 0: 1500 */
    struct ikat_address v4, v6; /* family 0: none; ports are not looked at */
};

/* ikat_links_set - all links that are up, after each change. IKAT_FULL: more than IKAT_LINKS. */
int ikat_links_set(struct ikat *ikat, const struct ikat_link *links, size_t n, ikat_time now);

/* ikat_up - wants a session of the connection, until ikat_down, with this child (NULL: the first one).
 * IKAT_UP or IKAT_FAILED follows. IKAT_NOT_FOUND, IKAT_INVALID (no remote address), IKAT_FULL,
 * IKAT_NO_MEMORY. */
int ikat_up(struct ikat *ikat, const char *connection, const char *child, ikat_time now);
/* ikat_down - ends all sessions of the connection, in either role. IKAT_NOT_FOUND: there is none. */
int ikat_down(struct ikat *ikat, const char *connection, ikat_time now);

/* ikat_receive - a UDP datagram that arrived at local port 500, or at another one, where IKE has the
 * non-ESP marker in front (RFC 3948). Any octets will do. They are changed: ESP is decrypted in
 * place. */
void ikat_receive(struct ikat *ikat, const struct ikat_place *place, uint8_t *octets, size_t len,
                  ikat_time now);

/* ikat_send - an inner IP packet; borrowed. IKAT_INVALID: it is none. IKAT_NO_SA, IKAT_TOO_BIG,
 * IKAT_FULL: nobody pulls; IKAT_NO_MEMORY. */
int ikat_send(struct ikat *ikat, const uint8_t *packet, size_t len, ikat_time now);

ikat_time ikat_deadline(const struct ikat *ikat); /* IKAT_NEVER: nothing to wait for */
void ikat_tick(struct ikat *ikat, ikat_time now); /* at the deadline, or at any time */

enum ikat_output_kind {
    IKAT_DATAGRAM,     /* place, octets: to be sent by UDP */
    IKAT_PACKET,       /* session, octets: an inner packet that arrived; it fits the selectors */
    IKAT_SESSION_UP,   /* session, connection: both sides have proven themselves */
    IKAT_SESSION_DOWN, /* session, reason */
    IKAT_UP,           /* session, connection: what ikat_up wanted is there */
    IKAT_FAILED,       /* connection, reason: ikat_up has given up */
    IKAT_PATH,         /* connection, path, state, reason */
};

/* struct ikat_output - pointers are borrowed until ikat_next or ikat_free is called again. */
struct ikat_output {
    enum ikat_output_kind kind;
    uint32_t session; /* never used again; 0: none */
    struct ikat_place place;
    const uint8_t *octets;
    size_t len;
    const char *connection, *path;
    const char *state;  /* of the path: "up", "dead" and others; see `ikat paths` in ikat(1) */
    const char *reason; /* "auth-failed", "timeout" and others; may be empty */
};

/* ikat_next - the oldest output; pull all of it after each input. Beyond 4,096 waiting ones further
 * ones are lost, as datagrams may be. false: there is none. */
bool ikat_next(struct ikat *ikat, struct ikat_output *ret_output);

/* --- looking in --- */

struct ikat_session {
    char connection[IKAT_NAME_MAX];
    bool gateway;                        /* our role; else End User */
    char peer[IKAT_TEXT_MAX];            /* the identity that was proven, printable */
    uint32_t logins, ike_sas, child_sas; /* clones add nothing to logins */
    uint8_t n_addresses;
    struct ikat_address addresses[IKAT_ADDRESSES]; /* inner ones of the End User; port 0 */
};
/* ikat_session - IKAT_NOT_FOUND. */
int ikat_session(const struct ikat *ikat, uint32_t session, struct ikat_session *ret_session);

struct ikat_path {
    char connection[IKAT_NAME_MAX], name[IKAT_NAME_MAX];
    uint32_t session; /* 0: none yet */
    const char *state;
    struct ikat_place place;          /* where its IKE SA is now */
    int64_t rtt_ns;                   /* smoothed; 0: unknown */
    uint64_t packets_in, packets_out; /* of the Child SA that it has now */
};
/* ikat_path - the index-th path of all sessions and wishes. false: no more. The order is stable
 * between two inputs. */
bool ikat_path(struct ikat *ikat, size_t index, struct ikat_path *ret_path);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
