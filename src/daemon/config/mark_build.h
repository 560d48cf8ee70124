/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_MARK_BUILD_H
#define DAEMON_MARK_BUILD_H

/* Marks, interface ids and devices of children (daemon/common/inner_device.h). */

#include "daemon/config/conn_keys.h"

/* Each function reads one value of a key: "42", "0x2a/0xff", "%unique", "%unique-dir", and for marks
 * to set "%same". An id has no mask. "0" is none. */
int mark_build(const struct tree *node, struct ike_mark *ret_mark,
               struct build_error *error) MUST_USE;
int mark_set_build(const struct tree *node, struct ike_mark *ret_mark,
                   struct build_error *error) MUST_USE;
int if_id_build(const struct tree *node, struct ike_mark *ret_id,
                struct build_error *error) MUST_USE;

/* device_name_build - the name of an interface that is to be made. */
int device_name_build(const struct tree *node, char ret_name[16],
                      struct build_error *error) MUST_USE;

/* routes_build - reads yes or no; empty: unchanged. */
int routes_build(const struct tree *node, enum ike_routes *ret_routes,
                 struct build_error *error) MUST_USE;

/* struct mark_defaults - values of a connection for children without their own. */
struct mark_defaults {
    struct ike_mark if_id_in, if_id_out;
    char device[16];
    enum ike_routes routes;
};

/* marks_finish - call it after all keys of the connection: fills in the defaults, and refuses
 * impossible combinations. */
int marks_finish(const struct tree *section, struct ike_conn *conn,
                 const struct mark_defaults *defaults, struct build_error *error) MUST_USE;

#endif
