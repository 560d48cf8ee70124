/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_VICI_SERVER_H
#define DAEMON_VICI_SERVER_H

/*
 * The VICI server: clients on a Unix stream socket that the supervisor opened. It runs in the
 * engine's event loop and waits for no client. A listing advances as its client reads. A client
 * that does not read its events is cut off when its buffer is full.
 */

#include "control/vici.h"
#include "daemon/vici/engine_ops.h"
#include "daemon/vici/vici_files.h"
#include "linux/event_loop.h"

struct vici_server;

/* vici_server_new - takes the listening descriptor. NULL: no memory. `ops` and `loop` are borrowed.
 */
struct vici_server *vici_server_new(const struct engine_ops *ops, struct event_loop *loop,
                                    int listen_fd);
struct vici_server *vici_server_free(struct vici_server *server); /* closes; returns NULL */

/* vici_server_loader - serves a client from the supervisor, which does not count against the limit.
 * Takes the descriptor. When the loader of that number goes, its secrets in other processes are
 * dropped, unless they were loaded. */
void vici_server_loader(struct vici_server *server, int fd, uint64_t number);

/* vici_server_loading - the first load is under way, or has ended. Meanwhile commands that change
 * something wait, since the load replaces all objects. Other commands are answered. */
void vici_server_loading(struct vici_server *server, bool loading);

/* vici_server_event - sends the event to registered clients: ike-updown, child-updown, ike-update
 * and such. Call it with each event of ike_event(), after the engine has acted on it. */
void vici_server_event(struct vici_server *server, const struct ike_event *event);
/* vici_server_alert - sends the event `alert` without an IKE SA: "shutdown-signal". */
void vici_server_alert(struct vici_server *server, const char *type);
/* vici_server_log - sends the event `log`: a line of the log. */
void vici_server_log(struct vici_server *server, const struct engine_line *line);
/* vici_server_trace - sends the event `trace` for the IKE messages that were traced since the last
 * call. */
void vici_server_trace(struct vici_server *server);
/* vici_server_path_news - sends the event `path`, an extension of ikat. */
void vici_server_path_news(struct vici_server *server, const struct path_news *news);

/* --- for vici_commands.c --- */

enum vici_event_id {
    VICI_EV_LOG,
    VICI_EV_CONTROL_LOG,
    VICI_EV_LIST_SA,
    VICI_EV_LIST_POLICY,
    VICI_EV_LIST_CONN,
    VICI_EV_LIST_CERT,
    VICI_EV_LIST_AUTHORITY,
    VICI_EV_IKE_UPDOWN,
    VICI_EV_IKE_REKEY,
    VICI_EV_IKE_UPDATE,
    VICI_EV_CHILD_UPDOWN,
    VICI_EV_CHILD_REKEY,
    VICI_EV_ALERT,
    VICI_EV_LIST_SESSION, /* ours */
    VICI_EV_LIST_PATH,    /* ours */
    VICI_EV_PATH,         /* ours */
    VICI_EV_LIST_LOG,     /* ours */
    VICI_EV_LIST_LEASE,   /* ours */
    VICI_EV_LIST_TRACE,   /* ours */
    VICI_EV_TRACE,        /* ours */
    VICI_EV_COUNT
};
const char *vici_event_name(enum vici_event_id id);

struct vici_client;
const struct engine_ops *vici_client_ops(const struct vici_client *client);
nanos vici_client_started(const struct vici_client *client); /* of the server */
bool vici_client_registered(const struct vici_client *client, enum vici_event_id id);
/* vici_client_stage - the load that the client prepares; NULL: none. The client owns it and frees
 * the former one. */
struct vici_stage *vici_client_stage(const struct vici_client *client);
void vici_client_stage_set(struct vici_client *client, struct vici_stage *stage);
/* vici_client_load - the number of a loader (struct engine_load); 0: the client is no loader. */
uint64_t vici_client_load(const struct vici_client *client);
/* vici_client_files - the names of the files' objects; NULL: no files were loaded.
 * vici_client_files_set - the server owns them. */
struct vici_files *vici_client_files(const struct vici_client *client);
void vici_client_files_set(struct vici_client *client, struct vici_files *files);
/* vici_server_conn_of_files - ikatd has the connection from its files. */
bool vici_server_conn_of_files(const struct vici_server *server, const char *conn);
/* vici_of_files - the client is told that it cannot unload the object. false: it can, and nothing
 * was said. */
bool vici_of_files(struct vici_client *client, enum vici_file_kind kind, const char *name);
/* vici_client_send - queues the frame and frees the writer. */
void vici_client_send(struct vici_client *client, struct vici_writer *w);
/* vici_client_busy - the running command responds later (initiate, terminate); further requests of
 * the client wait. */
void vici_client_busy(struct vici_client *client, bool busy);

/* struct vici_cached - how far list-certs is with what the verifier has: kinds that are still to be
 * shown, and the place in the first one. */
struct vici_cached {
    bool lists, responses;
    uint32_t index;
};
struct vici_cached *vici_client_cached(struct vici_client *client);

/*
 * vici_client_list - answers the running command with events of kind `id`, as fast as the client
 * reads, and then with an empty response. `next` sends at most one event and advances `at`, which
 * begins with 0; it returns false at the end. If the client has not registered for `id`, it gets
 * the response alone.
 */
typedef bool (*vici_listing)(struct vici_client *client, const struct tree *message, uint64_t *at);
void vici_client_list(struct vici_client *client, enum vici_event_id id, vici_listing next);

/* vici_client_say - vici_server_log() of the client's server. */
void vici_client_say(const struct vici_client *client, const struct engine_line *line);
/* vici_put_line - writes the keys of a line of the log. */
void vici_put_line(struct vici_writer *w, const struct engine_line *line);
/* vici_client_level - up to which level the client of the running command wants control-log;
 * negative: nothing. */
void vici_client_level_set(struct vici_client *client, int level);
int vici_client_level(const struct vici_client *client);

/* vici_number - the value of a key; 0: it is missing, or no 32-bit number. */
uint32_t vici_number(const struct tree *message, const char *key);

/* vici_succeed, vici_fail, vici_finish - success=yes, or success=no with a reason for a person.
 * `err` 0: yes; otherwise `why`, or the error's own text. */
void vici_succeed(struct vici_client *client);
void vici_fail(struct vici_client *client, const char *why);
void vici_finish(struct vici_client *client, int err, const char *why);

/* vici_credentials.c: commands of vici_command_run() */
void vici_load_cert(struct vici_client *client, const struct tree *message);
void vici_load_key(struct vici_client *client, const struct tree *message);
void vici_unload_key(struct vici_client *client, const struct tree *message);
void vici_get_keys(struct vici_client *client, const struct tree *message);
void vici_load_token(struct vici_client *client, const struct tree *message);
void vici_load_shared(struct vici_client *client, const struct tree *message);
void vici_unload_shared(struct vici_client *client, const struct tree *message);
void vici_get_shared(struct vici_client *client, const struct tree *message);
void vici_list_certs(struct vici_client *client, const struct tree *message);
void vici_flush_certs(struct vici_client *client, const struct tree *message);
/* vici_authorities.c */
void vici_load_authority(struct vici_client *client, const struct tree *message);
void vici_unload_authority(struct vici_client *client, const struct tree *message);
void vici_get_authorities(struct vici_client *client, const struct tree *message);
void vici_list_authorities(struct vici_client *client, const struct tree *message);
void vici_retain_credentials(struct vici_client *client, const struct tree *message);
void vici_clear_creds(struct vici_client *client, const struct tree *message);

/* vici_control.c */
void vici_initiate(struct vici_client *client, const struct tree *message);
void vici_terminate(struct vici_client *client, const struct tree *message);
void vici_rekey(struct vici_client *client, const struct tree *message);

void vici_redirect(struct vici_client *client, const struct tree *message);

/* vici_listing.c */
void vici_list_sas(struct vici_client *client, const struct tree *message);
void vici_list_conns(struct vici_client *client, const struct tree *message);
void vici_list_sessions(struct vici_client *client, const struct tree *message);
void vici_list_paths(struct vici_client *client, const struct tree *message);

/* vici_log.c */
struct vici_log *vici_client_log(const struct vici_client *client);
void vici_list_log(struct vici_client *client, const struct tree *message);

/* vici_pools.c */
void vici_load_pool(struct vici_client *client, const struct tree *message);
void vici_unload_pool(struct vici_client *client, const struct tree *message);
void vici_get_pools(struct vici_client *client, const struct tree *message);
void vici_list_leases(struct vici_client *client, const struct tree *message);

/* vici_counters.c */
void vici_get_counters(struct vici_client *client, const struct tree *message);
void vici_reset_counters(struct vici_client *client, const struct tree *message);

/* vici_upgrade.c */
void vici_upgrade(struct vici_client *client, const struct tree *message);
void vici_get_upgrade(struct vici_client *client, const struct tree *message);

/* vici_radius.c */
void vici_load_radius(struct vici_client *client, const struct tree *message);
void vici_unload_radius(struct vici_client *client, const struct tree *message);
void vici_get_radius(struct vici_client *client, const struct tree *message);

/* vici_command_changes - a known command that changes something, so it is logged with its user. */
bool vici_command_changes(const char *name);
/* vici_command_run - answers the request. false: no such command. */
bool vici_command_run(struct vici_client *client, const char *name, const struct tree *message);

#endif
