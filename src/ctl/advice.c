/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/advice.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *outcome, *next;
} table[] = {
    {"timeout", "Is the gateway's address right, and are UDP ports 500 and 4500 open on the way? "
                "See: ikat paths"},
    {"auth-failed", "The gateway refused the login. Compare the pre-shared key and the identities "
                    "(local { id }) on both "
                    "sides; the gateway's log says which of them it was."},
    {"peer-auth-failed", "The gateway has another pre-shared key, or is not the gateway. Compare "
                         "`secrets` on both sides."},
    {"no-secret", "Add a section ike... with this pair of identities to `secrets`, then reload."},
    {"id-mismatch", "The gateway has another identity than remote { id = ... } says."},
    {"no-proposal",
     "No algorithms in common. Compare `proposals` (IKE) and `esp_proposals` on both sides."},
    {"ke-refused", "No key exchange group in common. Compare `proposals` on both sides."},
    {"ts-refused", "No traffic selectors in common. Compare local_ts and remote_ts on both sides."},
    {"address-failure",
     "The gateway had no inner address to give. Are its pools large enough, and named in `pools`?"},
    {"no-path",
     "No interface of the connection's paths is up with a route to the gateway. See: ikat paths"},
    {"clone-unsupported",
     "The gateway cannot clone IKE SAs: one VPN is used, and moved when its interface goes."},
    {"no-additional-sas", "The gateway allows no further IKE SAs (max_ike_sas)."},
    {"temporary-failure", "The gateway is busy with the same SA; try again."},
    {"invalid-syntax",
     "The gateway could not read the login, or its answer could not be read. Both logs say "
     "which payload it was."},
    {"limit", "A limit of this host was reached; see its log."},
};

const char *advice_for(const char *error)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        size_t len = strlen(table[i].outcome);
        if (strncmp(error, table[i].outcome, len) == 0 && (error[len] == '\0' || error[len] == ':'))
            return table[i].next;
    }
    return NULL;
}
