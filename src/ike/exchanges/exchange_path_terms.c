/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The End User tells the Gateway the terms of an IKE SA's path (docs/protocol.md section 7). Only between
 * peers that sent the Vendor ID:
 *
 *   HDR, SK{N(PATH_TERMS)}  -->
 *                           <--  HDR, SK{}
 */
#include "ike/exchanges/exchange_path_terms.h"

#include "ike/core/ike_state.h"
#include "wire/iana.h"
#include "wire/path_terms.h"
#include "wire/payloads.h"

/* terms_set - keeps the terms, which both ends know now. If this IKE SA was rekeyed meanwhile, its
 * heir gets them too: the End User may have sent them before it knew of the rekey. */
static void terms_set(struct sa *sa, struct path_terms terms)
{
    struct sa *heir = sa_heir(sa);
    sa->terms = terms;
    if (heir != NULL)
        heir->terms = terms;
    (void)event_sa(heir == NULL ? sa : heir, IKE_EV_PATH_TERMS);
}

static enum ike_outcome ask_path_terms(struct sa *sa, struct asking *asking,
                                       struct wire_builder *request, nanos now)
{
    uint8_t data[PATH_TERMS_LEN];
    (void)now;
    (void)sa;
    path_terms_write(asking->intent.terms, data);
    wire_add_notify(request, PATH_TERMS_NOTIFY, span_of(data, sizeof(data)));
    return IKE_OK;
}

static struct verdict path_terms_answered(struct sa *sa, struct asking *asking,
                                          const struct wire_message *response,
                                          const struct ike_path *from, nanos now)
{
    struct wire_notify notify;
    (void)from;
    if (wire_notify_error(response, &notify)) {
        if (notify.type == N_TEMPORARY_FAILURE)
            return verdict_retry(sa, asking, now);
        sa->session->terms_refused = true;
        return verdict_error(response);
    }
    terms_set(sa, asking->intent.terms);
    return verdict_done(IKE_OK);
}

const struct exchange_ops exchange_path_terms = {.what = "path-terms",
                                                 .exchange = WIRE_INFORMATIONAL,
                                                 .ask = ask_path_terms,
                                                 .answered = path_terms_answered};

void path_terms_take(struct sa *sa, const struct wire_message *request)
{
    struct wire_notify notify;
    struct path_terms terms;
    if (sa->session->role != IKE_GATEWAY || !sa->session->peer_keep_old ||
        !wire_notify_find(request, PATH_TERMS_NOTIFY, &notify))
        return;
    if (path_terms_read(notify.data, &terms))
        terms_set(sa, terms);
    else
        event_notice(sa, "the peer's PATH_TERMS of %zu octets is not understood, and ignored",
                     notify.data.len);
}
