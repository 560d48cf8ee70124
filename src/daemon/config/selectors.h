/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SELECTORS_H
#define DAEMON_SELECTORS_H

/* Traffic selectors as text, in the notation of swanctl.conf: "10.0.0.0/8[tcp/https]". */

#include "ike/connection.h"

#define TS_TEXT_MAX 160

/* ts_protocol, ts_ports - the parts of that notation: "tcp", "5060-5080". ts_ports changes the
 * text. An empty text and "any" leave the result unchanged. NULL: fine, otherwise the fault. */
const char *ts_protocol(const char *text, uint8_t *ret_protocol);
const char *ts_ports(char *text, uint16_t *ret_start, uint16_t *ret_end);

/* ts_build - "10.0.0.0/8[tcp/443]", "dynamic[udp]": adds a selector to the policy. NULL: fine,
 * otherwise the fault. */
const char *ts_build(const char *text, struct ike_ts_policy *policy);

/* ts_print - prints protocols and ports by name if they have one. Returns `out`. */
const char *ts_print(const struct ike_ts *ts, char out[TS_TEXT_MAX]);

/* ts_policy_print - the selector of that index, as configured; NULL: there are no more. */
const char *ts_policy_print(const struct ike_ts_policy *policy, size_t index,
                            char out[TS_TEXT_MAX]);

/* selectors_whole - the list has all addresses of a family, in one range or in several. */
bool selectors_whole(const struct ike_ts_list *list, uint8_t family);

/* selectors_open_family - the other address family of an End User's connection that blocks on
 * failure and takes all of one family. Its packets would bypass the tunnel (RFC 7359). NONE:
 * none. */
uint8_t selectors_open_family(const struct ike_conn *conn);

/* selectors_remote_name - remote_addrs has a name that is to be resolved. */
bool selectors_remote_name(const struct ike_conn *conn);

/* selectors_any_peer - a child between two hosts (transport mode, without inner addresses) of a
 * connection that has %any in remote_addrs, or networks, single addresses among them. Its trap asks
 * for a session with the host to which a packet is sent. */
bool selectors_any_peer(const struct ike_conn *conn, const struct ike_child_policy *child);

/* selectors_name_among_networks - the same with a name beside the networks. The addresses of the
 * name are not known, so its packets cannot be caught. */
bool selectors_name_among_networks(const struct ike_conn *conn,
                                   const struct ike_child_policy *child);

/* selectors_trapped - the most selectors that a trap of the child holds; POLICY_TS have room. */
size_t selectors_trapped(const struct ike_conn *conn, const struct ike_child_policy *child);

/* selectors_peers - calls `each` for the networks of remote_addrs that contain such a peer: %any
 * has one network of each family. 0, or the first error of `each`. */
int selectors_peers(const struct ike_conn *conn,
                    int (*each)(void *context, const struct address_range *range), void *context);

/* selectors_narrowest - the narrowest selector that contains this address, port and protocol. NULL: none does.
 * selectors_take - one does. */
const struct ike_ts *selectors_narrowest(const struct ike_ts_list *list,
                                         const struct address *address, uint16_t port,
                                         uint8_t protocol);
bool selectors_take(const struct ike_ts_list *list, const struct address *address, uint16_t port,
                    uint8_t protocol);

/* selectors_lan - `lan` of the connection; IKE_LAN_BYPASS unless its tunnel is for all
 * addresses. */
enum ike_lan selectors_lan(const struct ike_conn *conn);

/* selectors_everything - the connection of an End User has all addresses of a family as remote
 * selectors. */
bool selectors_everything(const struct ike_conn *conn);

#endif
