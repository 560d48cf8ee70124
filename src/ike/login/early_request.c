/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/early_request.h"

#include <stdlib.h>

#include "ike/core/ike_state.h"
#include "ike/core/receive.h"
#include "ike/login/login.h"

struct early {
    struct ike_path path;
    size_t len;
    uint8_t octets[];
};

static void early_keep(struct early **slot, const struct ike_path *path, struct span datagram)
{
    if (*slot != NULL || datagram.len > LIMIT_IKE_MESSAGE)
        return;
    *slot = malloc(sizeof(**slot) + datagram.len);
    if (*slot == NULL)
        return; /* it will be repeated */
    (*slot)->path = *path;
    (*slot)->len = datagram.len;
    memcpy((*slot)->octets, datagram.ptr, datagram.len);
}

/* first_request - the Gateway's first request on this IKE SA, which it did not begin. */
static bool first_request(const struct ike_header *header)
{
    return header->exchange == WIRE_CREATE_CHILD_SA && header->message_id == 0 &&
           (header->flags & (IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE)) == 0;
}

bool early_request(struct sa *sa, const struct ike_path *path, const struct wire_message *outer)
{
    if (sa->life != IKE_AUTHENTICATING || !sa_original_initiator(sa) || sa->login == NULL ||
        !first_request(&outer->header))
        return false;
    early_keep(&sa->login->early[0], path, outer->octets);
    return true;
}

bool early_on_clone(struct ike *ike, const struct ike_path *path, const struct wire_message *outer)
{
    if (!first_request(&outer->header))
        return false;
    for (struct sa *sa = ike->n_groups == 0 ? NULL : ike->sas; sa != NULL; sa = sa->next) {
        if (sa->life != IKE_AUTHENTICATING || sa->login == NULL || sa->login->group == NULL ||
            sa->login->group_spi != outer->header.spi_i)
            continue;
        early_keep(&sa->login->early[1], path, outer->octets);
        return true;
    }
    return false;
}

void early_due(struct ike *ike, struct login *login)
{
    for (size_t i = 0; i < 2; i++) {
        early_free(ike->early[i]);
        ike->early[i] = login->early[i];
        login->early[i] = NULL;
    }
}

void early_replay(struct ike *ike, nanos now)
{
    for (size_t i = 0; i < 2; i++) {
        struct early *early = ike->early[i];
        ike->early[i] = NULL;
        if (early != NULL)
            receive_datagram(ike, &early->path, span_of(early->octets, early->len), now);
        early_free(early);
    }
}

struct early *early_free(struct early *early)
{
    free(early);
    return NULL;
}
