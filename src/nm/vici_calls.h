/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NM_VICI_CALLS_H
#define NM_VICI_CALLS_H

/* One connection of NetworkManager at ikatd: loaded, brought up, asked for, ended. Every call opens the
 * control socket anew and blocks until ikatd answers. */

#include "ctl/client.h"
#include "nm/grant.h"
#include "nm/plan.h"

#define NM_ERROR_MAX 512

enum nm_answer { NM_NO, NM_YES, NM_UNKNOWN }; /* unknown: ikatd did not answer */

/* nm_session_load - reads the files of the plan, and loads connection, secret and private key. `key_id`
 * gets the id of the private key; empty: none, or ikatd had it before. false: `error` has the reason;
 * nm_session_end() unloads what was loaded. */
bool nm_session_load(const char *socket, struct nm_plan *plan, char key_id[64],
                     char error[NM_ERROR_MAX]);
/* nm_session_initiate - logs in, and waits. false: `error` has the outcome. */
bool nm_session_initiate(const char *socket, const char *conn, char error[NM_ERROR_MAX]);
/* nm_session_grant - reads whether the session is up, and what the Gateway gave. */
enum nm_answer nm_session_grant(const char *socket, const char *conn, struct nm_grant *ret_grant);
/* nm_session_is_loaded - ikatd still has the connection. A reload of ikatd's files unloads it, and
 * then ikatd does not log in again. */
enum nm_answer nm_session_is_loaded(const char *socket, const char *conn);
/* nm_session_end - ends the session, and unloads connection, secret and private key. A key that ikatd had before is not
 * unloaded, nor one that another connection of NetworkManager may use: ikatd keeps it until it ends. */
void nm_session_end(const char *socket, const char *conn, const char *key_id);

#endif
