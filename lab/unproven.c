/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked into ikatd_unproven: no answer of keyholder, verifier, eap or aaa process reaches the table of proofs
 * (daemon/engine/proofs.h). Its IKE core completes logins as always. To the engine each of them looks like one that
 * an error of the core let through.
 */
#include "daemon/engine/proofs.h"

void __wrap_proofs_answer(struct proofs *proofs, ike_job_id job, const struct ike_result *result);

void __wrap_proofs_answer(struct proofs *proofs, ike_job_id job, const struct ike_result *result)
{
    (void)proofs, (void)job, (void)result;
}
