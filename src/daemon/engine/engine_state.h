/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_STATE_H
#define DAEMON_ENGINE_STATE_H

/*
 * Inside of the engine: one struct, one thread. The files:
 *
 *   engine.c          start, the loop, the end
 *   engine_down.c     connections that the user has taken down
 *   engine_eap.c      the eap process
 *   engine_eap_tls.c  EAP methods with TLS: our certificate
 *   engine_io.c       IKE datagrams in and out, news of the data plane, links
 *   engine_pump.c     drains the IKE core and the path manager after each input
 *   engine_events.c   the effects of each event of the IKE core
 *   engine_grant.c    RADIUS grants of sessions that go to another engine
 *   engine_helpers.c  the channels to the keyholder and the verifier
 *   engine_arrive.c   sessions of the engine before this one
 *   engine_leave.c    sessions leave for the engine that follows
 *   engine_audit.c    records for the audit file
 *   engine_auth.c     AUTH jobs
 *   engine_chains.c   certificate chains of sessions that go to another engine
 *   engine_credentials.c  secrets, private keys and certificates that are loaded
 *   engine_jobs.c     the resolver
 *   engine_hold.c     the holds for a child until its Child SA is up
 *   engine_hooks.c    which updown scripts are to run
 *   engine_load.c     a whole configuration in the place of another
 *   engine_ops.c      the operations of the VICI server
 *   engine_paths.c    sockets that are bound to a path
 *   engine_routes.c   routes to Child SAs, and the source addresses of the host's packets
 *   engine_say.c      lines for the log and for clients that wait
 *   engine_shunts.c   pass and drop policies
 *   engine_tickets.c  session tickets
 *   engine_traps.c    which children are traps; engine_traps.h names its other files
 *   engine_upgrade.c  the installed program replaces this one
 *   engine_watch.c    clients that wait for the outcome of an initiate or terminate
 */

#include "base/carrier.h"
#include "base/map.h"
#include "base/table.h"
#include "daemon/common/audit_channel.h"
#include "daemon/common/key_channel.h"
#include "daemon/common/outbox.h"
#include "daemon/common/verifier_channel.h"
#include "daemon/engine/bound_paths.h"
#include "daemon/engine/engine.h"
#include "daemon/engine/host.h"
#include "daemon/engine/ke_workers.h"
#include "daemon/engine/proofs.h"
#include "daemon/vici/engine_ops.h"
#include "esp/overhead.h"
#include "linux/event_loop.h"
#include "linux/netlink_monitor.h"
#include "plane/esp_plane.h"
#include "radius/radius_client.h"

#define ENGINE_WATCHES   64
#define ENGINE_RESOLVING 32
#define ENGINE_TRAPPED   64 /* remembered times of traps' requests */
#define ENGINE_BATCH     32 /* IKE datagrams that one call receives */
/* jobs on channels that are not those of the IKE core */
#define ENGINE_LOAD_JOB   (UINT64_C(1) << 63)
#define ENGINE_CHAINS_JOB (UINT64_C(1) << 62) /* and a session: engine_chains.c */
#define FAREWELL_NS       (2 * NANOS_PER_SEC) /* how long peers have to answer our Deletes */

struct vici_server;

enum watch_kind { WATCH_FREE, WATCH_INITIATE, WATCH_TERMINATE };

struct watching {
    enum watch_kind kind;
    uint64_t tag;          /* tag of the wish, or of all the commands */
    char conn[LIMIT_NAME]; /* INITIATE */
    struct engine_watch watch;
    nanos deadline;
    unsigned matches, open; /* TERMINATE: commands whose outcome is open */
    enum ike_outcome worst;
    bool connected;
    /* INITIATE, connected: the watch ends after that many answers of the supervisor */
    uint64_t asked;
    /* INITIATE: the last endpoint that ICMP reported and the client was told of */
    struct endpoint unreachable;
    /* INITIATE: the reason why its Child SA has no route; empty: it has one */
    char refused[HOST_DENIED_MAX];
};

/* a wish while the name of its peer is resolved */
struct resolving {
    uint64_t job;   /* 0: free */
    nanos retry_at; /* NANOS_NEVER: the resolver was asked and has not answered */
    /* index in remote_addrs of the name that is being resolved; `wish` has earlier ones */
    uint8_t entry;
    bool again; /* a login is under way: it needs the addresses, and must not begin anew */
    struct path_connect wish;
    char child[LIMIT_NAME];
    bool said; /* the log has the failure already */
};

/* struct trapped - when the trap of a child may ask again. */
struct trapped {
    char conn[LIMIT_NAME], child[LIMIT_NAME];
    /* the host, for a trap for any peer or for the rest of a trap; otherwise NONE */
    struct address to;
    nanos until;
    unsigned refusals; /* successive refusals of a Child SA for the rest of a trap */
};

/* struct trap_rest - the request under way for a Child SA that takes a packet of the rest of a
 * trap. */
struct trap_rest {
    uint64_t tag; /* 0: none */
    char conn[LIMIT_NAME], child[LIMIT_NAME];
    struct ike_packet packet;
};

/* struct engine_radius - the engine's part of a RADIUS server. */
struct engine_radius {
    char name[LIMIT_NAME];
    int preference;
    bool accounting;
    bool stream;                 /* RADIUS/TLS */
    uint8_t key_id[KEY_ID_SIZE]; /* stream: of our certificate */
    nanos interval_ns;           /* between interim records; 0: as the server says */
};

/* struct child_wait - a Child SA that waits for the supervisor's answers about its routes; oldest
 * first. */
struct child_wait {
    ike_child_id child;
    ike_session_id owner; /* owner of our inner addresses; 0: none */
    ike_job_id job;       /* 0: none */
    uint64_t asked;       /* decided after that many answers of the supervisor */
};

/* struct trap_choice - the user installed or uninstalled a trap, against start_action. */
struct trap_choice {
    char conn[LIMIT_NAME], child[LIMIT_NAME];
    bool on;
};

/* datagrams that were received together and are handled one by one */
struct engine_batch {
    size_t n;
    struct ike_path paths[ENGINE_BATCH];
    struct span datagrams[ENGINE_BATCH]; /* in `octets` */
    uint8_t octets[ENGINE_BATCH][LIMIT_IKE_MESSAGE];
};

/* struct engine_carrier - a link that carries ESP (interface 0: none), and its Child SA with the
 * largest overhead. */
struct engine_carrier {
    uint32_t interface;
    struct esp_overhead overhead;
};

/* struct engine_leave - sessions that go to the next engine. */
struct engine_leave {
    int fd; /* where they are written; -1: no upgrade is under way */
    enum leave_phase { LEAVE_ASKS, LEAVE_DELETES, LEAVE_FROZEN } phase;
    nanos by;                /* end of the phase */
    ike_session_id quiet_to; /* FROZEN: the sessions up to this one are quiet */
    size_t n_asked;          /* answers of the verifier that are still to come */
    struct map chains;       /* by session, owned: its certificate chains */
};

struct engine {
    const struct engine_start *start;
    struct event_loop *loop;
    struct crypto_provider *crypto;
    struct ike *ike;
    struct path_manager *paths;
    struct esp_plane *esp;    /* owned: its sockets, devices and workers */
    struct data_plane *plane; /* the verbs of `esp` */
    struct pools *pools;
    struct accounts *accounts;
    struct reqids *reqids;
    struct proofs *proofs;
    struct engine_hooks *hooks;
    struct engine_name_servers *name_servers;
    struct engine_devices *devices;
    bool lan_bypassed; /* the last value that the supervisor was sent */
    struct host *host;
    struct netlink_monitor *monitor;
    struct vici_server *vici;
    struct ke_workers *ke_workers;
    struct engine_ops ops;

    nanos now; /* start of this turn of the loop */
    /* counters of the Child SA that left the data plane last; its event follows */
    ike_child_id gone_child;
    struct engine_child_traffic gone_traffic;
    uint32_t gone_reqid;
    struct inner_marks gone_marks;
    bool gone_marked;
    char about_conn[LIMIT_NAME]; /* name of the IKE SA that the log lines are about; empty: none */
    ike_sa_id about_sa;
    struct taken_down *down; /* owned: engine_down.c */
    uint64_t next_number;    /* tags and jobs of ours: PATH_TAG is never set */
    uint64_t keys_switched;  /* how often all private keys were replaced or cleared */
    bool load_switching;     /* connections of a whole load are switched on */
    bool load_ended;         /* the first load of the configuration has ended */
    struct engine_loads loads;
    bool keylog_fails; /* logged already */
    bool serving;      /* IKE_SA_INIT requests of peers get responses */
    bool kept;         /* sessions came from another engine, or went to one */
    bool stopping, done;
    struct engine_leave leave;
    bool arriving;        /* sessions of the engine before this one are to come, or none */
    struct span arrival;  /* arriving: they, owned */
    uint64_t upgrade_job; /* the client that waits for the supervisor's decision; 0: none */
    nanos stop_by;
    int status;
    nanos unreachable_ns; /* rate_second: ICMP errors that are reported to waiting clients */
    nanos notices_ns;     /* rate_second: lines that peers cause */
    nanos redirects_ns, names_asked_ns, names_failed_ns; /* rate_take: engine_recurring.c */
    nanos audits_ns[AUDIT_KINDS]; /* rate_second: audit records that unauthenticated peers cause */
    uint32_t audits_left_out[AUDIT_KINDS];
    bool audit_lost; /* logged already */

    struct watching watching[ENGINE_WATCHES];
    struct resolving resolving[ENGINE_RESOLVING];
    int resolver_fd; /* -1: it has ended */
    struct bound_paths bound;
    nanos memory_at; /* time of the next look at memory use */
    enum ike_pressure memory_pressure;
    char denied[HOST_DENIED_MAX]; /* the supervisor's last reason for a refusal */
    struct child_wait *waits;     /* owned */
    size_t n_waits, waits_cap;
    struct trapped trapped[ENGINE_TRAPPED];
    struct trap_rest rest;
    nanos trapped_hosts_ns;       /* rate_second() of logins for traps for any peer */
    struct trap_choice *choices;  /* owned */
    struct engine_shunt **shunts; /* owned; in force */
    size_t n_choices, n_shunts;
    struct outbox *to_keyholder, *to_verifier, *to_eap, *to_aaa;
    struct outbox *to_audit; /* NULL: there is no audit file */
    struct credentials *credentials;
    struct secret_name *secrets;          /* by id */
    size_t n_ppks;                        /* secrets that are PPKs */
    struct loading *loading;              /* by job: requests whose answer a client waits for */
    struct loaded_authority *authorities; /* by name */
    struct signing *signing;              /* by job: AUTH payloads that are being made or checked */
    struct ticket_use *ticket_uses;       /* by job: engine_tickets.c */
    struct grants *grants;                /* owned; daemon/engine/engine_aaa.h */
    /* by job: EAP conversations that wait for a certificate */
    struct eap_opening *eap_openings;
    uint32_t last_eap; /* the highest conversation number so far */
    size_t n_radius;
    struct engine_radius radius[RADIUS_SERVERS];
    uint64_t boot; /* random: distinguishes the sessions of this engine from those of others */

    /* too large for the stack */
    struct path_link links[PATH_LINKS];
    struct engine_carrier carriers[PATH_LINKS];
    uint16_t inner_mtu; /* MTU of the TUN device; 0: as it was created */
    struct verifier_request verifier_request;
    uint8_t parts[AUTH_PARTS_MAX + LIMIT_IKE_MESSAGE]; /* of AUTH, and certificates */
    struct ike_datagram datagram;
    struct engine_batch batch;
};

static inline uint64_t engine_number(struct engine *e)
{
    return ++e->next_number;
}

/* engine_io.c */
int engine_io_add(struct engine *e) MUST_USE;
int engine_ike_port_add(struct engine *e, int fd) MUST_USE; /* one more socket of IKE_PORT */
void engine_links_read(struct engine *e);
void engine_datagram_send(struct engine *e, const struct ike_datagram *datagram);

/* engine_pump.c: call it after every call into the IKE core or the path manager */
void engine_pump(struct engine *e);

/* engine_events.c */
void engine_event(struct engine *e, const struct ike_event *event);
/* engine_complete - takes the result of a job that may be the proof of a peer to the IKE core. */
void engine_complete(struct engine *e, ike_job_id job, const struct ike_result *result);
void engine_order(struct engine *e, const struct path_order *order);
/* engine_child_installed - the data plane has the Child SA: sets its routes and addresses on the
 * host. `job` is completed when the routes exist (0: none waits). The keys are not read. */
void engine_child_installed(struct engine *e, const struct ike_child_install *install,
                            ike_job_id job);

/* engine_session.c; engine_accounts_close - the engine ends: closes the accounts of sessions that
 * are up. */
void engine_session_log(struct engine *e, const char *what, const struct ike_event *event);
void engine_session_up(struct engine *e, const struct ike_event *event);
void engine_log_unproven(ike_session_id id); /* proofs.h */
void engine_session_down(struct engine *e, const struct ike_event *event);
void engine_accounts_close(struct engine *e);
/* engine_session_revoked - a certificate of the session is revoked, or its status is unknown: ends
 * the session on all its paths. `reason` is for the user. */
void engine_session_revoked(struct engine *e, ike_session_id session, const char *reason);
/* engine_chains_forget - IKE_EV_CHAINS_END. */
void engine_chains_forget(struct engine *e, ike_session_id session);

/* engine_helpers.c. *_send: in order, waits while the channel is full; ERR_FULL, ERR_NO_MEMORY,
 * ERR_SYSTEM. engine_loading_add - the answer to the request with that job goes to `reply` (NULL:
 * an error is logged). engine_loading_add_key - the same for a private key, whose id the engine
 * knows from then on. engine_loading_forget - the client with that context has gone. */
int engine_helpers_add(struct engine *e) MUST_USE;
void engine_helpers_done(struct engine *e);
int engine_key_send(struct engine *e, struct key_request *request, struct span octets) MUST_USE;
/* engine_validity - how long a login is valid from now on, given the end of its chain (seconds
 * since 1970); 0: no bound. */
nanos engine_validity(int64_t not_after);
int engine_verifier_send(struct engine *e, struct verifier_request *request,
                         struct span octets) MUST_USE;
int engine_loading_add(struct engine *e, const struct engine_reply *reply,
                       uint64_t *ret_job) MUST_USE;
int engine_loading_add_key(struct engine *e, const struct engine_reply *reply,
                           uint64_t *ret_job) MUST_USE;
/* engine_loading_add_part - the same for a part of `whole`, an earlier job: that one ends with the
 * last of its parts, or with the first that fails. */
int engine_loading_add_part(struct engine *e, const struct engine_reply *reply, uint64_t whole,
                            uint64_t *ret_job) MUST_USE;
void engine_loading_forget(struct engine *e, void *context);
/* engine_loading_end - the answer has come; key_id for private keys only, otherwise NULL. */
void engine_loading_end(struct engine *e, uint64_t job, int error, const char *reason,
                        const uint8_t *key_id);
/* engine_helper_flush - the channel is writable again. engine_helper_gone - receiving failed with
 * this error. */
void engine_helper_flush(struct engine *e, struct outbox *outbox, int fd);
void engine_helper_gone(struct engine *e, int fd, const char *name, int error);

/* engine_audit.c: each sends a record, if there is an audit file. */
int engine_audit_add(struct engine *e) MUST_USE;
void engine_audit_done(struct engine *e);
void engine_audit_login(struct engine *e, const struct ike_event *event);
void engine_audit_end(struct engine *e, const struct ike_event *event,
                      const struct engine_child_traffic *traffic);
void engine_audit_moved(struct engine *e, const struct ike_event *event);
/* engine_audit_refused - records a login that was refused here, if the notice is about one.
 * engine_audit_failed - records a login of ours that failed: the Gateway refused it, or its proof
 * was wrong. */
void engine_audit_refused(struct engine *e, const struct ike_event *event);
void engine_audit_failed(struct engine *e, const struct path_news *news);
void engine_audit_command(struct engine *e, const struct engine_asked *asked);

/* engine_auth.c */
void engine_auth(struct engine *e, const struct ike_event *event);
void engine_ppk(struct engine *e, const struct ike_event *event); /* IKE_EV_PPK */
void engine_key_answered(struct engine *e, const struct key_answer *answer, struct span octets);
void engine_verifier_answered(struct engine *e, const struct verifier_answer *answer,
                              struct span octets);
void engine_auth_done(struct engine *e);

/* engine_credentials.c: see struct engine_ops */
int engine_secret_load(struct engine *e, const struct engine_secret *secret,
                       const struct engine_reply *reply) MUST_USE;
int engine_secret_unload(struct engine *e, const char *id) MUST_USE;
/* engine_secret_known, _forget - a process got the secret from the loader, or dropped it: updates
 * the list of names. ERR_NO_MEMORY. */
int engine_secret_known(struct engine *e, const struct engine_secret *secret) MUST_USE;
void engine_secret_forget(struct engine *e, const char *id);
bool engine_secret_at(const struct engine *e, size_t index, char ret_id[LIMIT_NAME]);
/* engine_key_loaded - the keyholder took the key of engine_loading_add_key. ERR_WRONG_STATE: a
 * later load or clear has dropped it; ERR_NO_MEMORY. */
int engine_key_loaded(struct engine *e, const uint8_t *key_id, uint64_t keys_switched,
                      const char **ret_reason) MUST_USE;
int engine_token_load(struct engine *e, const struct key_token *token,
                      const struct engine_reply *reply) MUST_USE;
int engine_key_load(struct engine *e, struct span octets, struct span passphrase,
                    const struct engine_reply *reply) MUST_USE;
int engine_key_unload(struct engine *e, const uint8_t key_id[KEY_ID_SIZE]) MUST_USE;
int engine_cert_load(struct engine *e, enum cert_role role, struct span octets,
                     const struct engine_reply *reply) MUST_USE;
int engine_cert_unload(struct engine *e, enum cert_role role,
                       const uint8_t digest[CERT_DIGEST]) MUST_USE;
int engine_crl_load(struct engine *e, struct span octets,
                    const struct engine_reply *reply) MUST_USE;
int engine_crls_flush(struct engine *e, uint32_t what) MUST_USE;
int engine_cached_show(struct engine *e, const struct verifier_show *what,
                       const struct engine_reply *reply) MUST_USE;
void engine_credentials_clear(struct engine *e);
void engine_credentials_done(struct engine *e);
/* engine_conn_credentials - the demands of a connection's rounds on keys and certificates get
 * numbers; unless it is `staged`, its certificates are loaded. engine_conn_cas - call it
 * afterwards: sets the CAs and OCSP responders for our CERTREQ. The CAs are those of the
 * connection, or else all trusted ones. */
int engine_conn_credentials(struct engine *e, const struct conn_credentials *credentials,
                            struct ike_conn *conn, bool staged) MUST_USE;
int engine_conn_cas(const struct engine *e, struct ike_conn *conn) MUST_USE;

/* *_switch: part of a whole load that was checked */
int engine_cert_check(struct engine *e, const struct engine_cert *cert,
                      const struct engine_reply *reply) MUST_USE;
int engine_key_check(struct engine *e, struct span octets, struct span passphrase,
                     const struct engine_reply *reply) MUST_USE;
int engine_certs_switch(struct engine *e, const struct engine_load *load) MUST_USE;
int engine_keys_switch(struct engine *e, const struct engine_load *load) MUST_USE;
int engine_authorities_switch(struct engine *e, const struct engine_load *load) MUST_USE;

/* engine_authorities.c: see struct engine_ops */
int engine_authority_load(struct engine *e, const struct engine_authority *authority,
                          const struct engine_reply *reply) MUST_USE;
int engine_authority_unload(struct engine *e, const char *name) MUST_USE;
const struct engine_authority *engine_authority_at(const struct engine *e, size_t index);
void engine_authorities_done(struct engine *e);

/* engine_limits.c */
void engine_limits_tick(struct engine *e);
nanos engine_limits_deadline(const struct engine *e);
bool engine_limit_at(const struct engine *e, size_t index, struct engine_limit *ret_limit);

/* engine_jobs.c */
int engine_jobs_add(struct engine *e) MUST_USE;
void engine_key_exchange(struct engine *e, const struct ike_event *event);

/* engine_connect - asks for a session, and first resolves the peer's names. ERR_FULL,
 * ERR_NO_MEMORY, ERR_INVALID. */
int engine_connect(struct engine *e, const struct path_connect *wish) MUST_USE;
/* engine_names_again - a round of the connection's logins failed: resolves its names again. */
void engine_names_again(struct engine *e, const char *conn_name);

/* engine_mtu.c: engine_link_mtu - the MTU of the link by which a path leaves; 0: unknown.
 * engine_mtu_check - the links have changed from `before`: updates Child SAs whose link has another
 * MTU now. */
uint16_t engine_link_mtu(const struct engine *e, uint32_t interface);
void engine_mtu_check(struct engine *e, const struct path_link before[PATH_LINKS]);

/* engine_mtu_carrier - the Child SA sends over this path from now on. The inner device gets the MTU
 * that all such Child SAs can carry. Narrower paths behind the links are found by ICMP
 * (esp/icmp.h). */
void engine_mtu_carrier(struct engine *e, ike_child_id child, const struct ike_path *path);

/* engine_paths.c: engine_path_bind asks for the sockets of a path, before its first use.
 * engine_path_socket - the socket of IKE_PORT; -1: the path
 * has none. engine_paths_check - after every change of links. engine_paths_done - at the end. */
void engine_path_bind(struct engine *e, const struct ike_path *path);
void engine_path_bound(struct engine *e, const struct host_sockets *sockets);
int engine_path_socket(const struct engine *e, const struct ike_path *path);
void engine_paths_check(struct engine *e, size_t n_links);
void engine_paths_done(struct engine *e);

/* engine_routes.c. engine_routes_set - sets the routes of a Child SA, again after a move. `job` is
 * completed when they exist (0: none waits); if one fails, the Child SA is taken down.
 * engine_routes_decide - call it after answers of the supervisor. engine_routes_renew - sets the
 * routes of all Child SAs, after holds that may have covered them went. _check - the same after
 * links were read anew, which were `before`. engine_has_address - a link that is up has it. */
bool engine_has_address(const struct engine *e, const struct address *address);
struct engine_route {
    ike_child_id child;
    ike_sa_id sa;
    ike_session_id session;
    const struct ike_child_policy *policy;
    const struct ike_ts_list *local_ts, *remote_ts;
    ike_job_id job;
};
void engine_routes_set(struct engine *e, const struct engine_route *route);
/* engine_gateways_own - an inner address equals the Gateway's outer address: our packets to the
 * Gateway would end at ourselves. `config` may be NULL. */
bool engine_gateways_own(const struct ike_config *config, const struct ike_sa_info *sa);
void engine_routes_decide(struct engine *e);
void engine_routes_renew(struct engine *e);
void engine_routes_check(struct engine *e, const struct path_link before[PATH_LINKS]);

/* engine_is_unrouted - the child has no routes of ours before it has a Child SA: install_routes =
 * no, or %unique marks or ids. */
bool engine_is_unrouted(const struct ike_child_policy *policy);

/* engine_routed_device - the device of a child whose routes we set. false: we set none, or its
 * device is not known before it has a Child SA. */
bool engine_routed_device(const struct engine *e, const struct ike_child_policy *policy,
                          uint16_t *ret_device);

/* Each network that the configuration names has one route, however many Child SAs need it: the
 * pools of a connection, and the fixed remote selectors of a Gateway's connection. POOL_HOLD is no
 * possible name of a connection. */
#define POOL_HOLD "\x01pool"
void engine_conn_networks_hold(struct engine *e, const struct ike_conn *conn);
void engine_pools_check(struct engine *e); /* pools were loaded or unloaded */
/* engine_lan_check - connections or addresses of this host have changed: updates the networks that
 * bypass a tunnel for all addresses. */
void engine_lan_check(struct engine *e);
void engine_pool_hold(struct engine *e, const struct ike_conn *conn, const char *pool);
void engine_remote_hold(struct engine *e, const struct ike_conn *conn,
                        const struct ike_child_policy *child);

/* engine_connect_forget - drops wishes for the connection that still wait for an address. */
void engine_connect_forget(struct engine *e, const char *conn_name);
void engine_connect_tick(struct engine *e);
void engine_name_ask(struct engine *e, const struct path_question *question);
/* engine_resolver_take - takes the channel to a new resolver, which gets all open requests again.
 * The engine closes the channel. */
int engine_resolver_take(struct engine *e, int fd) MUST_USE;
nanos engine_connect_deadline(const struct engine *e);

/* engine_hooks.c: updown scripts. Call _up after the core has made a Child SA, and _down after it
 * removed one */
struct engine_hooks *engine_hooks_new(void);                        /* NULL: no memory */
struct engine_hooks *engine_hooks_free(struct engine_hooks *hooks); /* takes NULL; returns NULL */
void engine_hooks_begin(struct engine *e); /* the settings of an earlier engine go */
/* engine_hooks_follow - the sessions of an earlier engine have arrived: its scripts go, its name servers stay until
 * engine_name_servers_arrived. */
void engine_hooks_follow(struct engine *e);
void engine_hooks_child_up(struct engine *e, ike_child_id id);
void engine_hooks_child_down(struct engine *e, ike_child_id id);

/* engine_name_servers.c: the Gateways' name servers for this host. Call _up after the core has made
 * a Child SA, and _down after it removed one */
struct engine_name_servers *engine_name_servers_new(void); /* NULL: no memory */
/* engine_name_servers_free - takes NULL; returns NULL. */
struct engine_name_servers *engine_name_servers_free(struct engine_name_servers *servers);
void engine_name_servers_tick(
    struct engine *e); /* repeats a message for which the hooks process had no room */
void engine_name_servers_child_up(struct engine *e, ike_child_id id);
void engine_name_servers_child_down(struct engine *e, ike_child_id id);
/* engine_name_servers_arrived - the Child SAs of an earlier engine are up again: name servers of others go. */
void engine_name_servers_arrived(struct engine *e);
/* engine_name_servers_usable - the servers of an End User's session that its Child SAs reach,
 * whether or not ikat installs them. Without domains if a Child SA is for all traffic: the servers
 * then serve all names. */
void engine_name_servers_usable(const struct engine *e, const struct ike_session_info *session,
                                struct hook_name_servers *ret_servers);

/* engine_load.c; see struct engine_ops */
void engine_load_drop(struct engine *e, uint64_t number);
/* engine_load_ended - the first load has ended: serves peers, and runs the commands of clients that
 * waited. */
void engine_load_ended(struct engine *e);
int engine_load_all(struct engine *e, const struct engine_load *load,
                    const struct engine_reply *reply, char ret_why[ENGINE_ERROR_MAX]) MUST_USE;

/* engine_ops.c */
void engine_ops_init(struct engine *e);
void engine_delete_all(struct engine *e); /* except the sessions that leave */
/* engine_conn_begin - start_action of a connection that was loaded before sessions arrived. */
void engine_conn_begin(struct engine *e, struct ike_conn *conn);

/* engine_conn_connecting - a login of the connection is wanted, and not complete. */
bool engine_conn_connecting(const struct engine *e, const char *name);

/* engine_conn_kept - a lost session of the connection is set up again, since a child of the wish
 * demands it. dpd_action = trap demands it too, unless a trap waits for traffic anyway. */
bool engine_conn_kept(const struct engine *e, const struct ike_conn *conn, const char *child);

/* struct engine_held - the negotiated selectors and inner addresses. */
struct engine_held {
    const struct ike_ts_list *remote_ts;
    const struct ike_config *config;
};

/* engine_hold.c. engine_hold - a child is wanted: from now on its packets leave through a Child SA
 * or not at all, unless on_failure allows them. `held` NULL: nothing is negotiated yet, so the
 * configured selectors count. */
void engine_hold(struct engine *e, const struct ike_conn *conn,
                 const struct ike_child_policy *child, const struct engine_held *held);

/* engine_hold_traps - the connection was loaded anew while it has a session: renews the holds for
 * its traps and its Child SAs. */
void engine_hold_traps(struct engine *e, const struct ike_conn *conn);

/* engine_release - the user ended the session: removes its holds. NULL: of all connections, all
 * children. Configured traps stay without a gap. */
void engine_release(struct engine *e, const char *conn, const char *child);

/* engine_is_held - packets of the child are held. */
bool engine_is_held(const struct engine *e, const char *conn, const char *child);

/* engine_shunts.c. engine_shunt_install - installs the policy, or replaces the one of its name.
 * ERR_INVALID: no packet fits both selectors; ERR_FULL: more than 64 pairs of prefixes;
 * ERR_WRONG_STATE: a drop policy needs a packet filter, and this host has none; ERR_NO_MEMORY.
 * engine_shunt_uninstall - `conn` NULL: of any connection; false: none. engine_shunts_load - after
 * its connection was loaded; `fresh`: start_action counts. engine_shunt_at - index from 0; false:
 * no more. */
struct engine_shunt;
int engine_shunt_install(struct engine *e, const struct ike_conn *conn,
                         const struct ike_child_policy *policy, bool by_hand) MUST_USE;
bool engine_shunt_uninstall(struct engine *e, const char *conn, const char *child);
const struct ike_child_policy *engine_shunt_find(const struct ike_conn *conn, const char *child);
void engine_shunts_load(struct engine *e, const struct ike_conn *conn, bool fresh);
void engine_shunts_unload(struct engine *e, const char *conn);
void engine_shunts_all(struct engine *e); /* the first load has ended */
bool engine_shunt_at(const struct engine *e, size_t index, const char **ret_conn,
                     const struct ike_child_policy **ret_policy);
void engine_shunts_done(struct engine *e);

/* engine_traps.c, engine_trap_acquire.c and engine_trap_rest.c. engine_trap_install, _uninstall -
 * the user installs or uninstalls the trap, until the connection is unloaded. false: the child
 * cannot be a trap (as engine_trap_set), or is none. engine_trap_set - false: the child cannot be a
 * trap (no remote address, or nothing but dynamic remote selectors, unless selectors_any_peer()).
 * engine_traps_renew - installs the traps again after the holds of a connection were released.
 * engine_trap_acquire - reads a packet that no Child SA takes. */
bool engine_trap_set(struct engine *e, const struct ike_conn *conn,
                     const struct ike_child_policy *child);
bool engine_trap_install(struct engine *e, const struct ike_conn *conn,
                         const struct ike_child_policy *child);
bool engine_trap_uninstall(struct engine *e, const struct ike_conn *conn,
                           const struct ike_child_policy *child);
bool engine_is_trap(const struct engine *e, const struct ike_conn *conn,
                    const struct ike_child_policy *child);
void engine_traps_unload(struct engine *e, const char *conn);
void engine_traps_renew(struct engine *e);
/* engine_traps_forget - releases the holds of earlier versions of the connection that the new one
 * does not have. */
void engine_traps_forget(struct engine *e, const struct ike_conn *conn);
void engine_trap_acquire(struct engine *e, const struct esp_acquire *wanted);
void engine_trap_done(struct engine *e, const struct ike_event *done); /* a command of ours */

/* engine_upgrade.c: see struct engine_ops. engine_upgrade_answered - the supervisor has decided.
 * true: the engine is to stop. */
int engine_upgrade(struct engine *e, const struct engine_reply *reply) MUST_USE;
bool engine_upgrade_answered(struct engine *e, uint32_t answer);

/*
 * engine_leave.c. engine_leave_begin - an upgrade is under way; takes the descriptor, to which
 * sessions are written. engine_may_leave - the session is of a kind that leaves, and an upgrade is
 * under way. engine_leaving_conns - adds the connections of such sessions to the map, by their
 * address. engine_leave_turn - continues an
 * upgrade; true: all sessions have left. engine_session_delete - deletes a session that cannot
 * leave, or cannot arrive as a whole.
 */
void engine_session_delete(struct engine *e, ike_session_id session);
void engine_leave_begin(struct engine *e, int fd);
bool engine_may_leave(const struct engine *e, const struct ike_session_info *session);
void engine_leaving_conns(const struct engine *e, struct map *conns);
bool engine_leave_turn(struct engine *e);
nanos engine_leave_deadline(const struct engine *e);

/* engine_arrive.c. engine_arrival_open - sessions will arrive, if the supervisor has a file for them. The engine before
 * this one has ended. ERR_SYSTEM. engine_arrive - the first load has ended. */
int engine_arrival_open(struct engine *e) MUST_USE;
void engine_arrive(struct engine *e);

/*
 * engine_chains.c. engine_chains_ask - asks the verifier for the chains of all sessions that may
 * leave. engine_chains_answered - reads the answer and its octets. engine_chains_known - the
 * session has no chains, or the verifier has sent them. engine_chains_carry - carries those of one
 * session; ERR_INVALID: they are missing. engine_chains_done - frees all.
 */
void engine_chains_ask(struct engine *e);
void engine_chains_answered(struct engine *e, const struct verifier_answer *answer,
                            struct span octets);
bool engine_chains_known(const struct engine *e, ike_session_id session);
void engine_chains_carry(struct engine *e, ike_session_id session, struct carrier *c);
void engine_chains_done(struct engine *e);

/* engine_watch.c */
struct watching *engine_watch_add(struct engine *e, enum watch_kind kind, uint64_t tag,
                                  nanos timeout, const struct engine_watch *watch);
void engine_watch_log(struct engine *e, const struct engine_line *line);
void engine_watch_command_done(struct engine *e, const struct ike_event *event);
/* engine_watch_unreachable - an ICMP error says that packets do not reach `remote`: tells the
 * clients that wait for a login there. The login continues, since anybody can forge the error. */
void engine_watch_unreachable(struct engine *e, const struct endpoint *remote);
void engine_watch_news(struct engine *e, const struct path_news *news);
/* engine_watch_refused - a Child SA is taken down at once. engine_watch_host - call it after
 * answers of the supervisor. */
void engine_watch_refused(struct engine *e, ike_child_id child, const char *why);
void engine_watch_host(struct engine *e);
void engine_watch_failed(struct engine *e, uint64_t tag, const char *why);
void engine_watch_tick(struct engine *e);

/* engine_down - the connection stays down until the user starts it, or until a restart. */
void engine_down(struct engine *e, const char *conn);
void engine_down_end(struct engine *e, const char *conn);
void engine_down_forget(struct engine *e); /* of all, at the end */
bool engine_is_down(const struct engine *e, const char *conn);

/* engine_log_* - logs lines that repeat while a peer redirects or a name server fails: the first
 * ones, and then one at intervals. The first failure of a wish is always logged. */
void engine_log_redirected(struct engine *e, const struct ike_event *event);
void engine_log_name_asked(struct engine *e, const struct path_question *question);
void engine_log_name_failed(struct engine *e, uint64_t job, int error);
void engine_log_unresolved(struct engine *e, struct resolving *r, int error);

/* engine_say_* - a line for clients that wait for a command, with names instead of numbers. */
void engine_say_sa(struct engine *e, const struct ike_event *event);
void engine_say_child(struct engine *e, const struct ike_event *event);
void engine_say_notice(struct engine *e, const struct ike_event *event);
void engine_say_session(struct engine *e, const struct ike_session_info *session, const char *text);
void engine_say_path(struct engine *e, const struct path_news *news);
/* engine_listen - from now on each line of the log also goes to the clients of the event `log`.
 * engine_about - the IKE SA that the next lines are about; NULL: none. */
void engine_listen(struct engine *e);
void engine_about(struct engine *e, const struct ike_event *event);

nanos engine_watch_deadline(const struct engine *e);
void engine_unwatch(struct engine *e, void *context);

#endif
