/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_REDIRECT_H
#define IKE_LOGIN_REDIRECT_H

/*
 * RFC 5685: a Gateway sends an End User to another Gateway, in the response to IKE_SA_INIT, in the
 * last response of IKE_AUTH, or later:
 *
 *   HDR, SAi1, KEi, Ni, N(REDIRECT_SUPPORTED)  -->
 *                                              <--  HDR, N(REDIRECT, Gateway, Ni_data)
 *   HDR, SK{IDi, AUTH, ...}                    -->
 *                                              <--  HDR, SK{IDr, AUTH, N(REDIRECT, Gateway)}
 *                                              <--  HDR, SK{N(REDIRECT, Gateway)}
 *   HDR, SK{}                                  -->
 *
 * The path manager decides whether the End User follows, and resolves the name.
 */

#include "ike/core/ike_state.h"
#include "ike/core/upper.h"
#include "ike/terms/gateway.h"
#include "wire/builder.h"
#include "wire/payloads.h"

/* --- End User --- */

/* redirect_announce - adds REDIRECT_SUPPORTED, or REDIRECTED_FROM behind a redirection. */
void redirect_announce(const struct sa *sa, struct wire_builder *request);
/* --- Gateway --- */

bool redirect_announced(const struct wire_message *init_request);
/* redirect_at_once - before the peer is known: it announced REDIRECT_SUPPORTED, and all connections
 * that it may mean redirect to the same Gateway. */
bool redirect_at_once(const struct ike *ike, const struct ike_path *path,
                      const struct ike_conn *conn, const struct wire_message *request);
/* redirect_after_proof - adds REDIRECT to the last response of a login; false: the End User
 * stays. */
bool redirect_after_proof(const struct sa *sa, struct wire_builder *reply);

#endif
