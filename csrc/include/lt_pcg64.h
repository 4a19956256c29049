/* The generator that numpy's default_rng is, PCG64 (O'Neill 2014, HMC-CS-2014-0905: 128-bit LCG, XSL-RR output), and
 * the draws of its Generator bit for bit, so that steps draw on where numpy drew the start. */
#ifndef LT_PCG64_H
#define LT_PCG64_H

#include "lt_philox.h"

typedef struct {
    uint64_t high, low;                /* the state */
    uint64_t add_high, add_low;        /* the increment */
    uint64_t has_half, half;           /* the upper 32 bits of a word of which the lower went out */
} lt_pcg64;

static inline uint64_t lt_pcg64_word(lt_pcg64 *g)
{
    const uint64_t high = 0x2360ED051FC65DA4u, low = 0x4385DF649FCCF645u;
    uint64_t carried, l, h = lt_mulhi(g->low, low, &l);
    h += g->high * low + g->low * high;
    carried = l + g->add_low;
    g->high = h + g->add_high + (carried < l);
    g->low = carried;
    uint64_t x = g->high ^ g->low, turn = g->high >> 58;
    return x >> turn | x << ((64 - turn) & 63);
}

static inline uint32_t lt_pcg64_half(lt_pcg64 *g)
{
    if (g->has_half) {
        g->has_half = 0;
        return (uint32_t)g->half;
    }
    uint64_t word = lt_pcg64_word(g);
    g->has_half = 1;
    g->half = word >> 32;
    return (uint32_t)word;
}

/* random(): 53 bits of [0, 1). */
static inline double lt_pcg64_uniform(lt_pcg64 *g)
{
    return (double)(lt_pcg64_word(g) >> 11) * (1.0 / 9007199254740992.0);
}

/* integers(n) for 1 <= n < 2^32: Lemire (2019), ACM TOMACS 29. */
static inline uint64_t lt_pcg64_below(lt_pcg64 *g, uint32_t n)
{
    if (n == 1) return 0;
    uint64_t m = (uint64_t)lt_pcg64_half(g) * n;
    if ((uint32_t)m < n) {
        uint32_t least = (UINT32_MAX - (n - 1)) % n;
        while ((uint32_t)m < least) m = (uint64_t)lt_pcg64_half(g) * n;
    }
    return m >> 32;
}

/* standard_normal(). */
double lt_pcg64_normal(lt_pcg64 *g);

#endif
