"""What kernels of mean reversion share."""
from libc.stdint cimport uint64_t

cdef inline double clip01(double x) noexcept nogil:
    return 0.0 if x <= 0.0 else 1.0 if x >= 1.0 else x


# Short from u >= entry until u <= exit, long mirrored; a step that leaves one side may enter the other. NaN changes
# nothing.
cdef inline int hysteresis(int q, double u, double entry, double exit) noexcept nogil:
    if q < 0:
        return -1 if not u <= exit else 1 if u <= -entry else 0
    if q > 0:
        return 1 if not u >= -exit else -1 if u >= entry else 0
    return -1 if u >= entry else 1 if u <= -entry else 0


# Whether an sd, given squared, is at most 1e-12 times the largest |x| of n values, which `bound` bounds.
cdef bint is_rounding(const double *x, uint64_t n, double square, double bound) noexcept nogil

# The last of n prices less their mean, their mean and population sd, whatever their size.
cdef void window_moments(const double *x, uint64_t n, double *gap, double *mean, double *sd) noexcept nogil
