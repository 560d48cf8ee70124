/* SPDX-License-Identifier: Apache-2.0 */
/* An IKE message as it comes from the network: header and outer chain, then every payload in it. */
#include "test/fuzz/payloads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire_message message;
    uint8_t critical, inner_first;
    struct span octets = span_of(data, size);
    if (!ike_header_read(octets, &message.header))
        return 0;
    ASSERT(message.header.length == size && size >= IKE_HEADER_LEN);
    enum wire_fault fault =
        wire_chain_read(span_of(data + IKE_HEADER_LEN, size - IKE_HEADER_LEN),
                        message.header.next_payload, &message, &critical, &inner_first);
    if (fault == WIRE_MALFORMED)
        return 0;
    ASSERT(message.n <= LIMIT_PAYLOADS && (fault == WIRE_OK || critical != 0));
    for (size_t i = 0; i < message.n; i++) {
        const struct wire_payload *p = &message.payloads[i];
        /* a payload is a part of the message, and never empty of its header */
        ASSERT(p->body.ptr >= data + IKE_HEADER_LEN + 4 &&
               p->body.ptr + p->body.len <= data + size);
        fuzz_payload(p->type, p->body);
    }
    return 0;
}
