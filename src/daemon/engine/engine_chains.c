/* SPDX-License-Identifier: Apache-2.0 */
/* An upgrade: the verifier ends with its engine. The next verifier has to watch the certificate chains of the sessions
 * that the next engine takes, so the chains go with them. */
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"

#define CHAINS_MOST (48 * 1024) /* octets of one session */

struct chain_octets {
    size_t len;
    uint8_t octets[];
};

/* --- from the verifier of this engine --- */

static bool has_chains(const struct engine *e, ike_session_id session)
{
    const struct ike_chains *chains = ike_session_chains(e->ike, session);
    return chains != NULL && chains->n > 0;
}

bool engine_chains_known(const struct engine *e, ike_session_id session)
{
    return !has_chains(e, session) || map_get(&e->leave.chains, session) != NULL;
}

void engine_chains_ask(struct engine *e)
{
    struct ike_session_info session = {0};
    int error = 0;
    while (error == 0 && ike_session_next(e->ike, session.id, &session)) {
        struct verifier_request request = {.kind = VERIFIER_CHAINS,
                                           .job = ENGINE_CHAINS_JOB | session.id,
                                           .claim = {.session = session.id}};
        if (!session.established || !has_chains(e, session.id))
            continue;
        error = engine_verifier_send(e, &request, (struct span){0});
        e->leave.n_asked += error == 0;
    }
    if (error != 0)
        log_line(LOG_LEVEL_WARNING, "event=chains-not-asked error=%s", error_text(error));
}

/* chains_keep - keeps the chains of a session. Without memory the session does not leave. */
static void chains_keep(struct engine *e, ike_session_id session, struct span octets)
{
    struct chain_octets *chains = malloc(sizeof(*chains) + octets.len);
    if (chains == NULL)
        return;
    chains->len = octets.len;
    memcpy(chains->octets, octets.ptr, octets.len);
    if (map_put(&e->leave.chains, session, chains) != 0)
        free(chains);
}

void engine_chains_answered(struct engine *e, const struct verifier_answer *answer,
                            struct span octets)
{
    ike_session_id session = (ike_session_id)answer->job;
    if (e->leave.n_asked == 0 || map_get(&e->leave.chains, session) != NULL)
        return; /* it answers no request */
    e->leave.n_asked--;
    if (answer->error == 0 && octets.len > 0 && octets.len <= CHAINS_MOST)
        chains_keep(e, session, octets);
}

void engine_chains_done(struct engine *e)
{
    struct map *chains = &e->leave.chains;
    for (size_t i = 0; i < chains->cap; i++)
        free(map_at(chains, i));
    map_done(chains);
}

/* --- to the next one --- */

static void chains_write(const struct engine *e, ike_session_id session, struct carrier *c)
{
    struct chain_octets *chains = map_get(&e->leave.chains, session);
    (void)carry_u32(c, chains == NULL ? 0 : (uint32_t)chains->len);
    if (chains != NULL)
        carry_octets(c, chains->octets, chains->len);
}

static void chains_read(struct engine *e, ike_session_id session, struct carrier *c)
{
    static uint8_t octets[CHAINS_MOST];
    struct verifier_request request = {.kind = VERIFIER_KEEP, .claim = {.session = session}};
    uint32_t len = carry_within(c, 0, 0, CHAINS_MOST);
    carry_octets(c, octets, len);
    carrier_check(c, (len > 0) == has_chains(e, session));
    int error =
        c->error != 0 || len == 0 ? 0 : engine_verifier_send(e, &request, span_of(octets, len));
    if (error != 0)
        carrier_fail(c, error);
}

void engine_chains_carry(struct engine *e, ike_session_id session, struct carrier *c)
{
    if (carrier_is_reader(c))
        chains_read(e, session, c);
    else
        chains_write(e, session, c);
}
