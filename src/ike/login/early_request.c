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
        return; /* the peer repeats it */
    (*slot)->path = *path;
    (*slot)->len = datagram.len;
    memcpy((*slot)->octets, datagram.ptr, datagram.len);
}

/* first_request - the peer's first request on an IKE SA that it did not begin. */
static bool first_request(const struct ike_header *header)
{
    return header->message_id == 0 &&
           (header->flags & (IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE)) == 0;
}

bool early_request(struct sa *sa, const struct ike_path *path, const struct wire_message *outer)
{
    bool login = sa->life == IKE_AUTHENTICATING && sa->login != NULL &&
                 outer->header.exchange == WIRE_CREATE_CHILD_SA;
    bool larval = sa->life == IKE_HALF_OPEN && sa->parent != 0;
    if (!sa_original_initiator(sa) || !(login || larval) || !first_request(&outer->header))
        return false;
    early_keep(&sa->early, path, outer->octets);
    return true;
}

bool early_on_clone(struct ike *ike, const struct ike_path *path, const struct wire_message *outer)
{
    if (!first_request(&outer->header) || outer->header.exchange != WIRE_CREATE_CHILD_SA)
        return false;
    for (struct sa *sa = ike->n_groups == 0 ? NULL : ike->sas; sa != NULL; sa = sa->next) {
        if (sa->life != IKE_AUTHENTICATING || sa->login == NULL || sa->login->group == NULL ||
            sa->login->group_spi != outer->header.spi_i)
            continue;
        early_keep(&sa->login->early, path, outer->octets);
        return true;
    }
    return false;
}

static void due(struct early **slot, struct early **kept)
{
    early_free(*slot);
    *slot = *kept;
    *kept = NULL;
}

void early_due(struct sa *sa)
{
    if (sa->early != NULL)
        due(&sa->ike->early[0], &sa->early);
}

void early_clone_due(struct ike *ike, struct login *login)
{
    due(&ike->early[1], &login->early);
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
