/* Eight features of a trade from the last 21, and their running standardisation.
 *
 * Windows are 20 observations long and lie in the struct, oldest first; every quantity is worked out anew from its
 * window, deviations from the newest value first, so that nothing drifts and what is constant is exactly 0. */
#ifndef LT_FEATURES_H
#define LT_FEATURES_H

#include <math.h>
#include <string.h>

#include "lt_math.h"

#define LT_FEATURES 8
#define LT_SPAN 20                     /* observations of the windows; features exist once one more has been seen */
#define LT_ZERO 1e-12                  /* an sd of at most this share of the largest value counts as 0 */

typedef struct {
    uint64_t seen;
    double price[LT_SPAN + 1], r[LT_SPAN], volume[LT_SPAN], log_volume[LT_SPAN], side[LT_SPAN];
    double x[LT_FEATURES];
} lt_features;

/* Welford (1962), Technometrics 4. */
typedef struct { double n, mean[LT_FEATURES], m2[LT_FEATURES], largest[LT_FEATURES]; } lt_standard;

static inline int lt_trade_valid(double price, double volume)
{
    return price > 0.0 && price <= 1.7976931348623157e308 && volume >= 0.0 && volume <= 1.7976931348623157e308;
}

/* ln(p / q) of any positive p, q. */
static inline double lt_log_change(double p, double q)
{
    int plain = p >= 1e-150 && p <= 1e150 && q >= 1e-150 && q <= 1e150;
    return plain ? lt_log_ratio(p, q) : p == q ? 0.0 : lt_log(p) - lt_log(q);
}

/* The power of two that brings x > 0 into [1, 2), for squares and sums that neither overflow nor vanish. */
static inline double lt_scale(double x)
{
    int e;
    frexp(x, &e);
    return ldexp(1.0, e > 1022 ? -1021 : e < -1021 ? 1022 : 1 - e);
}

/* Population sd of n values times scale, and the mean of their deviations from the last; 0 where it counts as 0. */
static inline double lt_sd_of(size_t n, const double *x, double scale, double *mean)
{
    double last = x[n - 1] * scale, sum = 0.0, m2 = 0.0, largest = 0.0, sd;
    for (size_t i = 0; i < n; i++) sum += x[i] * scale - last;
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double y = x[i] * scale, d = y - last - *mean;
        m2 += d * d;
        if (fabs(y) > largest) largest = fabs(y);
    }
    sd = sqrt(m2 / (double)n);
    return sd <= LT_ZERO * largest ? 0.0 : sd;
}

static inline void lt_shift(size_t n, double *window, double x)
{
    memmove(window, window + 1, (n - 1) * sizeof(double));
    window[n - 1] = x;
}

static inline void lt_features_work_out(lt_features *s)
{
    double *x = s->x, mean, largest = 0.0, total = 0.0, net = 0.0, scale, s5, s20;
    const double *p = s->price;
    x[0] = s->r[LT_SPAN - 1];
    x[1] = lt_log_change(p[LT_SPAN], p[LT_SPAN - 5]);
    x[2] = lt_log_change(p[LT_SPAN], p[0]);
    s5 = lt_sd_of(5, s->r + LT_SPAN - 5, 1.0, &mean);
    s20 = lt_sd_of(LT_SPAN, s->r, 1.0, &mean);
    x[3] = s5 > 0.0 && s20 > 0.0 ? lt_log_change(s5, s20) : 0.0;
    x[4] = s20;
    for (int i = 1; i <= LT_SPAN; i++) if (p[i] > largest) largest = p[i];
    s20 = lt_sd_of(LT_SPAN, p + 1, lt_scale(largest), &mean);
    x[5] = s20 > 0.0 ? -mean / s20 : 0.0;
    lt_sd_of(LT_SPAN, s->log_volume, 1.0, &mean);
    x[6] = -mean;
    largest = 0.0;
    for (int i = 0; i < LT_SPAN; i++) if (s->volume[i] > largest) largest = s->volume[i];
    scale = largest > 0.0 ? lt_scale(largest) : 1.0;
    for (int i = 0; i < LT_SPAN; i++) {
        total += s->volume[i] * scale;
        net += s->side[i] * (s->volume[i] * scale);
    }
    x[7] = total > 0.0 ? net / total : 0.0;
}

/* Feeds a trade that is valid; a side that is not finite reads 0. LT_OK where x holds its features. */
static inline int lt_features_push(lt_features *s, double price, double volume, double side)
{
    double r = s->seen ? lt_log_change(price, s->price[LT_SPAN]) : 0.0;
    lt_shift(LT_SPAN + 1, s->price, price);
    lt_shift(LT_SPAN, s->r, r);
    lt_shift(LT_SPAN, s->volume, volume);
    lt_shift(LT_SPAN, s->log_volume, lt_log1p(volume));
    lt_shift(LT_SPAN, s->side, isfinite(side) ? side : 0.0);
    if (++s->seen <= LT_SPAN) return LT_WARMUP;
    lt_features_work_out(s);
    return LT_OK;
}

/* z of x by the mean and sd of every x so far, this one included, within +-5. */
static inline void lt_standard_push(lt_standard *s, const double *x, double *z)
{
    s->n += 1.0;
    for (int i = 0; i < LT_FEATURES; i++) {
        double d = x[i] - s->mean[i], sd;
        s->mean[i] += d / s->n;
        s->m2[i] += d * (x[i] - s->mean[i]);
        if (fabs(x[i]) > s->largest[i]) s->largest[i] = fabs(x[i]);
        sd = sqrt(s->m2[i] / s->n);
        z[i] = sd <= LT_ZERO * s->largest[i] ? 0.0 : fmin(fmax((x[i] - s->mean[i]) / sd, -5.0), 5.0);
    }
}

#endif
