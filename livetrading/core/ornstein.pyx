# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels of the Ornstein-Uhlenbeck fit and of what is read off it (131 to 139, 142), and of a square-root process."""
from libc.math cimport (
    INFINITY, M_PI, NAN, cbrt, erfc, exp, expm1, fabs, floor, isfinite, lgamma, log, log1p, sqrt, tgamma,
)
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memmove

from livetrading.core.kernel cimport Kernel, slots_of
from livetrading.core.reversion cimport clip01, hysteresis, is_rounding, window_moments
from livetrading.core.ring cimport LT_EPS, LT_TOL, lt_ring, lt_ring_at, lt_ring_push, lt_ring_window
from livetrading.core.variates cimport lt_log

cdef enum:
    LONGEST_SERIES = 1000       # terms of the parabolic cylinder's series; 400 are enough
    ORDERS = 10                 # of its expansion for large arguments
    NODES = 25                  # of the mean passage, half a unit apart
    SIMPSON = 200

cdef double ZERO = 1e-12        # an sd of this share of the largest value is rounding
cdef double FASTEST = 1e-6      # stands for b <= 0: reversion faster than the sampling
cdef double DICKEY_FULLER = 3.43
cdef double LN2 = 0.693147180559945309417
cdef double PHI0 = 0.398942280401432677940      # 1 / sqrt(2 pi)


# The fit: increments d_i = x_{i+1} - x_i on x_i over the n - 1 pairs of the last n values, slope g = b - 1.
# Increments keep the digits that b = Sxy / Sxx loses where it is close to 1.

cdef enum:
    FIT_NONE = 0                # b >= 1, or regressors without variance
    FIT_NOISELESS = 1
    FIT_OK = 2

ctypedef struct ou_t:
    lt_ring ring
    uint64_t n
    double pairs
    double anchor, su, suu, sud, sdd        # sums of u = x - anchor and of d
    double reach_uu, reach_dd, updates      # since they were exact

ctypedef struct fit_t:
    int state
    double x, g, theta, mu, s_eq, sigma, t, s2
    double sdd                              # of d about its mean
    double dbar


cdef void ou_open(ou_t *s, uint64_t n) noexcept nogil:
    s.n = n
    s.pairs = <double> (n - 1)


cdef void ou_exact(ou_t *s, double *sxx, double *sxd, double *sdd) noexcept nogil:
    """Sums from the window; those about the means into sxx, sxd and sdd."""
    cdef const double *x = lt_ring_window(&s.ring, s.n)
    cdef uint64_t i, pairs = s.n - 1
    cdef double total = 0.0, u, d, dbar = (x[pairs] - x[0]) / s.pairs, rest = 0.0, left = 0.0
    for i in range(pairs):
        total += x[i] - x[0]
    s.anchor = x[0] + total / s.pairs
    s.su = s.suu = s.sud = s.sdd = 0.0
    sxd[0] = sdd[0] = 0.0
    for i in range(pairs):
        u, d = x[i] - s.anchor, x[i + 1] - x[i]
        s.su += u
        s.suu += u * u
        s.sud += u * d
        s.sdd += d * d
        rest = d - dbar
        left += rest
        sxd[0] += u * rest
        sdd[0] += rest * rest
    sxx[0] = s.suu - s.su * s.su / s.pairs
    sxd[0] -= s.su * left / s.pairs
    sdd[0] -= left * left / s.pairs
    s.reach_uu, s.reach_dd, s.updates = s.suu, s.sdd, 0.0


cdef bint ou_slide(ou_t *s, double *sxx, double *sxd, double *sdd) noexcept nogil:
    """Sums after one more value, and whether their bounds hold.

    Replacing a term errs by EPS times the sums before and after it; `reach` adds those up, and for products the
    Cauchy-Schwarz inequality does.
    """
    cdef double enters = lt_ring_at(&s.ring, 1), last = lt_ring_at(&s.ring, 0)
    cdef double leaves = lt_ring_at(&s.ring, s.n), second = lt_ring_at(&s.ring, s.n - 1)
    cdef double u = enters - s.anchor, d = last - enters
    cdef double v = leaves - s.anchor, e = second - leaves, rise = last - second, g, ssr
    cdef double off_uu, off_ud, off_dd
    s.su += u - v
    s.suu += u * u - v * v
    s.sud += u * d - v * e
    s.sdd += d * d - e * e
    s.reach_uu += s.suu
    s.reach_dd += s.sdd
    s.updates += 1.0
    sxx[0] = s.suu - s.su * s.su / s.pairs
    sxd[0] = s.sud - s.su * rise / s.pairs
    sdd[0] = s.sdd - rise * rise / s.pairs
    off_uu = LT_EPS * (3.0 * s.reach_uu + (s.updates + 3.0) * s.suu)
    off_dd = LT_EPS * (3.0 * s.reach_dd + (s.updates + 3.0) * s.sdd)
    off_ud = LT_EPS * (4.0 * sqrt(s.reach_uu * s.reach_dd) + sqrt(s.updates * s.reach_uu * s.sdd))
    g = sxd[0] / sxx[0]
    ssr = sdd[0] - g * sxd[0]
    return (off_uu <= LT_TOL * sxx[0] and off_ud <= LT_TOL * fabs(sxd[0])
            and off_dd + fabs(g) * (2.0 * off_ud + fabs(g) * off_uu) <= LT_TOL * ssr)


cdef double residuals(const ou_t *s, const double *x, double g, double dbar) noexcept nogil:
    """Sum of squared residuals of the window."""
    cdef double e, total = 0.0, rest = 0.0, centre = s.su / s.pairs
    cdef uint64_t i
    for i in range(s.n - 1):
        e = x[i + 1] - x[i] - dbar - g * (x[i] - s.anchor - centre)
        total += e * e
        rest += e
    return max(0.0, total - rest * rest / s.pairs)


cdef bint ou_push(ou_t *s, double x, fit_t *f) noexcept nogil:
    """Feed x; whether there is a window, and then the fit."""
    cdef double sxx = 0.0, sxd = 0.0, sdd = 0.0, mean, ssr, b, bound
    cdef const double *x0
    lt_ring_push(&s.ring, x)
    if s.ring.head < s.n:
        return False
    # where b is next to 0 its digits are those that the sums have lost
    if s.ring.head == s.n or not ou_slide(s, &sxx, &sxd, &sdd) or fabs(sxx + sxd) <= 10.0 * LT_TOL * sxx:
        ou_exact(s, &sxx, &sxd, &sdd)
    x0 = lt_ring_window(&s.ring, s.n)
    mean = s.anchor + s.su / s.pairs
    bound = fabs(mean) + sqrt(max(sxx, 0.0)) + fabs(x - mean)
    f.x, f.sdd, f.dbar = x, max(sdd, 0.0), (x - x0[0]) / s.pairs
    f.state, f.g, f.theta, f.mu, f.s_eq, f.sigma, f.t, f.s2 = FIT_NONE, 0.0, 0.0, NAN, NAN, NAN, 0.0, NAN
    if is_rounding(x0, s.n, sxx / s.pairs, bound) or is_rounding(x0, s.n, f.sdd / s.pairs, bound):
        return True             # increments that are rounding say b = 1
    f.g = sxd / sxx
    if fabs(1.0 + f.g) <= ZERO:     # b is 0; -ln of its rounding would be a speed
        f.g = -1.0
    ssr = sdd - f.g * sxd
    if not ssr > 1e-3 * sdd:    # the sums have not the digits
        ssr = residuals(s, x0, f.g, f.dbar)
    f.s2 = ssr / s.pairs
    if is_rounding(x0, s.n, f.s2, bound):
        f.s2 = 0.0
        f.t = 0.0 if f.g == 0.0 else INFINITY if f.g > 0.0 else -INFINITY
    else:
        f.t = f.g / sqrt(ssr / (s.pairs - 2.0) / sxx)
    if not f.g < 0.0:
        return True
    b = 1.0 + f.g
    f.theta = -log(FASTEST) if b <= 0.0 else -log1p(f.g)
    f.mu = mean - f.dbar / f.g
    f.s_eq = sqrt(f.s2 / (1.0 - FASTEST * FASTEST if b <= 0.0 else -f.g * (2.0 + f.g)))
    f.sigma = sqrt(2.0 * f.theta) * f.s_eq
    f.state = FIT_OK if f.s2 > 0.0 else FIT_NOISELESS
    return True


cdef inline double trust(const fit_t *f) noexcept nogil:
    """How far the Dickey-Fuller statistic goes towards its 1% value."""
    return 0.0 if f.state == FIT_NONE else clip01(-f.t / DICKEY_FULLER)


cdef class OUKernel(Kernel):
    """Feeds the fit with log prices; the subclasses say what they read off it."""
    cdef uint64_t n

    cdef int open(self, uint64_t n, size_t own, Py_ssize_t reads, Py_ssize_t gives, size_t more=0) except -1:
        if n < 4:
            raise ValueError(f"the window must have 4 prices or more, was {n}")
        self.n = n
        self.allocate(own, slots_of(n + 1) + more, reads, gives)
        self.attach(&(<ou_t *> self.own).ring, n + 1)
        return 0

    cdef void start(self) noexcept nogil:
        ou_open(<ou_t *> self.own, self.n)

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef fit_t f
        if isfinite(x[0]) and x[0] > 0.0 and ou_push(<ou_t *> self.own, lt_log(x[0]), &f):
            self.tell(&f)

    cdef void tell(self, const fit_t *f) noexcept nogil:
        pass


# 131 OrnsteinUhlenbeck

ctypedef struct score_t:
    ou_t ou
    double value
    int64_t q

cdef class OUScore(OUKernel):
    cdef double entry, exit

    def __cinit__(self, uint64_t n, double entry, double exit):
        self.entry, self.exit = entry, exit
        self.open(n, sizeof(score_t), 1, 5)
        self.reset()

    cdef void start(self) noexcept nogil:
        OUKernel.start(self)
        (<score_t *> self.own).value = NAN

    cdef void tell(self, const fit_t *f) noexcept nogil:
        cdef score_t *s = <score_t *> self.own
        if f.state != FIT_OK:
            s.q = 0
            self.report(s.value, 0, 0.0)
            return
        s.value = (f.x - f.mu) / f.s_eq
        s.q = hysteresis(<int> s.q, s.value, self.entry, self.exit)
        self.out[0], self.out[1], self.out[2], self.out[3], self.out[4] = f.theta, f.mu, f.s_eq, f.sigma, f.t
        self.report(s.value, <int> s.q, trust(f))


# 132 OUHalfLife

cdef inline double half_life(const fit_t *f) noexcept nogil:
    return INFINITY if f.state == FIT_NONE else LN2 / f.theta


cdef class OUHalfLifeKernel(OUKernel):
    cdef double longest

    def __cinit__(self, uint64_t n, double longest):
        self.longest = longest
        self.open(n, sizeof(ou_t), 1, 0)
        self.reset()

    cdef void tell(self, const fit_t *f) noexcept nogil:
        cdef double value = half_life(f)
        self.report(value, 1 if value <= self.longest else -1, trust(f))


# 133 OUMeanLevel

ctypedef struct held_t:
    ou_t ou
    double value

cdef class OUHeld(OUKernel):
    """One that holds its value where there is nothing to revert to."""

    cdef void start(self) noexcept nogil:
        OUKernel.start(self)
        (<held_t *> self.own).value = NAN

    cdef void tell(self, const fit_t *f) noexcept nogil:
        cdef held_t *s = <held_t *> self.own
        if f.state != FIT_OK:
            self.report(s.value, 0, 0.0)
        else:
            self.fitted(f, s)

    cdef void fitted(self, const fit_t *f, held_t *s) noexcept nogil:
        pass


cdef class OULevel(OUHeld):
    cdef bint mean
    cdef double entry

    def __cinit__(self, uint64_t n, bint mean, double entry):
        self.mean, self.entry = mean, entry
        self.open(n, sizeof(held_t), 1, 2)
        self.reset()

    cdef void fitted(self, const fit_t *f, held_t *s) noexcept nogil:
        cdef double level = f.mu + (0.5 * f.s_eq * f.s_eq if self.mean else 0.0)
        cdef int signal = 0
        s.value = exp(level)
        if fabs(f.x - f.mu) > self.entry * f.s_eq:
            signal = (level > f.x) - (level < f.x)
        self.out[0] = 1e4 * (f.mu - f.x)
        self.out[1] = sqrt(f.s2 / s.ou.pairs) / fabs(f.g)
        self.report(s.value, signal, trust(f))


# 134 OUVolatility

cdef class OUVolatilityKernel(OUHeld):
    def __cinit__(self, uint64_t n):
        self.open(n, sizeof(held_t), 1, 2)
        self.reset()

    cdef void fitted(self, const fit_t *f, held_t *s) noexcept nogil:
        cdef double sd = sqrt(f.sdd / s.ou.pairs)
        s.value = 1e4 * f.sigma
        self.out[0] = f.sigma / sd if sd > ZERO * fabs(f.dbar) else NAN
        self.out[1] = 1e4 * f.s_eq
        self.report(s.value, 0, clip01(1.0 - 1.0 / sqrt(2.0 * s.ou.pairs)))


# 135 OUSpeedOfReversion

cdef class OUSpeed(OUKernel):
    def __cinit__(self, uint64_t n):
        self.open(n, sizeof(ou_t), 1, 2)
        self.reset()

    cdef void tell(self, const fit_t *f) noexcept nogil:
        cdef double capped = exp(min(f.theta, 1.0))
        cdef double bias = (5.0 + capped * (2.0 + capped)) / (2.0 * (<ou_t *> self.own).pairs)
        cdef double value = f.theta - bias
        self.out[0], self.out[1] = f.theta, bias
        self.report(value, -1 if value <= 0.0 else 1 if f.t < -2.86 else 0, trust(f) if value > 0.0 else 0.0)


# 136 OUEquilibrium. h(w) = Phi(-w) exp(w^2 / 2), of which h' = w h - PHI0 and every further derivative follow.

cdef double _H[NODES]
cdef double _G[NODES]           # integral of h from 0 to the node


cdef void _derivatives(double w, double h, int count, double *d) noexcept nogil:
    cdef int k
    d[0], d[1] = h, w * h - PHI0
    for k in range(1, count - 1):
        d[k + 1] = k * d[k - 1] + w * d[k]


cdef double _taylor(double w, double h, double by) noexcept nogil:
    """Integral of h from w to w + by, |by| <= 0.25."""
    cdef double d[16]
    cdef double total = 0.0, power = by
    cdef int k
    _derivatives(w, h, 16, d)
    for k in range(16):
        total += d[k] * power
        power *= by / (k + 2)
    return total


cdef void _set_nodes() noexcept nogil:
    cdef int i
    for i in range(NODES):
        _H[i] = 0.5 * erfc(0.5 * i / sqrt(2.0)) * exp(0.125 * i * i)
    _G[0] = 0.0
    for i in range(1, NODES):
        _G[i] = _G[i - 1] + _taylor(0.5 * (i - 1), _H[i - 1], 0.25) - _taylor(0.5 * i, _H[i], -0.25)


_set_nodes()


cdef inline double _tail(double w) noexcept nogil:
    """Integral of the asymptotic series of h / PHI0."""
    cdef double v = 1.0 / (w * w)
    return log(w) + v * (0.5 - v * (0.75 - v * (2.5 - v * (13.125 - v * (94.5 - v * 866.25)))))


cdef double _passage(double z) noexcept nogil:
    """Simpson's rule for the integral of h from 0 to z >= 0, 200 intervals, where it holds to 1e-6; else the integral.

    The rule's own error is known by the derivatives at both ends (Euler and Maclaurin), so it need not be summed up.
    """
    cdef int k = <int> floor(2.0 * min(z, 12.0) + 0.5)
    cdef double total, step = z / SIMPSON, third = 0.0, fifth = 0.0, seventh = 0.0, by, h
    cdef double d[8]
    if z >= 12.0:
        total = _G[NODES - 1] + PHI0 * (_tail(z) - _tail(12.0))
    else:
        by = z - 0.5 * k
        total = _G[k] + _taylor(0.5 * k, _H[k], by)
        h = 0.5 * erfc(z / sqrt(2.0)) * exp(0.5 * z * z)
        _derivatives(z, h, 8, d)
        third, fifth, seventh = d[3], d[5], d[7]
    if z > 25.0:
        return total
    step *= step
    fifth = (fifth + 8.0 * PHI0) / 1512.0 - step * (seventh + 48.0 * PHI0) / 14400.0
    total += step * step * ((third + 2.0 * PHI0) / 180.0 - step * fifth)
    return total


def mean_passage(double theta, double z):
    """Mean time of a stationary process until it is at its mean, from z sd away.

    Parameters
    ----------
    theta : float
        Speed of reversion, per observation.
    z : float
        sd.

    Returns
    -------
    float
        Observations.
    """
    return _passage(fabs(z)) / (PHI0 * theta)


cdef class OUTail(OUHeld):
    cdef double tail

    def __cinit__(self, uint64_t n, double tail):
        self.tail = tail
        self.open(n, sizeof(held_t), 1, 1)
        self.reset()

    cdef void fitted(self, const fit_t *f, held_t *s) noexcept nogil:
        cdef double z = (f.x - f.mu) / f.s_eq
        s.value = 0.5 * erfc(-z / sqrt(2.0))
        self.out[0] = _passage(fabs(z)) / (PHI0 * f.theta)
        self.report(s.value, 1 if s.value < self.tail else -1 if s.value > 1.0 - self.tail else 0,
                    fabs(2.0 * s.value - 1.0) * trust(f))


# 137 OUOptimalEntry

cdef double _dawson(double y) noexcept nogil:
    """exp(-y^2) times the integral of exp(u^2) from 0 to y >= 0."""
    cdef double v, term, total, e, up, down, rest, square
    cdef int k, n
    if y < 1.0:
        return y - _dawson_gap(y)
    if y > 8.0:
        v = 0.5 / (y * y)
        term = total = 1.0
        for k in range(1, 14):
            term *= (2 * k - 1) * v
            total += term
        return total * 0.5 / y
    # Rybicki's sum over odd multiples of 0.2; its error is exp(-(pi / 0.4)^2)
    n = 2 * <int> floor(y / 0.4 + 0.5)
    rest = y - 0.2 * n
    e = exp(0.4 * rest)
    up, down, square, total = e, 1.0 / e, e * e, 0.0
    for k in range(1, 35, 2):
        total += _BELL[k // 2] * (up / (n + k) + down / (n - k))
        up *= square
        down /= square
    return exp(-rest * rest) * total / sqrt(M_PI)


cdef double _dawson_gap(double y) noexcept nogil:
    """y less Dawson's function of it, to full relative accuracy near 0."""
    cdef double term, total, v
    cdef int k
    if y >= 1.0:
        return y - _dawson(y)
    v, term, total = 2.0 * y * y, y, 0.0
    for k in range(1, 26):
        term *= -v / (2 * k + 1)
        total -= term
        if fabs(term) <= 1e-17 * fabs(total):
            break
    return total


cdef double _BELL[17]
for _i in range(17):
    _BELL[_i] = exp(-0.04 * (2 * _i + 1) * (2 * _i + 1))


cdef double _entry_root(double t, double guess) noexcept nogil:
    """y > 0 with y - D(y) = t; D lies between 0 and 0.5411, and so does y - t."""
    cdef double low = t, high = t + 0.5411, y = guess, gap, slope, trial
    cdef int _
    if not low < y < high:
        y = min(high, cbrt(1.5 * t)) if t < 0.2 else t + min(0.5411, 0.5 / t)
    for _ in range(80):
        gap = _dawson_gap(y) - t
        if gap > 0.0:
            high = y
        else:
            low = y
        slope = 2.0 * y * (y - gap - t)
        trial = y - gap / slope
        if not low < trial < high:
            trial = 0.5 * (low + high)
        elif fabs(trial - y) <= 1e-9 * y:   # the error is of the second order in this step
            return trial
        if fabs(trial - y) <= 4e-16 * y:
            return trial
        y = trial
    return y


ctypedef struct entry_t:
    double theta, sigma, level, cycle, rate


cdef void entry_solve(entry_t *e, double theta, double sigma, double cost) noexcept nogil:
    cdef double k = sqrt(theta) / sigma, y = _entry_root(0.5 * cost * k, e.level * k)
    e.theta, e.sigma, e.level = theta, sigma, y / k
    e.cycle = 2.0 * M_PI / theta * (2.0 / sqrt(M_PI)) * exp(y * y) * _dawson(y)
    e.rate = (2.0 * e.level - cost) / e.cycle


def entry_level(double theta, double sigma, double cost):
    """Where to enter on an Ornstein-Uhlenbeck process, symmetrically about its mean, for most profit a time.

    Parameters
    ----------
    theta : float
        Speed of reversion, per observation.
    sigma : float
        Volatility, per square root of an observation.
    cost : float
        Of a round trip, log units; above 0.

    Returns
    -------
    tuple of three float
        Distance from the mean (log units), profit per observation, observations of a cycle.
    """
    cdef entry_t e
    e.level = 0.0
    entry_solve(&e, theta, sigma, cost)
    return e.level, e.rate, e.cycle


ctypedef struct entering_t:
    held_t held
    entry_t entry

cdef inline bint moved(double theta, double sigma, double theta_0, double sigma_0) noexcept nogil:
    """Whether a solution is to be had afresh: more than 1% from the last one's, or there is none."""
    return not (fabs(theta / theta_0 - 1.0) <= 0.01 and fabs(sigma / sigma_0 - 1.0) <= 0.01)


cdef class OUEntry(OUHeld):
    cdef double cost

    def __cinit__(self, uint64_t n, double cost):
        self.cost = cost
        self.open(n, sizeof(entering_t), 1, 3)
        self.reset()

    cdef void fitted(self, const fit_t *f, held_t *s) noexcept nogil:
        cdef entry_t *e = &(<entering_t *> s).entry
        cdef double away = f.x - f.mu
        if e.theta == 0.0 or moved(f.theta, f.sigma, e.theta, e.sigma):
            entry_solve(e, f.theta, f.sigma, self.cost)
        s.value = e.level / f.s_eq
        self.out[0], self.out[1], self.out[2] = 1e4 * e.level, e.rate, e.cycle
        self.report(s.value, 1 if away <= -e.level else -1 if away >= e.level else 0, trust(f))


# 138 OUOptimalExit. m = F'/F (in units of q) is the mean of the density u^(nu - 1) exp(s u - u^2 / 2), u > 0, and
# m' = nu + s m - m^2.

cdef double _P[ORDERS][ORDERS]
# For large w^2 = s^2 + 4 nu - 2: m = s/2 + sum over k of w^(1 - 2k) p_k(s / w), from g' = w^2/4 - g^2, g = m - s/2.

cdef void _set_orders() noexcept nogil:
    cdef int i, k, a, b
    cdef double p[ORDERS + 2]
    for k in range(ORDERS):
        for i in range(ORDERS):
            _P[k][i] = 0.0
    _P[0][0] = 0.5
    for k in range(ORDERS - 1):
        for i in range(ORDERS + 2):
            p[i] = 0.0
        for a in range(1, k + 1):
            for i in range(ORDERS):
                for b in range(ORDERS - i):
                    p[i + b] += _P[a][i] * _P[k + 1 - a][b]
        for i in range(ORDERS):     # (1 - 2k) x p + (1 - x^2) p'
            p[i + 1] += (1 - 2 * k - i) * _P[k][i]
            if i > 0:
                p[i - 1] += i * _P[k][i]
        for i in range(ORDERS):
            _P[k + 1][i] = -p[i]


_set_orders()


cdef double _mean_large(double s, double nu) noexcept nogil:
    cdef double square = s * s + 4.0 * nu - 2.0, w = sqrt(square), x = s / w, scale = w, total = 0.5 * s, p
    cdef int i, k
    for k in range(ORDERS):
        p = 0.0
        for i in range(k, -1, -1):
            p = p * x + _P[k][i]
        total += p * scale
        scale /= square
    return total


cdef double _STEP[LONGEST_SERIES]
for _i in range(LONGEST_SERIES):
    _STEP[_i] = 1.0 / ((_i + 1.0) * (_i + 2.0))


cdef inline bint is_large(double s, double nu) noexcept nogil:
    return s * s + 4.0 * nu - 2.0 > 150.0


cdef double _mean(double s, double nu, double ratio) noexcept nogil:
    """m(s) for s >= 0 and nu > 0; the even and the odd powers of the series of F are its halves, `ratio` m(0)."""
    cdef double even = 1.0, odd = s, evens = 1.0, odds = s, even_slopes = 0.0, odd_slopes = s
    cdef double square = s * s, order = nu
    cdef int k
    if is_large(s, nu):
        return _mean_large(s, nu)
    if s == 0.0:
        return ratio
    for k in range(0, LONGEST_SERIES - 1, 2):
        even *= square * order * _STEP[k]
        odd *= square * (order + 1.0) * _STEP[k + 1]
        evens += even
        odds += odd
        even_slopes += (k + 2) * even
        odd_slopes += (k + 3) * odd
        order += 2.0
        if (k + 3) * odd < 1e-17 * odd_slopes and (k + 2) * even < 1e-17 * (even_slopes + evens):
            break
    return (even_slopes + ratio * odd_slopes) / (s * (evens + ratio * odds))


cdef double _exit_root(double nu, double t, double guess) noexcept nogil:
    """s > t with (s - t) m(s) = 1, by Halley's method within a bracket."""
    cdef double low = t, high = INFINITY, s = guess if guess > t else t + 1.0, m, gap, trial, first, second, slope
    cdef double ratio = sqrt(2.0) * tgamma(0.5 * nu + 0.5) / tgamma(0.5 * nu) if not is_large(0.0, nu) else 0.0
    cdef int _
    for _ in range(200):
        m = _mean(s, nu, ratio)
        gap = (s - t) * m - 1.0
        if gap > 0.0:
            high = s
        else:
            low = s
        first = nu + m * (s - m)
        second = m + first * (s - 2.0 * m)
        slope = m + (s - t) * first
        trial = s - gap / (slope - 0.5 * gap * (2.0 * first + (s - t) * second) / slope)
        if not low < trial < high:
            trial = 0.5 * (low + high) if isfinite(high) else t + 2.0 * (s - t)
        elif fabs(trial - s) <= 1e-6 * (s - t):     # the error is of the third order in this step
            return trial
        if fabs(trial - s) <= 4e-16 * s:
            return trial
        s = trial
    return s


def exit_level(double theta, double sigma, double rate, double cost):
    """Where to leave an Ornstein-Uhlenbeck process at a discount, so that what is had is worth most.

    Parameters
    ----------
    theta : float
        Speed of reversion, per observation.
    sigma : float
        Volatility, per square root of an observation.
    rate : float
        Discount, per observation.
    cost : float
        Of leaving, log units.

    Returns
    -------
    float
        Distance above the mean, log units.
    """
    cdef double q = sqrt(2.0 * theta) / sigma
    return _exit_root(rate / theta, cost * q, 0.0) / q


ctypedef struct leaving_t:
    held_t held
    double theta, sigma, level, root, position

cdef class OUExit(OUHeld):
    cdef double rate, cost

    def __cinit__(self, uint64_t n, double rate, double cost):
        self.rate, self.cost = rate, cost
        self.open(n, sizeof(leaving_t), 2, 2)
        self.reset()

    cdef void start(self) noexcept nogil:
        OUHeld.start(self)
        (<leaving_t *> self.own).position = NAN

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        if isfinite(x[1]):
            (<leaving_t *> self.own).position = x[1]
        OUHeld.step(self, ts, x)

    cdef void tell(self, const fit_t *f) noexcept nogil:
        cdef leaving_t *s = <leaving_t *> self.own
        cdef double q, away = f.x - f.mu
        cdef int leave = 0
        if f.state == FIT_OK:
            if s.theta == 0.0 or moved(f.theta, f.sigma, s.theta, s.sigma):
                q = sqrt(2.0 * f.theta) / f.sigma
                s.root = _exit_root(self.rate / f.theta, self.cost * q, s.root)
                s.theta, s.sigma, s.level = f.theta, f.sigma, s.root / q
            s.held.value = s.level
            self.out[0], self.out[1] = 1e4 * s.level, s.level / f.s_eq
            leave = s.position > 0.0 and away >= s.level or s.position < 0.0 and away <= -s.level
        if s.position == s.position:
            self.report(s.held.value, leave, trust(f) if f.state == FIT_OK else 0.0)


# 139 VasicekModel

ctypedef struct funding_t:
    ou_t ou
    uint64_t sorted

cdef double PER_YEAR = 1095.0


cdef inline double mean_rate(double kappa, double beta, double rate, double years) noexcept nogil:
    cdef double h = kappa * years
    return rate if h < 1e-8 else beta - (rate - beta) * expm1(-h) / h


def vasicek_mean(double kappa, double beta, double rate, double days):
    """Expected average of a Vasicek rate over the next days.

    Parameters
    ----------
    kappa : float
        Speed of reversion, per year.
    beta, rate : float
        Long-run and present rate, per year.
    days : float

    Returns
    -------
    float
    """
    return mean_rate(kappa, beta, rate, days / 365.0)


cdef uint64_t _place(const double *x, uint64_t n, double value) noexcept nogil:
    """How many of a sorted array are below a value."""
    cdef uint64_t low = 0, high = n, middle
    while low < high:
        middle = (low + high) // 2
        if x[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


cdef double _quantile(const double *x, uint64_t n, double share) noexcept nogil:
    """Of a sorted array, linear between its values."""
    cdef double at = share * <double> (n - 1), part
    cdef uint64_t i = <uint64_t> at
    if i + 1 >= n:
        return x[n - 1]
    part = at - <double> i
    return x[i] + (x[i + 1] - x[i]) * part if part < 0.5 else x[i + 1] - (x[i + 1] - x[i]) * (1.0 - part)


cdef class Vasicek(OUKernel):
    cdef double years, dt
    cdef double *order

    def __cinit__(self, uint64_t n, double days, double dt):
        self.years, self.dt = days / 365.0, dt
        self.open(n, sizeof(funding_t), 1, 4, n + 1)
        self.order = self.array(n + 1)
        self.reset()

    cdef void sort_in(self, funding_t *s, double rate) noexcept nogil:
        cdef uint64_t at
        cdef double leaves
        if s.sorted == self.n:
            leaves = lt_ring_at(&s.ou.ring, self.n)
            at = _place(self.order, s.sorted, leaves)
            memmove(self.order + at, self.order + at + 1, (s.sorted - at - 1) * sizeof(double))
            s.sorted -= 1
        at = _place(self.order, s.sorted, rate)
        memmove(self.order + at + 1, self.order + at, (s.sorted - at) * sizeof(double))
        self.order[at] = rate
        s.sorted += 1

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef funding_t *s = <funding_t *> self.own
        cdef fit_t f
        cdef double rate = PER_YEAR * x[0], kappa, value
        cdef bint full
        if not isfinite(x[0]) or not isfinite(rate):
            return
        full = ou_push(&s.ou, rate, &f)
        self.sort_in(s, rate)
        if not full:
            return
        if f.state != FIT_OK:
            self.out[0], self.out[3] = 0.0, rate
            self.report(rate, 0, 0.0)
            return
        kappa = f.theta / self.dt
        value = mean_rate(kappa, f.mu, rate, self.years)
        self.out[0], self.out[1], self.out[2], self.out[3] = kappa, f.mu, f.sigma / sqrt(self.dt), rate
        self.report(value, -1 if value > _quantile(self.order, self.n, 0.95)
                    else 1 if value < _quantile(self.order, self.n, 0.05) else 0, trust(&f))


# 142 AdaptiveZScore

ctypedef struct adaptive_t:
    ou_t ou
    lt_ring price
    int64_t q


cdef class AdaptiveScore(OUKernel):
    cdef double mult, entry, exit
    cdef uint64_t n_min, n_max

    def __cinit__(self, uint64_t n, double mult, uint64_t n_min, uint64_t n_max, double entry, double exit):
        self.mult, self.n_min, self.n_max, self.entry, self.exit = mult, n_min, n_max, entry, exit
        self.open(n, sizeof(adaptive_t), 1, 2, slots_of(n_max))
        self.attach(&(<adaptive_t *> self.own).price, n_max)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef adaptive_t *s = <adaptive_t *> self.own
        cdef fit_t f
        cdef double life, length, z, gap = 0.0, mean = 0.0, sd = 0.0
        cdef bint full
        cdef uint64_t n
        if not (isfinite(x[0]) and x[0] > 0.0):
            return
        lt_ring_push(&s.price, x[0])
        full = ou_push(&s.ou, lt_log(x[0]), &f)
        if not full or s.price.head < self.n_max:
            return
        life = half_life(&f)
        length = floor(self.mult * life + 0.5)
        n = self.n_max if not length < <double> self.n_max else max(self.n_min, <uint64_t> length)
        window_moments(lt_ring_window(&s.price, n), n, &gap, &mean, &sd)
        z = gap / sd if sd > ZERO * mean else 0.0
        s.q = hysteresis(<int> s.q, z, self.entry, self.exit)
        self.out[0], self.out[1] = <double> n, life
        self.report(z, <int> s.q, clip01(fabs(z) / (2.0 * self.entry)))


# 140 CIRModel

cdef double _gamma_prefix(double a, double x) noexcept nogil:
    """x^a exp(-x) / Gamma(a + 1)."""
    cdef double r = (x - a) / a, v
    if a < 20.0:
        return exp(a * log(x) - x - lgamma(a + 1.0))
    v = 1.0 / (a * a)
    return exp(-a * (r - log1p(r)) - (1.0 / 12.0 - v * (1.0 / 360.0 - v * (1.0 / 1260.0 - v / 1680.0))) / a) \
        / sqrt(2.0 * M_PI * a)


cdef double gamma_p(double a, double x) noexcept nogil:
    """Regularised lower incomplete gamma function."""
    cdef double term, total, b, c, d, h, eta, r
    cdef int i
    if not x > 0.0:
        return 0.0
    if a > 1e6:                 # Temme's uniform expansion, its first term
        r = (x - a) / a
        eta = sqrt(2.0 * max(0.0, r - log1p(r)))
        eta = -eta if r < 0.0 else eta
        c = 1.0 / r - 1.0 / eta if fabs(eta) > 1e-4 else -1.0 / 3.0 + eta / 12.0
        return 0.5 * erfc(-eta * sqrt(0.5 * a)) - exp(-0.5 * a * eta * eta) / sqrt(2.0 * M_PI * a) * c
    if x < a + 1.0:
        term = total = 1.0
        for i in range(1, 100000):
            term *= x / (a + i)
            total += term
            if term < 1e-17 * total:
                break
        return min(1.0, total * _gamma_prefix(a, x))
    b, c, d = x + 1.0 - a, 1e300, 1.0 / (x + 1.0 - a)
    h = d
    for i in range(1, 100000):  # Lentz
        term = -i * (i - a)
        b += 2.0
        d = 1.0 / (term * d + b)
        c = b + term / c
        h *= d * c
        if fabs(d * c - 1.0) < 1e-16:
            break
    return 1.0 - min(1.0, h * a * _gamma_prefix(a, x))


def gamma_cdf(double shape, double x):
    """Distribution function of a gamma variable of scale 1.

    Parameters
    ----------
    shape, x : float

    Returns
    -------
    float
    """
    return gamma_p(shape, x)


ctypedef struct root_t:
    lt_ring blocks
    double last, sum
    int64_t returns

ctypedef struct cir_t:
    double a, theta, s, t, last


cdef bint cir_fit(const double *v, uint64_t n, cir_t *f) noexcept nogil:
    """Least squares of (V' - V) / sqrt(V) on 1 / sqrt(V) and sqrt(V), by orthogonal columns; False where singular."""
    cdef double r11 = 0.0, r12 = 0.0, r22 = 0.0, y1 = 0.0, y2 = 0.0, ssr = 0.0, root, y, x2, big, c1, c2, rest, size
    cdef double terms = 0.0
    cdef uint64_t i
    cdef double pairs = 0.0
    for i in range(n - 1):
        if v[i] > 0.0:
            pairs += 1.0
            r11 += 1.0 / v[i]
            r12 += 1.0              # of the columns 1/sqrt(V) and sqrt(V)
            y1 += (v[i + 1] - v[i]) / v[i]
    if pairs < 3.0:
        return False
    r11 = sqrt(r11)
    r12 /= r11
    y1 /= r11
    for i in range(n - 1):
        if v[i] > 0.0:
            root = sqrt(v[i])
            x2 = root - r12 / (root * r11)
            r22 += x2 * x2
            y2 += x2 * ((v[i + 1] - v[i]) / root - y1 / (root * r11))
    size = r11 * r11 + r12 * r12 + r22
    r22 = sqrt(r22)
    big = 0.5 * (size + sqrt(max(0.0, size * size - 4.0 * r11 * r11 * r22 * r22)))
    if not big <= 1e12 * r11 * r22:
        return False
    c2 = y2 / (r22 * r22)
    c1 = (y1 - r12 * c2) / r11
    for i in range(n - 1):
        if v[i] > 0.0:
            root = sqrt(v[i])
            y = (v[i + 1] - v[i]) / root
            rest = y - c1 / root - c2 * root
            ssr += rest * rest
            rest = max(v[i + 1] / root, fabs(c2) * root)
            terms += rest * rest
    if ssr <= ZERO * ZERO * terms:      # what the rounding of the terms leaves
        ssr = 0.0
    f.a, f.theta, f.s, f.last = -c2, -c1 / c2, sqrt(ssr / pairs), v[n - 1]
    f.t = f.a * r22 / sqrt(ssr / (pairs - 2.0)) if ssr > 0.0 else INFINITY
    return f.a > 0.0 and f.theta > 0.0


cdef class SquareRoot(Kernel):
    cdef uint64_t m, n

    def __cinit__(self, uint64_t m, uint64_t n):
        self.m, self.n = m, n
        self.allocate(sizeof(root_t), slots_of(n), reads=1, gives=4)
        self.attach(&(<root_t *> self.own).blocks, n)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef root_t *s = <root_t *> self.own
        cdef double r
        if not (isfinite(x[0]) and x[0] > 0.0):
            return
        if s.last != 0.0:
            r = 1e4 * log_ratio(x[0], s.last)
            s.sum += r * r
            s.returns += 1
        s.last = x[0]
        if s.returns == <int64_t> self.m:
            lt_ring_push(&s.blocks, s.sum / <double> self.m)
            s.sum, s.returns = 0.0, 0
            if s.blocks.head >= self.n:
                self.close(lt_ring_window(&s.blocks, self.n))

    cdef void close(self, const double *v) noexcept nogil:
        cdef cir_t f
        cdef double mean = 0.0, cdf
        cdef uint64_t i
        if not cir_fit(v, self.n, &f):
            for i in range(self.n):
                mean += v[i]
            for i in range(4):
                self.out[i] = NAN
            self.report(mean / <double> self.n, 0, 0.0)
            return
        cdf = stationary(&f)
        self.out[0], self.out[1], self.out[2], self.out[3] = f.a, f.s, 2.0 * f.a * f.theta / (f.s * f.s), cdf
        self.report(f.theta, 1 if 0.0 < cdf < 0.05 else -1 if cdf > 0.95 else 0, clip01(f.t / 3.0))


cdef double stationary(const cir_t *f) noexcept nogil:
    """Gamma distribution function of the last block; a step where the process has no noise, 1/2 at it."""
    cdef double scale = f.s * f.s / (2.0 * f.a)
    if not scale > 0.0:
        return 0.5 if fabs(f.last - f.theta) <= 1e-9 * f.theta else 0.0 if f.last < f.theta else 1.0
    return gamma_p(f.theta / scale, f.last / scale)


cdef inline double log_ratio(double p, double q) noexcept nogil:
    """ln(p / q), accurate where they are close."""
    cdef double gap = (p - q) / q
    return log1p(gap) if fabs(gap) < 0.5 else lt_log(p) - lt_log(q)
