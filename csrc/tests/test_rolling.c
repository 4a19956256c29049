#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lt_philox.h"
#include "lt_rolling.h"

static uint64_t drawn;
static double uniform(void) { return ((double)(lt_philox(9, 9, drawn++).word[0] >> 11) + 0.5) * 0x1p-53; }

/* Stands still, creeps by one unit in the last place, walks, or jumps a million times. */
static double next(double p)
{
    static int run, kind;
    if (run-- <= 0) {
        run = (int)(60.0 * uniform());
        kind = (int)(4.0 * uniform());
        if (uniform() < 0.2) return p > 1e3 ? p / 1e6 : p * 1e6;
    }
    if (kind == 1) return nextafter(p, uniform() < 0.5 ? 0.0 : 1e300);
    if (kind == 2) return p * (1.0 + 1e-4 * (uniform() - 0.5));
    if (kind == 3) return p * (1.0 + 0.2 * (uniform() - 0.5));
    return p;
}

static void agrees_with_two_passes(uint64_t window, int ticks)
{
    uint64_t capacity = lt_ring_capacity(window);
    double *slot = malloc(2 * capacity * sizeof *slot), p = 50000.0;
    lt_moments s;
    memset(&s, 0, sizeof s);
    lt_ring_init(&s.ring, slot, capacity);
    s.window = window;
    s.inverse = 1.0 / (double)window;
    for (int t = 0; t < ticks; t++) {
        p = next(p);
        int code = lt_moments_push(&s, p);
        assert(code == ((uint64_t)t + 1 < window ? LT_WARMUP : LT_OK));
        if (code == LT_WARMUP) continue;
        const double *x = lt_ring_window(&s.ring, window);
        long double mean = 0.0L, m2 = 0.0L;
        for (uint64_t i = 0; i < window; i++) mean += (long double)x[i] - p;
        mean /= (long double)window;
        for (uint64_t i = 0; i < window; i++) {
            long double d = (long double)x[i] - p - mean;
            m2 += d * d;
        }
        long double sd = sqrtl(m2 / (long double)window), got = (long double)s.anchor + s.mean - p;
        /* long double has 64 bits: below 1e-17 of the price a deviation is beyond this reference */
        if (sd < 1e-14L * p) continue;
        assert(fabsl(s.m2 - m2) <= 1e-9L * m2);
        assert(fabsl(got - mean) <= 1e-9L * sd);
    }
    free(slot);
}

static void the_guard_fires_in_time(void)
{
    lt_squares s = {100.0, 100.0};
    int k = 0;
    while (!lt_squares_loose(&s, s.value)) {
        lt_squares_slide(&s, 1.0, 1.0);
        k++;
    }
    /* reach 100 (k + 1) passes 100 LT_TOL / (2 LT_EPS) */
    assert(k == 225179);
    s = (lt_squares){1.0, 1.0};
    lt_squares_slide(&s, 1e12, 1.0);
    assert(!lt_squares_loose(&s, s.value));
    /* a value so large that its rounding alone is beyond the tolerance of what is left */
    lt_squares_slide(&s, 1.0, 1e12);
    assert(lt_squares_loose(&s, s.value));
}

int main(void)
{
    for (uint64_t window = 2; window <= 130; window = window * 2 - 1) agrees_with_two_passes(window, 40000);
    agrees_with_two_passes(1000, 5000);
    the_guard_fires_in_time();
    puts("rolling");
    return 0;
}
