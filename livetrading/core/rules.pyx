# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What a rule of two moving averages would have earned over a window of prices."""
from libc.math cimport fabs, sqrt
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from livetrading.core.features cimport lt_log_change, lt_scale, lt_sd_of
from livetrading.core.rolling cimport largest, sum_add, sum_clear, sum_t


cdef double sharpe(Py_ssize_t n, const double *net) noexcept nogil:
    """Mean over sd; 0 where the sd counts as 0.

    The sums lie in two doubles each, so that rules which earn the same at other times tie, and the first is kept.
    """
    cdef double mean, sd
    cdef sum_t total, squares
    cdef Py_ssize_t k
    sum_clear(&total)
    sum_clear(&squares)
    for k in range(n):
        sum_add(&total, net[k])
    mean = total.value / <double> n
    for k in range(n):
        sum_add(&squares, (net[k] - mean) * (net[k] - mean))
    sd = sqrt(squares.value / <double> n)
    return mean / sd if sd > 1e-12 * largest(net, <uint64_t> n) else 0.0


cdef void net_returns(Py_ssize_t n, const double *w, const double *d, double threshold, double fee,
                      double *net) noexcept nogil:
    cdef Py_ssize_t k
    cdef double held = 0.0, before = 0.0
    for k in range(1, n):
        before = held
        held = 0.0 if not fabs(d[k - 1]) > threshold else 1.0 if d[k - 1] > 0.0 else -1.0
        net[k - 1] = held * lt_log_change(w[k], w[k - 1]) - fee * fabs(held - before)


def crossover(const double[::1] w not None, double fast_span, double slow_span, double threshold, double fee):
    """Earnings of holding the sign of d = EWMA(fast) - EWMA(slow) where |d| > threshold sd(d).

    Parameters
    ----------
    w : ndarray of float64, shape (n,)
        Prices above 0, at least two.
    fast_span, slow_span : float
        Of the averages, which start at the first price; the share of a new price is 2 / (span + 1).
    threshold : float
        In sd of d over the window.
    fee : float
        Of one unit of turnover.

    Returns
    -------
    sharpe : float
        Mean over sd of the net log returns, 0 where the sd is 0.
    sd : float
        Of d, USD per BTC; 0 where it counts as 0.
    fast, slow : float
        The averages at the end, USD per BTC.

    Raises
    ------
    ValueError
        If there are fewer than two prices.
    """
    cdef Py_ssize_t k, n = w.shape[0]
    cdef double a = 2.0 / (fast_span + 1.0), b = 2.0 / (slow_span + 1.0), fast, slow, scale, highest = 0.0, off, sd, j
    cdef double *d
    if n < 2:
        raise ValueError(f"w must have at least 2 prices, had {n}")
    d = <double *> malloc(2 * <size_t> n * sizeof(double))
    if d == NULL:
        raise MemoryError()
    with nogil:
        for k in range(n):
            highest = max(highest, w[k])
        scale = lt_scale(highest)
        fast = slow = w[0] * scale
        for k in range(n):
            fast += a * (w[k] * scale - fast)
            slow += b * (w[k] * scale - slow)
            d[k] = fast - slow
        sd = lt_sd_of(n, d, 1.0, &off)
        net_returns(n, &w[0], d, threshold * sd, fee, d + n)
        j = sharpe(n - 1, d + n)
    free(d)
    return j, sd / scale, fast / scale, slow / scale
