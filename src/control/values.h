/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_VALUES_H
#define CONTROL_VALUES_H

/* Values of the configuration as text: times, sizes, numbers, switches, words. All return false
 * unless the whole text is such a value. */

#include "base/span.h"
#include "base/time.h"

bool value_bool(const char *text, bool *ret_value);  /* yes/no, true/false, 1/0, enabled/disabled */
bool value_time(const char *text, nanos *ret_value); /* "90", "90s", "5m", "4h", "1d", "100ms" */
bool value_u64(const char *text, uint64_t *ret_value);   /* decimal or 0x */
bool value_bytes(const char *text, uint64_t *ret_value); /* "64k", "10m", "2g": times 1024 */
/* value_secret - writes a secret to `out`: the text as it is, hexadecimal after 0x, or base64 after
 * 0s. Returns the length; 0: malformed, empty or longer than `size`. */
size_t value_secret(const char *text, uint8_t *out, size_t size);

/* value_nearest - the word that a mistyped one probably means; NULL: none is similar. */
const char *value_nearest(const char *typed, const char *const *words, size_t n);

#endif
