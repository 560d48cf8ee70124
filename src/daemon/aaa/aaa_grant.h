/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_GRANT_H
#define DAEMON_AAA_GRANT_H

/* What an Access-Accept or a CoA-Request grants. */

#include "daemon/common/aaa_channel.h"

/*
 * aaa_grant_read - an attribute that is malformed, does not fit, or names an address that no host
 * can have counts as not given. `class_group`: Class names groups.
 */
void aaa_grant_read(const struct radius_packet *packet, bool class_group,
                    struct aaa_grant *ret_grant);

/* aaa_grant_names - one of the groups is granted, or none is demanded. */
bool aaa_grant_names(const struct aaa_grant *grant, const struct aaa_groups *groups);

/* aaa_text_find - copies the first attribute of the type as a text. The text stays as it is if
 * there is none, or if the value is longer, empty or contains a zero. */
void aaa_text_find(const struct radius_packet *packet, enum radius_attribute type, char *out,
                   size_t cap);

#endif
