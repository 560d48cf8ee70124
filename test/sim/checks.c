/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/assert.h"
#include "sim/checker.h"

static void prints_grow(struct sim_prints *set)
{
    struct sim_prints old = *set;
    set->room = old.room == 0 ? 1024 : old.room * 2;
    set->prints = calloc(set->room, sizeof(uint64_t));
    set->values = calloc(set->room, sizeof(uint64_t));
    ASSERT(set->prints != NULL && set->values != NULL);
    set->n = 0;
    uint64_t was;
    for (size_t i = 0; i < old.room; i++)
        if (old.prints[i] != 0)
            ASSERT(sim_prints_put(set, old.prints[i], old.values[i], &was));
    free(old.prints);
    free(old.values);
}

/* slot - the place of the print; 0 is no print. */
static size_t slot(const struct sim_prints *set, uint64_t print)
{
    size_t at = (size_t)(print * 0x9e3779b97f4a7c15 >> 20) & (set->room - 1);
    while (set->prints[at] != 0 && set->prints[at] != print)
        at = (at + 1) & (set->room - 1);
    return at;
}

bool sim_prints_put(struct sim_prints *set, uint64_t print, uint64_t value, uint64_t *ret_was)
{
    if (set->n * 2 >= set->room)
        prints_grow(set);
    print |= print == 0;
    size_t at = slot(set, print);
    if (set->prints[at] == print) {
        *ret_was = set->values[at];
        return false;
    }
    set->prints[at] = print;
    set->values[at] = value;
    set->n++;
    return true;
}

uint64_t *sim_prints_find(const struct sim_prints *set, uint64_t print)
{
    print |= print == 0;
    if (set->room == 0)
        return NULL;
    size_t at = slot(set, print);
    return set->prints[at] == print ? &set->values[at] : NULL;
}

struct sim_checks *sim_checks_new(void)
{
    struct sim_checks *checks = calloc(1, sizeof(*checks));
    ASSERT(checks != NULL);
    return checks;
}

void sim_checks_free(struct sim_checks *checks)
{
    struct sim_prints *sets[] = {&checks->nonces, &checks->messages, &checks->keys,
                                 &checks->verified};
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        free(sets[i]->prints);
        free(sets[i]->values);
    }
    free(checks->packets);
    free(checks);
}
