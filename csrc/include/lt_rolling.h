/* Rolling sums and moments that know their own rounding error.
 *
 * A sum that adds what enters and drops what leaves a window keeps the rounding of everything that ever passed
 * through. Replacing a term errs by at most EPS times the sums of squares before and after, so the sum of those sums
 * since the last exact one, the reach, bounds the error. When the bound passes the tolerance the quantity is
 * recomputed from the window, which a mirrored ring holds contiguously. */
#ifndef LT_ROLLING_H
#define LT_ROLLING_H

#include <math.h>

#include "lt_ring.h"

#define LT_EPS 2.220446049250313e-16
#define LT_TOL 1e-10                   /* accepted relative error */

/* A sum of squares, and the sum of the values it has had since it was last exact. */
typedef struct { double value, reach; } lt_squares;

static inline void lt_squares_slide(lt_squares *s, double enters, double leaves)
{
    s->value += enters - leaves;
    s->reach += s->value;
}

/* True where the error may exceed LT_TOL * scale. */
static inline int lt_squares_loose(const lt_squares *s, double scale)
{
    return s->reach * (2.0 * LT_EPS / LT_TOL) > scale;
}

/* Mean and sum of squared deviations over the last `window` values; `sum` and `squares` are of the deviations from an
 * anchor value, `mean` is relative to it. */
typedef struct {
    lt_ring ring;
    uint64_t window;
    double inverse, anchor, sum, mean, m2, updates;
    lt_squares squares;
} lt_moments;

static inline void lt_moments_exact(lt_moments *s)
{
    const double *x = lt_ring_window(&s->ring, s->window);
    double anchor = x[s->window - 1], sum = 0.0, squares = 0.0, mean, m2 = 0.0, rest = 0.0;
    for (uint64_t i = 0; i < s->window; i++) {
        double a = x[i] - anchor;
        sum += a;
        squares += a * a;
    }
    mean = sum * s->inverse;
    for (uint64_t i = 0; i < s->window; i++) {
        double d = x[i] - anchor - mean;
        m2 += d * d;
        rest += d;
    }
    s->anchor = anchor;
    s->sum = sum;
    s->mean = mean;
    s->m2 = m2 - rest * rest * s->inverse;
    s->squares.value = s->squares.reach = squares;
    s->updates = 0.0;
}

/* Feeds x; LT_OK once the window is full.
 *
 * m2 = squares - sum^2 / window. After k updates with squares S_1 .. S_k the first term errs by at most 2 EPS reach;
 * the sum, of which |sum| <= sqrt(window S), by at most EPS (sqrt(window S_1) + ...), which moves the second term by
 * at most EPS (k S_k + reach). */
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
    lt_ring_push(&s->ring, x);
    s->sum += new - old;
    lt_squares_slide(&s->squares, new * new, old * old);
    s->mean = s->sum * s->inverse;
    s->m2 = s->squares.value - s->sum * s->mean;
    s->updates += 1.0;
    if ((3.0 * s->squares.reach + (s->updates + 3.0) * s->squares.value) * (LT_EPS / LT_TOL) > s->m2)
        lt_moments_exact(s);
    return LT_OK;
}

#endif
