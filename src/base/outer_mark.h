/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_OUTER_MARK_H
#define BASE_OUTER_MARK_H

/* The mark (SO_MARK) of packets that carry the VPN. They never follow the inner device's routes,
 * even if those include the peer's outer address. */
#define OUTER_MARK UINT32_C(0x696b6174)

#endif
