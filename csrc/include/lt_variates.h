/* Blocks of random variates and elementary functions, elementwise: splitting a block never changes a value. */
#ifndef LT_VARIATES_H
#define LT_VARIATES_H

#include "lt_base.h"

/* Words w[4][n] of counters index .. index + n - 1 under key (seed, stream); row k starts at w + k * stride. */
void lt_philox_block(uint64_t seed, uint64_t stream, uint64_t index, size_t n, uint64_t *w, size_t stride);

/* Uniforms in (0, 1): the midpoints of 2^52 equal cells. */
void lt_uniform_block(size_t n, const uint64_t *w, double *u);

/* Pairs of independent standard normals (Box and Muller 1958) from pairs of words. */
void lt_normal_block(size_t n, const uint64_t *w0, const uint64_t *w1, double *z0, double *z1);

/* y = e^x for |x| <= 700. */
void lt_exp_block(size_t n, const double *x, double *y);

/* y = ln x, as lt_log has it. */
void lt_log_block(size_t n, const double *x, double *y);

/* r[i] = ln(p[i] / p[i-1]) with p[-1] = before; prices in [1e-150, 1e150]. */
void lt_log_return_block(size_t n, const double *p, double before, double *r);

#endif
