# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The hot formulas: the parts of their kernels that do not run on every tick, and their classes."""
from libc.math cimport INFINITY, NAN, erf, fabs, floor as c_floor, fmod, isfinite, isnan, log, sqrt
from libc.stdint cimport int8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memmove, memset

from livetrading.core.records cimport LT_PRICE_MAX, LT_PRICE_MIN, LT_SIZE_MAX
from livetrading.core.ring cimport (
    LT_STRETCH, lt_moments, lt_moments_push, lt_ring, lt_ring_at, lt_ring_push, lt_ring_window, ring_close, ring_open,
)
from livetrading.core.variates cimport lt_exp, lt_log, lt_log_ratio

import numpy as np

cdef double LN2 = 0.693147180559945309417


cdef int ofi_open(ofi_t *s, uint64_t window) noexcept nogil:
    memset(s, 0, sizeof(ofi_t))
    s.window = window
    return ring_open(&s.ring, window + LT_STRETCH)


cdef int z_open(lt_moments *s, uint64_t window) noexcept nogil:
    memset(s, 0, sizeof(lt_moments))
    s.window = window
    s.inverse = 1.0 / <double> window
    return ring_open(&s.ring, window + LT_STRETCH)


cdef void drift_open(drift_t *s, double q, int64_t min_obs) noexcept nogil:
    memset(s, 0, sizeof(drift_t))
    s.q = q
    s.min_obs = min_obs


cdef int level_open(level_t *s, uint64_t window, double floor) noexcept nogil:
    memset(s, 0, sizeof(level_t))
    s.window = window
    s.inverse = 1.0 / <double> window
    s.floor = floor
    s.innovation = NAN
    return ring_open(&s.ring, window + LT_STRETCH)


cdef void cusum_open(cusum_t *s, double c) noexcept nogil:
    memset(s, 0, sizeof(cusum_t))
    s.c2 = c * c


cdef void trend_open(trend_t *s, double fast, double slow, uint64_t warm, double limit) noexcept nogil:
    memset(s, 0, sizeof(trend_t))
    s.fast_alpha = 2.0 / (fast + 1.0)
    s.slow_alpha = 2.0 / (slow + 1.0)
    s.warm = warm
    s.limit2 = limit * limit


cdef int kyle_open(kyle_t *s, uint64_t window, uint64_t m) noexcept nogil:
    memset(s, 0, sizeof(kyle_t))
    s.window = window
    s.m = m
    s.inverse = 1.0 / <double> window
    s.fit_q = s.fit_d = s.fit_qq = s.fit_qd = s.fit_dd = NAN
    if ring_open(&s.flow, window) < 0:
        return -1
    return ring_open(&s.change, window)


cdef void kyle_exact(kyle_t *s) noexcept nogil:
    """Two-pass centred moments of the window; resets the error bounds."""
    cdef const double *q = lt_ring_window(&s.flow, s.window)
    cdef const double *d = lt_ring_window(&s.change, s.window)
    cdef double a, b
    cdef uint64_t i
    s.mean_q = s.mean_d = s.qq = s.qd = s.dd = 0.0
    for i in range(s.window):
        s.mean_q += q[i]
        s.mean_d += d[i]
    s.mean_q *= s.inverse
    s.mean_d *= s.inverse
    for i in range(s.window):
        a = q[i] - s.mean_q
        b = d[i] - s.mean_d
        s.qq += a * a
        s.qd += a * b
        s.dd += b * b
    s.mean_q_error = s.mean_d_error = s.qq_error = s.qd_error = s.dd_error = 0.0


cdef bint varies(double square, double mean, const lt_ring *ring, uint64_t n) noexcept nogil:
    """Whether the standard deviation is above 1e-12 of the largest value: below, it is rounding."""
    cdef const double *x
    cdef double largest = 0.0
    cdef uint64_t i
    # the largest value is the mean to within sqrt(n) standard deviations: a clear case needs no search
    if square > 1e-20 * mean * mean * <double> n:
        return True
    x = lt_ring_window(ring, n)
    for i in range(n):
        largest = fabs(x[i]) if fabs(x[i]) > largest else largest
    return square > 1e-24 * largest * largest * <double> n


cdef void kyle_fit(kyle_t *s) noexcept nogil:
    """Keeps the moments that the regression is read from; a flow without variance keeps the last ones."""
    if not varies(s.qq, s.mean_q, &s.flow, s.window):
        return
    s.ready = True
    s.flat = not varies(s.dd, s.mean_d, &s.change, s.window)
    s.fit_q, s.fit_d, s.fit_qq, s.fit_qd, s.fit_dd = s.mean_q, s.mean_d, s.qq, s.qd, s.dd


cdef double kyle_value(const kyle_t *s) noexcept nogil:
    """The slope; NaN before ready."""
    if not s.ready:
        return NAN
    return 0.0 if s.flat else s.fit_qd / s.fit_qq


cdef double kyle_residual(const kyle_t *s) noexcept nogil:
    """Sum of squared residuals of the regression."""
    cdef double residual = s.fit_dd - kyle_value(s) * s.fit_qd
    return residual if residual > 0.0 else 0.0


cdef double kyle_r2(const kyle_t *s) noexcept nogil:
    if s.ready and (s.flat or not s.fit_dd > 0.0):
        return 0.0
    return 1.0 - kyle_residual(s) / s.fit_dd


cdef double kyle_t_value(const kyle_t *s) noexcept nogil:
    cdef double slope = kyle_value(s), residual = kyle_residual(s)
    if not s.ready or slope == 0.0:
        return slope
    if residual > 0.0:
        return slope / sqrt(residual / (<double> s.window - 2.0) / s.fit_qq)
    return INFINITY if slope > 0.0 else -INFINITY


cdef int vpin_open(vpin_t *s, double bucket, uint64_t window, uint64_t history, double limit) noexcept nogil:
    memset(s, 0, sizeof(vpin_t))
    s.bucket = bucket
    s.window = window
    s.history = history
    s.limit = limit
    s.value = NAN
    s.passes = True
    s.ordered = <double *> calloc(history, sizeof(double))
    if s.ordered == NULL or ring_open(&s.imbalance, window) < 0:
        return -1
    return ring_open(&s.past, history)


cdef void vpin_free(vpin_t *s) noexcept nogil:
    free(s.ordered)
    s.ordered = NULL
    ring_close(&s.imbalance)
    ring_close(&s.past)


cdef uint64_t rank_of(const double *ordered, uint64_t count, double x) noexcept nogil:
    """How many of the ascending values are below x."""
    cdef uint64_t low = 0, high = count, mid
    while low < high:
        mid = (low + high) >> 1
        if ordered[mid] < x:
            low = mid + 1
        else:
            high = mid
    return low


cdef void vpin_remember(vpin_t *s, double value) noexcept nogil:
    """Moves the value into the history, in order of arrival and of size."""
    cdef uint64_t at
    cdef double oldest
    if s.past_count == s.history:
        oldest = s.past.slot[(s.past.head - s.history) & s.past.mask]
        at = rank_of(s.ordered, s.past_count, oldest)
        s.past_count -= 1
        memmove(s.ordered + at, s.ordered + at + 1, (s.past_count - at) * sizeof(double))
    at = rank_of(s.ordered, s.past_count, value)
    memmove(s.ordered + at + 1, s.ordered + at, (s.past_count - at) * sizeof(double))
    s.ordered[at] = value
    s.past_count += 1
    lt_ring_push(&s.past, value)


cdef double vpin_quantile(const vpin_t *s) noexcept nogil:
    """Linear quantile `limit` of the history, numpy's default method."""
    cdef double h = s.limit * <double> (s.past_count - 1), low = c_floor(h), share = h - low
    cdef uint64_t i = <uint64_t> low
    cdef double a = s.ordered[i], b = s.ordered[i + 1 if i + 1 < s.past_count else i]
    return a + (b - a) * share if share < 0.5 else b - (b - a) * (1.0 - share)


cdef void vpin_close(vpin_t *s) noexcept nogil:
    """Closes the full bucket: a new value, judged against the values before it."""
    cdef const double *x
    cdef double total = 0.0
    cdef uint64_t i
    s.last_imbalance = (2.0 * s.buy - s.bucket) / s.bucket
    lt_ring_push(&s.imbalance, fabs(s.last_imbalance))
    s.fill = s.buy = 0.0
    s.buckets += 1
    if s.buckets < s.window:
        return
    x = lt_ring_window(&s.imbalance, s.window)
    for i in range(s.window):
        total += x[i]
    s.value = total / <double> s.window
    # the same imbalances in another order differ by rounding: equal is equal to 1e-12
    s.passes = s.past_count < 50 or s.value < vpin_quantile(s) * (1.0 - 1e-12)
    vpin_remember(s, s.value)


cdef void vpin_split(vpin_t *s, double volume, double buy_share) noexcept nogil:
    """Fills one bucket after another from one trade."""
    cdef double room, whole, full = s.bucket * (1.0 - 1e-12)
    cdef uint64_t closed = 0, forget = s.window + s.history + 1
    while s.fill + volume >= full:
        room = s.bucket - s.fill
        s.buy += buy_share * room
        volume = volume - room if volume > room else 0.0
        vpin_close(s)
        closed += 1
        if closed > forget and volume > s.bucket:
            # every bucket in the memory is now of this one trade: more of them change the count alone
            whole = c_floor(volume / s.bucket)
            volume = fmod(volume, s.bucket)
            s.buckets += <uint64_t> whole if whole < 1e18 else <uint64_t> 1000000000000000000
    if volume < s.bucket * 1e-12:
        volume = 0.0
    s.fill += volume
    s.buy += buy_share * volume


cdef void flow_open(flow_t *s, double fast, double slow) noexcept nogil:
    memset(s, 0, sizeof(flow_t))
    s.signed.alpha = 1.0 - lt_exp(-LN2 / fast)
    s.total.alpha = 1.0 - lt_exp(-LN2 / slow)


cdef void micro_open(micro_t *s, double half_life) noexcept nogil:
    memset(s, 0, sizeof(micro_t))
    s.smooth.alpha = 1.0 - lt_exp(-LN2 / half_life)


cdef void quantile_open(quantile_t *s, double start, double half_life) noexcept nogil:
    # a half-normal's 0.9 quantile x has x f(x) = 0.33923: the relative step whose relaxation is the half-life
    cdef double step = (1.0 - lt_exp(-LN2 / half_life)) / 0.33923
    s.level = start
    s.least = 0.01 * start
    s.step[0] = 1.0 - 0.1 * step
    s.step[1] = 1.0 + 0.9 * step


cdef void adaptive_open(
        adaptive_t *s, const double *decay, int experts, double gamma, double eta) noexcept nogil:
    cdef int i
    memset(s, 0, sizeof(adaptive_t))
    s.experts = experts
    s.gamma = gamma
    s.eta = eta
    s.value = s.effective = NAN
    for i in range(experts):
        s.decay[i] = decay[i]


cdef void adaptive_push(adaptive_t *s, double r) noexcept nogil:
    """Scores the experts on the return, then lets each see it (QLIKE, exponential weights)."""
    cdef double square = r * r, v, least = INFINITY, total = 0.0
    cdef int i
    if s.count == 0 and r == 0.0:
        return
    s.count += 1
    for i in range(s.experts):
        if s.count == 1:
            s.variance[i] = square
            s.cost[i] = 0.0
        else:
            v = s.variance[i] if s.variance[i] > 1e-18 else 1e-18
            s.cost[i] = s.gamma * s.cost[i] + (lt_log(v) + square / v)
            s.variance[i] = s.decay[i] * s.variance[i] + (1.0 - s.decay[i]) * square
        least = s.cost[i] if s.cost[i] < least else least
    for i in range(s.experts):
        s.weight[i] = lt_exp(-s.eta * (s.cost[i] - least))
        total += s.weight[i]
    s.value = s.effective = 0.0
    for i in range(s.experts):
        s.weight[i] /= total
        s.value += s.weight[i] * s.variance[i]
        s.effective += s.weight[i] * s.decay[i]


# The classes: they own a kernel's state, leave out what is no observation, and translate

cdef uint64_t WINDOW_MAX = 1 << 16


cdef inline bint is_price(double x) noexcept nogil:
    return LT_PRICE_MIN <= x <= LT_PRICE_MAX


cdef inline bint is_size(double x) noexcept nogil:
    return 0.0 <= x <= LT_SIZE_MAX


cdef inline double normal_confidence(double z) noexcept nogil:
    """2 Phi(|z|) - 1, and 0 for NaN."""
    return erf(fabs(z) * 0.70710678118654752440) if not isnan(z) else 0.0


cdef inline double clip01(double x) noexcept nogil:
    return 1.0 if x > 1.0 else x if x > 0.0 else 0.0


cdef uint64_t window_of(object n, uint64_t least) except? 0:
    if not least <= n <= WINDOW_MAX:
        raise ValueError(f"a window must be from {least} to {WINDOW_MAX} observations, was {n}")
    return <uint64_t> n


cdef double within(object x, str name, double low, double high) except? -1.0:
    """The parameter, where it lies in [low, high]."""
    if not low <= x <= high:
        raise ValueError(f"{name} must be from {low} to {high}, was {x}")
    return <double> x


cdef class _Formula:
    """A formula's readings. What is no observation of its channel leaves every one of them as it was."""

    cdef bint is_ready(self) noexcept nogil:
        return False

    cdef double reading(self) noexcept nogil:
        return NAN

    cdef int direction(self) noexcept nogil:
        return 0

    cdef double evidence(self) noexcept nogil:
        return 0.0

    cdef inline double answer(self) noexcept nogil:
        return self.reading() if self.is_ready() else NAN

    @property
    def ready(self):
        """Whether enough has been seen."""
        return bool(self.is_ready())

    @property
    def value(self):
        """The primary quantity; NaN before `ready`."""
        return self.answer()

    @property
    def signal(self):
        """-1, 0 or 1; 0 before `ready`."""
        return self.direction() if self.is_ready() else 0

    @property
    def confidence(self):
        """How far the evidence goes, 0 to 1; 0 before `ready` and where the formula defines none."""
        return self.evidence() if self.is_ready() else 0.0

    @property
    def outputs(self):
        """The other quantities by name; empty before `ready`, but for the gate of a filter, which is NaN."""
        return self.others() if self.is_ready() else self.nothing()

    cdef dict others(self):
        return {}

    cdef dict nothing(self):
        return {}


cdef class _PriceFed(_Formula):
    """Observes prices in USD per BTC. One that is not in [1e-12, 1e15] is no observation; returns span it."""

    cdef double _price

    cdef void feed(self, double price, double r) noexcept nogil:
        """r is the log return since the price before, NaN with the first."""

    cdef inline void take(self, double price) noexcept nogil:
        if not is_price(price):
            return
        self.feed(price, lt_log_ratio(price, self._price) if self._price > 0.0 else NAN)
        self._price = price

    def update(self, double price):
        """Observe one price (USD per BTC) and return the value, NaN before `ready`."""
        self.take(price)
        return self.answer()

    def update_many(self, const double[:] prices not None):
        """Observe prices, shape (n,), and return the value after each, float64 of shape (n,)."""
        cdef Py_ssize_t i, n = prices.shape[0]
        out = np.empty(n)
        cdef double[::1] o = out
        with nogil:
            for i in range(n):
                self.take(prices[i])
                o[i] = self.answer()
        return out


cdef class _QuoteFed(_Formula):
    """Observes quotes: bid < ask in USD per BTC, in [1e-12, 1e15], with sizes in BTC up to 1e15."""

    cdef double _bid, _ask

    cdef bint fits(self, double bid_size, double ask_size) noexcept nogil:
        return is_size(bid_size) and is_size(ask_size)

    cdef void feed(self, double bid, double ask, double bid_size, double ask_size) noexcept nogil:
        pass

    cdef inline void take(self, double bid, double ask, double bid_size, double ask_size) noexcept nogil:
        if not (is_price(bid) and is_price(ask) and bid < ask and self.fits(bid_size, ask_size)):
            return
        self._bid, self._ask = bid, ask
        self.feed(bid, ask, bid_size, ask_size)

    def update(self, double bid, double ask, double bid_size, double ask_size):
        """Observe one quote (USD per BTC and BTC) and return the value, NaN before `ready`."""
        self.take(bid, ask, bid_size, ask_size)
        return self.answer()

    def update_many(self, const double[:] bids not None, const double[:] asks not None,
                    const double[:] bid_sizes not None, const double[:] ask_sizes not None):
        """Observe quotes, four arrays of shape (n,), and return the value after each.

        Raises
        ------
        ValueError
            If the arrays differ in length.
        """
        cdef Py_ssize_t i, n = bids.shape[0]
        if not n == asks.shape[0] == bid_sizes.shape[0] == ask_sizes.shape[0]:
            raise ValueError(f"the columns of a quote must be of one length, were {n}, {asks.shape[0]}, "
                             f"{bid_sizes.shape[0]} and {ask_sizes.shape[0]}")
        out = np.empty(n)
        cdef double[::1] o = out
        with nogil:
            for i in range(n):
                self.take(bids[i], asks[i], bid_sizes[i], ask_sizes[i])
                o[i] = self.answer()
        return out


cdef class _TradeFed(_Formula):
    """Observes trades: price in [1e-12, 1e15] USD per BTC, volume in [0, 1e15] BTC, and a side.

    Side +1 is a buyer's trade, -1 a seller's; 0 takes the sign of the last price change that was not 0.
    """

    cdef void feed(self, double price, double volume, int side) noexcept nogil:
        pass

    cdef inline void take(self, double price, double volume, int side) noexcept nogil:
        if is_price(price) and is_size(volume):
            self.feed(price, volume, side)

    def update(self, double price, double volume, int side=0):
        """Observe one trade (USD per BTC, BTC, side) and return the value, NaN before `ready`."""
        self.take(price, volume, side)
        return self.answer()

    def update_many(self, const double[:] prices not None, const double[:] volumes not None,
                    const int8_t[:] sides not None):
        """Observe trades, three arrays of shape (n,), sides int8, and return the value after each.

        Raises
        ------
        ValueError
            If the arrays differ in length.
        """
        cdef Py_ssize_t i, n = prices.shape[0]
        if not n == volumes.shape[0] == sides.shape[0]:
            raise ValueError(f"the columns of a trade must be of one length, were {n}, {volumes.shape[0]} "
                             f"and {sides.shape[0]}")
        out = np.empty(n)
        cdef double[::1] o = out
        with nogil:
            for i in range(n):
                self.take(prices[i], volumes[i], sides[i])
                o[i] = self.answer()
        return out


cdef class OrderFlowImbalance(_QuoteFed):
    r"""Order flow imbalance at the best quote (formula 121).

    .. math:: OFI_t = \sum_{i=t-n+1}^{t} e_i, \quad
              e_i = 1[b_i \ge b_{i-1}] q^b_i - 1[b_i \le b_{i-1}] q^b_{i-1}
              - 1[a_i \le a_{i-1}] q^a_i + 1[a_i \ge a_{i-1}] q^a_{i-1}

    `value` is OFI in BTC; `signal` the sign of z = OFI / sqrt(sum e^2) where |z| > entry; `outputs` z and e.
    Ready after n values of e. The rounding of OFI stays below 1e-9 of sqrt(sum e^2).

    Parameters
    ----------
    n : int
        Quotes in the window, 1 to 2**16.
    entry : float
        Entry level of z, 0 or more.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Cont, Kukanov and Stoikov 2014, Journal of Financial Econometrics 12.
    """

    cdef ofi_t _s
    cdef double _entry

    def __cinit__(self, n=100, entry=1.5):
        self._entry = within(entry, "entry", 0.0, 1e6)
        if ofi_open(&self._s, window_of(n, 1)) < 0:
            raise MemoryError()

    def __dealloc__(self):
        ring_close(&self._s.ring)

    cdef void feed(self, double bid, double ask, double bid_size, double ask_size) noexcept nogil:
        ofi_push(&self._s, bid, ask, bid_size, ask_size)

    cdef bint is_ready(self) noexcept nogil:
        return ofi_ready(&self._s)

    cdef double reading(self) noexcept nogil:
        return self._s.total

    cdef int direction(self) noexcept nogil:
        return beyond(self._s.total, self._s.squares.value, self._entry)

    cdef double evidence(self) noexcept nogil:
        return normal_confidence(ofi_z(&self._s))

    cdef dict others(self):
        return {"z": ofi_z(&self._s), "e": self._s.e}


cdef class ZScoreSignal(_PriceFed):
    """Standard score of the price in its window, faded (formula 141).

    `value` is z = (p - mean) / sd over the last n prices, the last one included, sd with ddof 0; 0 where sd
    is at most 1e-12 of the mean. `signal` goes short where z >= entry and back to 0 where z <= exit; long
    likewise below. Ready after n prices.

    Parameters
    ----------
    n : int
        Prices in the window, 2 to 2**16.
    entry : float
        Level of |z| that opens a signal, above 0.
    exit : float
        Level of |z| that ends it, from 0 to `entry`.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Gatev, Goetzmann and Rouwenhorst 2006, Review of Financial Studies 19, for the rule.
    """

    cdef lt_moments _s
    cdef double _entry, _exit
    cdef int _state

    def __cinit__(self, n=100, entry=2.0, exit=0.0):
        self._entry = within(entry, "entry", 1e-6, 1e6)
        self._exit = within(exit, "exit", 0.0, self._entry)
        if z_open(&self._s, window_of(n, 2)) < 0:
            raise MemoryError()

    def __dealloc__(self):
        ring_close(&self._s.ring)

    cdef void feed(self, double price, double r) noexcept nogil:
        lt_moments_push(&self._s, price)
        if self.is_ready():
            self._state = z_signal(z_gap(&self._s, price), z_variance(&self._s), self._entry, self._exit,
                                   self._state)

    cdef bint is_ready(self) noexcept nogil:
        return self._s.ring.head >= self._s.window

    cdef double reading(self) noexcept nogil:
        return z_value(&self._s, self._price)

    cdef int direction(self) noexcept nogil:
        return self._state

    cdef double evidence(self) noexcept nogil:
        return clip01(fabs(self.reading()) / (2.0 * self._entry))


cdef class KalmanFilter(_PriceFed):
    """Drift of the log returns by a local level model of fixed signal-to-noise ratio (formula 41).

    r_t = mu_t + eps_t, mu_t = mu_{t-1} + eta_t, Var eta / Var eps = q; the start is diffuse and Var eps is
    concentrated out. `value` is the filtered drift a in log return an observation; `signal` its sign where
    |z| >= entry, z = a / sqrt(sigma2 P). `outputs` P (in units of Var eps), K, sigma2 and z. Ready after
    `min_obs` returns.

    Parameters
    ----------
    q : float
        Signal-to-noise ratio, 1e-12 to 1e12.
    min_obs : int
        Returns before ready, at least 2.
    entry : float
        Entry level of z, 0 or more.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Kalman 1960, Journal of Basic Engineering 82; Harvey 1989, Forecasting, Structural Time Series Models and
    the Kalman Filter.
    """

    cdef drift_t _s
    cdef double _entry

    def __cinit__(self, q=0.001, min_obs=50, entry=1.0):
        self._entry = within(entry, "entry", 0.0, 1e6)
        drift_open(&self._s, within(q, "q", 1e-12, 1e12), window_of(min_obs, 2))

    cdef void feed(self, double price, double r) noexcept nogil:
        if not isnan(r):
            drift_push(&self._s, r)

    cdef bint is_ready(self) noexcept nogil:
        return self._s.count >= self._s.min_obs

    cdef double reading(self) noexcept nogil:
        return self._s.a

    cdef int direction(self) noexcept nogil:
        return drift_signal(self._s.a, <double> (self._s.count - 1), drift_square(&self._s), self._entry)

    cdef double evidence(self) noexcept nogil:
        return normal_confidence(drift_z(&self._s))

    cdef dict others(self):
        return {"P": self._s.p, "K": self._s.gain, "sigma2": drift_sigma2(&self._s), "z": drift_z(&self._s)}


cdef class KalmanPriceFilter(_PriceFed):
    """Level of the log price, its noise taken from the window's autocovariances (formula 201).

    x_t = m_t + e (variance R), m_t = m_{t-1} + u (variance Q); with g0 and g1 the autocovariances of the last
    n returns, not demeaned, R = min(max(-g1, floor g0), g0 / 2) and Q = max(g0 - 2 R, floor g0). `value` is
    the filtered log price m; `signal` follows the standardised innovation u = v / sqrt(F) beyond 2, against
    it where R > Q. `outputs` innovation, F, K, Q, R and price = exp(m) in USD. Ready at the n-th return. A
    window whose root mean square return is at most 1e-12 has no noise to filter: m is the log price.

    Parameters
    ----------
    n : int
        Returns in the window, 2 to 2**16.
    floor : float
        Least share of g0 in Q and R, 1e-6 to 0.5.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Kalman 1960, Journal of Basic Engineering 82; Harvey 1989; Roll 1984, Journal of Finance 39, for -g1.
    """

    cdef level_t _s

    def __cinit__(self, n=200, floor=0.01):
        if level_open(&self._s, window_of(n, 2), within(floor, "floor", 1e-6, 0.5)) < 0:
            raise MemoryError()

    def __dealloc__(self):
        ring_close(&self._s.ring)

    cdef void feed(self, double price, double r) noexcept nogil:
        if not isnan(r):
            level_push(&self._s, r)

    cdef bint is_ready(self) noexcept nogil:
        return level_ready(&self._s)

    cdef double reading(self) noexcept nogil:
        return lt_log(self._price) - self._s.residual

    cdef int direction(self) noexcept nogil:
        return beyond(self._s.innovation, self._s.f, 2.0) * level_turn(&self._s)

    cdef double evidence(self) noexcept nogil:
        cdef double u = level_z(&self._s)
        return clip01(fabs(u) / 4.0) if not isnan(u) else 0.0

    cdef dict others(self):
        return {"innovation": self._s.innovation, "F": self._s.f, "K": self._s.gain, "Q": self._s.q,
                "R": self._s.r, "price": self._price * lt_exp(-self._s.residual)}


def local_level(const double[:] y not None, double q, double r, double m0, double p0):
    """Filter observations of a local level under given noise, by the kernel of `KalmanPriceFilter`.

    Parameters
    ----------
    y : ndarray of float64, shape (n,)
        Observations.
    q, r : float
        Variances of the level's step and of the observation, 0 or more, in y squared; not both 0.
    m0, p0 : float
        Mean and variance of the level one step before the first observation; p0 is 0 or more.

    Returns
    -------
    ndarray of float64, shape (n,)
        Filtered level after each observation.

    Raises
    ------
    ValueError
        If a variance is negative, NaN or infinite, or q and r are both 0.

    References
    ----------
    Harvey 1989, Forecasting, Structural Time Series Models and the Kalman Filter.
    """
    cdef level_t s
    cdef Py_ssize_t i
    for name, v in (("q", q), ("r", r), ("p0", p0)):
        if not 0.0 <= v < INFINITY:
            raise ValueError(f"{name} must be a variance, was {v}")
    if q == 0.0 and r == 0.0:
        raise ValueError("q and r must not both be 0, were 0")
    memset(&s, 0, sizeof(level_t))
    s.q, s.r, s.p = q, r, p0
    out = np.empty(y.shape[0])
    cdef double[::1] o = out
    cdef double before = m0
    for i in range(y.shape[0]):
        level_update(&s, y[i] - before)
        before = y[i]
        o[i] = before - s.residual
    return out


cdef class EwmaVolatility(_PriceFed):
    """Volatility by sigma^2 <- (1 - alpha) sigma^2 + alpha r^2, seeded with the first r^2.

    `value` is sigma in log return an observation, 0 or more; `outputs` variance. Ready at the first return.

    Parameters
    ----------
    alpha : float
        Weight of the newest, above 0 and up to 1; 0.06 is RiskMetrics' decay of 0.94.

    Raises
    ------
    ValueError
        If `alpha` is out of range.

    References
    ----------
    J.P. Morgan and Reuters 1996, RiskMetrics Technical Document, 4th ed., ch. 5.
    """

    cdef ewma_t _s

    def __cinit__(self, alpha=0.06):
        self._s.alpha = within(alpha, "alpha", 1e-9, 1.0)

    cdef void feed(self, double price, double r) noexcept nogil:
        if not isnan(r):
            ewma_push(&self._s, r * r)

    cdef bint is_ready(self) noexcept nogil:
        return self._s.ready

    cdef double reading(self) noexcept nogil:
        return sqrt(self._s.value)

    cdef dict others(self):
        return {"variance": self._s.value}


cdef class CUSUMFilter(_PriceFed):
    """Symmetric CUSUM filter: an event where returns add up to c volatilities (formula 218).

    S+ = max(0, S+ + r) and S- = min(0, S- + r) against h = c s, s the EW(0.06) volatility of the returns
    before. `value` is S+ + S- before any reset, in log return. `signal` +1 at an event, -1 otherwise.
    `outputs` gate, side, s_pos, s_neg (after a reset), h and since (observations since the last event). The
    first `warm` returns only form s; the sums and events start with the one after them, and so does ready. A
    volatility of at most 1e-12 gives no event.

    Parameters
    ----------
    c : float
        Threshold in volatilities, above 0.
    warm : int
        Returns that only warm the volatility, at least 1.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Lopez de Prado 2018, Advances in Financial Machine Learning, ch. 2; Lam and Yam 1997, Financial Engineering
    and the Japanese Markets 4.
    """

    cdef cusum_t _s
    cdef ewma_t _squares
    cdef double _c, _variance
    cdef uint64_t _warm, _count

    def __cinit__(self, c=3.0, warm=20):
        self._c = within(c, "c", 1e-6, 1e6)
        self._warm = window_of(warm, 1)
        self._squares.alpha = 0.06
        cusum_open(&self._s, self._c)

    cdef void feed(self, double price, double r) noexcept nogil:
        if isnan(r):
            return
        self._count += 1
        if self._count > self._warm:
            self._variance = self._squares.value if self._squares.value > 1e-24 else 0.0
            cusum_push(&self._s, r, self._variance)
        ewma_push(&self._squares, r * r)

    cdef bint is_ready(self) noexcept nogil:
        return self._count > self._warm

    cdef double reading(self) noexcept nogil:
        return self._s.up + self._s.down + (self._s.crossed if self._s.event != 0 else 0.0)

    cdef int direction(self) noexcept nogil:
        return 1 if self._s.event != 0 else -1

    cdef double evidence(self) noexcept nogil:
        if self._s.event == 0:
            return 0.0
        return clip01(fabs(self._s.crossed) / (2.0 * self._c * sqrt(self._variance)))

    cdef dict others(self):
        return {"gate": 1.0 if self._s.event != 0 else 0.0, "side": float(self._s.event), "s_pos": self._s.up,
                "s_neg": self._s.down, "h": self._c * sqrt(self._variance),
                "since": float(self._s.since) if self._s.any else NAN}

    cdef dict nothing(self):
        return {"gate": NAN}


def cusum_events(const double[:] r not None, double h):
    """Events of the symmetric CUSUM filter under a fixed threshold, by the kernel of `CUSUMFilter`.

    Parameters
    ----------
    r : ndarray of float64, shape (n,)
        Log returns.
    h : float
        Threshold in log return, 1e-150 to 1e150.

    Returns
    -------
    ndarray of int8, shape (n,)
        +1 or -1 where an event fell, else 0.

    Raises
    ------
    ValueError
        If `h` is out of range.

    References
    ----------
    Lopez de Prado 2018, Advances in Financial Machine Learning, ch. 2.
    """
    cdef cusum_t s
    cdef Py_ssize_t i
    cusum_open(&s, within(h, "h", 1e-150, 1e150))
    out = np.zeros(r.shape[0], np.int8)
    cdef int8_t[::1] o = out
    for i in range(r.shape[0]):
        cusum_push(&s, r[i], 1.0)
        o[i] = <int8_t> s.event
    return out


cdef class TrendStrength(_PriceFed):
    """Distance of a fast and a slow average of the price, in volatilities.

    `value` is (EMA_fast - EMA_slow) / (p sigma), dimensionless, spans in observations (alpha = 2 / (span +
    1)) and sigma the EW(0.06) volatility of the returns; 0 where sigma is at most 1e-12. `signal` is its sign
    where |value| > limit. Ready after `slow` prices.

    Parameters
    ----------
    fast, slow : int
        Spans of the two averages, 1 <= fast < slow.
    limit : float
        Level of |value| from which there is a trend, 0 or more.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Moving-average distance in units of volatility: Baz, Granger, Harvey, Le Roux and Rattray 2015, Dissecting
    Investment Strategies in the Cross Section and Time Series.
    """

    cdef trend_t _s
    cdef ewma_t _squares

    def __cinit__(self, fast=20, slow=50, limit=2.0):
        if not 1 <= fast < slow:
            raise ValueError(f"the spans must satisfy 1 <= fast < slow, were {fast} and {slow}")
        self._squares.alpha = 0.06
        trend_open(&self._s, window_of(fast, 1), slow, window_of(slow, 2), within(limit, "limit", 0.0, 1e6))

    cdef void feed(self, double price, double r) noexcept nogil:
        if not isnan(r):
            ewma_push(&self._squares, r * r)
        trend_push(&self._s, price, self._squares.value)

    cdef bint is_ready(self) noexcept nogil:
        return self._s.count >= self._s.warm

    cdef double reading(self) noexcept nogil:
        if not self._squares.value > 1e-24:
            return 0.0
        return (self._s.fast - self._s.slow) / (self._price * sqrt(self._squares.value))

    cdef int direction(self) noexcept nogil:
        return self._s.side


cdef class KylesLambda(_TradeFed):
    """Price impact of signed volume, by regression over bars of m trades (formula 101).

    `value` is the least-squares slope, with intercept, of a bar's price change on its signed volume over the
    last n bars, in USD per BTC for each BTC. `signal` is the sign of the last bar's flow Q where t >= t_min
    and |Q| > sd(Q). `outputs` t, r2 and intercept. Ready after n changes; a window in which the flow does not
    vary (sd at most 1e-12 of the largest) keeps the fit before.

    Parameters
    ----------
    m : int
        Trades in a bar, at least 1.
    n : int
        Bars in the window, 3 to 2**16.
    t_min : float
        Least t-value for a signal.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Kyle 1985, Econometrica 53; Hasbrouck 2007, Empirical Market Microstructure.
    """

    cdef kyle_t _s
    cdef double _t_min

    def __cinit__(self, m=20, n=50, t_min=2.0):
        self._t_min = within(t_min, "t_min", -1e6, 1e6)
        if kyle_open(&self._s, window_of(n, 3), window_of(m, 1)) < 0:
            raise MemoryError()

    def __dealloc__(self):
        ring_close(&self._s.flow)
        ring_close(&self._s.change)

    cdef void feed(self, double price, double volume, int side) noexcept nogil:
        kyle_push(&self._s, price, volume, side)

    cdef bint is_ready(self) noexcept nogil:
        return self._s.ready

    cdef double reading(self) noexcept nogil:
        return kyle_value(&self._s)

    cdef int direction(self) noexcept nogil:
        cdef double flow = lt_ring_at(&self._s.flow, 0)
        if kyle_t_value(&self._s) >= self._t_min and flow * flow > self._s.qq * self._s.inverse:
            return 1 if flow > 0.0 else -1
        return 0

    cdef double evidence(self) noexcept nogil:
        return clip01(kyle_r2(&self._s))

    cdef dict others(self):
        return {"t": kyle_t_value(&self._s), "r2": kyle_r2(&self._s),
                "intercept": self._s.fit_d - kyle_value(&self._s) * self._s.fit_q}


cdef class VPIN(_TradeFed):
    """Volume-synchronised probability of informed trading, and its quantile gate (formula 111).

    `value` is the mean of |B - S| / bucket over the last n full buckets, 0 to 1; a trade too large for the
    room left is split over buckets. `signal` is -1 (stand aside) where it is at or above its own `limit`
    quantile over the `hist` values before, of which 50 must exist, else +1. `outputs` buckets, last_imbalance
    = (B - S) / bucket and gate. Ready after n buckets.

    Parameters
    ----------
    bucket : float
        Volume of a bucket in BTC, 1e-9 to 1e15.
    n : int
        Buckets in the window, 1 to 2**16.
    hist : int
        Values that the quantile is taken over, 1 to 2**16.
    limit : float
        The quantile that blocks, 0 to 1.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Easley, Lopez de Prado and O'Hara 2012, Review of Financial Studies 25.
    """

    cdef vpin_t _s

    def __cinit__(self, bucket=20.0, n=50, hist=200, limit=0.9):
        within(bucket, "bucket", 1e-9, LT_SIZE_MAX)
        within(limit, "limit", 0.0, 1.0)
        if vpin_open(&self._s, bucket, window_of(n, 1), window_of(hist, 1), limit) < 0:
            raise MemoryError()

    def __dealloc__(self):
        vpin_free(&self._s)

    cdef void feed(self, double price, double volume, int side) noexcept nogil:
        vpin_push(&self._s, price, volume, side)

    cdef bint is_ready(self) noexcept nogil:
        return vpin_ready(&self._s)

    cdef double reading(self) noexcept nogil:
        return self._s.value

    cdef int direction(self) noexcept nogil:
        return 1 if self._s.passes else -1

    cdef double evidence(self) noexcept nogil:
        return clip01(<double> self._s.buckets / (<double> self._s.window + 50.0))

    cdef dict others(self):
        return {"buckets": float(self._s.buckets), "last_imbalance": self._s.last_imbalance,
                "gate": 1.0 if self._s.passes else 0.0}

    cdef dict nothing(self):
        return {"gate": NAN}


cdef class FlowMomentum(_TradeFed):
    """Recent signed volume as a share of usual volume.

    `value` is EWMA(s v; fast) / EWMA(v; slow), s the side and v the volume of a trade, both seeded with the
    first; in [-1, 1] but for the start. `signal` is its sign where |value| > entry. Ready once volume was
    traded.

    Parameters
    ----------
    fast, slow : float
        Half-lives in trades, above 0.
    entry : float
        Entry level, 0 or more.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Autocorrelated order flow: Lillo and Farmer 2004, Studies in Nonlinear Dynamics and Econometrics 8.
    """

    cdef flow_t _s
    cdef double _entry

    def __cinit__(self, fast=20.0, slow=200.0, entry=0.2):
        self._entry = within(entry, "entry", 0.0, 1e6)
        flow_open(&self._s, within(fast, "fast", 1e-3, 1e9), within(slow, "slow", 1e-3, 1e9))

    cdef void feed(self, double price, double volume, int side) noexcept nogil:
        flow_push(&self._s, price, volume, side)

    cdef bint is_ready(self) noexcept nogil:
        return flow_ready(&self._s)

    cdef double reading(self) noexcept nogil:
        return flow_value(&self._s)

    cdef int direction(self) noexcept nogil:
        return flow_signal(&self._s, self._entry)


cdef class BitcoinMicroPrice(_QuoteFed):
    """Mid weighted by the opposite sizes, and its average (formula 260).

    `value` is the EWMA with half-life h of w = (bid ask_size + ask bid_size) / (bid_size + ask_size), in USD.
    `signal` is the sign of w - value where it exceeds thr spreads. `outputs` weighted_mid, mid and
    tilt = (w - mid) / spread. A quote with a size of 0 is no observation. Ready with the first.

    Parameters
    ----------
    h : float
        Half-life in quotes, above 0.
    thr : float
        Entry level in spreads, 0 or more.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Gatheral and Oomen 2010, Finance and Stochastics 14.
    """

    cdef micro_t _s
    cdef double _thr

    def __cinit__(self, h=8.0, thr=0.1):
        self._thr = within(thr, "thr", 0.0, 1e6)
        micro_open(&self._s, within(h, "h", 1e-3, 1e9))

    cdef bint fits(self, double bid_size, double ask_size) noexcept nogil:
        return is_size(bid_size) and is_size(ask_size) and bid_size > 0.0 and ask_size > 0.0

    cdef void feed(self, double bid, double ask, double bid_size, double ask_size) noexcept nogil:
        micro_push(&self._s, bid, ask, bid_size, ask_size)

    cdef bint is_ready(self) noexcept nogil:
        return self._s.smooth.ready

    cdef double reading(self) noexcept nogil:
        return self._s.smooth.value

    cdef int direction(self) noexcept nogil:
        return micro_signal(self._s.weighted - self._s.smooth.value, self._s.spread, self._thr)

    cdef double evidence(self) noexcept nogil:
        return clip01(micro_magnitude(&self._s))

    cdef dict others(self):
        cdef double mid = 0.5 * (self._bid + self._ask)
        return {"weighted_mid": self._s.weighted, "mid": mid,
                "tilt": (self._s.weighted - mid) / self._s.spread}


cdef int adaptive_of(adaptive_t *s, object lams, object gamma, object eta) except -1:
    cdef double decay[5]
    cdef int i
    if not 1 <= len(lams) <= 5:
        raise ValueError(f"lams must hold 1 to 5 decays, held {len(lams)}")
    for i in range(len(lams)):
        decay[i] = within(lams[i], "a decay", 0.0, 1.0 - 1e-9)
    adaptive_open(s, decay, len(lams), within(gamma, "gamma", 0.0, 1.0), within(eta, "eta", 0.0, 1e6))
    return 0


cdef class AdaptiveEWMAVolatility(_PriceFed):
    """Volatility from several decays, weighted by how well each has forecast (formula 223).

    Experts V_i are EWMAs of r^2 with decays lams, scored by C_i <- gamma (C_i + ln V_i + r^2 / V_i) before
    they see r; V = sum w_i V_i, w_i in proportion to exp(-eta C_i). `value` is sqrt(ppy V), a year. `signal`
    compares V with its own EW(0.005) before: -1 above 1.5, +1 below 2/3. `outputs` lam_eff = sum w_i lams_i
    and w_i. Leading zero returns are left out. Ready after 50 returns.

    Parameters
    ----------
    lams : sequence of float
        Decays, 1 to 5 of them, each in [0, 1).
    gamma : float
        Memory of the scores, 0 to 1.
    eta : float
        Learning rate, 0 or more.
    ppy : float
        Observations a year.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    RiskMetrics 1996; Vovk 1990; Littlestone and Warmuth 1994 (exponential weights); Patton 2011, Journal of
    Econometrics 160 (QLIKE).
    """

    cdef adaptive_t _s
    cdef ewma_t _usual
    cdef double _ppy, _ratio

    def __cinit__(self, lams=(0.80, 0.90, 0.94, 0.97, 0.99), gamma=0.98, eta=0.5, ppy=525600.0):
        self._ppy = within(ppy, "ppy", 1e-9, 1e18)
        self._usual.alpha = 0.005
        adaptive_of(&self._s, lams, gamma, eta)

    cdef void feed(self, double price, double r) noexcept nogil:
        if isnan(r):
            return
        adaptive_push(&self._s, r)
        if self._s.count == 0:
            return
        self._ratio = self._s.value / self._usual.value if self._usual.ready else 1.0
        ewma_push(&self._usual, self._s.value)

    cdef bint is_ready(self) noexcept nogil:
        return self._s.count >= 50

    cdef double reading(self) noexcept nogil:
        return sqrt(self._ppy * self._s.value)

    cdef int direction(self) noexcept nogil:
        return -1 if self._ratio > 1.5 else 1 if 0.0 < self._ratio < 2.0 / 3.0 else 0

    cdef double evidence(self) noexcept nogil:
        return clip01(fabs(log(self._ratio)) / 1.3862943611198906188) if self._ratio > 0.0 else 0.0

    cdef dict others(self):
        out = {"lam_eff": self._s.effective}
        for i in range(self._s.experts):
            out[f"w_{i}"] = self._s.weight[i]
        return out


def adaptive_variance(const double[:] r not None, lams, double gamma=0.98, double eta=0.5):
    """Variance and weights of the experts after each return, by the kernel of `AdaptiveEWMAVolatility`.

    Parameters
    ----------
    r : ndarray of float64, shape (n,)
        Log returns.
    lams, gamma, eta
        As in `AdaptiveEWMAVolatility`.

    Returns
    -------
    variance : ndarray of float64, shape (n,)
        V in squared log returns; NaN up to the first return that is not 0.
    weights : ndarray of float64, shape (n, len(lams))

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """
    cdef adaptive_t s
    cdef Py_ssize_t i
    cdef int k
    adaptive_of(&s, lams, gamma, eta)
    variance, weights = np.empty(r.shape[0]), np.full((r.shape[0], len(lams)), np.nan)
    cdef double[::1] v = variance
    cdef double[:, ::1] w = weights
    for i in range(r.shape[0]):
        adaptive_push(&s, r[i])
        v[i] = s.value
        for k in range(s.experts if s.count > 0 else 0):
            w[i, k] = s.weight[k]
    return variance, weights


cdef class EntryLevel:
    """An entry level that follows the 0.9 quantile of the magnitudes it is compared with.

    Multiplicative quantile tracking: the level grows by 0.9 of a step when a magnitude exceeds it and shrinks
    by 0.1 of one when none does; it never falls below a hundredth of its start.

    Parameters
    ----------
    start : float
        First level, above 0, in the unit of the magnitudes.
    half_life : float
        Samples in which the estimate relaxes by half where magnitudes are half-normal, at least 1.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Yazidi and Hammer 2017, IEEE Transactions on Cybernetics 47.
    """

    cdef quantile_t _s

    def __cinit__(self, start, half_life):
        within(start, "start", 1e-150, 1e150)
        quantile_open(&self._s, start, within(half_life, "half_life", 1.0, 1e12))

    @property
    def level(self):
        """The level, in the unit of the magnitudes."""
        return self._s.level

    def update(self, double magnitude):
        """Observe one magnitude and return the level; one that is NaN or infinite is no observation."""
        if isfinite(magnitude):
            quantile_push(&self._s, magnitude > self._s.level)
        return self._s.level

    def update_many(self, const double[:] magnitudes not None):
        """Observe magnitudes, shape (n,), and return the level after each, float64 of shape (n,)."""
        cdef Py_ssize_t i, n = magnitudes.shape[0]
        out = np.empty(n)
        cdef double[::1] o = out
        with nogil:
            for i in range(n):
                if isfinite(magnitudes[i]):
                    quantile_push(&self._s, magnitudes[i] > self._s.level)
                o[i] = self._s.level
        return out
