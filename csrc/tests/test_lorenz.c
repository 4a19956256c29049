#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "lt_lorenz.h"

static const struct { int step; double x, y, z, tolerance; } KNOWN[] = {
    {1, 1.0125671910736112, 1.2599177989452743, 0.9848909717916053, 1e-15},
    {10, 2.133106543293639, 4.471410647871953, 1.1138989184687214, 1e-13},
    {100, -9.378615807236296, -8.357059955292339, 29.362403750125733, 1e-12},
    {500, -6.5120111040656745, -6.97382971494569, 23.92418085386587, 1e-12},
    {1000, -4.902819483748822, -3.7434076752715657, 24.691885987964348, 1e-12},
    {2000, 13.472905743332278, 12.691475056103124, 34.39214731917505, 1e-9},
};

static void known_steps(void)
{
    lt_lorenz p = {1.0, 1.0, 1.0};
    int t = 0;
    for (size_t k = 0; k < sizeof KNOWN / sizeof *KNOWN; k++) {
        for (; t < KNOWN[k].step; t++) p = lt_lorenz_step(p, 0.01);
        double bound = 20.0 * KNOWN[k].tolerance;
        assert(fabs(p.x - KNOWN[k].x) <= bound && fabs(p.y - KNOWN[k].y) <= bound && fabs(p.z - KNOWN[k].z) <= bound);
    }
}

static void fixed_points_stay(void)
{
    double c = sqrt(8.0 / 3.0 * 27.0);
    lt_lorenz p = {c, c, 27.0}, origin = lt_lorenz_step((lt_lorenz){0.0, 0.0, 0.0}, 0.02);
    p = lt_lorenz_step(p, 0.02);
    assert(fabs(p.x - c) < 1e-13 && fabs(p.y - c) < 1e-13 && fabs(p.z - 27.0) < 1e-13);
    assert(origin.x == 0.0 && origin.y == 0.0 && origin.z == 0.0);
}

static void mirror_symmetry(void)
{
    lt_lorenz p = {1.5, -2.0, 20.0}, q = {-1.5, 2.0, 20.0};
    for (int t = 0; t < 100000; t++) {
        p = lt_lorenz_step(p, 0.01);
        q = lt_lorenz_step(q, 0.01);
        assert(p.x == -q.x && p.y == -q.y && p.z == q.z);
        assert(fabs(p.x) < 21.0 && fabs(p.y) < 30.0 && p.z > -1.0 && p.z < 52.0);
    }
}

int main(void)
{
    known_steps();
    fixed_points_stay();
    mirror_symmetry();
    puts("lorenz");
    return 0;
}
