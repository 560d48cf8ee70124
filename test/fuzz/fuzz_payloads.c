/* SPDX-License-Identifier: Apache-2.0 */
/* One payload body: the first octet says which. */
#include "test/fuzz/payloads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {
        WIRE_PAYLOAD_SA,    WIRE_PAYLOAD_KE, WIRE_PAYLOAD_IDi,  WIRE_PAYLOAD_AUTH,
        WIRE_PAYLOAD_NONCE, WIRE_PAYLOAD_N,  WIRE_PAYLOAD_D,    WIRE_PAYLOAD_V,
        WIRE_PAYLOAD_TSi,   WIRE_PAYLOAD_CP, WIRE_PAYLOAD_CERT, WIRE_PAYLOAD_CERTREQ,
        WIRE_PAYLOAD_EAP,
    };
    if (size > 0)
        fuzz_payload(types[data[0] % sizeof(types)], span_of(data + 1, size - 1));
    return 0;
}
