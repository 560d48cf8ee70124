/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_EAP_DOORS_H
#define DAEMON_EAP_DOORS_H

/* The channels of the eap or aaa process to the keyholder and the verifier. */

#include "daemon/eap/eap_service.h"

struct eap_channels {
    int key_fd, verifier_fd;
};

/* eap_doors_of - `channels` is borrowed. */
struct eap_doors eap_doors_of(struct eap_channels *channels);

#endif
