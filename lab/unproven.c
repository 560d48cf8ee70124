/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two programs in which the table of proofs (daemon/engine/proofs.h) sees an error of the IKE core in each login.
 *
 *      ikatd_unproven    no answer of keyholder, verifier, eap or aaa process reaches the table
 *      ikatd_unasked     the table is not asked whether the session may begin
 */
#include "daemon/engine/proofs.h"

void __wrap_proofs_answer(struct proofs *proofs, ike_job_id job, const struct ike_result *result);
bool __wrap_proofs_admit(struct proofs *proofs, const struct ike *ike,
                         const struct ike_event *asked);

void __wrap_proofs_answer(struct proofs *proofs, ike_job_id job, const struct ike_result *result)
{
    (void)proofs, (void)job, (void)result;
}

bool __wrap_proofs_admit(struct proofs *proofs, const struct ike *ike,
                         const struct ike_event *asked)
{
    (void)proofs, (void)ike, (void)asked;
    return true;
}
