/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_KEYLOG_H
#define DAEMON_KEYLOG_H

#include "ike/ike.h"

/*
 * keylog_write - one line of Wireshark's table ikev2_decryption_table for an IKE SA:
 * SPIi,SPIr,SK_ei,SK_er,"<encryption>",SK_ai,SK_ar,"<integrity>". For the laboratory, on explicit
 * request of who starts the daemon. Algorithms that Wireshark has no name for are left out. false:
 * it could not be written; errno.
 */
bool keylog_write(int fd, const struct ike_keylog *keys);

#endif
