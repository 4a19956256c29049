#undef NDEBUG
#include <assert.h>
#include <stdio.h>

#include "lt_math.h"

static void inverts_the_distribution(void)
{
    /* p from erfcl: its relative error of 1e-18 moves the quantile by less than that of a double */
    for (int i = -3700; i <= 3700; i++) {
        double x = 0.01 * i, p = (double)(0.5L * erfcl(-x * 0.70710678118654752440L));
        if (!(p > 0.0) || p >= 1.0) continue;
        /* a double p near 1 says little about the tail above */
        double slack = 1e-13 * fabs(x) + 1e-15 + 2.3e-16 * p / (0.3989422804014327 * exp(-0.5 * x * x));
        if (x < 8.0) assert(fabs(lt_normal_quantile(p) - x) <= slack);
    }
}

static void known_values(void)
{
    assert(lt_normal_quantile(0.5) == 0.0);
    assert(fabs(lt_normal_quantile(0.975) - 1.959963984540054) < 1e-15);
    assert(fabs(lt_normal_quantile(0.25) + 0.6744897501960817) < 5e-16);
    assert(fabs(lt_normal_quantile(1e-20) + 9.262340089798408) < 2e-14);
}

static void odd_and_rising(void)
{
    double before = -INFINITY;
    for (int i = 1; i < 4096; i++) {
        double p = i / 4096.0, x = lt_normal_quantile(p);
        assert(x > before && x == -lt_normal_quantile(1.0 - p));
        before = x;
    }
}

int main(void)
{
    inverts_the_distribution();
    known_values();
    odd_and_rising();
    puts("quantile");
    return 0;
}
