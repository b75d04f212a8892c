/* Numbers that are random, and the same for the same seed: the first argument of a test. */
#ifndef ROMANESCO_RANDOM_H
#define ROMANESCO_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static inline void
random_seed(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;

    if (seed)
        random_state = seed;
}

/* xorshift64* */
static inline uint32_t
rnd(uint32_t below)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)(random_state * 0x2545f4914f6cdd1du >> 32) % below;
}

#endif
