/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NM_VICI_CALLS_H
#define NM_VICI_CALLS_H

/* One connection of NetworkManager at ikatd: loaded, brought up, asked for, ended. Every call opens the
 * control socket anew and blocks until ikatd answers. */

#include <sys/types.h>

#include "ctl/client.h"
#include "nm/grant.h"
#include "nm/plan.h"

#define NM_ERROR_MAX 512

/* struct nm_reader - as whom the files of a connection are opened. A user who may make connections for
 * himself must not have root read what he cannot. */
struct nm_reader {
    uid_t uid;
    gid_t gid;
};

/* nm_session_load - reads the files of the plan, and loads connection, secret and private key. `key_id`
 * gets the id of the private key; empty: none. false: `error` has the reason; nm_session_end() unloads
 * what was loaded. */
bool nm_session_load(const char *socket, struct nm_plan *plan, const struct nm_reader *reader,
                     char key_id[64], char error[NM_ERROR_MAX]);
/* nm_session_initiate - logs in, and waits. false: `error` has the outcome. */
bool nm_session_initiate(const char *socket, const char *conn, char error[NM_ERROR_MAX]);
/* nm_session_grant - false: it is not up, or ikatd does not answer. */
bool nm_session_grant(const char *socket, const char *conn, struct nm_grant *ret_grant);
/* nm_session_is_loaded - ikatd still has the connection: a reload of its files takes it away, and then
 * ikatd does not log in again. */
bool nm_session_is_loaded(const char *socket, const char *conn);
/* nm_session_end - ends the session and unloads what nm_session_load() has loaded. */
void nm_session_end(const char *socket, const char *conn, const char *key_id);

#endif
