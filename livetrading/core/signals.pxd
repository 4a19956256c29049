# cython: boundscheck=False, wraparound=False, cdivision=True
"""The hot formulas as kernels: a struct of state, a push that feeds it, and readings that do not change it.

A push is constant work, allocates nothing and answers LT_OK, or LT_WARMUP before the formula is ready. Where a
formula votes, its direction comes of readings and an entry level: `beyond`, or `x_signal`. Comparisons are of squares
where that saves a root and a division a tick.
"""
from libc.math cimport INFINITY, NAN, fabs, sqrt
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.ring cimport (
    LT_EPS, LT_OK, LT_TOL, LT_WARMUP, lt_moments, lt_moments_push, lt_ring, lt_ring_push, lt_ring_window,
    lt_squares, lt_squares_loose, lt_squares_slide,
)
from livetrading.core.variates cimport lt_side, lt_where


# 121 OrderFlowImbalance

# the squares' bound is ten times tighter, so that the total is good to LT_TOL times the root of the squares as well
cdef extern from * nogil:
    """
    #define OFI_SHARE 0.1
    """
    const double OFI_SHARE

ctypedef struct ofi_t:
    lt_ring ring
    uint64_t window
    bint quoted
    double bid, ask, bid_size, ask_size
    double e, total
    lt_squares squares


cdef inline void ofi_exact(ofi_t *s) noexcept nogil:
    cdef const double *e = lt_ring_window(&s.ring, s.window)
    cdef double total = 0.0, squares = 0.0
    cdef uint64_t i
    for i in range(s.window):
        total += e[i]
        squares += e[i] * e[i]
    s.total = total
    s.squares.value = s.squares.reach = squares


cdef inline int ofi_add(ofi_t *s, double e) noexcept nogil:
    """Feeds the flow of one quote."""
    cdef uint64_t n = s.ring.head
    cdef double old
    s.e = e
    if n < s.window:
        lt_ring_push(&s.ring, e)
        if n + 1 < s.window:
            return LT_WARMUP
        ofi_exact(s)
        return LT_OK
    old = s.ring.slot[(n - s.window) & s.ring.mask]
    lt_ring_push(&s.ring, e)
    s.total += e - old
    lt_squares_slide(&s.squares, e * e, old * old)
    if lt_squares_loose(&s.squares, OFI_SHARE * s.squares.value):
        ofi_exact(s)
    return LT_OK


cdef inline int ofi_push(ofi_t *s, double bid, double ask, double bid_size, double ask_size) noexcept nogil:
    cdef double e
    if not s.quoted:
        s.quoted = True
        s.bid, s.ask, s.bid_size, s.ask_size = bid, ask, bid_size, ask_size
        return LT_WARMUP
    # which way a quote moves is a coin flip that no predictor learns: masks instead of branches
    e = lt_where(bid >= s.bid, bid_size) - lt_where(bid <= s.bid, s.bid_size)
    e += lt_where(ask >= s.ask, s.ask_size) - lt_where(ask <= s.ask, ask_size)
    s.bid, s.ask, s.bid_size, s.ask_size = bid, ask, bid_size, ask_size
    return ofi_add(s, e)


cdef inline bint ofi_ready(const ofi_t *s) noexcept nogil:
    return s.ring.head >= s.window


cdef inline int beyond(double x, double square, double level) noexcept nogil:
    """Sign of x where |x| / sqrt(square) is above the level, else 0; also where either is NaN."""
    return (x * x > level * level * square) * lt_side(x)


cdef inline double ofi_z(const ofi_t *s) noexcept nogil:
    return s.total / sqrt(s.squares.value) if s.squares.value > 0.0 else 0.0


# 141 ZScoreSignal: lt_moments holds the window; the state machine is HYST of the catalogue

cdef inline double z_variance(const lt_moments *s) noexcept nogil:
    """Population variance of the window, 0 where the standard deviation is rounding."""
    cdef double v = s.m2 * s.inverse, mean = s.anchor + s.mean
    return v if v > 1e-24 * mean * mean else 0.0


cdef inline double z_value(const lt_moments *s, double x) noexcept nogil:
    cdef double v = z_variance(s)
    return z_gap(s, x) / sqrt(v) if v > 0.0 else 0.0


cdef inline double z_gap(const lt_moments *s, double x) noexcept nogil:
    return x - s.anchor - s.mean


cdef inline int z_signal(double gap, double variance, double entry, double leave, int state) noexcept nogil:
    """HYST(z, entry, leave) from the state before: short from entry up until z falls to leave, and the mirror image."""
    cdef double square = gap * gap
    cdef int side = lt_side(gap)
    if not variance > 0.0:
        return 0
    if state == 0 or state == side or square <= leave * leave * variance:
        # flat, on the other side of the mean than the entry was, or inside the exit band
        return -side * (square >= entry * entry * variance)
    return state


# 41 KalmanFilter: local level on returns, fixed signal-to-noise ratio q

ctypedef struct drift_t:
    double q
    int64_t count, min_obs
    double a, p, f, gain, inverse_f
    double squares, recent      # sum of nu^2 / F, folded in from `recent` every 1024 returns so that rounding is small


cdef inline int drift_push(drift_t *s, double r) noexcept nogil:
    cdef double f, nu
    s.count += 1
    if s.count == 1:
        s.a = r
        s.p = 1.0
        s.gain = NAN
        return LT_WARMUP if s.min_obs > 1 else LT_OK
    # in units of Var eps P = P^-(1 - K) = K, which settles after some 600 returns: no division from then on
    f = s.p + s.q + 1.0
    if f != s.f:
        s.f = f
        s.gain = (s.p + s.q) / f
        s.inverse_f = 1.0 / f
    nu = r - s.a
    s.a += s.gain * nu
    s.p = s.gain
    s.recent += nu * nu * s.inverse_f
    if s.count & 1023 == 0:
        s.squares += s.recent
        s.recent = 0.0
    return LT_OK if s.count >= s.min_obs else LT_WARMUP


cdef inline double drift_sigma2(const drift_t *s) noexcept nogil:
    return (s.squares + s.recent) / <double>(s.count - 1)


cdef inline double drift_square(const drift_t *s) noexcept nogil:
    """count - 1 times the variance of the drift; infinite, so that nothing is beyond it, where it is rounding."""
    cdef double sum2 = s.squares + s.recent
    return sum2 * s.p if sum2 > 1e-24 * <double> (s.count - 1) else INFINITY


cdef inline int drift_signal(double drift, double count, double square, double level) noexcept nogil:
    return (drift * drift * count >= level * level * square and drift != 0.0) * lt_side(drift)


cdef inline double drift_z(const drift_t *s) noexcept nogil:
    cdef double sigma2 = drift_sigma2(s)
    return s.a / sqrt(sigma2 * s.p) if sigma2 > 1e-24 else 0.0


# 201 KalmanPriceFilter: local level on log prices, Q and R from the window's autocovariances.
# The state is the residual x - m after the update, so that no log price is needed and none of its digits are lost.

ctypedef struct level_t:
    lt_ring ring
    uint64_t window
    double inverse, floor
    lt_squares g0               # n times the autocovariances
    double g1
    double residual, p, q, r, f, gain, innovation


cdef inline void level_exact(level_t *s) noexcept nogil:
    cdef const double *r = lt_ring_window(&s.ring, s.window)
    cdef double g0 = r[0] * r[0], g1 = 0.0
    cdef uint64_t i
    for i in range(1, s.window):
        g0 += r[i] * r[i]
        g1 += r[i] * r[i - 1]
    s.g0.value = s.g0.reach = g0
    s.g1 = g1


cdef inline void level_noise(level_t *s) noexcept nogil:
    cdef double g0 = s.g0.value * s.inverse, g1 = s.g1 * s.inverse, low = s.floor * g0
    s.r = -g1 if -g1 > low else low
    s.r = s.r if s.r < 0.5 * g0 else 0.5 * g0
    s.q = g0 - 2.0 * s.r
    s.q = s.q if s.q > low else low


cdef inline void level_update(level_t *s, double r) noexcept nogil:
    """One predict and update of the local level model under Q and R."""
    cdef double before = s.p + s.q, inverse
    s.innovation = s.residual + r
    s.f = before + s.r
    inverse = 1.0 / s.f
    s.gain = before * inverse
    # 1 - K is R / F, and P is K R: a gain close to 1 leaves no digits in the difference
    s.residual = s.innovation * (s.r * inverse)
    s.p = s.gain * s.r


cdef inline void level_sums(level_t *s, double r) noexcept nogil:
    """Feeds the window and its two sums."""
    cdef uint64_t n = s.ring.head
    cdef double old, second, last
    if n < s.window:
        lt_ring_push(&s.ring, r)
        if n + 1 == s.window:
            level_exact(s)
        return
    old = s.ring.slot[(n - s.window) & s.ring.mask]
    second = s.ring.slot[(n - s.window + 1) & s.ring.mask]
    last = s.ring.slot[(n - 1) & s.ring.mask]
    lt_ring_push(&s.ring, r)
    lt_squares_slide(&s.g0, r * r, old * old)
    s.g1 += r * last - old * second
    # what bounds g0 bounds g1 too; R may be as small as floor * g0, so the bound is that much tighter
    if lt_squares_loose(&s.g0, s.floor * s.g0.value):
        level_exact(s)


cdef inline void level_start(level_t *s) noexcept nogil:
    """At the return that fills the window: the level is the price, without an update."""
    level_noise(s)
    s.residual = 0.0
    s.p = s.r
    s.innovation = s.f = s.gain = NAN


cdef inline void level_filter(level_t *s, double r) noexcept nogil:
    if not s.g0.value * s.inverse > 1e-24:             # no return that is more than rounding
        s.residual = s.p = s.q = s.r = 0.0
        s.innovation = s.f = s.gain = NAN
        return
    level_noise(s)
    level_update(s, r)


cdef inline int level_push(level_t *s, double r) noexcept nogil:
    level_sums(s, r)
    if s.ring.head < s.window:
        return LT_WARMUP
    if s.ring.head == s.window:
        level_start(s)
    else:
        level_filter(s, r)
    return LT_OK


cdef inline bint level_ready(const level_t *s) noexcept nogil:
    return s.ring.head >= s.window


cdef inline int level_turn(const level_t *s) noexcept nogil:
    """-1 where the noise outweighs the moves, so that an innovation bounces, else 1."""
    return 1 - 2 * (s.r > s.q)


cdef inline double level_z(const level_t *s) noexcept nogil:
    return s.innovation / sqrt(s.f)


# RiskMetrics volatility, EW(alpha) of squared returns, seeded with the first

ctypedef struct ewma_t:
    double alpha, value
    bint ready


cdef inline void ewma_push(ewma_t *s, double x) noexcept nogil:
    if s.ready:
        s.value += s.alpha * (x - s.value)
    else:
        s.value = x
        s.ready = True


# 218 CUSUMFilter. `variance` is the EW(0.06) of r^2 up to the return before; NaN fixes nothing and gives no event.

ctypedef struct cusum_t:
    double c2, up, down, crossed
    int event
    uint64_t since
    bint any


cdef inline void cusum_push(cusum_t *s, double r, double variance) noexcept nogil:
    cdef double h2 = s.c2 * variance
    cdef double up = s.up + r, down = s.down + r
    s.up = up if up > 0.0 else 0.0
    s.down = down if down < 0.0 else 0.0
    s.event = 0
    s.since += 1
    if variance > 0.0:
        if s.down * s.down > h2:
            s.crossed = s.down
            s.down = 0.0
            s.event = -1
        elif s.up * s.up > h2:
            s.crossed = s.up
            s.up = 0.0
            s.event = 1
    if s.event != 0:
        s.since = 0
        s.any = True


# Trend strength: (EMA_20 - EMA_50 of the mid) / (mid * EWMA volatility)

ctypedef struct trend_t:
    double fast, slow, fast_alpha, slow_alpha
    uint64_t count, warm
    int side                    # sign of the trend where |strength| > limit, else 0
    double limit2


cdef inline void trend_push(trend_t *s, double price, double variance) noexcept nogil:
    cdef double d
    s.count += 1
    if s.count == 1:
        s.fast = s.slow = price
    s.fast += s.fast_alpha * (price - s.fast)
    s.slow += s.slow_alpha * (price - s.slow)
    d = s.fast - s.slow
    s.side = (s.count >= s.warm and variance > 1e-24
              and d * d > s.limit2 * price * price * variance) * lt_side(d)


# 101 KylesLambda on bars of m trades

ctypedef struct kyle_t:
    lt_ring flow, change
    uint64_t window, m, trades, bars
    double last_price, last_side, bar_flow, bar_close
    double inverse, mean_q, mean_d, qq, qd, dd
    double mean_q_error, mean_d_error, qq_error, qd_error, dd_error
    double fit_q, fit_d, fit_qq, fit_qd, fit_dd    # the moments of the last fit
    bint ready, flat


cdef inline double tick_rule(double price, double last_price, double last_side, int side) noexcept nogil:
    """Side of a trade: its own, else the sign of the last price change that was not 0."""
    if side != 0:
        return 1.0 if side > 0 else -1.0
    if last_price > 0.0 and price != last_price:
        return 1.0 if price > last_price else -1.0
    return last_side


cdef void kyle_exact(kyle_t *s) noexcept nogil
cdef void kyle_fit(kyle_t *s) noexcept nogil
cdef double kyle_value(const kyle_t *s) noexcept nogil


cdef inline void kyle_slide(kyle_t *s, double q, double d) noexcept nogil:
    """Replaces the oldest pair of the window (Welford 1962, both ways) and keeps a bound on the rounding."""
    cdef double q0 = s.flow.slot[(s.flow.head - s.window) & s.flow.mask]
    cdef double d0 = s.change.slot[(s.change.head - s.window) & s.change.mask]
    cdef double step_q = q - q0, step_d = d - d0
    cdef double mean_q = s.mean_q + step_q * s.inverse, mean_d = s.mean_d + step_d * s.inverse
    cdef double add_qq = step_q * ((q - mean_q) + (q0 - s.mean_q))
    cdef double add_dd = step_d * ((d - mean_d) + (d0 - s.mean_d))
    cdef double add_qd = (q - mean_q) * (d - s.mean_d) - (q0 - mean_q) * (d0 - s.mean_d)
    lt_ring_push(&s.flow, q)
    lt_ring_push(&s.change, d)
    s.mean_q, s.mean_d = mean_q, mean_d
    s.qq += add_qq
    s.dd += add_dd
    s.qd += add_qd
    s.mean_q_error += LT_EPS * (fabs(mean_q) + fabs(q) + fabs(q0))
    s.mean_d_error += LT_EPS * (fabs(mean_d) + fabs(d) + fabs(d0))
    s.qq_error += LT_EPS * (fabs(s.qq) + fabs(add_qq)) + 2.0 * fabs(step_q) * s.mean_q_error
    s.dd_error += LT_EPS * (fabs(s.dd) + fabs(add_dd)) + 2.0 * fabs(step_d) * s.mean_d_error
    s.qd_error += (LT_EPS * (fabs(s.qd) + fabs((q - mean_q) * (d - mean_d)) + fabs((q0 - mean_q) * (d0 - mean_d)))
                   + fabs(step_q) * s.mean_d_error + fabs(step_d) * s.mean_q_error)
    if (not s.qq_error <= LT_TOL * s.qq or not s.dd_error <= LT_TOL * s.dd
            or not s.qd_error * s.qd_error <= LT_TOL * LT_TOL * s.qq * s.dd):
        kyle_exact(s)


cdef inline int kyle_push(kyle_t *s, double price, double volume, int side) noexcept nogil:
    cdef double d
    s.last_side = tick_rule(price, s.last_price, s.last_side, side)
    s.last_price = price
    s.bar_flow += s.last_side * volume
    s.trades += 1
    if s.trades < s.m:
        return LT_OK if s.ready else LT_WARMUP
    s.trades = 0
    d = price - s.bar_close
    s.bar_close = price
    s.bars += 1
    if s.bars > 1:
        if s.flow.head < s.window:
            lt_ring_push(&s.flow, s.bar_flow)
            lt_ring_push(&s.change, d)
            if s.flow.head == s.window:
                kyle_exact(s)
        else:
            kyle_slide(s, s.bar_flow, d)
        if s.flow.head >= s.window:
            kyle_fit(s)
    s.bar_flow = 0.0
    return LT_OK if s.ready else LT_WARMUP


# 111 VPIN over volume buckets, and its quantile gate

ctypedef struct vpin_t:
    double bucket, limit
    uint64_t window, history, buckets
    double last_price, last_side, fill, buy, value, last_imbalance
    bint passes
    lt_ring imbalance, past
    double *ordered             # the past values in ascending order
    uint64_t past_count


cdef void vpin_close(vpin_t *s) noexcept nogil
cdef void vpin_split(vpin_t *s, double volume, double buy_share) noexcept nogil


cdef inline void vpin_push(vpin_t *s, double price, double volume, int side) noexcept nogil:
    cdef double share
    s.last_side = tick_rule(price, s.last_price, s.last_side, side)
    s.last_price = price
    share = 0.5 + 0.5 * s.last_side
    if s.fill + volume < s.bucket * (1.0 - 1e-12):
        s.fill += volume
        s.buy += share * volume
    else:
        vpin_split(s, volume, share)


cdef inline bint vpin_ready(const vpin_t *s) noexcept nogil:
    return s.buckets >= s.window


# Flow momentum: EWMA of signed volume over EWMA of volume

ctypedef struct flow_t:
    ewma_t signed, total
    double last_price, last_side


cdef inline void flow_push(flow_t *s, double price, double volume, int side) noexcept nogil:
    s.last_side = tick_rule(price, s.last_price, s.last_side, side)
    s.last_price = price
    ewma_push(&s.signed, s.last_side * volume)
    ewma_push(&s.total, volume)


cdef inline bint flow_ready(const flow_t *s) noexcept nogil:
    return s.total.ready and s.total.value > 0.0


cdef inline int flow_signal(const flow_t *s, double level) noexcept nogil:
    cdef double edge = level * s.total.value
    return (s.signed.value > edge) - (s.signed.value < -edge)


cdef inline double flow_value(const flow_t *s) noexcept nogil:
    return s.signed.value / s.total.value


# 260 BitcoinMicroPrice

ctypedef struct micro_t:
    ewma_t smooth
    double weighted, spread


cdef inline void micro_push(micro_t *s, double bid, double ask, double bid_size, double ask_size) noexcept nogil:
    s.weighted = (bid * ask_size + ask * bid_size) / (bid_size + ask_size)
    s.spread = ask - bid
    ewma_push(&s.smooth, s.weighted)


cdef inline int micro_signal(double gap, double spread, double level) noexcept nogil:
    cdef double edge = level * spread
    return (gap > edge) - (gap < -edge)


cdef inline double micro_magnitude(const micro_t *s) noexcept nogil:
    return fabs(s.weighted - s.smooth.value) / s.spread


# 223 AdaptiveEWMAVolatility

ctypedef struct adaptive_t:
    double decay[5]
    double variance[5]
    double cost[5]
    double weight[5]
    double gamma, eta, value, effective
    uint64_t count
    int experts                 # 1 to 5


cdef void adaptive_push(adaptive_t *s, double r) noexcept nogil


# An entry level that follows the 0.9 quantile of the |value| it is compared with.
# Multiplicative quantile tracking (Yazidi and Hammer 2017, IEEE Trans. Cybernetics 47): up by a share of itself when
# exceeded, down by the complement when not. The step is set so that for a half-normal |value| the estimate relaxes
# with the half-life asked for.

ctypedef struct quantile_t:
    double level, least
    double[2] step              # the factors where it was not exceeded, and where it was


cdef inline void quantile_push(quantile_t *s, bint exceeded) noexcept nogil:
    s.level *= s.step[exceeded]
    s.level = s.level if s.level > s.least else s.least


# Construction: parameters, and slots where there are windows; 0, or -1 where memory ran out.

cdef int ofi_open(ofi_t *s, uint64_t window) noexcept nogil
cdef int z_open(lt_moments *s, uint64_t window) noexcept nogil
cdef void drift_open(drift_t *s, double q, int64_t min_obs) noexcept nogil
cdef int level_open(level_t *s, uint64_t window, double floor) noexcept nogil
cdef void cusum_open(cusum_t *s, double c) noexcept nogil
cdef void trend_open(trend_t *s, double fast, double slow, uint64_t warm, double limit) noexcept nogil
cdef int kyle_open(kyle_t *s, uint64_t window, uint64_t m) noexcept nogil
cdef int vpin_open(vpin_t *s, double bucket, uint64_t window, uint64_t history, double limit) noexcept nogil
cdef void vpin_free(vpin_t *s) noexcept nogil
cdef void flow_open(flow_t *s, double fast, double slow) noexcept nogil
cdef void micro_open(micro_t *s, double half_life) noexcept nogil
cdef void adaptive_open(
        adaptive_t *s, const double *decay, int experts, double gamma, double eta) noexcept nogil
cdef void quantile_open(quantile_t *s, double start, double half_life) noexcept nogil
