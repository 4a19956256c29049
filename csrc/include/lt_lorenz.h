/* The Lorenz system (Lorenz 1963, J. Atmos. Sci. 20) with sigma 10, rho 28, beta 8/3 by classical RK4. */
#ifndef LT_LORENZ_H
#define LT_LORENZ_H

#include "lt_base.h"

typedef struct { double x, y, z; } lt_lorenz;

static inline lt_lorenz lt_lorenz_slope(lt_lorenz p)
{
    lt_lorenz d = {10.0 * (p.y - p.x), p.x * (28.0 - p.z) - p.y, p.x * p.y - 8.0 / 3.0 * p.z};
    return d;
}

static inline lt_lorenz lt_lorenz_along(lt_lorenz p, lt_lorenz d, double h)
{
    lt_lorenz q = {p.x + h * d.x, p.y + h * d.y, p.z + h * d.z};
    return q;
}

/* One step of dt in (0, 0.02]; the caller guarantees the range. The order of operations is part of the result. */
static inline lt_lorenz lt_lorenz_step(lt_lorenz p, double dt)
{
    lt_lorenz k1 = lt_lorenz_slope(p);
    lt_lorenz k2 = lt_lorenz_slope(lt_lorenz_along(p, k1, 0.5 * dt));
    lt_lorenz k3 = lt_lorenz_slope(lt_lorenz_along(p, k2, 0.5 * dt));
    lt_lorenz k4 = lt_lorenz_slope(lt_lorenz_along(p, k3, dt));
    double h = dt / 6.0;
    lt_lorenz q = {p.x + (k1.x + 2.0 * k2.x + 2.0 * k3.x + k4.x) * h,
                   p.y + (k1.y + 2.0 * k2.y + 2.0 * k3.y + k4.y) * h,
                   p.z + (k1.z + 2.0 * k2.z + 2.0 * k3.z + k4.z) * h};
    return q;
}

#endif
