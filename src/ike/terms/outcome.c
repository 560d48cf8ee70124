/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/ike.h"

#include "base/assert.h"

const char *ike_outcome_name(enum ike_outcome outcome)
{
    switch (outcome) {
    case IKE_OK: return "ok";
    case IKE_TIMEOUT: return "timeout";
    case IKE_AUTH_FAILED: return "auth-failed";
    case IKE_PEER_AUTH_FAILED: return "peer-auth-failed";
    case IKE_NO_SECRET: return "no-secret";
    case IKE_ID_MISMATCH: return "id-mismatch";
    case IKE_NO_PROPOSAL: return "no-proposal";
    case IKE_KE_REFUSED: return "ke-refused";
    case IKE_TS_REFUSED: return "ts-refused";
    case IKE_ADDRESS_FAILURE: return "address-failure";
    case IKE_NO_ADDITIONAL_SAS: return "no-additional-sas";
    case IKE_TEMPORARY_FAILURE: return "temporary-failure";
    case IKE_CLONE_UNSUPPORTED: return "clone-unsupported";
    case IKE_UNACCEPTABLE_ADDRESSES: return "unacceptable-addresses";
    case IKE_UNEXPECTED_NAT: return "unexpected-nat";
    case IKE_ROUTABILITY_FAILED: return "routability-failed";
    case IKE_PEER_DELETED: return "peer-deleted";
    case IKE_REPLACED: return "replaced";
    case IKE_EXPIRED: return "expired";
    case IKE_CANCELLED: return "cancelled";
    case IKE_INVALID_SYNTAX: return "invalid-syntax";
    case IKE_PROTOCOL_ERROR: return "protocol-error";
    case IKE_INSTALL_FAILED: return "install-failed";
    case IKE_LIMIT: return "limit";
    case IKE_NO_PATH: return "no-path";
    case IKE_REDIRECTED: return "redirected";
    case IKE_NO_PPK: return "no-ppk";
    }
    ASSERT_NEVER("an outcome without a name");
}
