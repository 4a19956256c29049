# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kelly fractions and the brakes on them."""
from libc.math cimport NAN, fabs
from libc.stdint cimport uint64_t
from libc.string cimport memset

from livetrading.core.ring cimport lt_ring_push, lt_ring_window, ring_open
from livetrading.core.variates cimport lt_exp, lt_log


cdef int realised_open(realised_t *s, uint64_t window, uint64_t n_min) noexcept nogil:
    memset(s, 0, sizeof(realised_t))
    s.window = window
    s.n_min = n_min
    s.p = s.b = s.f_full = NAN
    return ring_open(&s.trades, window)


cdef void realised_push(realised_t *s, double trade_return) noexcept nogil:
    """Feeds the return of a closed trade; from `n_min` trades on f_full is f* of formula 211."""
    cdef const double *t
    cdef double gain = 0.0, loss = 0.0
    cdef uint64_t i, n, wins = 0, losses = 0
    lt_ring_push(&s.trades, trade_return)
    n = s.window if s.trades.head > s.window else s.trades.head
    s.count = n
    if n < s.n_min:
        return
    t = lt_ring_window(&s.trades, n)
    for i in range(n):
        if t[i] > 0.0:
            wins += 1
            gain += t[i]
        elif t[i] < 0.0:
            losses += 1
            loss -= t[i]
    s.p = <double> wins / <double> n
    s.b = (gain / <double> wins) / (loss / <double> losses) if wins > 0 and losses > 0 else NAN
    if wins == 0:
        s.f_full = 0.0
    elif losses == 0:
        s.f_full = s.p
    else:
        s.f_full = s.p - (1.0 - s.p) / s.b


cdef double barrier_probability(double take_profit, double stop, double logit) noexcept nogil:
    """Probability that the take-profit is reached first: a driftless price's odds times the vote's."""
    return 1.0 / (1.0 + lt_exp(-(lt_log(stop / take_profit) + fabs(logit))))


cdef double kelly_fraction(double p, double take_profit, double stop, double costs) noexcept nogil:
    """Kelly's f* for a bet that gains take_profit or loses stop, both less costs; 0 where there is no edge."""
    cdef double b = (take_profit - costs) / (stop + costs), f
    if not b > 0.0:
        return 0.0
    f = p - (1.0 - p) / b
    return f if f > 0.0 else 0.0


cdef double drawdown_brake(double drawdown, double max_drawdown) noexcept nogil:
    """g of formula 334: the cushion over (1 - max_drawdown) of the peak, scaled to 1 at no drawdown."""
    cdef double alpha = 1.0 - max_drawdown
    cdef double g = (1.0 - alpha / (1.0 - drawdown)) / (1.0 - alpha) if drawdown < 1.0 else 0.0
    return g if g > 0.0 else 0.0


cdef int calibration_bin(double logit) noexcept nogil:
    cdef double x = 4.0 * fabs(logit)
    return CALIBRATION_BINS - 1 if x >= CALIBRATION_BINS - 1 else <int> x
