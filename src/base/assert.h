/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/*
 * ASSERT - states what our own code guarantees, also in release builds. A violated assertion is a
 * bug of ours and ends the process. Input from outside can never violate one. Faults of a peer are
 * values or silence; faults of the host are a negative enum error.
 */
#define ASSERT(cond) ((cond) ? (void)0 : base_assert_failed(#cond, __FILE__, __LINE__))

/* ASSERT_NEVER - behind a switch that covers everything. */
#define ASSERT_NEVER(why) base_assert_failed(why, __FILE__, __LINE__)

/* base_give_up - ends the process, because the host lacks something that the process cannot do
 * without. `why` is for a person. */
_Noreturn void base_give_up(const char *why);

_Noreturn void base_assert_failed(const char *cond, const char *file, int line);

#endif
