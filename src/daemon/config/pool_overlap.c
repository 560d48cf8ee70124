/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/pool_overlap.h"

#include <stddef.h>
#include <stdlib.h>

#include "daemon/config/conn_keys.h"

struct pool_place {
    struct address_range range;
    const struct tree *section;
};

static int compare_places(const void *a, const void *b)
{
    const struct pool_place *one = a, *other = b;
    return address_compare(&one->range.first, &other->range.first);
}

/* overlaps_find - `places` are in order of their first addresses. */
static int overlaps_find(struct pool_place *places, size_t n, struct build_error *error)
{
    const struct pool_place *reach = places; /* the earlier pool with the highest last address */
    int first = 0;
    qsort(places, n, sizeof(places[0]), compare_places);
    for (size_t i = 1; i < n; i++) {
        bool apart = address_compare(&places[i].range.first, &reach->range.last) > 0;
        if (!apart && !build_goes_on(error,
                                     build_fail(error, key_node(places[i].section, "addrs"),
                                                "pool %.40s overlaps pool %.40s",
                                                places[i].section->name, reach->section->name),
                                     &first))
            break;
        if (apart || address_compare(&places[i].range.last, &reach->range.last) > 0)
            reach = &places[i];
    }
    return first;
}

int pools_check_apart(const struct tree *pools, struct build_error *error)
{
    struct pool_place *places = NULL;
    struct pool_config pool;
    size_t n = 0, cap = 0;
    int err = 0;
    for (const struct tree *section = pools->first; section != NULL; section = section->next)
        cap++;
    places = calloc(cap + 1, sizeof(*places));
    if (places == NULL)
        return ERR_NO_MEMORY;
    for (const struct tree *section = pools->first; section != NULL; section = section->next) {
        /* the faults of the section itself are reported elsewhere */
        struct build_error unheard = {.all = NULL};
        if (pool_build(section, &pool, &unheard) == 0)
            places[n++] = (struct pool_place){pool.range, section};
    }
    if (n > 1)
        err = overlaps_find(places, n, error);
    free(places);
    return err;
}
