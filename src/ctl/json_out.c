/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/json_out.h"

#include <stdio.h>
#include <stdlib.h>

void json_print(json_t *document, size_t flags)
{
    char *text = document == NULL ? NULL : json_dumps(document, flags);
    (void)puts(text == NULL ? "{}" : text);
    (void)fflush(stdout);
    free(text);
    json_decref(document);
}

json_t *findings_json(const struct findings *findings)
{
    json_t *array = json_array();
    for (size_t i = 0; i < findings->n; i++) {
        const struct finding *one = &findings->items[i];
        (void)json_array_append_new(array, json_pack("{s:s, s:s, s:s}", "kind", one->kind, "where",
                                                     one->where, "text", one->text));
    }
    return array;
}
