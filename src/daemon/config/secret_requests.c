/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/secret_requests.h"

#include "wire/payloads.h"

int secret_to_key(const struct engine_secret *secret, struct key_load *ret)
{
    if (secret->n_octets == 0 || secret->n_octets > KEY_SECRET || secret->n_owners > KEY_OWNERS)
        return ERR_INVALID;
    *ret = (struct key_load){.secret_len = (uint32_t)secret->n_octets,
                             .n_owners = secret->n_owners,
                             .ppk = secret->kind == ENGINE_SECRET_PPK};
    memcpy(ret->name, secret->id, sizeof(ret->name));
    memcpy(ret->owners, secret->owners, secret->n_owners * sizeof(ret->owners[0]));
    for (uint32_t i = 0; ret->ppk == 1 && i < ret->n_owners; i++)
        ret->owners[i].type = ID_KEY_ID; /* a PPK_ID has no type (RFC 8784 section 5.1) */
    return 0;
}

int secret_to_eap(const struct engine_secret *secret, struct eap_load *ret)
{
    if (secret->n_octets == 0 || secret->n_octets > sizeof(ret->octets) ||
        secret->n_owners > EAP_OWNERS)
        return ERR_INVALID;
    *ret = (struct eap_load){.kind = secret->kind == ENGINE_SECRET_NTLM ? EAP_SECRET_NT_HASH
                                                                        : EAP_SECRET_PASSWORD,
                             .len = (uint32_t)secret->n_octets,
                             .n_owners = secret->n_owners};
    memcpy(ret->name, secret->id, sizeof(ret->name));
    memcpy(ret->octets, secret->octets, secret->n_octets);
    memcpy(ret->owners, secret->owners, secret->n_owners * sizeof(ret->owners[0]));
    return 0;
}
