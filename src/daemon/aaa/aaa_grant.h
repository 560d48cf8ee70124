/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_GRANT_H
#define DAEMON_AAA_GRANT_H

/* The rights and limits in an Access-Accept or a CoA-Request. */

#include "daemon/common/aaa_channel.h"

/*
 * aaa_grant_read - reads the attributes. It ignores an attribute that is malformed, that has no
 * room, or that names an address that no host can have. `class_group`: Class names groups.
 */
void aaa_grant_read(const struct radius_packet *packet, bool class_group,
                    struct aaa_grant *ret_grant);

/* aaa_grant_names - the grant has one of the groups, or `groups` is empty. */
bool aaa_grant_names(const struct aaa_grant *grant, const struct aaa_groups *groups);

/* aaa_text_find - copies the first attribute of the type as a text. It leaves the text unchanged if
 * the attribute is missing, too long or empty, or contains a zero. */
void aaa_text_find(const struct radius_packet *packet, enum radius_attribute type, char *out,
                   size_t cap);

#endif
