/* Philox4x64-10 (Salmon, Moraes, Dror, Shaw 2011, SC'11): counter-based, so any draw can be computed alone. */
#ifndef LT_PHILOX_H
#define LT_PHILOX_H

#include "lt_base.h"

typedef struct { uint64_t word[4]; } lt_words;

static inline uint64_t lt_mulhi(uint64_t a, uint64_t b, uint64_t *lo)
{
#if defined(__SIZEOF_INT128__)
    unsigned __int128 p = (unsigned __int128)a * b;
    *lo = (uint64_t)p;
    return (uint64_t)(p >> 64);
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t t = a1 * b0 + ((a0 * b0) >> 32), m = a0 * b1 + (uint32_t)t;
    *lo = a * b;
    return a1 * b1 + (t >> 32) + (m >> 32);
#endif
}

/* Four words for key (seed, stream) and counter (index, 0, 0, 0). */
static inline lt_words lt_philox(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint64_t x0 = index, x1 = 0, x2 = 0, x3 = 0;
    for (int round = 0; round < 10; round++) {
        uint64_t l0, l1, h0 = lt_mulhi(0xD2E7470EE14C6C93u, x0, &l0), h1 = lt_mulhi(0xCA5A826395121157u, x2, &l1);
        x0 = h1 ^ x1 ^ seed;
        x1 = l1;
        x2 = h0 ^ x3 ^ stream;
        x3 = l0;
        seed += 0x9E3779B97F4A7C15u;
        stream += 0xBB67AE8584CAA73Bu;
    }
    return (lt_words){{x0, x1, x2, x3}};
}

#endif
