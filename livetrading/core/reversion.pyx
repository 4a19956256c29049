# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels of mean reversion: scores, the Ornstein-Uhlenbeck fit, hedge ratios."""
from libc.math cimport NAN, fabs, log, sqrt
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.kernel cimport Kernel, slots_of
from livetrading.core.ring cimport LT_WARMUP, lt_moments, lt_moments_push


cdef inline int hysteresis(int q, double u, double entry, double exit) noexcept nogil:
    """Short above `entry` until `exit`, long below; a deviation that is NaN changes nothing."""
    if q < 0 and u <= exit or q > 0 and u >= -exit:
        q = 0
    if q == 0:
        q = -1 if u >= entry else 1 if u <= -entry else 0
    return q


# 141 ZScoreSignal

ctypedef struct score_t:
    lt_moments moments
    int64_t q


cdef class ZScore(Kernel):
    cdef uint64_t n
    cdef double entry, exit

    def __cinit__(self, uint64_t n, double entry, double exit):
        self.n, self.entry, self.exit = n, entry, exit
        self.allocate(sizeof(score_t), slots_of(n + 1), reads=1, gives=0)
        self.attach(&(<score_t *> self.own).moments.ring, n + 1)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef score_t *s = <score_t *> self.own
        s.moments.window = self.n
        s.moments.inverse = 1.0 / <double> self.n

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef score_t *s = <score_t *> self.own
        cdef double price = x[0], deviation, sd, z
        if not 0.0 < price <= 1e300 or lt_moments_push(&s.moments, price) == LT_WARMUP:
            return
        deviation = price - s.moments.anchor - s.moments.mean
        sd = sqrt(s.moments.m2 / <double> self.n) if s.moments.m2 > 0.0 else 0.0
        z = deviation / sd if sd > 1e-12 * fabs(s.moments.anchor + s.moments.mean) else 0.0
        s.q = hysteresis(<int> s.q, z, self.entry, self.exit)
        self.report(z, <int> s.q, min(1.0, fabs(z) / (2.0 * self.entry)))


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
        if not (0.0 < x[0] <= 1e300 and 0.0 < x[1] <= 1e300):
            return
        y, h = log(x[0]), log(x[1])
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
                    0.0 if s.beta == 0.0 else min(1.0, max(0.0, 1.0 - sqrt(s.p00) / fabs(s.beta))))
