/* Rolling sums and moments that know their own rounding error.
 *
 * A sum that adds what enters and drops what leaves a window keeps the rounding of everything that ever passed
 * through. Each quantity here counts its updates since it was last exact and remembers the largest square that was
 * in reach meanwhile; the two bound the error, and when the bound passes the tolerance the quantity is recomputed
 * from the window, which a mirrored ring holds contiguously. */
#ifndef LT_ROLLING_H
#define LT_ROLLING_H

#include <math.h>

#include "lt_ring.h"

#define LT_EPS 2.220446049250313e-16
#define LT_TOL 1e-10                   /* accepted relative error */

typedef struct { double updates, peak; } lt_guard;

/* One more replacement in a sum of `terms` values or squares of values, `square` the largest square it touched: true
 * where the bound updates * (terms + 2) * EPS * peak on the error of the sum of squares passes TOL * scale. At 1,024
 * updates at the latest, so that the plain sum is good to TOL times the root of the sum of squares as well. */
static inline int lt_guard_update(lt_guard *g, double terms, double square, double scale)
{
    g->updates += 1.0;
    g->peak = square > g->peak ? square : g->peak;
    return g->updates * (terms + 2.0) * g->peak * (LT_EPS / LT_TOL) > scale || g->updates >= 1024.0;
}

/* Mean and sum of squared deviations over the last `window` values, relative to an anchor value. */
typedef struct {
    lt_ring ring;
    uint64_t window;
    double terms, inverse, anchor, mean, m2;
    lt_guard guard;
} lt_moments;

static inline void lt_moments_exact(lt_moments *s)
{
    const double *x = lt_ring_window(&s->ring, s->window);
    double anchor = x[s->window - 1], mean = 0.0, m2 = 0.0, rest = 0.0, peak = 0.0;
    for (uint64_t i = 0; i < s->window; i++) mean += x[i] - anchor;
    mean *= s->inverse;
    for (uint64_t i = 0; i < s->window; i++) {
        double a = x[i] - anchor, d = a - mean;
        m2 += d * d;
        rest += d;
        peak = a * a > peak ? a * a : peak;
    }
    s->anchor = anchor;
    s->mean = mean;
    s->m2 = m2 - rest * rest * s->inverse;
    s->guard.updates = 0.0;
    s->guard.peak = peak;
}

/* Feeds x; LT_OK once the window is full. The update is Welford's (1962), with the oldest value replaced.
 *
 * With every deviation from the anchor at most P, update k errs in the mean by at most 3 k EPS P and in m2 by at most
 * EPS P^2 (32 + 12 k + 2 window), so that after k updates m2 is within EPS P^2 k (32 + 6 k + 2 window). */
static inline int lt_moments_push(lt_moments *s, double x)
{
    uint64_t n = s->ring.head;
    if (n < s->window) {
        lt_ring_push(&s->ring, x);
        if (n + 1 < s->window) return LT_WARMUP;
        lt_moments_exact(s);
        return LT_OK;
    }
    double old = s->ring.slot[(n - s->window) & s->ring.mask] - s->anchor, new = x - s->anchor;
    double delta = new - old, mean = s->mean + delta * s->inverse, k = s->guard.updates + 1.0, square = new * new;
    lt_ring_push(&s->ring, x);
    s->m2 += delta * ((new - mean) + (old - s->mean));
    s->mean = mean;
    s->guard.updates = k;
    s->guard.peak = square > s->guard.peak ? square : s->guard.peak;
    if (k * (32.0 + 2.0 * s->terms + 6.0 * k) * (LT_EPS / LT_TOL) * s->guard.peak > s->m2) lt_moments_exact(s);
    return LT_OK;
}

#endif
