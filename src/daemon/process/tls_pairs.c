/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/tls_pairs.h"

#include <unistd.h>

#include "daemon/common/channel.h"

int tls_pairs_open(struct tls_pairs *pairs, int room)
{
    *pairs = (struct tls_pairs){{-1, -1}, {-1, -1}};
    return channel_pair(pairs->keys, room) != 0 || channel_pair(pairs->checks, room) != 0
               ? ERR_SYSTEM
               : 0;
}

void tls_pairs_close(struct tls_pairs *pairs)
{
    const int fds[] = {pairs->keys[0], pairs->keys[1], pairs->checks[0], pairs->checks[1]};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    *pairs = (struct tls_pairs){{-1, -1}, {-1, -1}};
}

void tls_pairs_hand(const struct tls_pairs *eap, const struct tls_pairs *aaa, struct tls_starts *to)
{
    to->key.eap_fds[SPAWN_TLS_KEY] = eap->keys[0];
    to->key.aaa_fds[SPAWN_TLS_KEY] = aaa->keys[0];
    to->verifier.eap_fds[SPAWN_TLS_VERIFIER] = eap->checks[0];
    to->verifier.aaa_fds[SPAWN_TLS_VERIFIER] = aaa->checks[0];
    to->eap.eap_fds[SPAWN_TLS_KEY] = eap->keys[1];
    to->eap.eap_fds[SPAWN_TLS_VERIFIER] = eap->checks[1];
    to->aaa.aaa_fds[SPAWN_TLS_KEY] = aaa->keys[1];
    to->aaa.aaa_fds[SPAWN_TLS_VERIFIER] = aaa->checks[1];
}
