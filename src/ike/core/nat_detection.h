/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_NAT_DETECTION_H
#define IKE_NAT_DETECTION_H

/* NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP: SHA-1 of SPIs, address and port (RFC
 * 7296 section 2.23), also on the paths of MOBIKE (RFC 4555 section 3.8). */

#include "ike/core/sa.h"
#include "wire/builder.h"

/* nat_detection_add - adds both notifies to a message that leaves over `path`. `hide_source`: the
 * source hash matches nothing, so the peer sees a NAT and encapsulates in UDP. `spi_r`: 0 in the
 * first message. */
void nat_detection_add(struct sa *sa, struct wire_builder *message, const struct ike_path *path,
                       bool hide_source);

struct nat_seen {
    bool present;       /* the peer sent the notifies */
    bool local, remote; /* there is a NAT in front of us, or of the peer */
};
/* nat_detection_check - reads the notifies of a message that came over `path`. The SPIs are those
 * of the message's header. */
struct nat_seen nat_detection_check(struct sa *sa, const struct wire_message *message,
                                    const struct ike_path *path);

#endif
