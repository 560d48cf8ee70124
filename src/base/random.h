/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/*
 * struct random - where random octets come from: the kernel in the daemon (linux/entropy.c), a
 * seeded generator in tests and in the simulator. `fill` never fails and never returns fewer
 * octets: a source that cannot deliver ends the process.
 */
struct random {
    void (*fill)(void *context, void *octets, size_t len);
    void *context; /* borrowed; lives as long as the struct random */
};

static inline void random_fill(const struct random *random, void *octets, size_t len)
{
    random->fill(random->context, octets, len);
}

static inline uint32_t random_u32(const struct random *random)
{
    uint32_t value;
    random_fill(random, &value, sizeof(value));
    return value;
}

static inline uint64_t random_u64(const struct random *random)
{
    uint64_t value;
    random_fill(random, &value, sizeof(value));
    return value;
}

/* random_below - uniform in [0, bound), by rejection; bound > 0. */
uint32_t random_below(const struct random *random, uint32_t bound);

#endif
