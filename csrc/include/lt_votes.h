/* Votes of a stretch of observations under one entry level: the signals of signals.pxd in loops that vectorise. A vote
 * is the voter's place times -1, 0 or 1; NaN abstains. */
#ifndef LT_VOTES_H
#define LT_VOTES_H

#include "lt_base.h"

/* The sign of x where |x| / sqrt(square) is above the level. */
void lt_votes_beyond(size_t n, const double *x, const double *square, double level, int32_t place, int32_t *vote);

/* 41's and 201's together: the drift where |drift| sqrt(count / square) is at least the first level, and the innovation
 * where it is beyond the second. */
void lt_votes_change(size_t n, const double *drift, const double *count, const double *drift_square, double drift_level,
                     int32_t drift_place, const double *innovation, const double *f, double level, int32_t place,
                     int32_t *vote);

/* The sign of x where |x| is above the level times the scale. */
void lt_votes_scaled(size_t n, const double *x, const double *scale, double level, int32_t place, int32_t *vote);

/* 1 where x is below low times the reference, -1 where it is above high times it. */
void lt_votes_outside(size_t n, const double *x, const double *reference, double low, double high, int32_t place,
                      int32_t *vote);

/* HYST of the catalogue with exit 0, from the state before; returns the state after. n is at most LT_VOTES_MAX. */
#define LT_VOTES_MAX 16
int lt_votes_hysteresis(size_t n, const double *gap, const double *variance, double entry, int state, int32_t place,
                        int32_t *vote);

#endif
