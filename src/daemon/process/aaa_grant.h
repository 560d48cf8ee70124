/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_GRANT_H
#define DAEMON_AAA_GRANT_H

/* What an Access-Accept or a CoA-Request grants. */

#include "daemon/common/aaa_channel.h"

/*
 * aaa_grant_read - attributes that are malformed, or more than there is room for, count as not
 * given; an address that no host can have does, too. `class_group`: Class names groups.
 */
void aaa_grant_read(const struct radius_packet *packet, bool class_group,
                    struct aaa_grant *ret_grant);

/* aaa_grant_names - one of the groups is granted, or none is demanded. */
bool aaa_grant_names(const struct aaa_grant *grant, const struct aaa_groups *groups);

/* aaa_text_find - the first attribute of the type as a text; stays as it is if there is none, or if
 * it is longer, empty or has a zero in it. */
void aaa_text_find(const struct radius_packet *packet, enum radius_attribute type, char *out,
                   size_t cap);

#endif
