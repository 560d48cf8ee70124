/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_TLS_H
#define DAEMON_AAA_TLS_H

/*
 * TLS of the aaa process: the keyholder signs for our certificate, and the verifier checks those of
 * RADIUS servers, as both do for EAP.
 */

#include "daemon/common/aaa_channel.h"
#include "daemon/eap/eap_doors.h"
#include "eap/tls_key.h"
#include "radius/tls_link.h"

/* struct aaa_tls_home - the part that all servers share. */
struct aaa_tls_home {
    struct tls_library library;
    struct eap_channels channels;
    struct eap_doors doors;
};

/* aaa_tls_home_init - `home` must not move afterwards. Call it before the sandbox closes the file
 * system. false: no memory. */
bool aaa_tls_home_init(struct aaa_tls_home *home, int key_fd, int verifier_fd);

/* struct aaa_tls_terms - the part of one server; it must not move while the server has
 * connections. */
struct aaa_tls_terms {
    struct aaa_tls_home *home;
    const struct aaa_server *server; /* borrowed */
    struct eap_tls signer;
    struct radius_tls *tls;
    bool refused; /* the keyholder did not sign: a handshake failed for that reason */
};

/* aaa_tls_terms_begin - all borrowed. ERR_INVALID: our certificate is malformed, or its kind of key
 * cannot sign here; ERR_NO_MEMORY. */
int aaa_tls_terms_begin(struct aaa_tls_terms *terms, struct aaa_tls_home *home,
                        const struct aaa_server *server) MUST_USE;
void aaa_tls_terms_end(struct aaa_tls_terms *terms); /* also of zeros */

#endif
