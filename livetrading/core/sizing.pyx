# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kelly fractions and the brakes on them."""
from libc.math cimport NAN, erf, fabs, isfinite, sqrt
from libc.stdint cimport uint64_t
from libc.string cimport memset

from livetrading.core.ring cimport lt_ring, lt_ring_push, lt_ring_window, ring_close, ring_open
from livetrading.core.variates cimport lt_exp

import numpy as np


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


cpdef double barrier_probability(double take_profit, double stop, double logit) noexcept nogil:
    """Probability that the take-profit is reached before the stop.

    The odds of a driftless price, stop : take_profit, times the vote's: 1 / (1 + take_profit / stop
    exp(-|logit|)).

    Parameters
    ----------
    take_profit, stop : float
        Distances to the barriers as fractions of the price, above 0; NaN comes of others.
    logit : float
        Log-odds of the vote.

    Returns
    -------
    float
        Probability in [0, 1].

    References
    ----------
    The gambler's ruin: Feller 1968, An Introduction to Probability Theory and Its Applications 1, ch. XIV.
    """
    if not (take_profit > 0.0 and stop > 0.0):
        return NAN
    return first_at_gain(take_profit / stop, lt_exp(-fabs(logit)))


cdef double kelly_fraction(double p, double take_profit, double stop, double costs) noexcept nogil:
    """Kelly's f* for a bet that gains take_profit or loses stop, both less costs; 0 without an edge."""
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


# The classes

cdef uint64_t WINDOW_MAX = 1 << 16


cdef object within(object x, str name, object low, object high):
    if not low <= x <= high:
        raise ValueError(f"{name} must be from {low} to {high}, was {x}")
    return x


def kelly(double p, double take_profit, double stop, double costs=0.0):
    """Kelly's fraction for a bet on two barriers.

    f* = p - (1 - p) / b with b = (take_profit - costs) / (stop + costs), floored at 0.

    Parameters
    ----------
    p : float
        Probability that the take-profit is reached first, 0 to 1.
    take_profit, stop : float
        Gain and loss as fractions of the stake, above 0.
    costs : float
        Of the round trip, a fraction of the stake, 0 or more.

    Returns
    -------
    float
        Fraction of the capital to put at risk, in [0, 1]; 0 where there is no edge.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Kelly 1956, Bell System Technical Journal 35.
    """
    within(p, "p", 0.0, 1.0)
    within(take_profit, "take_profit", 1e-12, 1e12)
    within(stop, "stop", 1e-12, 1e12)
    within(costs, "costs", 0.0, 1e12)
    return kelly_fraction(p, take_profit, stop, costs)


cdef double growth_slope(const double *t, uint64_t n, double f) noexcept nogil:
    """Derivative of mean log growth at stake f, times n; falls in f."""
    cdef double total = 0.0
    cdef uint64_t i
    for i in range(n):
        total += t[i] / (1.0 + f * t[i])
    return total


cdef double growth_optimal(const double *t, uint64_t n) noexcept nogil:
    """The stake that maximises mean log growth, by bisection up to 0.999 / largest loss; NaN without a loss."""
    cdef double least = 0.0, low = 0.0, high, mid
    cdef uint64_t i
    for i in range(n):
        least = t[i] if t[i] < least else least
    if least == 0.0:
        return NAN
    high = 0.999 / -least
    if not growth_slope(t, n, 0.0) > 0.0:
        return 0.0
    if growth_slope(t, n, high) >= 0.0:
        return high
    for _ in range(200):
        mid = 0.5 * (low + high)
        if growth_slope(t, n, mid) > 0.0:
            low = mid
        else:
            high = mid
    return 0.5 * (low + high)


cdef class KellyCriterion:
    """Fraction of the equity to put at risk, from the trades that were closed (formula 211).

    `value` is min(cap, fraction max(0, f*)), f* = p - (1 - p) / b over the last n trades: p the share of
    gains, b the mean gain over the mean loss; a trade of 0 is no gain and in neither mean. Without a loss f*
    = p and b is NaN; without a gain f* = 0. `outputs` p, b, f_full = f*, leverage = value / mean loss
    (notional over equity) and exact, the stake that maximises mean ln(1 + f t). Ready after n_min trades.

    Parameters
    ----------
    n : int
        Trades in the window, 1 to 2**16.
    fraction : float
        Share of f*, 0 to 1.
    cap : float
        Upper limit, 0 to 1.
    n_min : int
        Trades before ready, 1 to n.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Kelly 1956, Bell System Technical Journal 35; Thorp 2006, Handbook of Asset and Liability Management 1.
    """

    cdef realised_t _s
    cdef double _fraction, _cap

    def __cinit__(self, n=100, fraction=0.5, cap=0.25, n_min=20):
        self._fraction = within(fraction, "fraction", 0.0, 1.0)
        self._cap = within(cap, "cap", 0.0, 1.0)
        if realised_open(&self._s, within(n, "n", 1, WINDOW_MAX), within(n_min, "n_min", 1, n)) < 0:
            raise MemoryError()

    def __dealloc__(self):
        ring_close(&self._s.trades)

    def update(self, double trade_return):
        """Observe the net return of one closed trade and return the value, NaN before `ready`.

        A return that is NaN or infinite is no observation.
        """
        if isfinite(trade_return):
            realised_push(&self._s, trade_return)
        return self.value

    def update_many(self, const double[:] trade_returns not None):
        """Observe returns, shape (n,), and return the value after each, float64 of shape (n,)."""
        cdef Py_ssize_t i, n = trade_returns.shape[0]
        out = np.empty(n)
        cdef double[::1] o = out
        with nogil:
            for i in range(n):
                if isfinite(trade_returns[i]):
                    realised_push(&self._s, trade_returns[i])
                o[i] = self.answer()
        return out

    cdef double answer(self) noexcept nogil:
        cdef double f = self._s.f_full
        if self._s.count < self._s.n_min:
            return NAN
        f = self._fraction * f if f > 0.0 else 0.0
        return f if f < self._cap else self._cap

    @property
    def ready(self):
        """Whether n_min trades have been seen."""
        return self._s.count >= self._s.n_min

    @property
    def value(self):
        """Fraction of the equity, 0 to `cap`; NaN before `ready`."""
        return self.answer()

    @property
    def signal(self):
        """1 where the value is above 0, else 0."""
        return 1 if self.answer() > 0.0 else 0

    @property
    def confidence(self):
        """2 Phi(t) - 1 of the mean trade's t-value, 0 where that is negative."""
        if not self.ready:
            return 0.0
        t = self._trades()
        spread = np.std(t, ddof=1) if len(t) > 1 else 0.0
        return max(0.0, erf(np.mean(t) * sqrt(len(t)) / spread / sqrt(2.0))) if spread > 0.0 else 0.0

    @property
    def outputs(self):
        """The other quantities by name; empty before `ready`."""
        if not self.ready:
            return {}
        t = self._trades()
        losses = -t[t < 0.0]
        leverage = self.answer() / float(losses.mean()) if len(losses) else NAN
        return {"p": self._s.p, "b": self._s.b, "f_full": self._s.f_full, "leverage": leverage,
                "exact": growth_optimal(lt_ring_window(&self._s.trades, self._s.count), self._s.count)}

    cdef object _trades(self):
        out = np.empty(self._s.count)
        cdef double[::1] o = out
        cdef const double *t = lt_ring_window(&self._s.trades, self._s.count)
        cdef uint64_t i
        for i in range(self._s.count):
            o[i] = t[i]
        return out


cdef class DrawdownControl:
    """A fraction of the equity that shrinks with the drawdown (formula 334).

    `value` is kelly g, g = max(0, (1 - alpha / (1 - D)) / (1 - alpha)), alpha = 1 - max_dd, D the drawdown
    from the highest equity so far: the stake is in proportion to the cushion over alpha times that maximum.
    From D >= max_dd on the account is halted, g = 0, until D <= resume or `reset`. `signal` is 1 where g > 0.
    `outputs` drawdown, peak, duration (updates since the peak), max_drawdown, cdar (mean of the largest 5 %
    of the last n drawdowns) and halted.

    Parameters
    ----------
    max_dd : float
        Drawdown that halts, above 0 and up to 1.
    kelly : float
        The fraction at no drawdown, 0 to 1.
    resume : float
        Drawdown at which a halted account goes on, 0 to `max_dd`.
    n : int
        Drawdowns kept for cdar, 1 to 2**16.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Notes
    -----
    A drawdown within 1e-12 of `max_dd`, relatively, has reached it: 1 - 88 / 110 is below 0.2 in float64.

    References
    ----------
    Grossman and Zhou 1993, Mathematical Finance 3; Chekhlov, Uryasev and Zabarankin 2005, International Journal
    of Theoretical and Applied Finance 8 (CDaR).
    """

    cdef lt_ring _past
    cdef double _max_dd, _kelly, _resume, _equity, _peak, _drawdown, _deepest
    cdef uint64_t _n, _duration
    cdef bint _halted

    def __cinit__(self, max_dd=0.2, kelly=0.25, resume=0.1, n=1000):
        self._max_dd = within(max_dd, "max_dd", 1e-9, 1.0)
        self._kelly = within(kelly, "kelly", 0.0, 1.0)
        self._resume = within(resume, "resume", 0.0, self._max_dd)
        self._n = within(n, "n", 1, WINDOW_MAX)
        if ring_open(&self._past, self._n) < 0:
            raise MemoryError()

    def __dealloc__(self):
        ring_close(&self._past)

    cdef void take(self, double equity) noexcept nogil:
        if not isfinite(equity) or (self._peak == 0.0 and not equity > 0.0):
            return
        self._equity = equity
        self._duration += 1
        if equity >= self._peak:
            self._peak = equity
            self._duration = 0
        self._drawdown = 1.0 - equity / self._peak
        self._deepest = self._drawdown if self._drawdown > self._deepest else self._deepest
        lt_ring_push(&self._past, self._drawdown)
        if self._drawdown >= self._max_dd * (1.0 - 1e-12):
            self._halted = True
        elif self._drawdown <= self._resume:
            self._halted = False

    cdef double brake(self) noexcept nogil:
        return 0.0 if self._halted else drawdown_brake(self._drawdown, self._max_dd)

    cdef double answer(self) noexcept nogil:
        return self._kelly * self.brake() if self._peak > 0.0 else NAN

    def update(self, double equity):
        """Observe the equity in USD and return the value.

        One that is NaN or infinite, or not above 0 before any was, is no observation.
        """
        self.take(equity)
        return self.answer()

    def update_many(self, const double[:] equities not None):
        """Observe equities in USD, shape (n,), and return the value after each, float64 of shape (n,)."""
        cdef Py_ssize_t i, n = equities.shape[0]
        out = np.empty(n)
        cdef double[::1] o = out
        with nogil:
            for i in range(n):
                self.take(equities[i])
                o[i] = self.answer()
        return out

    def reset(self):
        """Restart the maximum at the present equity and go on, where that is above 0."""
        if self._equity > 0.0:
            self._peak = self._equity
            self._drawdown = 0.0
            self._duration = 0
            self._halted = False

    @property
    def halted(self):
        """Whether the drawdown has reached `max_dd` and not come back to `resume`."""
        return bool(self._halted)

    @property
    def ready(self):
        """Whether there has been an equity."""
        return self._peak > 0.0

    @property
    def value(self):
        """Fraction of the equity, 0 to `kelly`; NaN before `ready`."""
        return self.answer()

    @property
    def signal(self):
        """1 where the brake leaves anything, else 0."""
        return 1 if self.ready and self.brake() > 0.0 else 0

    @property
    def confidence(self):
        """The brake g, 1 at no drawdown."""
        return self.brake() if self.ready else 0.0

    @property
    def outputs(self):
        """The other quantities by name; empty before `ready`."""
        cdef uint64_t i, n = self._n if self._past.head > self._n else self._past.head
        if not self.ready:
            return {}
        cdef const double *past = lt_ring_window(&self._past, n)
        deepest = np.sort([past[i] for i in range(n)])[::-1]
        cdar = float(deepest[:(n + 19) // 20].mean())
        return {"drawdown": self._drawdown, "peak": self._peak, "duration": float(self._duration),
                "max_drawdown": self._deepest, "cdar": cdar, "halted": float(self._halted)}
