/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/advice.h"

#include <stddef.h>
#include <string.h>

#define PSK  "pre-shared key"
#define CERT "public key"
#define EAP  "EAP"

/* The first row that fits decides. `local`, `remote`: how each end logs in; NULL: in any way. */
static const struct {
    const char *outcome, *local, *remote, *next;
} table[] = {
    {"timeout", NULL, NULL,
     "Is the gateway's address right, and are UDP ports 500 and 4500 open on the way?"},
    {"auth-failed", PSK, NULL,
     "The gateway refused the login. Compare the pre-shared key and the identities (local { id "
     "}, remote { id }) on both sides; the gateway's log says which of them it was."},
    {"auth-failed", CERT, NULL,
     "The gateway refused the certificate of this host. Compare local { id } with the certificate, "
     "look at its dates, and whether the gateway has its CA; the gateway's log says which it was."},
    {"auth-failed", EAP, NULL,
     "The gateway refused the login. Compare eap_id and its secret on both sides; the gateway's "
     "log says more."},
    {"auth-failed", NULL, NULL, "The gateway refused the login; the gateway's log says why."},
    {"peer-auth-failed", EAP, NULL,
     "If EAP failed: compare eap_id and its secret on both sides. Else the gateway is not "
     "verified: the certificate of its CA belongs into x509ca/."},
    {"peer-auth-failed", NULL, PSK,
     "The gateway has another pre-shared key, or is not the gateway. Compare `secrets` on both "
     "sides."},
    {"peer-auth-failed", NULL, CERT,
     "The certificate of the gateway is not accepted. The certificate of its CA belongs into "
     "x509ca/, then reload; or the certificate is out of date, or is not for remote { id }."},
    {"peer-auth-failed", NULL, NULL,
     "The gateway did not prove its identity; the log of this host says why."},
    {"no-secret", PSK, NULL,
     "Add a section ike... with this pair of identities to `secrets`, then reload."},
    {"no-secret", CERT, NULL,
     "The certificate belongs into x509/ and its private key into private/, then reload. A key "
     "with a passphrase: ikat unlock FILE"},
    {"no-secret", NULL, NULL, "A secret is missing; the log of this host says which."},
    {"id-mismatch", NULL, NULL, "The gateway has another identity than remote { id = ... } says."},
    {"no-proposal", NULL, NULL,
     "No algorithms in common. Compare `proposals` (IKE) and `esp_proposals` on both sides."},
    {"ke-refused", NULL, NULL,
     "No key exchange group in common. Compare `proposals` on both sides."},
    {"ts-refused", NULL, NULL,
     "No traffic selectors in common. Compare local_ts and remote_ts on both sides; the gateway's "
     "log says what it was asked for."},
    {"address-failure", NULL, NULL,
     "The gateway gave no inner address. Does this side ask for one (vips = 0.0.0.0)? Are the "
     "pools "
     "of the gateway large enough, and named in `pools`?"},
    {"no-path", NULL, NULL,
     "No interface of the connection's paths is up with a route to the gateway."},
    {"clone-unsupported", NULL, NULL,
     "The gateway cannot clone IKE SAs: one VPN is used, and moved when its interface goes."},
    {"no-additional-sas", NULL, NULL, "The gateway allows no further IKE SAs (max_ike_sas)."},
    {"temporary-failure", NULL, NULL, "The gateway is busy with the same SA; try again."},
    {"invalid-syntax", NULL, NULL,
     "The gateway could not read the login, or its answer could not be read. Both logs say which "
     "payload it was."},
    {"limit", NULL, NULL, "A limit of this host was reached; see its log."},
};

/* is_method - the class of the first round of one end, as list-conns has it. */
static bool is_method(const struct tree *conn, const char *round, const char *method)
{
    const struct tree *section = method == NULL || conn == NULL ? NULL : tree_get(conn, round);
    return method == NULL ||
           (section != NULL && strcmp(tree_text_or(section, "class", ""), method) == 0);
}

const char *advice_for(const char *error, const struct tree *conn)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        size_t len = strlen(table[i].outcome);
        if (strncmp(error, table[i].outcome, len) == 0 &&
            (error[len] == '\0' || error[len] == ':') &&
            is_method(conn, "local-1", table[i].local) &&
            is_method(conn, "remote-1", table[i].remote))
            return table[i].next;
    }
    return NULL;
}
