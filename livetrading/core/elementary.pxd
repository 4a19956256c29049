"""Functions of one number that the kernels share, from the logarithm and exponential of the core."""
from libc.math cimport erf, erfc, fabs

from livetrading.core.variates cimport lt_exp, lt_log, lt_log1p, lt_log_ratio


cdef inline double log_of_ratio(double p, double q) noexcept nogil:
    """ln(p / q) of any finite p, q above 0, accurate also where they are close."""
    cdef double x
    if 1e-150 <= p <= 1e150 and 1e-150 <= q <= 1e150:
        return lt_log_ratio(p, q)
    x = lt_log_ratio(0.5 * p, 0.5 * q)
    return x if -700.0 < x < 700.0 else lt_log(p) - lt_log(q)


cdef inline double log1p_of(double x) noexcept nogil:
    """ln(1 + x), x > -1."""
    return lt_log1p(x)


cdef inline double expm1_of(double x) noexcept nogil:
    """e^x - 1 (Kahan)."""
    cdef double u = lt_exp(x)
    if u == 1.0:
        return x
    if not 1e-16 < u < 1e150:
        return u - 1.0
    return (u - 1.0) * (x / lt_log_ratio(u, 1.0))


cdef inline double power_of(double x, double a) noexcept nogil:
    """x^a, x > 0."""
    return lt_exp(a * lt_log(x))


cdef inline double clip01(double x) noexcept nogil:
    """x within [0, 1], 0 for NaN."""
    return 1.0 if x > 1.0 else x if x > 0.0 else 0.0


cdef inline double normal_confidence(double z) noexcept nogil:
    """2 Phi(|z|) - 1, 0 for NaN."""
    return clip01(erf(fabs(z) * 0.70710678118654752440))


cdef inline double normal_cdf(double z) noexcept nogil:
    return 0.5 * erfc(-z * 0.70710678118654752440)


cdef inline int side_of(double x) noexcept nogil:
    return (x > 0.0) - (x < 0.0)
