#include "lt_votes.h"

LT_CLONES
void lt_votes_beyond(size_t n, const double *restrict x, const double *restrict square, double level, int32_t place,
                     int32_t *restrict vote)
{
    const double level2 = level * level;
    for (size_t i = 0; i < n; i++) {
        int32_t v = x[i] * x[i] > level2 * square[i] ? place : 0;
        vote[i] = x[i] < 0.0 ? -v : v;
    }
}

LT_CLONES
void lt_votes_change(size_t n, const double *restrict drift, const double *restrict count,
                     const double *restrict drift_square, double drift_level, int32_t drift_place,
                     const double *restrict innovation, const double *restrict f, double level, int32_t place,
                     int32_t *restrict vote)
{
    const double drift2 = drift_level * drift_level, level2 = level * level;
    for (size_t i = 0; i < n; i++) {
        double a = drift[i], nu = innovation[i];
        int32_t v = (a * a * count[i] >= drift2 * drift_square[i]) & (a != 0.0) ? drift_place : 0;
        int32_t w = nu * nu > level2 * f[i] ? place : 0;
        vote[i] = (a < 0.0 ? -v : v) + (nu < 0.0 ? -w : w);
    }
}

LT_CLONES
void lt_votes_scaled(size_t n, const double *restrict x, const double *restrict scale, double level, int32_t place,
                     int32_t *restrict vote)
{
    for (size_t i = 0; i < n; i++) {
        double edge = level * scale[i];
        vote[i] = (x[i] > edge ? place : 0) - (x[i] < -edge ? place : 0);
    }
}

LT_CLONES
void lt_votes_outside(size_t n, const double *restrict x, const double *restrict reference, double low, double high,
                      int32_t place, int32_t *restrict vote)
{
    for (size_t i = 0; i < n; i++)
        vote[i] = (x[i] < reference[i] * low ? place : 0) - (x[i] > reference[i] * high ? place : 0);
}

LT_CLONES
int lt_votes_hysteresis(size_t n, const double *restrict gap, const double *restrict variance, double entry, int state,
                        int32_t place, int32_t *restrict vote)
{
    /* By state (short, flat, long), then by the gap: none, or no variance; above or below the mean; beyond the entry
     * level above or below it. */
    static const int8_t next[3][5] = {{1, 0, 1, 0, 2}, {1, 1, 1, 0, 2}, {1, 1, 2, 0, 2}};
    const double entry2 = entry * entry;
    int32_t kind[LT_VOTES_MAX];
    for (size_t i = 0; i < n; i++) {
        double g = gap[i], v = variance[i];
        int32_t side = (g > 0.0 ? 1 : 0) + (g < 0.0 ? 2 : 0);
        side += (side != 0) & (g * g >= entry2 * v) ? 2 : 0;
        kind[i] = v > 0.0 ? side : 0;
    }
    state += 1;
    for (size_t i = 0; i < n; i++) {
        state = next[state][kind[i]];
        vote[i] = place * (state - 1);
    }
    return state - 1;
}
