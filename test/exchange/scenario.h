/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_SCENARIO_H
#define TEST_EXCHANGE_SCENARIO_H

/*
 * Common steps of the tests, and messages as a diagram. A line of the diagram reads
 *
 *      #2 a1 -> b INFORMATIONAL request: N(UPDATE_SA_ADDRESSES) ... N(COOKIE2)
 *
 * with the IKE SA (#1: the first that was seen), the End User's interface (a: interface 0, a1: 1),
 * the port if it is not 4500 (a:500), and "(lost)" at the end of a lost message.
 */

#include "exchange/message.h"
#include "exchange/world.h"

/* --- steps; each asserts that it went well --- */

struct world *scenario_up(uint64_t seed); /* logged in, one IKE SA, one Child SA */
void scenario_login(struct world *world); /* of a world that was not started yet */
ike_sa_id scenario_clone(struct peer *peer, ike_sa_id sa);
void scenario_move(struct world *world, ike_sa_id sa, unsigned interface);
ike_child_id scenario_create(struct peer *peer, ike_sa_id sa);
enum ike_outcome scenario_on_sa(struct peer *peer, enum ike_command_kind kind, ike_sa_id sa);
enum ike_outcome scenario_on_child(struct peer *peer, enum ike_command_kind kind,
                                   ike_child_id child);
/* scenario_end - checks that the world is consistent, and frees it. */
void scenario_end(struct world *world);
struct ike_session_info scenario_session(const struct peer *peer); /* the first one */
struct ike_sa_info scenario_sa(const struct peer *peer, ike_sa_id sa);

/* --- messages --- */

/* scenario_watch - records messages from now on (edits may change them, see world->edit). */
void scenario_watch(struct world *world);

/* EXPECT_MESSAGES - exactly these lines were recorded since the last watch, in this order. */
#define EXPECT_MESSAGES(world, ...)                                                                \
    scenario_expect(world, (const char *const[]){__VA_ARGS__, NULL}, __FILE__, __LINE__)
void scenario_expect(struct world *world, const char *const lines[], const char *file, int line);
/* scenario_count - the number of lines that contain `text`. */
unsigned scenario_count(const struct world *world, const char *text);

/*
 * scenario_edit - `edit` sees each message, decrypted, before it leaves, and returns its fate. NULL:
 * messages pass. An edit for which every message is SCENARIO_PASS fails the test: when the next edit
 * is set, and in scenario_end().
 */
enum scenario_fate {
    SCENARIO_PASS,
    SCENARIO_NOTED, /* passes unchanged; the edit was looking for it */
    SCENARIO_CHANGED,
    SCENARIO_LOST,
};
typedef enum scenario_fate (*scenario_editor)(struct world *world, bool to_b, struct message *m);
void scenario_edit(struct world *world, scenario_editor edit);

/* scenario_lose - the nth message (from 0) from now on is lost; SIZE_MAX: none. */
void scenario_lose(struct world *world, unsigned nth);

#endif
