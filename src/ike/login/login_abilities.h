/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_ABILITIES_H
#define IKE_LOGIN_ABILITIES_H

/* The announcements of MOBIKE (RFC 4555) and CLONE_IKE_SA_SUPPORTED (RFC 7791) in the first
 * IKE_AUTH request and in the last response. */

#include "ike/login/login.h"

void login_abilities_add(struct sa *sa, const struct ike_conn *conn, struct wire_builder *message);
/* login_abilities_read - reads the abilities of the session's peer, which sent `message` over
 * `path`. */
void login_abilities_read(struct sa *sa, const struct wire_message *message,
                          const struct ike_path *path);

#endif
