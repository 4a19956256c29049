# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels of time series: the drift's filter, the unscented volatility filter, exponential smoothing."""
from libc.math cimport erf, fabs, sqrt
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.features cimport lt_log_change
from livetrading.core.kernel cimport Kernel, slots_of
from livetrading.core.ring cimport LT_WARMUP, lt_ring, lt_ring_at, lt_ring_push
from livetrading.core.signals cimport drift_push, drift_sigma2, drift_t, drift_z
from livetrading.core.variates cimport lt_exp, lt_side

cdef extern from * nogil:
    """
    #define HALF_NORMAL_MEAN 0.79788456080286535588       /* sqrt(2 / pi) */
    #define HALF_NORMAL_VARIANCE 0.36338022763241865692   /* 1 - 2 / pi */
    #define ROOT_HALF 0.70710678118654752440
    #define LOG_VARIANCE_LEAST -1400.0                    /* below it e^(x/2) is no double */
    #define LOG_VARIANCE_MOST 1e6
    """
    const double HALF_NORMAL_MEAN, HALF_NORMAL_VARIANCE, ROOT_HALF, LOG_VARIANCE_LEAST, LOG_VARIANCE_MOST


cdef inline bint is_price(double x) noexcept nogil:
    return 0.0 < x <= 1e300


cdef inline double normal_confidence(double z) noexcept nogil:
    return erf(fabs(z) * ROOT_HALF)


cdef inline int sign_beyond(double x, double z, double level) noexcept nogil:
    """Sign of x where |z| >= level, else 0."""
    return lt_side(x) if fabs(z) >= level and x != 0.0 else 0


cdef inline double root_of_squares(double a, double b) noexcept nogil:
    """sqrt(a^2 + b^2) of numbers whose squares may be out of range."""
    cdef double x = fabs(a), y = fabs(b), t
    if x < y:
        t = x
        x = y
        y = t
    if x == 0.0:
        return 0.0
    t = y / x
    return x * sqrt(1.0 + t * t)


# 41 KalmanFilter

ctypedef struct drift_state_t:
    drift_t drift
    double price


cdef class Drift(Kernel):
    cdef double q, entry
    cdef int64_t min_obs

    def __cinit__(self, double q, int64_t min_obs, double entry):
        self.q, self.min_obs, self.entry = q, min_obs, entry
        self.allocate(sizeof(drift_state_t), 0, reads=1, gives=4)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef drift_state_t *s = <drift_state_t *> self.own
        s.drift.q = self.q
        s.drift.min_obs = self.min_obs

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef drift_state_t *s = <drift_state_t *> self.own
        cdef double before = s.price, z
        if not is_price(x[0]):
            return
        s.price = x[0]
        if before == 0.0 or drift_push(&s.drift, lt_log_change(x[0], before)) == LT_WARMUP:
            return
        z = drift_z(&s.drift)
        self.out[0], self.out[1], self.out[2], self.out[3] = s.drift.p, s.drift.gain, drift_sigma2(&s.drift), z
        self.report(s.drift.a, sign_beyond(s.drift.a, z, self.entry) if z != 0.0 else 0, normal_confidence(z))


# 43 UnscentedKalman

ctypedef struct unscented_t:
    double x, p, gain


cdef void unscented_step(unscented_t *s, double y, double phi, double noise, double spread, double w, double w0,
                         double c0) noexcept nogil:
    """One prediction and update by |y|; `spread` is 1 + lambda.

    e^(x/2) is taken out of all that is seen, so that no level of the state is out of range; x itself stays
    between LOG_VARIANCE_LEAST and LOG_VARIANCE_MOST, or a return after it would leave it infinite for good.
    """
    cdef double d, up, down, mean, variance, cross, gain, shrink
    s.x = max(s.x * phi, LOG_VARIANCE_LEAST)
    s.p = phi * phi * s.p + noise
    d = sqrt(spread * s.p)
    up = lt_exp(min(0.5 * d, 300.0))
    down = 1.0 / up
    mean = w0 + w * (up + down)
    variance = (c0 * (1.0 - mean) * (1.0 - mean) + w * ((up - mean) * (up - mean) + (down - mean) * (down - mean)))
    variance = variance * HALF_NORMAL_MEAN * HALF_NORMAL_MEAN + HALF_NORMAL_VARIANCE * (
        w0 + w * (up * up + down * down))
    cross = w * d * (up - down) * HALF_NORMAL_MEAN
    gain = cross / variance if variance > 0.0 else 0.0
    shrink = lt_exp(-0.5 * s.x)
    s.x = min(s.x + gain * (fabs(y) * shrink - HALF_NORMAL_MEAN * mean), LOG_VARIANCE_MOST)
    s.p -= gain * cross
    s.p = s.p if s.p > 0.0 else 0.0
    s.gain = gain * shrink


ctypedef struct log_variance_t:
    unscented_t filter
    lt_ring prices
    double squares, scale


cdef class LogVariance(Kernel):
    cdef double phi, noise, spread, w, w0, c0, calm, stress
    cdef uint64_t n0, h

    def __cinit__(self, double phi, double sigma_eta, double alpha, double beta, double kappa, uint64_t n0,
                  double calm, double stress, uint64_t h):
        self.phi, self.noise = phi, sigma_eta * sigma_eta
        self.spread = alpha * alpha * (1.0 + kappa)
        self.w = 0.5 / self.spread
        self.w0 = 1.0 - 1.0 / self.spread
        self.c0 = self.w0 + 1.0 - alpha * alpha + beta
        self.n0, self.calm, self.stress, self.h = n0, calm, stress, h
        self.allocate(sizeof(log_variance_t), slots_of(h + 1), reads=1, gives=3)
        self.attach(&(<log_variance_t *> self.own).prices, h + 1)
        self.reset()

    cdef void start(self) noexcept nogil:
        (<log_variance_t *> self.own).filter.p = self.noise / (1.0 - self.phi * self.phi)

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef log_variance_t *s = <log_variance_t *> self.own
        cdef double r
        if not is_price(x[0]):
            return
        r = lt_log_change(x[0], lt_ring_at(&s.prices, 0)) if s.prices.head > 0 else 0.0
        lt_ring_push(&s.prices, x[0])
        if s.prices.head <= self.n0 + 1:
            s.squares += r * r
            s.scale = sqrt(s.squares / <double> self.n0)
        elif s.scale > 1e-12:
            unscented_step(&s.filter, r / s.scale, self.phi, self.noise, self.spread, self.w, self.w0, self.c0)
            self.say(r)

    cdef void say(self, double r) noexcept nogil:
        cdef log_variance_t *s = <log_variance_t *> self.own
        cdef double half = 0.5 * s.filter.x, ratio = lt_exp(half if half < 700.0 else 700.0)
        cdef double change = 0.0
        if ratio <= self.calm:
            if s.prices.head > self.h:
                change = lt_log_change(lt_ring_at(&s.prices, 0), lt_ring_at(&s.prices, self.h))
        elif ratio >= self.stress:
            change = -r
        self.out[0], self.out[1], self.out[2] = s.filter.x, s.filter.p, s.filter.gain
        self.report(ratio * s.scale, (change > 0.0) - (change < 0.0), min(1.0, fabs(half)))


# 44 ExponentialFilter

ctypedef struct decaying_t:
    double mean, sd
    int64_t first, last, seen


cdef class Decaying(Kernel):
    cdef double tau, entry

    def __cinit__(self, double tau, double entry):
        self.tau, self.entry = tau, entry
        self.allocate(sizeof(decaying_t), 0, reads=1, gives=2)
        self.reset()

    cdef bint counts(self, const double *x) noexcept nogil:
        return is_price(x[0])

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef decaying_t *s = <decaying_t *> self.own
        cdef double price = x[0], w, gap, z
        if not s.seen:
            s.seen, s.first, s.last, s.mean = 1, ts, ts, price
            return
        w = lt_exp(-(<double> (ts - s.last) * 1e-9) / self.tau)
        s.last = ts
        gap = price - s.mean
        s.mean = w * s.mean + (1.0 - w) * price
        s.sd = sqrt(w) * root_of_squares(s.sd, sqrt(1.0 - w) * gap)
        if <double> (ts - s.first) * 1e-9 < 3.0 * self.tau * (1.0 - 1e-12):
            return
        gap = price - s.mean
        z = gap / s.sd if s.sd > 1e-9 * price else 0.0
        self.out[0], self.out[1] = z, s.sd
        self.report(s.mean, sign_beyond(z, z, self.entry), min(1.0, fabs(z) / 3.0))


# 45 DoubleExponential and 46 TripleExponential: Brown's smoothing

ctypedef struct brown_t:
    double once, twice, thrice, forecast, error
    int64_t seen


cdef class Brown(Kernel):
    cdef double alpha, lam, z0
    cdef int64_t order, warm

    def __cinit__(self, int64_t order, double alpha, double lam, double z0, int64_t warm):
        self.order, self.alpha, self.lam, self.z0, self.warm = order, alpha, lam, z0, warm
        self.allocate(sizeof(brown_t), 0, reads=1, gives=1 if order == 2 else 3)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef brown_t *s = <brown_t *> self.own
        cdef double price = x[0], miss, change, z = 0.0
        if not is_price(price):
            return
        s.seen += 1
        if s.seen == 1:
            s.once = s.twice = s.thrice = price
        else:
            miss = price - s.forecast
            s.error = fabs(miss) if s.seen == 2 else root_of_squares(
                sqrt(self.lam) * s.error, sqrt(1.0 - self.lam) * miss)
            s.once += self.alpha * (price - s.once)
            s.twice += self.alpha * (s.once - s.twice)
            s.thrice += self.alpha * (s.twice - s.thrice)
        change = self.line() if self.order == 2 else self.parabola()
        if s.seen < self.warm:
            return
        if s.error > 1e-12 * price:
            z = change / s.error
            self.report(change, sign_beyond(change, z, self.z0), normal_confidence(z))
        else:
            self.report(change, 0, 0.0)

    cdef double line(self) noexcept nogil:
        cdef brown_t *s = <brown_t *> self.own
        cdef double gap = s.once - s.twice, slope = self.alpha / (1.0 - self.alpha) * gap
        s.forecast = s.once + gap + slope
        if s.seen >= self.warm:
            self.out[0] = s.once + gap
        return slope

    cdef double parabola(self) noexcept nogil:
        """From differences of the smoothed prices, so that digits are not lost in their size."""
        cdef brown_t *s = <brown_t *> self.own
        cdef double u = s.once - s.twice, v = s.twice - s.thrice, rest = 1.0 - self.alpha, a = self.alpha
        cdef double level = s.thrice + 3.0 * u
        cdef double slope = a / (2.0 * rest * rest) * ((6.0 - 5.0 * a) * u - (4.0 - 3.0 * a) * v)
        cdef double bend = a * a / (rest * rest) * (u - v)
        s.forecast = level + slope + 0.5 * bend
        if s.seen >= self.warm:
            self.out[0], self.out[1], self.out[2] = level, slope, bend
        return slope + 0.5 * bend
