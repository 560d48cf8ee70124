/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/*
 * ASSERT - states what our own code guarantees. On in release builds: a violated assertion is a bug
 * of ours and ends the process, never something that input from outside can reach. The peer's
 * faults are values (struct ike_reject), the world's are negative enum error.
 */
#define ASSERT(cond) ((cond) ? (void)0 : base_assert_failed(#cond, __FILE__, __LINE__))

/* ASSERT_NEVER - behind a switch that covers everything. */
#define ASSERT_NEVER(why) base_assert_failed(why, __FILE__, __LINE__)

/* base_give_up - ends the process: the host does not give what nothing can be done without. `why` is
 * for a person. */
_Noreturn void base_give_up(const char *why);

_Noreturn void base_assert_failed(const char *cond, const char *file, int line);

#endif
