/* Rolling sums and moments that know their own rounding error.
 *
 * A sum that adds what enters and drops what leaves a window keeps the rounding of everything that ever passed
 * through. Each quantity here carries a bound on that error; when the bound passes the tolerance the caller's
 * exact form recomputes from the window, which a mirrored ring holds contiguously. */
#ifndef LT_ROLLING_H
#define LT_ROLLING_H

#include <math.h>

#include "lt_ring.h"

#define LT_EPS 2.220446049250313e-16
#define LT_TOL 1e-11

typedef struct { double value, error; } lt_sum;

/* Adds one term and drops another; the bound is twice the worst rounding of the two operations. */
static inline void lt_sum_slide(lt_sum *s, double enters, double leaves)
{
    double d = enters - leaves;
    s->value += d;
    s->error += LT_EPS * (fabs(d) + fabs(s->value));
}

/* Mean and sum of squared deviations over the last `window` values, relative to an anchor value. */
typedef struct {
    lt_ring ring;
    uint64_t window;
    double inverse, anchor, mean, m2, mean_error, m2_error;
} lt_moments;

static inline void lt_moments_exact(lt_moments *s)
{
    uint64_t n = s->ring.head < s->window ? s->ring.head : s->window;
    const double *x = lt_ring_window(&s->ring, n);
    double anchor = x[n - 1], mean = 0.0, m2 = 0.0, rest = 0.0;
    for (uint64_t i = 0; i < n; i++) mean += x[i] - anchor;
    mean /= (double)n;
    for (uint64_t i = 0; i < n; i++) {
        double d = x[i] - anchor - mean;
        m2 += d * d;
        rest += d;
    }
    s->anchor = anchor;
    s->mean = mean;
    s->m2 = m2 - rest * rest / (double)n;
    s->mean_error = s->m2_error = 0.0;
}

/* Feeds x; LT_OK once the window is full. The update is Welford's (1962), with the oldest value replaced. */
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
    double delta = new - old, mean = s->mean + delta * s->inverse;
    double term = delta * ((new - mean) + (old - s->mean));
    lt_ring_push(&s->ring, x);
    s->mean_error += LT_EPS * (fabs(s->mean) + fabs(new) + fabs(old));
    s->m2_error += LT_EPS * (s->m2 + fabs(term)) + 2.0 * fabs(delta) * s->mean_error;
    s->mean = mean;
    s->m2 += term;
    if (s->m2_error > LT_TOL * s->m2
        || s->mean_error * s->mean_error * (double)s->window > LT_TOL * LT_TOL * s->m2)
        lt_moments_exact(s);
    return LT_OK;
}

#endif
