"""Kelly fractions and the brakes on them."""
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.ring cimport lt_ring

cdef enum:
    CALIBRATION_BINS = 16

# 211 KellyCriterion over the last `window` closed trades
ctypedef struct realised_t:
    lt_ring trades
    uint64_t window, n_min, count
    double p, b, f_full

# Outcomes seen, by |log-odds| of the vote that opened the trade: bins of 0.25, the last one open
ctypedef struct calibration_t:
    uint64_t seen[CALIBRATION_BINS]
    uint64_t won[CALIBRATION_BINS]

cdef int realised_open(realised_t *s, uint64_t window, uint64_t n_min) noexcept nogil
cdef void realised_push(realised_t *s, double trade_return) noexcept nogil
cdef inline double first_at_gain(double ratio, double against) noexcept nogil:
    """Probability of the gain first: its distance over the loss's, times the odds against the vote."""
    return 1.0 / (1.0 + ratio * against)


cpdef double barrier_probability(double take_profit, double stop, double logit) noexcept nogil
cdef double kelly_fraction(double p, double take_profit, double stop, double costs) noexcept nogil
cdef double drawdown_brake(double drawdown, double max_drawdown) noexcept nogil
cdef int calibration_bin(double logit) noexcept nogil
