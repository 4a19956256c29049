/* The votes of a stretch against the rules said one observation at a time. */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "lt_philox.h"
#include "lt_votes.h"

enum { ROUNDS = 20000 };

static uint64_t drawn;

/* Values that tie, and some that are none. */
static double draw(void)
{
    static const double some[] = {0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 1e-300, 1e150, -1e150, INFINITY, -INFINITY};
    lt_words w = lt_philox(3, 3, drawn++);
    switch (w.word[0] % 4) {
    case 0: return some[w.word[1] % (sizeof some / sizeof *some)];
    case 1: return w.word[2] % 8 ? (double)(int64_t)(w.word[1] % 7) - 3.0 : NAN;
    default: return ((double)(w.word[1] >> 11) * 0x1p-52 - 1.0) * 3.0;
    }
}

static void draws(size_t n, double *x)
{
    for (size_t i = 0; i < n; i++) x[i] = draw();
}

static int side(double x) { return (x > 0.0) - (x < 0.0); }

/* HYST with exit 0: short from the entry level up until the gap has closed, and the mirror image. */
static int hysteresis(double gap, double variance, double entry, int state)
{
    if (!(variance > 0.0) || gap == 0.0 || isnan(gap)) return 0;
    int outer = gap * gap >= entry * entry * variance;
    if (state == -side(gap)) return state;      /* entered on this side of the mean, not left yet */
    return outer ? -side(gap) : 0;
}

int main(void)
{
    double x[LT_VOTES_MAX], y[LT_VOTES_MAX], z[LT_VOTES_MAX], u[LT_VOTES_MAX], v[LT_VOTES_MAX];
    int32_t vote[LT_VOTES_MAX];
    int held = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = lt_philox(4, 4, (uint64_t)round).word[0] % (LT_VOTES_MAX + 1);
        double level = fabs(draw()), second = fabs(draw());
        draws(n, x), draws(n, y), draws(n, z), draws(n, u), draws(n, v);
        for (size_t i = 0; i < n; i++) z[i] = fabs(z[i]), v[i] = fabs(v[i]);   /* squares and variances */

        lt_votes_beyond(n, x, z, level, 9, vote);
        for (size_t i = 0; i < n; i++) assert(vote[i] == 9 * side(x[i]) * (x[i] * x[i] > level * level * z[i]));

        lt_votes_scaled(n, x, y, level, 27, vote);
        for (size_t i = 0; i < n; i++) assert(vote[i] == 27 * ((x[i] > level * y[i]) - (x[i] < -(level * y[i]))));

        lt_votes_outside(n, x, y, level, second, 3, vote);
        for (size_t i = 0; i < n; i++) assert(vote[i] == 3 * ((x[i] < y[i] * level) - (x[i] > y[i] * second)));

        lt_votes_change(n, x, y, z, level, 3, u, v, second, 1, vote);
        for (size_t i = 0; i < n; i++) {
            int drift = x[i] != 0.0 && x[i] * x[i] * y[i] >= level * level * z[i];
            int innovation = u[i] * u[i] > second * second * v[i];
            assert(vote[i] == 3 * drift * side(x[i]) + innovation * side(u[i]));
        }

        int state = held;
        held = lt_votes_hysteresis(n, x, y, level, held, 81, vote);
        for (size_t i = 0; i < n; i++) {
            state = hysteresis(x[i], y[i], level, state);
            assert(vote[i] == 81 * state);
        }
        assert(held == state);
    }
    puts("votes: ok");
    return 0;
}
