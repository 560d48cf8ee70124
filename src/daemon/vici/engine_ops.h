/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_OPS_H
#define DAEMON_ENGINE_OPS_H

/*
 * The operations that the VICI server asks of the engine. The engine implements them; tests can
 * replace them. All run in the control thread, and none blocks.
 */

#include "daemon/common/hook_channel.h"
#include "daemon/common/inner_device.h"
#include "daemon/common/verifier_channel.h"
#include "daemon/config/engine_load.h"
#include "ike/ike.h"
#include "multipath/path_manager.h"
#include "plane/esp_plane.h"

/* struct engine_loads - counts of the loads from files that have ended. */
struct engine_loads {
    uint64_t n, n_refused;
    bool last_refused; /* the last load was refused, and the previous configuration stays */
};

/* struct engine_line - a log line for users, with the words and groups that charon uses. */
struct engine_line {
    unsigned level;    /* 0: sessions that begin and end; 1 and 2: more detail */
    const char *group; /* "IKE", "CHD", "CFG", ... */
    const char *conn;  /* of the IKE SA that the line is about; NULL: none */
    ike_sa_id sa;
    const char *text; /* without newline */
};

/* struct engine_watch - a caller that waits for the outcome of an initiate or terminate. `log` may
 * be called many times. `done` is called once, and ends the watch. ops->unwatch ends it earlier. */
struct engine_watch {
    void *context;
    void (*log)(void *context, const struct engine_line *line); /* progress */
    void (*done)(void *context, bool success, unsigned matches, const char *error);
};

/* struct engine_asked - a command of a client that changes something, and later its result. `value`
 * of a key: the client's text; only keys without secrets are looked up. */
struct engine_asked {
    const char *command;
    uint32_t uid;
    const struct tree *message; /* control/tree.h; NULL with a result */
    const char *result;         /* "ok", or the error; NULL: the command has just arrived */
};

/* struct engine_initiate - asks for a session of the connection, or for a further child of it. */
struct engine_initiate {
    const char *conn, *child;         /* names; child NULL: the first one */
    bool alone;                       /* the IKE SA only, without a child */
    nanos timeout;                    /* 0: until the outcome is known */
    const struct engine_watch *watch; /* NULL: no caller waits */
};

struct engine_filter {
    const char *ike, *child;   /* names; NULL: any */
    uint32_t ike_id, child_id; /* 0: any */
    uint32_t session_id;       /* all IKE SAs of that session; 0: of any */
    bool hold;                 /* terminate of `ike`: the connection stays down, engine_state.h */
    bool unused_old;           /* rekey of IKE SAs with code 1 of KEEP_OLD_IKE_SA */
    const char *remote_id;     /* of all sessions of that peer, a pattern as in remote.id; NULL */
};

/* struct engine_redirect - selects the sessions that match all given values. */
struct engine_redirect {
    const char *ike, *peer_id;  /* peer_id: a pattern as in remote.id; NULL: any */
    uint32_t ike_id;            /* 0: any */
    struct address_range peers; /* first.family ADDRESS_NONE: any */
    struct ike_gateway gateway;
    unsigned refused; /* out: the number of them whose peer cannot be redirected */
};

/* struct engine_reply - a caller that waits until a secret, key or certificate is loaded. `done` is
 * called once, after the call that took the reply has returned; key_id is set for private keys
 * only. `item`: NULL, or called before `done` with the requested octets; borrowed. ops->unwatch
 * ends it earlier. */
struct engine_reply {
    void *context;
    void (*item)(void *context, struct span octets);
    void (*done)(void *context, int error, const char *reason, const uint8_t *key_id);
};

/* struct engine_limit - how much of a bounded resource is in use. */
struct engine_limit {
    char name[96];
    uint64_t used, most; /* most 0: no bound */
};

struct engine_child_traffic {
    uint64_t packets_in, octets_in, packets_out, octets_out;
    nanos last_in_ns, last_out_ns; /* 0: never */
};

/* struct engine_child_marks - marks and interface ids of a Child SA, and the name of the TUN device
 * that its packets are sent from. */
struct engine_child_marks {
    struct inner_marks marks;
    char device[16];
};

struct engine_ops {
    void *engine;
    nanos (*now)(void *engine);
    struct ike *(*ike)(void *engine); /* to read and to reset counters */

    /* conn_load - takes a reference; runs start_action. unload: ERR_NOT_FOUND; its SAs stay. */
    int (*conn_load)(void *engine, struct ike_conn *conn);
    int (*conn_unload)(void *engine, const char *name);
    /* conn_credentials - call it before conn_load. The demands of its rounds on keys and
     * certificates get the numbers that the connection carries, and its certificates go to the
     * verifier. With `staged` the certificates come later, with load_all. */
    int (*conn_credentials)(void *engine, const struct conn_credentials *credentials,
                            struct ike_conn *conn, bool staged);
    /* load_all - replaces the whole configuration by the contents of `load`. It is checked as a
     * whole and then switched. On an error nothing has changed, and `ret_why` may explain the
     * error. 0 for a load with a number: reply->done will report that all processes that keep
     * secrets have switched. Without a number it is not called. */
    int (*load_all)(void *engine, const struct engine_load *load, const struct engine_reply *reply,
                    char ret_why[ENGINE_ERROR_MAX]);
    /* load_drop - drops the secrets and keys that the loader of that number handed over, unless its
     * load was switched. */
    void (*load_drop)(void *engine, uint64_t number);
    /* *_load - 0: reply->done will report the outcome; an error: it is not called. *_check - the
     * same check, without loading. */
    int (*cert_check)(void *engine, const struct engine_cert *cert,
                      const struct engine_reply *reply);
    int (*key_check)(void *engine, struct span octets, struct span passphrase,
                     const struct engine_reply *reply);
    int (*secret_load)(void *engine, const struct engine_secret *secret,
                       const struct engine_reply *reply);
    int (*secret_unload)(void *engine, const char *id);                     /* ERR_NOT_FOUND */
    bool (*secret_at)(void *engine, size_t index, char ret_id[LIMIT_NAME]); /* named ones */
    int (*key_load)(void *engine, struct span octets, struct span passphrase,
                    const struct engine_reply *reply);
    int (*token_load)(void *engine, const struct key_token *token,
                      const struct engine_reply *reply); /* a key on a token; as key_load */
    int (*key_unload)(void *engine, const uint8_t key_id[KEY_ID_SIZE]); /* ERR_NOT_FOUND */
    int (*cert_load)(void *engine, enum cert_role role, struct span octets,
                     const struct engine_reply *reply);
    int (*cert_unload)(void *engine, enum cert_role role, const uint8_t digest[CERT_DIGEST]);
    int (*crl_load)(void *engine, struct span octets, const struct engine_reply *reply);
    /* VERIFIER_FLUSH_*: drops fetched lists and responses */
    int (*crls_flush)(void *engine, uint32_t what);
    /* cached_show - shows a cached list of revocations or OCSP response, as VERIFIER_SHOW does */
    int (*cached_show)(void *engine, const struct verifier_show *what,
                       const struct engine_reply *reply);
    /* authority_load - replaces the authority of the same name. unload: ERR_NOT_FOUND. at: NULL: no
     * more. */
    int (*authority_load)(void *engine, const struct engine_authority *authority,
                          const struct engine_reply *reply);
    int (*authority_unload)(void *engine, const char *name);
    const struct engine_authority *(*authority_at)(void *engine, size_t index);
    void (*credentials_clear)(void *engine);
    const struct credentials *(*credentials)(void *engine); /* for looking in only */
    /* radius_load - its secret is wiped by the caller. unload: ERR_NOT_FOUND. */
    int (*radius_load)(void *engine, const struct aaa_server *server);
    int (*radius_unload)(void *engine, const char *name);
    bool (*radius_at)(void *engine, size_t index, char ret_name[LIMIT_NAME]);
    struct pools *(*pools)(void *engine);
    void (*pools_changed)(void *engine); /* call it after a pool was loaded or unloaded */

    /* initiate - ERR_NOT_FOUND: no such connection or child, and `watch` is not called. */
    int (*initiate)(void *engine, const struct engine_initiate *what);
    /* install - puts a trap, or a pass or drop policy, of a child in force; `conn` NULL: the first
     * connection that has the child. ERR_NOT_FOUND; ERR_WRONG_STATE: impossible, see
     * engine_state.h; ERR_INVALID, ERR_FULL, ERR_NO_MEMORY. uninstall - ERR_NOT_FOUND: it is not in
     * force. Child SAs stay. */
    int (*install)(void *engine, const char *conn, const char *child);
    int (*uninstall)(void *engine, const char *conn, const char *child);
    /* terminate - ends the IKE SAs, Child SAs or whole sessions (by name of the connection) that
     * match. Returns their number; watch->done comes when they are gone. 0: none, and `watch` is
     * not called. */
    unsigned (*terminate)(void *engine, const struct engine_filter *filter, bool force,
                          const struct engine_watch *watch);
    /* redirect - sends sessions of which we are the Gateway to another one. Returns how many match. */
    unsigned (*redirect)(void *engine, struct engine_redirect *what);
    unsigned (*rekey)(void *engine, const struct engine_filter *filter, bool reauth);
    /* upgrade - 0: reply->done will tell the decision of the supervisor. Error 0 without a reason: the engine
     * ends. ERR_AGAIN: another upgrade runs. upgraded - the outcome of the last one. */
    int (*upgrade)(void *engine, const struct engine_reply *reply);
    enum upgrade_outcome (*upgraded)(void *engine);
    void (*unwatch)(void *engine, void *context);
    void (*asked)(void *engine, const struct engine_asked *asked);

    /* limit_at - index from 0; false: no more. */
    bool (*limit_at)(void *engine, size_t index, struct engine_limit *ret_limit);
    /* filtered - the packet filter keeps unprotected packets out of protected networks. */
    bool (*filtered)(void *engine);
    struct engine_loads (*loads)(void *engine);
    uint32_t (*reqid)(void *engine, ike_child_id child); /* reqids.h; 0: none */
    bool (*traffic)(void *engine, ike_child_id child, struct engine_child_traffic *ret_traffic);
    /* marks - the marks of a Child SA with a device of its own; false: it has the first device. */
    bool (*marks)(void *engine, ike_child_id child, struct engine_child_marks *ret_marks);
    /* interface_name - of an index; false: none that is known. */
    bool (*interface_name)(void *engine, uint32_t index, char ret_name[16]);
    /* is_trap - a packet for the child causes a login or a Child SA. shunt_at - the pass and drop
     * policies in force: index from 0, false: no more. Borrowed until the next call that changes
     * them. */
    bool (*is_trap)(void *engine, const struct ike_conn *conn,
                    const struct ike_child_policy *child);
    bool (*shunt_at)(void *engine, size_t index, const char **ret_conn,
                     const struct ike_child_policy **ret_child);
    bool (*path_at)(void *engine, size_t index, struct path_status *ret_status);
    struct path_failovers (*failovers)(void *engine);
    /* path_traffic - the octets and packets of a session on one path since its login (accounts.h). */
    struct engine_child_traffic (*path_traffic)(void *engine, ike_session_id session,
                                                const struct ike_path *path);
    /* lane - the state of a Child SA that shares flows with others; false: it shares none. */
    bool (*lane)(void *engine, ike_child_id child, struct esp_plane_lane *ret_lane);
    void (*plane_stats)(void *engine, struct esp_plane_stats *ret_stats);
    /* name_servers - the servers of the session that a host may use
     * (engine_name_servers_usable). */
    void (*name_servers)(void *engine, const struct ike_session_info *session,
                         struct hook_name_servers *ret_servers);
};

/* ENGINE_OPS - all operations, each a function op_<name>. A missing one does not compile. */
#define ENGINE_OPS(of)                                                                             \
    {                                                                                              \
        .engine = (of), .now = op_now, .ike = op_ike, .conn_load = op_conn_load,                   \
        .conn_unload = op_conn_unload, .conn_credentials = op_conn_credentials,                    \
        .load_all = op_load_all, .load_drop = op_load_drop, .secret_load = op_secret_load,         \
        .secret_unload = op_secret_unload, .secret_at = op_secret_at, .cert_check = op_cert_check, \
        .key_check = op_key_check, .key_load = op_key_load, .token_load = op_token_load,           \
        .key_unload = op_key_unload, .cert_load = op_cert_load, .cert_unload = op_cert_unload,     \
        .crl_load = op_crl_load, .crls_flush = op_crls_flush, .cached_show = op_cached_show,       \
        .authority_load = op_authority_load, .authority_unload = op_authority_unload,              \
        .authority_at = op_authority_at, .credentials_clear = op_credentials_clear,                \
        .credentials = op_credentials, .radius_load = op_radius_load,                              \
        .radius_unload = op_radius_unload, .radius_at = op_radius_at, .pools = op_pools,           \
        .pools_changed = op_pools_changed, .limit_at = op_limit_at, .filtered = op_filtered,       \
        .loads = op_loads, .initiate = op_initiate, .install = op_install,                         \
        .uninstall = op_uninstall, .terminate = op_terminate, .rekey = op_rekey,                   \
        .redirect = op_redirect, .upgrade = op_upgrade, .upgraded = op_upgraded,                   \
        .unwatch = op_unwatch, .asked = op_asked, .reqid = op_reqid, .traffic = op_traffic,        \
        .marks = op_marks, .interface_name = op_interface_name, .is_trap = op_is_trap,             \
        .shunt_at = op_shunt_at, .path_at = op_path_at, .path_traffic = op_path_traffic,           \
        .failovers = op_failovers, .lane = op_lane, .plane_stats = op_plane_stats,                 \
        .name_servers = op_name_servers,                                                           \
    }

#endif
