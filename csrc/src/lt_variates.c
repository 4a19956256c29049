#include "lt_variates.h"

#include "lt_math.h"
#include "lt_philox.h"

static inline double uniform(uint64_t w)
{
    return lt_from_bits((w >> 12) | 0x3ff0000000000000u) - (1.0 - 0x1p-53);
}

void lt_philox_block(uint64_t seed, uint64_t stream, uint64_t index, size_t n, uint64_t *w, size_t stride)
{
    for (size_t i = 0; i < n; i++) {
        lt_words x = lt_philox(seed, stream, index + i);
        w[i] = x.word[0];
        w[i + stride] = x.word[1];
        w[i + 2 * stride] = x.word[2];
        w[i + 3 * stride] = x.word[3];
    }
}

LT_CLONES
void lt_uniform_block(size_t n, const uint64_t *restrict w, double *restrict u)
{
    for (size_t i = 0; i < n; i++) u[i] = uniform(w[i]);
}

LT_CLONES
void lt_normal_block(size_t n, const uint64_t *restrict w0, const uint64_t *restrict w1, double *restrict z0,
                     double *restrict z1)
{
    for (size_t i = 0; i < n; i++) {
        double radius = sqrt(-2.0 * lt_log_normal(uniform(w0[i]))), s, c;
        lt_sincos_turn(uniform(w1[i]), &s, &c);
        z0[i] = radius * c;
        z1[i] = radius * s;
    }
}

LT_CLONES
void lt_exp_block(size_t n, const double *restrict x, double *restrict y)
{
    for (size_t i = 0; i < n; i++) y[i] = lt_exp_bounded(x[i]);
}

/* Negative where some x is no positive normal number. */
LT_CLONES
static int64_t logs_of_normal(size_t n, const double *restrict x, double *restrict y)
{
    const uint64_t least = 0x0010000000000000u, most = 0x7fefffffffffffffu;
    uint64_t odd = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t u = lt_bits(x[i]);
        y[i] = lt_log_normal(x[i]);
        odd |= (u - least) | (most - u);
    }
    return (int64_t)odd;
}

void lt_log_block(size_t n, const double *restrict x, double *restrict y)
{
    if (logs_of_normal(n, x, y) < 0)
        for (size_t i = 0; i < n; i++) y[i] = lt_log(x[i]);
}

/* Nonzero where some step is too long for the short series. */
LT_CLONES
static uint64_t log_returns_near(size_t n, const double *restrict p, double *restrict r)
{
    const uint64_t limit = lt_bits(0.17);
    uint64_t far = 0;
    for (size_t i = 1; i < n; i++) {
        double s = (p[i] - p[i - 1]) / (p[i] + p[i - 1]);
        r[i] = lt_two_atanh(s);
        far |= (limit - lt_bits(fabs(s))) >> 63;
    }
    return far;
}

void lt_log_return_block(size_t n, const double *p, double before, double *r)
{
    if (n == 0) return;
    r[0] = lt_log_ratio(p[0], before);
    if (log_returns_near(n, p, r))
        for (size_t i = 1; i < n; i++) r[i] = lt_log_ratio(p[i], p[i - 1]);
}
