# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels of mean reversion: scores and bands about a mean, oscillators, hedge ratios (141, 143 to 146, 149, 150)."""
from libc.math cimport NAN, fabs, isfinite, sqrt
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.kernel cimport Kernel, slots_of
from livetrading.core.ring cimport (
    LT_EPS, LT_TOL, LT_WARMUP, lt_moments, lt_moments_push, lt_ring, lt_ring_at, lt_ring_push, lt_ring_window,
)
from livetrading.core.variates cimport lt_log

cdef extern from "lt_rolling.h" nogil:
    void lt_moments_exact(lt_moments *s) noexcept

cdef double ZERO = 1e-12
cdef double LARGE = 1e150       # prices whose squares are beyond a double, and below whose inverse they vanish


cdef inline bint is_price(double x) noexcept nogil:
    return isfinite(x) and x > 0.0


cdef bint is_rounding(const double *x, uint64_t n, double square, double bound) noexcept nogil:
    cdef double largest = 0.0
    cdef uint64_t i
    if square > ZERO * ZERO * bound * bound:
        return False
    for i in range(n):
        largest = max(largest, fabs(x[i]))
    return not square > ZERO * ZERO * largest * largest


cdef void window_moments(const double *x, uint64_t n, double *gap, double *mean, double *sd) noexcept nogil:
    cdef double scale = 1.0, first, middle = 0.0, m2 = 0.0, rest = 0.0, d, largest = 0.0
    cdef uint64_t i
    for i in range(n):
        largest = max(largest, x[i])
    if largest > LARGE or largest < 1.0 / LARGE:
        scale = 1.0 / largest
    first = x[n - 1] * scale
    for i in range(n):
        middle += x[i] * scale - first
    middle /= <double> n
    for i in range(n):
        d = x[i] * scale - first - middle
        m2 += d * d
        rest += d
    middle += rest / <double> n
    gap[0] = -middle / scale
    mean[0] = (first + middle) / scale
    sd[0] = sqrt(max(0.0, m2 - rest * rest / <double> n) / <double> n) / scale


# 141 ZScoreSignal, 143 BollingerBandReversion

ctypedef struct score_t:
    lt_moments moments
    int64_t q


cdef bint score_push(lt_moments *s, double price, double *gap, double *mean, double *sd) noexcept nogil:
    """Feed a price; whether the window is full, and then its moments; an sd that is rounding is 0."""
    if lt_moments_push(s, price) == LT_WARMUP:
        return False
    if not isfinite(s.m2):
        lt_moments_exact(s)
    if not isfinite(s.m2) or price < 1.0 / LARGE:
        window_moments(lt_ring_window(&s.ring, s.window), s.window, gap, mean, sd)
    else:
        gap[0], mean[0] = price - s.anchor - s.mean, s.anchor + s.mean
        sd[0] = sqrt(s.m2 / <double> s.window) if s.m2 > 0.0 else 0.0
    if not sd[0] > ZERO * mean[0]:
        sd[0] = 0.0
    return True


cdef class ScoreKernel(Kernel):
    """One over the moments of the last n prices."""
    cdef uint64_t n

    cdef int open(self, uint64_t n, Py_ssize_t gives) except -1:
        self.n = n
        self.allocate(sizeof(score_t), slots_of(n + 1), reads=1, gives=gives)
        self.attach(&(<score_t *> self.own).moments.ring, n + 1)
        return 0

    cdef void start(self) noexcept nogil:
        cdef score_t *s = <score_t *> self.own
        s.moments.window = self.n
        s.moments.inverse = 1.0 / <double> self.n


cdef class ZScore(ScoreKernel):
    cdef double entry, exit

    def __cinit__(self, uint64_t n, double entry, double exit):
        self.entry, self.exit = entry, exit
        self.open(n, 0)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef score_t *s = <score_t *> self.own
        cdef double gap = 0.0, mean = 0.0, sd = 0.0, z
        if not is_price(x[0]) or not score_push(&s.moments, x[0], &gap, &mean, &sd):
            return
        z = gap / sd if sd > 0.0 else 0.0
        s.q = hysteresis(<int> s.q, z, self.entry, self.exit)
        self.report(z, <int> s.q, clip01(fabs(z) / (2.0 * self.entry)))


cdef inline int crossing(int q, double u, double low, double middle, double high) noexcept nogil:
    """Long below `low` until `middle`, short above `high` until `middle`; who leaves may enter again."""
    if q > 0 and u >= middle or q < 0 and u <= middle:
        q = 0
    if q == 0:
        q = 1 if u < low else -1 if u > high else 0
    return q


cdef class Bollinger(ScoreKernel):
    cdef double k

    def __cinit__(self, uint64_t n, double k):
        self.k = k
        self.open(n, 4)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef score_t *s = <score_t *> self.own
        cdef double gap = 0.0, mean = 0.0, sd = 0.0, share
        if not is_price(x[0]) or not score_push(&s.moments, x[0], &gap, &mean, &sd):
            return
        share = (gap / sd / self.k + 1.0) / 2.0 if sd > 0.0 else 0.5
        s.q = crossing(<int> s.q, share, 0.0, 0.5, 1.0)
        self.out[0], self.out[1], self.out[2] = mean + self.k * sd, mean, mean - self.k * sd
        self.out[3] = 2.0 * self.k * (sd / mean)
        self.report(share, <int> s.q, clip01(fabs(share - 0.5)))


# 144 KeltnerChannelReversion

ctypedef struct keltner_t:
    double ema, atr, close
    int64_t bars, q


cdef class Keltner(Kernel):
    cdef int64_t n, atr_n
    cdef double k

    def __cinit__(self, int64_t n, int64_t atr_n, double k):
        self.n, self.atr_n, self.k = n, atr_n, k
        self.allocate(sizeof(keltner_t), 0, reads=3, gives=4)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        """Close, high, low."""
        cdef keltner_t *s = <keltner_t *> self.own
        cdef double close = x[0], high = x[1], low = x[2], reach, u
        if not (is_price(close) and is_price(high) and is_price(low)):
            return
        s.bars += 1
        if s.bars == 1:
            s.ema = close
        else:
            s.ema += 2.0 / <double> (self.n + 1) * (close - s.ema)
            reach = max(high - low, max(fabs(high - s.close), fabs(low - s.close)))
            # until there are atr_n ranges, their mean so far
            s.atr += (reach - s.atr) / <double> min(s.bars - 1, self.atr_n)
        s.close = close
        if s.bars < max(self.n, self.atr_n + 1):
            return
        u = (close - s.ema) / s.atr if s.atr != 0.0 else 0.0
        s.q = hysteresis(<int> s.q, u, self.k, 0.0)
        self.out[0], self.out[1] = s.ema + self.k * s.atr, s.ema - self.k * s.atr
        self.out[2], self.out[3] = s.ema, s.atr
        self.report(u, <int> s.q, clip01(fabs(u) / (2.0 * self.k)))


# 145 RSIMeanReversion

ctypedef struct strength_t:
    double gain, loss, close
    int64_t bars, q


cdef class RelativeStrength(Kernel):
    cdef int64_t n
    cdef double low, high

    def __cinit__(self, int64_t n, double low, double high):
        self.n, self.low, self.high = n, low, high
        self.allocate(sizeof(strength_t), 0, reads=1, gives=0)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef strength_t *s = <strength_t *> self.own
        cdef double change, count, total, value
        if not is_price(x[0]):
            return
        s.bars += 1
        if s.bars > 1:
            change = x[0] - s.close
            count = <double> min(s.bars - 1, self.n)    # the first n: their mean
            s.gain += (max(change, 0.0) - s.gain) / count
            s.loss += (max(-change, 0.0) - s.loss) / count
        s.close = x[0]
        if s.bars <= self.n:
            return
        total = s.gain + s.loss
        value = 100.0 * (s.gain / total) if total > 0.0 else 50.0
        s.q = crossing(<int> s.q, value, self.low, 50.0, self.high)
        self.report(value, <int> s.q, clip01(fabs(value - 50.0) / 50.0))


# 146 StochasticReversion

ctypedef struct extreme_t:
    uint64_t first, size        # of a queue of falling values; its head is the largest of the window

ctypedef struct stochastic_t:
    lt_ring k
    extreme_t high, low
    int64_t bars


cdef class Stochastic(Kernel):
    cdef uint64_t n, d
    cdef double low, high
    cdef double *value[2]
    cdef double *bar[2]

    def __cinit__(self, uint64_t n, uint64_t d, double low, double high):
        cdef int i
        self.n, self.d, self.low, self.high = n, d, low, high
        self.allocate(sizeof(stochastic_t), slots_of(d) + 4 * n, reads=3, gives=1)
        self.attach(&(<stochastic_t *> self.own).k, d)
        for i in range(2):
            self.value[i] = self.array(n)
            self.bar[i] = self.array(n)
        self.reset()

    cdef double largest(self, extreme_t *queue, int which, double x, int64_t bar) noexcept nogil:
        """The largest of the last n values, x the newest of them."""
        cdef double *value = self.value[which]
        cdef double *since = self.bar[which]
        if queue.size > 0 and since[queue.first] <= <double> (bar - <int64_t> self.n):
            queue.first = (queue.first + 1) % self.n
            queue.size -= 1
        while queue.size > 0 and value[(queue.first + queue.size - 1) % self.n] <= x:
            queue.size -= 1
        value[(queue.first + queue.size) % self.n] = x
        since[(queue.first + queue.size) % self.n] = <double> bar
        queue.size += 1
        return value[queue.first]

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        """Close, high, low."""
        cdef stochastic_t *s = <stochastic_t *> self.own
        cdef double top, bottom, k, mean = 0.0
        cdef uint64_t i
        if not (is_price(x[0]) and is_price(x[1]) and is_price(x[2])):
            return
        s.bars += 1
        top, bottom = self.largest(&s.high, 0, x[1], s.bars), -self.largest(&s.low, 1, -x[2], s.bars)
        if s.bars < <int64_t> self.n:
            return
        k = 50.0 if top == bottom else 100.0 * ((x[0] - bottom) / (top - bottom))
        lt_ring_push(&s.k, k)
        if s.k.head < self.d:
            return
        for i in range(self.d):
            mean += lt_ring_at(&s.k, i)
        mean /= <double> self.d
        self.out[0] = mean
        self.report(k, 1 if mean < self.low and k > mean else -1 if mean > self.high and k < mean else 0,
                    clip01(fabs(mean - 50.0) / 50.0))


# 149 HedgeRatioEstimator

ctypedef struct pair_t:
    lt_ring y, x
    double ay, ax, sy, sx, syy, sxx, sxy        # anchors, and sums of deviations from them
    double reach_yy, reach_xx, updates
    double slope, ols, inverse

ctypedef struct spread_t:
    double yy, xx, xy           # about the means
    double off_yy, off_xx, off_xy


cdef class HedgeRatio(Kernel):
    cdef uint64_t n
    cdef bint total
    cdef double entry

    def __cinit__(self, uint64_t n, bint total, double entry):
        self.n, self.total, self.entry = n, total, entry
        self.allocate(sizeof(pair_t), 2 * slots_of(n + 1), reads=2, gives=3)
        self.attach(&(<pair_t *> self.own).y, n + 1)
        self.attach(&(<pair_t *> self.own).x, n + 1)
        self.reset()

    cdef void start(self) noexcept nogil:
        (<pair_t *> self.own).slope = NAN

    cdef void exact(self, pair_t *s, spread_t *c) noexcept nogil:
        cdef const double *y = lt_ring_window(&s.y, self.n)
        cdef const double *x = lt_ring_window(&s.x, self.n)
        cdef uint64_t i
        cdef double u, v
        s.ay = s.ax = s.sy = s.sx = s.syy = s.sxx = s.sxy = 0.0
        for i in range(self.n):
            s.ay += y[i] - y[0]
            s.ax += x[i] - x[0]
        s.ay, s.ax = y[0] + s.ay / <double> self.n, x[0] + s.ax / <double> self.n
        for i in range(self.n):
            u, v = y[i] - s.ay, x[i] - s.ax
            s.sy += u
            s.sx += v
            s.syy += u * u
            s.sxx += v * v
            s.sxy += u * v
        s.reach_yy, s.reach_xx, s.updates = s.syy, s.sxx, 0.0
        self.centre(s, c)

    cdef void slide(self, pair_t *s) noexcept nogil:
        cdef double u = lt_ring_at(&s.y, 0) - s.ay, v = lt_ring_at(&s.x, 0) - s.ax
        cdef double a = lt_ring_at(&s.y, self.n) - s.ay, b = lt_ring_at(&s.x, self.n) - s.ax
        s.sy += u - a
        s.sx += v - b
        s.syy += u * u - a * a
        s.sxx += v * v - b * b
        s.sxy += u * v - a * b
        s.reach_yy += s.syy
        s.reach_xx += s.sxx
        s.updates += 1.0

    cdef void centre(self, pair_t *s, spread_t *c) noexcept nogil:
        """Sums about the means, and bounds of their rounding (as for the Ornstein-Uhlenbeck fit)."""
        cdef double n = <double> self.n, k = s.updates + 3.0
        c.yy, c.xx, c.xy = s.syy - s.sy * s.sy / n, s.sxx - s.sx * s.sx / n, s.sxy - s.sy * s.sx / n
        c.off_yy = LT_EPS * (3.0 * s.reach_yy + k * s.syy)
        c.off_xx = LT_EPS * (3.0 * s.reach_xx + k * s.sxx)
        c.off_xy = LT_EPS * (4.0 * sqrt(s.reach_yy * s.reach_xx) + k * sqrt(s.syy * s.sxx))

    cdef double residual(self, pair_t *s, const spread_t *c, double slope) noexcept nogil:
        """Sum of squares of y - slope x about its mean; of the window where the sums have not the digits for it."""
        cdef double total = c.yy - 2.0 * slope * c.xy + slope * slope * c.xx, e, middle, rest = 0.0
        cdef double off = c.off_yy + fabs(slope) * (2.0 * c.off_xy + fabs(slope) * c.off_xx)
        cdef const double *y
        cdef const double *x
        cdef uint64_t i
        if off <= LT_TOL * total:
            return total
        y, x, total = lt_ring_window(&s.y, self.n), lt_ring_window(&s.x, self.n), 0.0
        middle = (s.sy - slope * s.sx) / <double> self.n
        for i in range(self.n):
            e = (y[i] - s.ay) - slope * (x[i] - s.ax) - middle
            total += e * e
            rest += e
        return max(0.0, total - rest * rest / <double> self.n)

    cdef void solve(self, pair_t *s, const spread_t *c) noexcept nogil:
        cdef double gap = c.yy - c.xx, root = sqrt(gap * gap + 4.0 * c.xy * c.xy)
        s.ols, s.inverse = c.xy / c.xx, c.yy / c.xy
        if not self.total:
            s.slope = s.ols
        elif gap >= 0.0:
            s.slope = (gap + root) / (2.0 * c.xy)
        else:
            s.slope = 2.0 * c.xy / (root - gap)

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef pair_t *s = <pair_t *> self.own
        cdef spread_t c
        cdef double n = <double> self.n, my, mx, sd, z, squared = 0.0, last_y, last_x
        cdef bint flat
        if not (is_price(x[0]) and is_price(x[1])):
            return
        last_y, last_x = lt_log(x[0]), lt_log(x[1])
        lt_ring_push(&s.y, last_y)
        lt_ring_push(&s.x, last_x)
        if s.y.head < self.n:
            return
        if s.y.head > self.n:
            self.slide(s)
            self.centre(s, &c)
        if s.y.head == self.n or not (c.off_yy <= LT_TOL * min(c.yy, fabs(c.xy)) and c.off_xx <= LT_TOL * min(
                c.xx, fabs(c.xy)) and c.off_xy <= LT_TOL * fabs(c.xy)):
            self.exact(s, &c)
        my, mx = s.ay + s.sy / n, s.ax + s.sx / n
        flat = is_rounding(lt_ring_window(&s.y, self.n), self.n, c.yy / n, fabs(my) + sqrt(max(c.yy, 0.0))) \
            or is_rounding(lt_ring_window(&s.x, self.n), self.n, c.xx / n, fabs(mx) + sqrt(max(c.xx, 0.0)))
        if not flat and c.xy != 0.0:
            self.solve(s, &c)
            squared = c.xy / c.xx * (c.xy / c.yy)
        if s.slope != s.slope:
            self.report(NAN, 0, 0.0)
            return
        sd = sqrt(self.residual(s, &c, s.slope) / n)
        z = ((last_y - my) - s.slope * (last_x - mx)) / sd if sd > ZERO else 0.0
        self.out[0], self.out[1], self.out[2] = s.ols, s.inverse, z
        self.report(s.slope, (z < -self.entry) - (z > self.entry), clip01(squared))


# 150 KalmanHedgeRatio

ctypedef struct hedge_t:
    double beta, alpha, p00, p01, p11
    int64_t seen, q


cdef class KalmanHedge(Kernel):
    cdef double delta, noise, p0, entry, exit
    cdef int64_t warm

    def __cinit__(self, double delta, double noise, double p0, double entry, double exit, int64_t warm):
        self.delta, self.noise, self.p0 = delta, noise, p0
        self.entry, self.exit, self.warm = entry, exit, warm
        self.allocate(sizeof(hedge_t), 0, reads=2, gives=4)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef hedge_t *s = <hedge_t *> self.own
        s.p00 = s.p11 = self.p0

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef hedge_t *s = <hedge_t *> self.own
        cdef double drift = self.delta / (1.0 - self.delta), h, y, nu, ph, pa, variance, k0, k1, z, p01
        if not (is_price(x[0]) and is_price(x[1])):
            return
        y, h = lt_log(x[0]), lt_log(x[1])
        if s.seen > 0:
            s.p00 += drift
            s.p11 += drift
        s.seen += 1
        nu = y - (s.beta * h + s.alpha)
        ph, pa = s.p00 * h + s.p01, s.p01 * h + s.p11
        variance = h * ph + pa + self.noise
        k0, k1 = ph / variance, pa / variance
        s.beta += k0 * nu
        s.alpha += k1 * nu
        # (I - K H) P, symmetrised
        p01 = ((1.0 - k0 * h) * s.p01 - k0 * s.p11 + (1.0 - k1) * s.p01 - k1 * h * s.p00) / 2.0
        s.p00 = (1.0 - k0 * h) * s.p00 - k0 * s.p01
        s.p11 = (1.0 - k1) * s.p11 - k1 * h * s.p01
        s.p01 = p01
        if s.seen < self.warm:
            return
        z = nu / sqrt(variance)
        s.q = hysteresis(<int> s.q, z, self.entry, self.exit)
        self.out[0], self.out[1], self.out[2], self.out[3] = s.alpha, nu, variance, z
        self.report(s.beta, <int> s.q,
                    0.0 if s.beta == 0.0 else clip01(1.0 - sqrt(max(s.p00, 0.0)) / fabs(s.beta)))
