/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/session_export.h"

#include <stdlib.h>

#include "base/assert.h"
#include "crypto/prf.h"
#include "ike/core/exchange.h"
#include "ike/core/jobs.h"
#include "ike/core/session_octets.h"

void ike_exported_done(struct ike_exported *exported)
{
    if (exported->octets != NULL)
        wipe(exported->octets, exported->len);
    free(exported->octets);
    *exported = (struct ike_exported){0};
}

/* --- a session that becomes quiet --- */

/* questions_drop - drops the queued questions: the importer asks again if it needs to. An
 * outstanding request leaves with the IKE SA, and is not resent meanwhile. */
static void questions_drop(struct sa *sa)
{
    struct intent **link = &sa->intents;
    while (*link != NULL) {
        if (!export_carries((*link)->kind)) {
            link = &(*link)->next;
            continue;
        }
        struct intent *intent = intent_take(sa, link);
        intent_end(sa, intent, IKE_CANCELLED);
        free(intent);
    }
    struct asking *asking = sa->asking;
    if (asking == NULL || !export_carries(asking->intent.kind) || sa->intents != NULL ||
        (asking->holder != HOLDER_OWN && asking->holder != HOLDER_LENT))
        return;
    intent_end(sa, &asking->intent, IKE_CANCELLED);
    asking->intent.tag = 0;
    asking->holder = HOLDER_ABANDONED;
    sa_touch(sa);
}

/* sa_quiet - no exchange is under way that an importer would have to continue. */
static bool sa_quiet(const struct sa *sa)
{
    bool asks = sa->asking != NULL && (sa->asking->holder != HOLDER_ABANDONED ||
                                       !export_carries(sa->asking->intent.kind));
    bool answers = sa->answering_later || sa->key_exchange != NULL || sa->kept != NULL;
    bool owes = sa->owed.at_ns != NANOS_NEVER;
    /* RFC 4555 section 3.7: the check of the peer's new address is under way */
    bool moves = sa->pending_ns > sa->moved_ns;
    return (sa->life == IKE_ESTABLISHED || sa->life == IKE_SA_REPLACED) && !asks && !answers &&
           !owes && !moves && sa->intents == NULL && sa->login == NULL && sa->early == NULL;
}

static bool jobs_wait(const struct session *session)
{
    const struct map *jobs = &session->ike->jobs;
    for (size_t i = 0; i < jobs->cap; i++) {
        const struct job *job = map_at(jobs, i);
        if (job != NULL && job->session == session->id)
            return true;
    }
    return false;
}

/* relatives_live - the elder or the successor of the session exists. Each refers to the other
 * so they stay until one of them has ended. */
static bool relatives_live(const struct session *session)
{
    const struct ike *ike = session->ike;
    const struct session *other = session->role == IKE_END_USER ? ike->sessions : NULL;
    while (other != NULL && other->replaces != session->id)
        other = other->next;
    return other != NULL || session_find(ike, session->elder) != NULL ||
           session_find(ike, session->successor) != NULL ||
           session_find(ike, session->replaces) != NULL;
}

static bool session_quiet(const struct session *session)
{
    const struct ike *ike = session->ike;
    if (ike->events != NULL || ike->outputs != NULL || ike->touched != NULL)
        return false; /* a sealed datagram must not leave after the session */
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        if (!sa_quiet(sa))
            return false;
    return session_live_sas(session) > 0 && !relatives_live(session) && !jobs_wait(session);
}

/* --- octets --- */

static int digest_add(struct crypto_provider *crypto, struct writer *w)
{
    struct span all = writer_span(w);
    uint8_t *digest = writer_reserve(w, EXPORT_DIGEST);
    if (digest == NULL)
        return ERR_TRUNCATED;
    return crypto_digest(crypto, CRYPTO_SHA2_256, &all, 1, digest);
}

static int session_write(struct session *session, struct writer *w, nanos now)
{
    const struct ike *ike = session->ike;
    struct carrier c = carrier_writes(w, EXPORT_VERSION, now);
    write_bytes(w, span_text(EXPORT_MAGIC));
    write_u8(w, EXPORT_VERSION);
    write_u64(w, random_u64(ike->random));
    session_carry(&c, session);
    int err = carrier_done(&c);
    ASSERT(err != ERR_TRUNCATED); /* session_octets_most */
    if (err == ERR_INVALID)
        return ERR_FULL; /* a number or a list is beyond what an importer takes */
    return err != 0 ? err : digest_add(ike->crypto, w);
}

/* --- what session_export.h offers --- */

size_t ike_session_export_most(const struct ike *ike, ike_session_id id)
{
    const struct session *session = session_find(ike, id);
    return session == NULL ? 0 : session_octets_most(session) + EXPORT_DIGEST;
}

static bool becomes_quiet(struct session *session)
{
    for (struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        questions_drop(sa);
    ike_settle(session->ike);
    return session_quiet(session);
}

bool ike_session_quiet(struct ike *ike, ike_session_id id, nanos now)
{
    struct session *session = session_find(ike, id);
    ike->now = now;
    return session != NULL && session->frozen && !session->ending && becomes_quiet(session);
}

int ike_session_export(struct ike *ike, ike_session_id id, struct ike_exported *ret_exported,
                       nanos now)
{
    struct session *session = session_find(ike, id);
    ike->now = now;
    if (session == NULL)
        return ERR_NOT_FOUND;
    if (!session->frozen || session->ending)
        return ERR_WRONG_STATE;
    if (!becomes_quiet(session))
        return ERR_AGAIN;
    if (session->n_sas > LIMIT_EXPORT_SAS || session->n_children > LIMIT_EXPORT_CHILDREN)
        return ERR_FULL;
    size_t most = ike_session_export_most(ike, id);
    uint8_t *octets = malloc(most);
    if (octets == NULL)
        return ERR_NO_MEMORY;
    struct writer w = writer_of(octets, most);
    int err = session_write(session, &w, now);
    if (err != 0) {
        wipe(octets, most);
        free(octets);
        return err;
    }
    ike->exported = true;
    session_leave(session, now);
    ike_settle(ike);
    *ret_exported = (struct ike_exported){octets, w.len};
    return 0;
}

void ike_silence(struct ike *ike)
{
    ike->serving = false;
}

int ike_session_freeze(struct ike *ike, ike_session_id id, nanos now)
{
    struct session *session = session_find(ike, id);
    ike->now = now;
    if (session == NULL)
        return ERR_NOT_FOUND;
    if (!session->established || session->ending)
        return ERR_WRONG_STATE;
    session->frozen = true;
    for (struct sa *sa = session->sas; sa != NULL; sa = sa->session_next) {
        questions_drop(sa);
        sa_touch(sa);
    }
    ike_settle(ike);
    return 0;
}

void ike_session_thaw(struct ike *ike, ike_session_id id, nanos now)
{
    struct session *session = session_find(ike, id);
    ike->now = now;
    if (session == NULL || !session->frozen)
        return;
    session->frozen = false;
    for (struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        sa_touch(sa);
    ike_settle(ike);
}
