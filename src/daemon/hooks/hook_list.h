/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HOOK_LIST_H
#define DAEMON_HOOK_LIST_H

/* The scripts that ran with `up`. When the engine has ended, the hooks process runs each of them
 * with `down`. */

#include "daemon/common/hook_channel.h"

struct hook_list {
    struct hooked *newest; /* owned */
    uint32_t n;
};

/* hook_list_add - false: HOOK_UP_MAX are up, or no memory. */
bool hook_list_add(struct hook_list *list, const struct hook_request *request);

/* hook_list_take - removes the entry with script, IKE SA, names and selectors of `request`. false:
 * none. */
bool hook_list_take(struct hook_list *list, const struct hook_request *request);

/* hook_list_pop - removes the newest entry. false: the list is empty. */
bool hook_list_pop(struct hook_list *list, struct hook_request *ret_request);

#endif
