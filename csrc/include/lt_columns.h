/* Rolling sums over a stretch of observations: the operations of the pushes on the same numbers, arranged in loops
 * that vectorise. A stretch in which some sum would have to be recomputed is refused and left to the pushes, so that
 * where a stream is cut changes no bit. */
#ifndef LT_COLUMNS_H
#define LT_COLUMNS_H

#include "lt_rolling.h"

#define LT_STRETCH 128   /* the most observations of a stretch; a ring must hold these and its window */

/* lt_moments_push of x[0..n-1]: x less the mean, and the population variance, 0 where it is rounding. 1 if refused. */
int lt_moments_stretch(lt_moments *s, size_t n, const double *x, double *gap, double *variance);

/* A plain sum and a sum of squares that take n gains. 1 if refused: the squares' error may exceed LT_TOL * share. */
int lt_sums_stretch(size_t n, const double *gain, const double *gain2, double share, double *plain,
                    lt_squares *squares, double *plain_out, double *squares_out);

/* What a window of `window` values and of their squares gains: e[i] enters and e[i - window] leaves. */
void lt_flow_gains(size_t n, const double *e, size_t window, double *gain, double *gain2);

/* What the sums of r_i r_{i-1} and of r_i^2 over `window` returns gain; r[-window] is there. */
void lt_return_gains(size_t n, const double *r, size_t window, double *gain, double *gain2);

/* Cont, Kukanov and Stoikov's (2014) order flow of each quote against the one before; the one before the first is at
 * index -1. */
void lt_quote_flow(size_t n, const double *bid, const double *ask, const double *bid_size, const double *ask_size,
                   double *e);

/* Size-weighted mids and spreads. */
void lt_weighted_mids(size_t n, const double *bid, const double *ask, const double *bid_size, const double *ask_size,
                      double *weighted, double *spread);

#endif
