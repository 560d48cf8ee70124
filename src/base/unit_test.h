/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UNIT_TEST_H
#define BASE_UNIT_TEST_H

/* What every *_test.c includes: cmocka wants these headers before it, in this order. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
