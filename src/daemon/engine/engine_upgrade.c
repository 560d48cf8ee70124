/* SPDX-License-Identifier: Apache-2.0 */
/* An upgrade, as the engine sees it: a client asks for it, the supervisor decides. */
#include "daemon/engine/engine_state.h"

int engine_upgrade(struct engine *e, const struct engine_reply *reply)
{
    if (e->upgrade_job != 0)
        return ERR_AGAIN;
    int error = engine_loading_add(e, reply, &e->upgrade_job);
    if (error == 0)
        host_upgrade(e->host);
    return error;
}

bool engine_upgrade_answered(struct engine *e, uint32_t answer)
{
    static const struct {
        int error;
        const char *reason;
    } answers[] = {
        [UPGRADE_GO] = {0, NULL},
        [UPGRADE_SAME] = {0, "the installed program runs already"},
        [UPGRADE_BUSY] = {ERR_AGAIN, "the configuration is being loaded, or another upgrade runs"},
        [UPGRADE_BROKEN] = {ERR_INVALID, "the installed program does not run; see the log"},
        [UPGRADE_OTHER] = {ERR_WRONG_STATE, "its processes do not fit the supervisor that runs: "
                                            "only a restart of ikatd replaces it"},
        [UPGRADE_CONFIG] = {ERR_INVALID,
                            "the installed program refuses the configuration; see the log"},
    };
    uint64_t job = e->upgrade_job;
    if (answer == 0 || answer >= sizeof(answers) / sizeof(answers[0]))
        return false;
    e->upgrade_job = 0;
    engine_loading_end(e, job, answers[answer].error, answers[answer].reason, NULL);
    return answer == UPGRADE_GO;
}
