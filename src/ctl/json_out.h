/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_JSON_OUT_H
#define CTL_JSON_OUT_H

/* JSON on standard output. */

#include <jansson.h>

#include "ctl/findings.h"

/* json_print - prints the document with the flags of json_dumps(), and frees it. */
void json_print(json_t *document, size_t flags);
/* findings_json - a new array of objects with `kind`, `where` and `text`. */
json_t *findings_json(const struct findings *findings);

#endif
