/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/overhead.h"

#include "crypto/algorithm.h"
#include "esp/inner_packet.h"
#include "esp/order_trailer.h"

#define UDP_HEADER_LEN 8

struct esp_overhead esp_overhead_of(const struct esp_algorithms *algorithms, bool ipv6_outer,
                                    bool udp_encap, bool order)
{
    const struct crypto_encr *encr = crypto_encr_find(algorithms->encr, algorithms->key_bits);
    const struct crypto_integ *integ = crypto_integ_find(algorithms->integ);
    if (encr == NULL || (integ == NULL && !encr->aead))
        return (struct esp_overhead){0};
    unsigned outer =
        (ipv6_outer ? IPV6_HEADER_LEN : IPV4_HEADER_LEN) + (udp_encap ? UDP_HEADER_LEN : 0u);
    unsigned icv = integ != NULL ? integ->icv_len : encr->icv_len;
    return (struct esp_overhead){
        .fixed = (uint16_t)(outer + ESP_HEADER_LEN + encr->iv_len + icv),
        .block = encr->block_len > 4 ? encr->block_len : 4, /* RFC 4303 section 2.4 */
        .trailer = (uint16_t)(2 + (order ? ESP_ORDER_LEN : 0)),
    };
}

uint16_t esp_overhead_inner_max(struct esp_overhead overhead, uint16_t mtu)
{
    if (overhead.block == 0 || mtu < overhead.fixed)
        return 0;
    unsigned text = (unsigned)(mtu - overhead.fixed) / overhead.block * overhead.block;
    return text > overhead.trailer ? (uint16_t)(text - overhead.trailer) : 0;
}
