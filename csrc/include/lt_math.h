/* exp, log, sin and cos with one result on every machine: IEEE operations in a fixed order, no libm.
 *
 * log and exp use the reductions and minimax coefficients of FreeBSD's msun (Sun Microsystems, 1993);
 * measured errors are below 1 ulp (log), 1 ulp (exp) and 2 ulp (sin, cos). The functions are branch-free on
 * their stated domain, so that loops over them vectorise. */
#ifndef LT_MATH_H
#define LT_MATH_H

#include <math.h>
#include <string.h>

#include "lt_base.h"

static inline uint64_t lt_bits(double x) { uint64_t u; memcpy(&u, &x, 8); return u; }
static inline double lt_from_bits(uint64_t u) { double x; memcpy(&x, &u, 8); return x; }

/* x where the condition holds, else 0: a mask, not a branch. */
static inline double lt_where(int condition, double x)
{
    return lt_from_bits(lt_bits(x) & ((uint64_t)0 - (uint64_t)(condition != 0)));
}

/* -1 where the sign bit is set, else 1. */
static inline int lt_side(double x)
{
    return 1 - (int)(lt_bits(x) >> 62 & 2);
}

#define LT_LN2_HI 6.93147180369123816490e-01
#define LT_LN2_LO 1.90821492927058770002e-10

/* 2 atanh(s) for |s| <= 3 - 2 sqrt(2): log((1 + s) / (1 - s)). */
static inline double lt_two_atanh(double s)
{
    double z = s * s;
    double r = z * (6.666666666666735130e-01 + z * (3.999999999940941908e-01 + z * (2.857142874366239149e-01
             + z * (2.222219843214978396e-01 + z * (1.818357216161805012e-01 + z * (1.531383769920937332e-01
             + z * 1.479819860511658591e-01))))));
    return 2.0 * s + s * r;
}

/* Natural logarithm of a positive normal number. */
static inline double lt_log_normal(double x)
{
    /* x = 2^k m with m in [sqrt(1/2), sqrt(2)) */
    uint64_t u = lt_bits(x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    double k = lt_from_bits((u >> 52) | 0x4330000000000000u) - (4503599627370496.0 + 1023.0);
    double m = lt_from_bits((u & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
    double f = m - 1.0, s = f / (2.0 + f), z = s * s, h = 0.5 * f * f;
    double r = z * (6.666666666666735130e-01 + z * (3.999999999940941908e-01 + z * (2.857142874366239149e-01
             + z * (2.222219843214978396e-01 + z * (1.818357216161805012e-01 + z * (1.531383769920937332e-01
             + z * 1.479819860511658591e-01))))));
    return k * LT_LN2_HI - ((h - (s * (h + r) + k * LT_LN2_LO)) - f);
}

/* Natural logarithm: -inf at 0, NaN below, inf at inf. */
static inline double lt_log(double x)
{
    if (!(x > 0.0)) return x == 0.0 ? -INFINITY : NAN;
    if (x == INFINITY) return x;
    if (x < 2.2250738585072014e-308) return lt_log_normal(x * 18014398509481984.0) - 54.0 * 0.693147180559945309417;
    return lt_log_normal(x);
}

/* ln(p / q) of p, q in [1e-150, 1e150], accurate also where p is close to q. */
static inline double lt_log_ratio(double p, double q)
{
    double s = (p - q) / (p + q);
    return fabs(s) <= 0.17 ? lt_two_atanh(s) : lt_log(p / q);
}

/* ln(1 + x), x > -1 (Kahan). */
static inline double lt_log1p(double x)
{
    double u = 1.0 + x;
    if (u == 1.0 || u == INFINITY) return u == 1.0 ? x : u;
    return u < 1e150 ? lt_log_ratio(u, 1.0) * (x / (u - 1.0)) : lt_log(u);
}

/* e^x for |x| <= 700; the caller guarantees the range. */
static inline double lt_exp_bounded(double x)
{
    double t = x * 1.44269504088896338700e+00 + 6755399441055744.0;   /* round to nearest in the low bits */
    double k = t - 6755399441055744.0;
    double hi = x - k * LT_LN2_HI, lo = k * LT_LN2_LO, r = hi - lo, z = r * r;
    double c = r - z * (1.66666666666666019037e-01 + z * (-2.77777777770155933842e-03 + z * (6.61375632143793436117e-05
             + z * (-1.65339022054652515390e-06 + z * 4.13813679705723846039e-08))));
    double y = 1.0 + (r * c / (2.0 - c) - lo + hi);
    return y * lt_from_bits((lt_bits(t) + 1023) << 52);
}

/* e^x, saturating: 0 below -700, inf above 700. */
static inline double lt_exp(double x)
{
    if (!(fabs(x) <= 700.0)) return x > 0.0 ? INFINITY : x < 0.0 ? 0.0 : x;
    return lt_exp_bounded(x);
}

/* sin and cos of 2 pi u for u in [0, 1]. */
static inline void lt_sincos_turn(double u, double *sine, double *cosine)
{
    double t = u * 4.0 + 6755399441055744.0, q = t - 6755399441055744.0;
    uint64_t n = lt_bits(t);
    double x = (u - 0.25 * q) * 6.283185307179586476925, z = x * x;
    double s = x + x * z * (-1.66666666666666324348e-01 + z * (8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04
             + z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    double c = 1.0 - (0.5 * z - z * z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03
             + z * (2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09
             + z * -1.13596475577881948265e-11))))));
    uint64_t odd = (uint64_t)0 - (n & 1), ss = (n & 2) << 62, cs = ((n + 1) & 2) << 62;
    uint64_t a = lt_bits(s), b = lt_bits(c);
    *sine = lt_from_bits(((a & ~odd) | (b & odd)) ^ ss);
    *cosine = lt_from_bits(((b & ~odd) | (a & odd)) ^ cs);
}

/* Standard normal quantile of p in (0, 1): Wichura (1988), AS 241, Applied Statistics 37. */
double lt_normal_quantile(double p);

#endif
