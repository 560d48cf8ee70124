/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of RFC 4555, all INFORMATIONAL. A move with its path test is M9 to M12 of
 * draft-mglt-ipsecme-keep-old-ike-sa-00, B.4:
 *
 *   IP_I2 -> IP_R1  HDR, SK{N(NAT_DETECTION_*)}                                      path test
 *   IP_R1 -> IP_I2  HDR, SK{N(NAT_DETECTION_*)}
 *   IP_I2 -> IP_R1  HDR, SK{N(UPDATE_SA_ADDRESSES), N(NAT_DETECTION_*), N(COOKIE2)}
 *   IP_R1 -> IP_I2  HDR, SK{N(NAT_DETECTION_*), N(COOKIE2)}
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/secret.h"
#include "ike/core/ike_state.h"
#include "ike/exchanges/exchange_path_terms.h"
#include "ike/exchanges/mobike.h"

#define COOKIE2_LEN 16

struct cookie2 {
    uint8_t octets[COOKIE2_LEN];
};

static bool add_cookie2(struct sa *sa, struct asking *asking, struct wire_builder *request)
{
    struct cookie2 *cookie2 = asking->state;
    if (cookie2 == NULL) {
        cookie2 = malloc(sizeof(*cookie2));
        if (cookie2 == NULL)
            return false;
        asking->state = cookie2;
    }
    random_fill(sa->ike->random, cookie2->octets, COOKIE2_LEN);
    wire_add_notify(request, N_COOKIE2, span_of(cookie2->octets, COOKIE2_LEN));
    return true;
}

/* OpenIKED returns the notify with Protocol ID 1 instead of 0, which we accept. */
static bool cookie2_is_back(const struct asking *asking, const struct wire_message *response)
{
    const struct cookie2 *cookie2 = asking->state;
    struct wire_notify notify;
    return wire_notify_find(response, N_COOKIE2, &notify) && notify.data.len == COOKIE2_LEN &&
           ct_equal(notify.data.ptr, cookie2->octets, COOKIE2_LEN);
}

static void cookie2_release(struct asking *asking)
{
    free(asking->state);
}

/* routability_failed - section 3.7: a wrong COOKIE2 closes this IKE SA, and no other one. */
static struct verdict routability_failed(struct sa *sa, nanos now)
{
    sa_down(sa, IKE_ROUTABILITY_FAILED, now);
    return verdict_done(IKE_ROUTABILITY_FAILED);
}

/* --- move --- */

struct ike_path mobike_answered_over(const struct asking *asking, const struct ike_path *from)
{
    bool as_asked = endpoint_equal(&from->local, &asking->path.local) &&
                    endpoint_equal(&from->remote, &asking->path.remote);
    return as_asked ? asking->path : *from;
}

static bool is_path_test(const struct asking *asking)
{
    return asking->intent.path_test && asking->step == 0;
}

static enum ike_outcome ask_move(struct sa *sa, struct asking *asking, struct wire_builder *request,
                                 nanos now)
{
    (void)now;
    /* The End User moves, whichever end began this IKE SA. */
    if (!sa->session->mobike || sa->session->role != IKE_END_USER)
        return IKE_UNACCEPTABLE_ADDRESSES;
    asking->path = sa_path_fill(sa, &asking->intent.path);
    if (!is_path_test(asking))
        wire_add_notify(request, N_UPDATE_SA_ADDRESSES, (struct span){0});
    nat_detection_add(sa, request, &asking->path, sa->session->conn->encap);
    if (!is_path_test(asking) && !add_cookie2(sa, asking, request))
        return IKE_LIMIT;
    return IKE_OK;
}

void mobike_say_again(struct sa *sa, const struct asking *asking, const struct ike_path *there)
{
    struct intent again = {
        .kind = INTENT_MOVE, .path = *there, .give_up_ns = asking->intent.give_up_ns};
    bool moves_on = false;
    for (const struct intent *next = sa->intents; next != NULL; next = next->next)
        moves_on |= next->kind == INTENT_MOVE;
    if (asking->several_paths && !moves_on)
        /* no memory: the peer stays on the path of the copy that it read last */
        (void)!intent_add(sa, &again);
}

static bool moves_elsewhere(const struct intent *intent, const struct ike_path *path)
{
    return intent->kind == INTENT_MOVE && !ike_path_equal(&intent->path, path);
}

/* heir_moved - the heir of an IKE SA has made a later move than the old IKE SA, which asked for
 * `path`, or waits to make one to another path. The last move counts (RFC 4555 section 3.5). A
 * rekey that crosses a move gives the heir the same move, which is not a later one. */
static bool heir_moved(const struct sa *heir, const struct ike_path *path)
{
    bool moved = heir->moved_ns > heir->established_ns ||
                 (heir->asking != NULL && moves_elsewhere(&heir->asking->intent, path));
    for (const struct intent *next = heir->intents; next != NULL; next = next->next)
        moved |= moves_elsewhere(next, path);
    return moved;
}

/* heir_says_again - repeats the last move of the heir: the peer may have read a late copy of the
 * older move after it. A move of the heir that still waits is later anyway. */
static void heir_says_again(struct sa *heir)
{
    struct asking *asking = heir->asking;
    bool outstanding = asking != NULL && asking->intent.kind == INTENT_MOVE;
    struct intent again = {.kind = INTENT_MOVE,
                           .path = outstanding ? asking->intent.path : heir->path};
    if (outstanding || !intent_pending(heir, INTENT_MOVE, 0))
        (void)!intent_add(heir, &again); /* no memory: the next move corrects it */
}

static struct verdict move_answered(struct sa *sa, struct asking *asking,
                                    const struct wire_message *response,
                                    const struct ike_path *from, nanos now)
{
    struct wire_notify notify;
    if (wire_notify_error(response, &notify)) {
        if (notify.type == N_TEMPORARY_FAILURE)
            return verdict_retry(sa, asking, now);
        return verdict_error(response);
    }
    if (is_path_test(asking))
        return (struct verdict){.kind = VERDICT_NEXT};
    if (!cookie2_is_back(asking, response))
        return routability_failed(sa, now);
    /* If the peer rekeyed meanwhile, the IKE SA with the Child SAs moves. */
    struct sa *moved = sa_heir(sa) != NULL ? sa_heir(sa) : sa;
    if (moved != sa && heir_moved(moved, &asking->intent.path)) {
        heir_says_again(moved);
        return verdict_done(IKE_OK);
    }
    struct ike_path there = mobike_answered_over(asking, from);
    struct nat_seen nat = nat_detection_check(sa, response, &there);
    if (nat.present) {
        moved->nat_local = nat.local;
        moved->nat_remote = nat.remote;
    }
    /* a new path: later responses are compared with this mapping */
    moved->nat_mapping_known = false;
    if (moved == sa)
        (void)mobike_mapping_changed(sa, response);
    sa_path_set(moved, &there);
    path_terms_moved(moved);
    mobike_say_again(moved, asking, &there);
    return verdict_done(IKE_OK);
}

const struct exchange_ops exchange_move = {.what = "move",
                                           .exchange = WIRE_INFORMATIONAL,
                                           .ask = ask_move,
                                           .answered = move_answered,
                                           .release = cookie2_release};

/* --- path test without a move (section 3.10) --- */

static enum ike_outcome ask_path_test(struct sa *sa, struct asking *asking,
                                      struct wire_builder *request, nanos now)
{
    (void)now;
    asking->path = sa_path_fill(sa, &asking->intent.path);
    nat_detection_add(sa, request, &asking->path, sa->session->conn->encap);
    return IKE_OK;
}

const struct exchange_ops exchange_path_test = {.what = "path-test",
                                                .exchange = WIRE_INFORMATIONAL,
                                                .ask = ask_path_test,
                                                .answered = exchange_acknowledged};

/* --- our additional addresses (section 3.6) --- */

static enum ike_outcome ask_addresses(struct sa *sa, struct asking *asking,
                                      struct wire_builder *request, nanos now)
{
    (void)now;
    mobike_add_addresses(sa, &asking->path, true, request);
    return IKE_OK;
}

static struct verdict addresses_answered(struct sa *sa, struct asking *asking,
                                         const struct wire_message *response,
                                         const struct ike_path *from, nanos now)
{
    (void)response;
    (void)from;
    (void)now;
    /* Section 3.6: the source address belongs to the list. If copies left from several addresses,
     * we do not know which one the peer took. So the request is queued again: a waiting move comes
     * first. */
    bool same = address_equal(&sa->mine.path.local.address, &asking->path.local.address);
    return same ? verdict_done(IKE_OK) : (struct verdict){.kind = VERDICT_AGAIN};
}

const struct exchange_ops exchange_addresses = {.what = "addresses",
                                                .exchange = WIRE_INFORMATIONAL,
                                                .ask = ask_addresses,
                                                .answered = addresses_answered};

/* --- return routability of the peer's new address (section 3.7) --- */

static enum ike_outcome ask_routability(struct sa *sa, struct asking *asking,
                                        struct wire_builder *request, nanos now)
{
    (void)now;
    asking->path = sa->pending_path; /* the last move counts */
    asking->intent.path = sa->pending_path;
    return add_cookie2(sa, asking, request) ? IKE_OK : IKE_LIMIT;
}

static struct verdict routability_answered(struct sa *sa, struct asking *asking,
                                           const struct wire_message *response,
                                           const struct ike_path *from, nanos now)
{
    (void)from;
    if (!cookie2_is_back(asking, response))
        return routability_failed(sa, now);
    /* the peer moved again: its newer address is checked too */
    if (!ike_path_equal(&asking->path, &sa->pending_path))
        return (struct verdict){.kind = VERDICT_REPEAT};
    mobike_apply_pending(sa);
    return verdict_done(IKE_OK);
}

const struct exchange_ops exchange_routability = {.what = "routability",
                                                  .exchange = WIRE_INFORMATIONAL,
                                                  .ask = ask_routability,
                                                  .answered = routability_answered,
                                                  .release = cookie2_release};
