/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

/* uthash with a hash function that compiles without warnings. The keys are numbers that we chose,
 * or the table is bounded by base/limits.h: collisions are harmless. HASH_ADD may lack memory; then
 * the table is as before, and TABLE_HAS tells. */
#define HASH_NONFATAL_OOM                    1
#define TABLE_HAS(object)                    ((object)->hh.tbl != NULL)
#define HASH_FUNCTION(keyptr, keylen, hashv) HASH_FNV(keyptr, keylen, hashv)
#include <uthash.h>

#endif
