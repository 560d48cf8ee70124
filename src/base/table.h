/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

/* uthash with a hash function that compiles without warnings. The keys of ikat's tables are numbers
 * that we chose, or tables bounded by base/limits.h: nobody gains by colliding them. */
#define HASH_FUNCTION(keyptr, keylen, hashv) HASH_FNV(keyptr, keylen, hashv)
#include <uthash.h>

#endif
