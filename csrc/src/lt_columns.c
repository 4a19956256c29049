#include "lt_columns.h"

#include "lt_math.h"

/* The sums one after another: two or three chains of additions side by side. */
static void run_sums(size_t n, const double *restrict gain, const double *restrict gain2, double plain,
                     lt_squares squares, double *restrict plain_out, double *restrict squares_out,
                     double *restrict reach_out)
{
    for (size_t i = 0; i < n; i++) {
        plain += gain[i];
        squares.value += gain2[i];
        squares.reach += squares.value;
        plain_out[i] = plain;
        squares_out[i] = squares.value;
        reach_out[i] = squares.reach;
    }
}

LT_CLONES
static void moments_gains(size_t n, const double *restrict old, const double *restrict new, double anchor,
                          double *restrict gain, double *restrict gain2)
{
    for (size_t i = 0; i < n; i++) {
        double a = old[i] - anchor, b = new[i] - anchor;
        gain[i] = b - a;
        gain2[i] = b * b - a * a;
    }
}

/* Nonzero where the bound of lt_moments_push is passed. */
LT_CLONES
static uint64_t moments_read(size_t n, const lt_moments *s, const double *restrict x, const double *restrict sum,
                             const double *restrict squares, const double *restrict reach, double *restrict gap,
                             double *restrict variance)
{
    const double inverse = s->inverse, anchor = s->anchor, updates = s->updates;
    uint64_t loose = 0;
    for (size_t i = 0; i < n; i++) {
        double mean = sum[i] * inverse, m2 = squares[i] - sum[i] * mean, k = updates + (double)(int32_t)(i + 1);
        double bound = (3.0 * reach[i] + (k + 3.0) * squares[i]) * (LT_EPS / LT_TOL);
        double v = m2 * inverse, centre = anchor + mean;
        loose |= lt_bits(m2 - bound) >> 63;
        gap[i] = x[i] - anchor - mean;
        variance[i] = v > 1e-24 * centre * centre ? v : 0.0;
    }
    return loose;
}

int lt_moments_stretch(lt_moments *s, size_t n, const double *x, double *gap, double *variance)
{
    double gain[LT_STRETCH], gain2[LT_STRETCH], sum[LT_STRETCH], squares[LT_STRETCH], reach[LT_STRETCH];
    for (size_t i = 0; i < n; i++) lt_ring_push(&s->ring, x[i]);
    const double *old = lt_ring_window(&s->ring, s->window + n), *new = old + s->window;
    moments_gains(n, old, new, s->anchor, gain, gain2);
    run_sums(n, gain, gain2, s->sum, s->squares, sum, squares, reach);
    if (moments_read(n, s, new, sum, squares, reach, gap, variance)) {
        s->ring.head -= n;
        return 1;
    }
    s->sum = sum[n - 1];
    s->squares.value = squares[n - 1];
    s->squares.reach = reach[n - 1];
    s->mean = s->sum * s->inverse;
    s->m2 = s->squares.value - s->sum * s->mean;
    s->updates += (double)n;
    return 0;
}

LT_CLONES
static uint64_t sums_loose(size_t n, const double *restrict squares, const double *restrict reach, double share)
{
    uint64_t loose = 0;
    for (size_t i = 0; i < n; i++)
        loose |= lt_bits(share * squares[i] - reach[i] * (2.0 * LT_EPS / LT_TOL)) >> 63;
    return loose;
}

int lt_sums_stretch(size_t n, const double *gain, const double *gain2, double share, double *plain,
                    lt_squares *squares, double *plain_out, double *squares_out)
{
    double reach[LT_STRETCH];
    run_sums(n, gain, gain2, *plain, *squares, plain_out, squares_out, reach);
    if (sums_loose(n, squares_out, reach, share)) return 1;
    *plain = plain_out[n - 1];
    squares->value = squares_out[n - 1];
    squares->reach = reach[n - 1];
    return 0;
}

LT_CLONES
void lt_flow_gains(size_t n, const double *e, size_t window, double *restrict gain, double *restrict gain2)
{
    const double *old = e - window;
    for (size_t i = 0; i < n; i++) {
        gain[i] = e[i] - old[i];
        gain2[i] = e[i] * e[i] - old[i] * old[i];
    }
}

LT_CLONES
void lt_return_gains(size_t n, const double *r, size_t window, double *restrict gain, double *restrict gain2)
{
    const double *old = r - window, *last = r - 1, *second = old + 1;
    for (size_t i = 0; i < n; i++) {
        gain[i] = r[i] * last[i] - old[i] * second[i];
        gain2[i] = r[i] * r[i] - old[i] * old[i];
    }
}

LT_CLONES
void lt_quote_flow(size_t n, const double *bid, const double *ask, const double *bid_size, const double *ask_size,
                   double *restrict e)
{
    const double *b = bid - 1, *a = ask - 1, *qb = bid_size - 1, *qa = ask_size - 1;
    for (size_t i = 0; i < n; i++) {
        double x = (bid[i] >= b[i] ? bid_size[i] : 0.0) - (bid[i] <= b[i] ? qb[i] : 0.0);
        e[i] = x + ((ask[i] >= a[i] ? qa[i] : 0.0) - (ask[i] <= a[i] ? ask_size[i] : 0.0));
    }
}

LT_CLONES
void lt_weighted_mids(size_t n, const double *restrict bid, const double *restrict ask,
                      const double *restrict bid_size, const double *restrict ask_size, double *restrict weighted,
                      double *restrict spread)
{
    for (size_t i = 0; i < n; i++) {
        weighted[i] = (bid[i] * ask_size[i] + ask[i] * bid_size[i]) / (bid_size[i] + ask_size[i]);
        spread[i] = ask[i] - bid[i];
    }
}
