#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lt_jury.h"
#include "lt_philox.h"

#define N LT_VOTERS

static uint64_t drawn;
static double uniform(void) { return ((double)(lt_philox(12, 12, drawn++).word[0] >> 11) + 0.5) * 0x1p-53; }

typedef struct { double a[N], b[N], joint[N][N], cross[N][N], square[N][N]; } jury;

/* Pair by pair, with the competence from before the outcome; who abstained is left out. */
static void learn(jury *j, const double *cast, const double *right, double lam, double a0, double b0)
{
    double gap[N] = {0};
    for (int i = 0; i < N; i++)
        if (cast[i] != 0.0) gap[i] = right[i] - j->a[i] / (j->a[i] + j->b[i]);
    for (int i = 0; i < N; i++) {
        if (cast[i] == 0.0) continue;
        for (int k = 0; k < N; k++) {
            if (k == i || cast[k] == 0.0) continue;
            j->joint[i][k] = lam * j->joint[i][k] + 1.0;
            j->cross[i][k] = lam * j->cross[i][k] + gap[i] * gap[k];
            j->square[i][k] = lam * j->square[i][k] + gap[i] * gap[i];
        }
    }
    for (int i = 0; i < N; i++) {
        if (cast[i] == 0.0) continue;
        j->a[i] = a0 + lam * (j->a[i] - a0) + right[i];
        j->b[i] = b0 + lam * (j->b[i] - b0) + (1.0 - right[i]);
    }
}

static void same(const jury *x, const jury *y)
{
    assert(memcmp(x->a, y->a, sizeof x->a) == 0 && memcmp(x->b, y->b, sizeof x->b) == 0);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N; k++) {
            if (i == k) continue;
            assert(x->joint[i][k] == y->joint[i][k] && x->cross[i][k] == y->cross[i][k]);
            assert(x->square[i][k] == y->square[i][k]);
        }
    }
}

static void votes(double share, double lam, double a0, double b0, int times)
{
    jury fast = {0}, plain;
    for (int i = 0; i < N; i++) {
        fast.a[i] = a0;
        fast.b[i] = b0;
    }
    plain = fast;
    for (int t = 0; t < times; t++) {
        double cast[N], right[N];
        for (int i = 0; i < N; i++) {
            cast[i] = uniform() < share;
            right[i] = uniform() < 0.4 + 0.03 * i;
        }
        lt_jury_score(cast, right, lam, a0, b0, fast.a, fast.b, fast.joint, fast.cross, fast.square);
        learn(&plain, cast, right, lam, a0, b0);
        same(&fast, &plain);
    }
}

/* Two voters, one outcome, by hand: prior 3 and 1, a weight of 1/2. */
static void one_outcome(void)
{
    jury j = {.a = {3.0, 3.0}, .b = {1.0, 1.0}};
    for (int i = 2; i < N; i++) j.a[i] = j.b[i] = 1.0;
    j.joint[0][1] = 2.0;
    const double cast[N] = {1.0, 1.0}, right[N] = {1.0, 0.0, 1.0};
    lt_jury_score(cast, right, 0.5, 3.0, 1.0, j.a, j.b, j.joint, j.cross, j.square);
    assert(j.a[0] == 4.0 && j.b[0] == 1.0 && j.a[1] == 3.0 && j.b[1] == 2.0 && j.a[2] == 1.0 && j.b[2] == 1.0);
    assert(j.joint[0][1] == 2.0 && j.joint[1][0] == 1.0 && j.joint[0][2] == 0.0);
    assert(j.cross[0][1] == -0.1875 && j.square[0][1] == 0.0625 && j.square[1][0] == 0.5625);
}

int main(void)
{
    one_outcome();
    votes(1.0, 0.99, 5.0, 5.0, 2000);
    votes(0.5, 0.999, 60.0, 40.0, 20000);
    votes(0.05, 0.9, 1.0, 2.0, 20000);
    votes(0.0, 0.9, 1.0, 2.0, 10);
    puts("jury");
    return 0;
}
