/* SPDX-License-Identifier: Apache-2.0 */
/* The grant of a RADIUS server and the account of a session go to the next engine with the session. */
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/engine/grant_octets.h"

#define GRANT_OCTETS 4096

/* carry_what - carries the attributes of the grant, except Session-Timeout: the IKE core carries the end
 * of the authentication. */
static void carry_what(struct carrier *c, struct aaa_grant *what)
{
    uint8_t octets[GRANT_OCTETS];
    struct writer w = writer_of(octets, sizeof(octets));
    bool granted;
    if (!carrier_is_reader(c))
        carrier_check(c, grant_octets_write(what, &w));
    uint32_t len = carry_within(c, (uint32_t)w.len, 0, sizeof(octets));
    carry_octets(c, octets, len);
    if (carrier_is_reader(c) && c->error == 0)
        carrier_check(c, grant_octets_read(span_of(octets, len), what, &granted) && granted);
}

/* carry_account - carries the members that all records of a session share, and that no table has. */
static void carry_account(struct carrier *c, struct aaa_account *account)
{
    carry_text(c, account->session_id, sizeof(account->session_id));
    carry_text(c, account->called, sizeof(account->called));
    carry_text(c, account->calling, sizeof(account->calling));
    carry_address(c, &account->nas_address);
    carrier_check(c, account->session_id[0] != '\0');
}

static void grant_enter(struct engine *e, const struct ike_session_info *session,
                        const struct grant *read, const struct aaa_account *account)
{
    struct grant *grant = grants_keep(e->grants, read->number, session->id);
    if (grant == NULL)
        return; /* the caller notices */
    grant->up_ns = read->up_ns;
    grant->what = read->what;
    grant->cause = read->cause;
    if (account != NULL && engine_accounts(e))
        engine_accounting_keep(e, grant, session, account);
    if (grant->account != NULL && read->interim_at_ns != NANOS_NEVER)
        grant->interim_at_ns = nanos_min(grant->interim_at_ns, read->interim_at_ns);
}

static void carry_grant(struct carrier *c, struct grant *grant)
{
    grant->number = carry_u64(c, grant->number);
    grant->up_ns = carry_moment(c, grant->up_ns);
    grant->interim_at_ns = carry_moment(c, grant->interim_at_ns);
    grant->cause = (enum aaa_cause)carry_within(c, grant->cause, 0, AAA_CAUSE_NAS_REBOOT);
    carry_what(c, &grant->what);
}

void engine_grant_carry(struct engine *e, ike_session_id id, struct carrier *c)
{
    struct ike_session_info session;
    const struct grant *known = carrier_is_reader(c) ? NULL : grants_of(e->grants, id);
    struct grant grant = {.number = 0};
    struct aaa_account account = {.kind = 0};
    bool there = ike_session_get(e->ike, id, &session);
    bool granted = carry_bool(c, known != NULL), accounted = false;
    if (known != NULL)
        grant = *known;
    if (grant.account != NULL)
        account = *grant.account;
    if (granted)
        accounted = carry_bool(c, grant.account != NULL);
    if (granted)
        carry_grant(c, &grant);
    if (accounted)
        carry_account(c, &account);
    carrier_check(c, there && session.grant == grant.number);
    if (!carrier_is_reader(c) || c->error != 0 || !granted)
        return;
    grant_enter(e, &session, &grant, accounted ? &account : NULL);
    carrier_check(c, grants_of(e->grants, id) != NULL);
}

void engine_grants_arrived(struct engine *e)
{
    static const struct aaa_request all = {.kind = AAA_ACCOUNTS_ALL};
    if (engine_aaa_send(e, &all) != 0)
        log_line(LOG_LEVEL_WARNING, "event=accounting-lost text=\"sessions that have ended\"");
}

void engine_grant_arrived(struct engine *e, ike_session_id session)
{
    struct grant *grant = grants_of(e->grants, session);
    if (grant == NULL)
        return;
    if (grant->account != NULL)
        engine_accounting_arrived(e, grant);
    engine_aaa_settle(e, grant);
}
