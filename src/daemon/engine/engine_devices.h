/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_DEVICES_H
#define DAEMON_ENGINE_DEVICES_H

/*
 * TUN devices of children that have their own (daemon/common/inner_device.h). One with fixed marks
 * is there as long as a loaded connection names it, so that routes to it can be set at any time. One
 * with %unique marks is there as long as a Child SA of its session and child. The data plane and the
 * supervisor know a device by a number that is never used again.
 */

#include "daemon/common/inner_device.h"
#include "daemon/engine/host.h"
#include "esp/esp.h"

struct engine;
struct engine_devices;

struct engine_devices *engine_devices_new(void);                            /* NULL: no memory */
struct engine_devices *engine_devices_free(struct engine_devices *devices); /* takes NULL */

/* engine_devices_conn - the connection was loaded: asks for the devices of its children.
 * engine_devices_settle - connections were loaded or unloaded: closes devices that no child needs,
 * and asks for those whose names are free now. */
void engine_devices_conn(struct engine *e, const struct ike_conn *conn);
void engine_devices_settle(struct engine *e);

/* engine_devices_child - before the Child SA is installed: fills in its devices. ERR_FULL: the
 * limit is reached; ERR_INVALID: another child has a device of that name with other marks;
 * ERR_NO_MEMORY. engine_devices_child_gone - the data plane has removed the Child SA. */
int engine_devices_child(struct engine *e, const struct ike_child_install *install,
                         struct esp_child_config *config) MUST_USE;
void engine_devices_child_gone(struct engine *e, ike_child_id child);

/* engine_devices_answer - reads an answer of the supervisor. engine_devices_error - the reason why
 * the Child SA lacks a device; 0: it lacks none, or the answer is to come. */
void engine_devices_answer(struct engine *e, const struct host_sockets *answer);
int engine_devices_error(const struct engine *e, ike_child_id child);

/* engine_policy_device - the device of a child before it has a Child SA. false: not known yet
 * (%unique), or unavailable. *ret_device 0: the first device. */
bool engine_policy_device(const struct engine *e, const struct ike_child_policy *policy,
                          uint16_t *ret_device);

/* engine_block_device - the device by which blocks of `device` are claimed. Devices without a mark
 * share one table, and the blocks there are those of the first device (0). */
uint16_t engine_block_device(const struct engine *e, uint16_t device);

/* engine_child_device - number of a Child SA's outbound device; engine_child_device_name - its
 * name. engine_child_marks - its marks and ids; false: none. */
uint16_t engine_child_device(const struct engine *e, ike_child_id child);
const char *engine_child_device_name(const struct engine *e, ike_child_id child);
bool engine_child_marks(const struct engine *e, ike_child_id child, struct inner_marks *ret_marks);

/* engine_is_device - the interface of that name is one of ours: no path leads over it. */
bool engine_is_device(const struct engine *e, const char *name);

#endif
