/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void base_give_up(const char *why)
{
    fprintf(stderr, "<2>event=given-up reason=\"%s\"\n", why);
    abort();
}

_Noreturn void base_assert_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, cond);
    abort();
}
