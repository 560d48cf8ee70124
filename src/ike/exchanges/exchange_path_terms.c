/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The End User tells the Gateway the terms of an IKE SA's path (docs/protocol.md section 7). Only between
 * peers that sent the Vendor ID:
 *
 *   HDR, SK{N(PATH_TERMS) [, N(TRAFFIC_CLASSES)]}  -->
 *                                                  <--  HDR, SK{}
 */
#include "ike/exchanges/exchange_path_terms.h"

#include <stdlib.h>

#include "ike/core/ike_state.h"
#include "wire/iana.h"
#include "wire/path_terms.h"
#include "wire/payloads.h"
#include "wire/traffic_classes.h"

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

/* classes_add - the classes of the newest configuration, so that a reload needs no login. Once some were told, that
 * there are none any more is told as well. */
static void classes_add(const struct sa *sa, struct wire_builder *request)
{
    struct session *session = sa->session;
    const struct ike_conn *newest = ike_conn_find(sa->ike, session->conn->name);
    const struct ike_conn *conn = newest != NULL ? newest : session->conn;
    uint8_t data[TRAFFIC_CLASSES_MAX];
    if (conn->n_classes == 0 && !session->classes_told)
        return;
    session->classes_told = true;
    size_t len = traffic_classes_write(conn->classes, conn->n_classes, data);
    wire_add_notify(request, TRAFFIC_CLASSES_NOTIFY, span_of(data, len));
}

static enum ike_outcome ask_path_terms(struct sa *sa, struct asking *asking,
                                       struct wire_builder *request, nanos now)
{
    uint8_t data[PATH_TERMS_LEN];
    (void)now;
    path_terms_write(asking->intent.terms, data);
    wire_add_notify(request, PATH_TERMS_NOTIFY, span_of(data, sizeof(data)));
    classes_add(sa, request);
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

/* classes_set - the session has other classes. What was said of the paths concerned the former ones, so no path has
 * any of the new ones until the End User says so. */
static void classes_set(struct session *session, const struct traffic_list *list)
{
    if (session->classes == NULL && (session->classes = calloc(1, sizeof(*list))) == NULL)
        return; /* as if the notify had not come */
    memcpy(session->classes, list, sizeof(*list));
    session->classes_changes++;
    for (struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        sa->terms.classes = 0;
}

/* classes_take - false: the notify is there, and cannot be read. */
static bool classes_take(struct session *session, const struct wire_message *request)
{
    struct wire_notify notify;
    struct traffic_list list;
    if (!wire_notify_find(request, TRAFFIC_CLASSES_NOTIFY, &notify))
        return true;
    if (!traffic_classes_read(notify.data, &list))
        return false;
    bool same =
        session->classes == NULL ? list.n == 0 : traffic_lists_equal(session->classes, &list);
    if (!same)
        classes_set(session, &list);
    return true;
}

void path_terms_take(struct sa *sa, const struct wire_message *request)
{
    struct wire_notify notify;
    struct path_terms terms;
    if (sa->session->role != IKE_GATEWAY || !sa->session->peer_keep_old ||
        !wire_notify_find(request, PATH_TERMS_NOTIFY, &notify))
        return;
    if (path_terms_read(notify.data, &terms) && classes_take(sa->session, request))
        terms_set(sa, terms);
    else
        event_notice(sa, "the peer's PATH_TERMS of %zu octets is not understood, and ignored",
                     notify.data.len);
}

void path_terms_moved(struct sa *sa)
{
    if (sa->terms.classes == 0)
        return;
    sa->terms.classes = 0;
    (void)event_sa(sa, IKE_EV_PATH_TERMS);
}
