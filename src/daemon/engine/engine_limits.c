/* SPDX-License-Identifier: Apache-2.0 */
/* How near the engine is to its limits, and the order of refusals when memory runs short. */
#include <inttypes.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>

#include "daemon/common/log.h"
#include "daemon/common/outbox.h"
#include "daemon/engine/engine_state.h"
#include "daemon/tables/pools.h"

#define MEMORY_LOOK NANOS_PER_SEC

/* In eighths of the limit. From the first value on, logins are refused. From the second on, clones
 * and Child SAs of peers are refused too. Each refusal ends one eighth below the value at which it
 * began. */
#define SOFT_EIGHTHS 7

static uint64_t memory_used(const struct engine *e)
{
#ifdef __GLIBC__
    struct mallinfo2 info = mallinfo2();
    return (uint64_t)info.uordblks + info.hblkhd + esp_plane_order_octets(e->esp);
#else
    (void)e;
    return 0; /* not known: no pressure */
#endif
}

/* memory_pressure - `used` and `most` are octets; `most` 0: no limit. `before`: the last result. */
static enum ike_pressure memory_pressure(uint64_t used, uint64_t most, enum ike_pressure before)
{
    static const uint8_t begins[] = {[IKE_PRESSURE_LOGINS] = SOFT_EIGHTHS, [IKE_PRESSURE_ALL] = 8};
    enum ike_pressure pressure = IKE_PRESSURE_NONE;
    for (int level = IKE_PRESSURE_LOGINS; most > 0 && level <= IKE_PRESSURE_ALL; level++) {
        unsigned eighths = (unsigned)(begins[level] - ((int)before >= level));
        if (used / 8 >= most / 64 * eighths)
            pressure = (enum ike_pressure)level;
    }
    return pressure;
}

void engine_limits_tick(struct engine *e)
{
    static const char *const names[] = {"none", "logins", "all"};
    if (e->now < e->memory_at)
        return;
    e->memory_at = nanos_after(e->now, MEMORY_LOOK);
    uint64_t used = memory_used(e);
    enum ike_pressure pressure = memory_pressure(used, e->start->memory_most, e->memory_pressure);
    if (pressure == e->memory_pressure)
        return;
    log_line(LOG_LEVEL_WARNING, "event=memory-pressure refused=%s used=%" PRIu64 " most=%" PRIu64,
             names[pressure], used, e->start->memory_most);
    e->memory_pressure = pressure;
    ike_pressure_set(e->ike, pressure);
}

nanos engine_limits_deadline(const struct engine *e)
{
    return e->memory_pressure == IKE_PRESSURE_NONE ? NANOS_NEVER : e->memory_at;
}

/* fullest - of all identities, the one that is nearest to its max_sessions. */
static void fullest(const struct engine *e, struct engine_limit *limit)
{
    struct ike_fullest peer;
    if (!ike_fullest_peer(e->ike, &peer))
        return;
    limit->used = peer.sessions;
    limit->most = peer.most;
}

bool engine_limit_at(const struct engine *e, size_t index, struct engine_limit *ret_limit)
{
    struct ike_stats stats;
    struct pool_status pool;
    struct engine_limit limit = {.name = ""};
    ike_stats_get(e->ike, &stats);
    const struct engine_limit fixed[] = {
        {"half-open logins", stats.half_open, LIMIT_HALF_OPEN},
        {"logins in EAP", stats.in_eap, LIMIT_PATIENT},
        {"sessions", stats.sessions, LIMIT_SESSIONS},
        {"sessions of one identity", 0, 0}, /* fullest() walks over all sessions */
        {"memory", memory_used(e), e->start->memory_most},
        {"jobs for the keyholder", outbox_waiting(e->to_keyholder), OUTBOX_MESSAGES},
        {"jobs for the verifier", outbox_waiting(e->to_verifier), OUTBOX_MESSAGES},
        {"jobs for eap", outbox_waiting(e->to_eap), OUTBOX_MESSAGES},
        {"jobs for aaa", outbox_waiting(e->to_aaa), OUTBOX_MESSAGES},
    };
    const size_t n_fixed = sizeof(fixed) / sizeof(fixed[0]);
    if (index < n_fixed) {
        limit = fixed[index];
        if (limit.most == 0)
            fullest(e, &limit);
    } else if (pools_status(e->pools, index - n_fixed, &pool)) {
        (void)snprintf(limit.name, sizeof(limit.name), "leases of pool %.60s", pool.config->name);
        limit.used = pool.online;
        limit.most = pool.size <= INT64_MAX ? pool.size : INT64_MAX; /* JSON has no more */
    } else {
        return false;
    }
    *ret_limit = limit;
    return true;
}
