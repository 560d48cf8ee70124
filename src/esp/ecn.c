/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/ecn.h"

#include "esp/checksum.h"

#define DROP 4

/* RFC 6040 figure 4: rows are the inner field, columns the outer one */
static const uint8_t decapsulated[4][4] = {
    /*            Not-ECT ECT(1) ECT(0) CE   */
    /* Not-ECT */ {0, 0, 0, DROP},
    /* ECT(1)  */ {1, 1, 1, 3},
    /* ECT(0)  */ {2, 1, 2, 3},
    /* CE      */ {3, 3, 3, 3},
};

bool esp_tos_in(uint8_t inner, uint8_t outer, bool copy_ecn, bool copy_dscp, uint8_t *ret_tos)
{
    uint8_t ecn = copy_ecn ? decapsulated[inner & 3][outer & 3] : inner & 3;
    if (ecn == DROP)
        return false;
    *ret_tos = (uint8_t)(((copy_dscp ? outer : inner) & 0xfc) | ecn);
    return true;
}

void esp_tos_rewrite(uint8_t *packet, uint8_t tos)
{
    if (packet[0] >> 4 == 4) {
        packet[1] = tos;
        checksum_ipv4_header(packet);
        return;
    }
    packet[0] = (uint8_t)(0x60 | tos >> 4);
    packet[1] = (uint8_t)((packet[1] & 0x0f) | (unsigned)tos << 4);
}
