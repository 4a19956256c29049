# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels of statistics: signs, moments, channels, momentum, bursts, distances; and the tails that tests need."""
from libc.math cimport erfc, fabs, sqrt
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.elementary cimport clip01, log1p_of, log_of_ratio, normal_confidence, side_of
from livetrading.core.kernel cimport Kernel, slots_of
from livetrading.core.ring cimport (
    LT_WARMUP, lt_moments, lt_moments_push, lt_ring, lt_ring_at, lt_ring_capacity, lt_ring_push, lt_ring_window,
)
from livetrading.core.variates cimport lt_exp, lt_log

cdef extern from "lt_rolling.h" nogil:
    void lt_moments_exact(lt_moments *s) noexcept

cdef enum:
    LANES = 32                  # the own price and 31 others, of a cross section

cdef double LN2 = 0.69314718055994530942
cdef double LN_2PI = 1.83787706640934548356


cdef inline bint is_price(double x) noexcept nogil:
    return 0.0 < x <= 1.7976931348623157e308


# Tails

cdef double stirling_error(double z) noexcept nogil:
    """ln Gamma(z) less Stirling's (z - 1/2) ln z - z + ln(2 pi) / 2, for z > 0."""
    cdef double shift = 0.0, w, w2
    while z < 12.0:
        shift += (z + 0.5) * log_of_ratio(z + 1.0, z) - 1.0
        z += 1.0
    w = 1.0 / z
    w2 = w * w
    return shift + w * (1.0 / 12.0 - w2 * (1.0 / 360.0 - w2 * (1.0 / 1260.0 - w2 * (1.0 / 1680.0 - w2 * (
        1.0 / 1188.0 - w2 * (691.0 / 360360.0 - w2 / 156.0))))))


cdef double beta_fraction(double a, double b, double x) noexcept nogil:
    """The continued fraction of the incomplete beta function, by Lentz's rule."""
    cdef double c = 1.0, d = 1.0 / (1.0 - (a + b) * x / (a + 1.0)), h = d, t, step
    cdef int64_t m
    for m in range(1, 100000):
        t = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        d = 1.0 / (1.0 + t * d)
        c = 1.0 + t / c
        h *= d * c
        t = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = 1.0 / (1.0 + t * d)
        c = 1.0 + t / c
        step = d * c
        h *= step
        if fabs(step - 1.0) < 2e-16:
            break
    return h


cdef double beta_below(double a, double b, double x, double y) noexcept nogil:
    """I_x(a, b), the regularised incomplete beta function, with y = 1 - x (Loader's form of the density)."""
    cdef double s = a + b, density
    if x <= 0.0:
        return 0.0
    if y <= 0.0:
        return 1.0
    density = lt_exp(stirling_error(s) - stirling_error(a) - stirling_error(b) + a * log_of_ratio(x * s, a)
                     + b * log_of_ratio(y * s, b) + 0.5 * (lt_log(a) + log_of_ratio(b, s) - LN_2PI))
    if x < (a + 1.0) / (s + 2.0):
        return clip01(density * beta_fraction(a, b, x) / a)
    return clip01(1.0 - density * beta_fraction(b, a, y) / b)


cdef double chi_square_above(double x, int64_t df) noexcept nogil:
    """Survival of chi-squared with df >= 1 degrees of freedom: sums of positive terms (DLMF 8.4.10, 8.4.12)."""
    cdef double h = 0.5 * x, half = 0.5 * (df & 1), term, total, j
    cdef int64_t k = df // 2, i
    if not x > 0.0:
        return 1.0
    if h > 1e6 + 2.0 * df:
        return 0.0
    total = erfc(sqrt(h)) if df & 1 else 0.0
    if k == 0:
        return total
    if h <= 600.0:
        # h^j e^-h / Gamma(j + 1) from the least j
        term = lt_exp(-h) * (sqrt(h) * 1.12837916709551257390 if df & 1 else 1.0)
        for i in range(k):
            j = i + half
            total += term
            term *= h / (j + 1.0)
        return clip01(total)
    # from the last j: e^-h alone would underflow
    j = k - 1 + half
    term = lt_exp(j * log_of_ratio(h, j + 1.0) + j + 1.0 - h - 0.5 * (lt_log(j + 1.0) + LN_2PI)
                  - stirling_error(j + 1.0))
    while j > -0.75 + half:
        total += term
        term *= j / h
        j -= 1.0
    return clip01(total)


def chi_square_survival(double x, int64_t df):
    """P(X > x) of chi-squared with `df` degrees of freedom.

    Raises
    ------
    ValueError
        If `df` is below 1.

    References
    ----------
    DLMF, 8.4.10 and 8.4.12.
    """
    if df < 1:
        raise ValueError(f"df must be at least 1, was {df}")
    return chi_square_above(x, df)


def student_two_sided(double t, double df):
    """P(|T| > |t|) of Student's t with `df` degrees of freedom.

    Raises
    ------
    ValueError
        If `df` is not above 0.
    """
    if not df > 0.0:
        raise ValueError(f"df must be > 0, was {df}")
    cdef double square = t * t
    if square > 1e300:
        return 0.0
    return beta_below(0.5 * df, 0.5, df / (df + square), square / (df + square))


def beta_survival(double x, double a, double b):
    """P(X > x) of Beta(a, b).

    Raises
    ------
    ValueError
        If `a` or `b` is not above 0.

    References
    ----------
    DLMF, 8.17.22; Loader (2000), Fast and Accurate Computation of Binomial Probabilities.
    """
    if not (a > 0.0 and b > 0.0):
        raise ValueError(f"a and b must be > 0, were {a} and {b}")
    return beta_below(b, a, 1.0 - x, x)


def concordance(const double[::1] x not None, const double[::1] y not None):
    """Count over all pairs of observations what Kendall's tau is made of.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n,)

    Returns
    -------
    tuple of int
        Concordant less discordant pairs, pairs that differ in x, pairs that differ in y.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    cdef Py_ssize_t i, j, n = x.shape[0]
    cdef int64_t score = 0, in_x = 0, in_y = 0
    cdef int u, v
    if y.shape[0] != n:
        raise ValueError(f"x and y must be of one length, were {n} and {y.shape[0]}")
    with nogil:
        for i in range(n):
            for j in range(i):
                u = (x[i] > x[j]) - (x[i] < x[j])
                v = (y[i] > y[j]) - (y[i] < y[j])
                score += u * v
                in_x += u & 1
                in_y += v & 1
    return score, in_x, in_y


# 1 BayesianProbability

ctypedef struct updown_t:
    double price, ups, downs
    int64_t seen


cdef class UpDown(Kernel):
    cdef double lam, a0, b0, entry
    cdef int64_t min_obs

    def __cinit__(self, double lam, double a0, double b0, double entry, int64_t min_obs):
        self.lam, self.a0, self.b0, self.entry, self.min_obs = lam, a0, b0, entry, min_obs
        self.allocate(sizeof(updown_t), 0, reads=1, gives=3)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef updown_t *s = <updown_t *> self.own
        cdef double before = s.price, price = x[0], a, b, value
        if not is_price(price):
            return
        s.price = price
        if before == 0.0 or price == before:
            return
        s.ups = self.lam * s.ups + (price > before)
        s.downs = self.lam * s.downs + (price < before)
        s.seen += 1
        if s.seen < self.min_obs:
            return
        a, b = self.a0 + s.ups, self.b0 + s.downs
        value = beta_below(b, a, 0.5, 0.5)
        self.out[0], self.out[1], self.out[2] = a, b, a / (a + b)
        self.report(value, 1 if value >= self.entry else -1 if value <= 1.0 - self.entry else 0,
                    fabs(2.0 * value - 1.0))


# 2 MaximumLikelihood

ctypedef struct likelihood_t:
    lt_moments moments
    double price


cdef class Likelihood(Kernel):
    cdef uint64_t n
    cdef double entry

    def __cinit__(self, uint64_t n, double entry):
        self.n, self.entry = n, entry
        self.allocate(sizeof(likelihood_t), slots_of(n + 1), reads=1, gives=4)
        self.attach(&(<likelihood_t *> self.own).moments.ring, n + 1)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef likelihood_t *s = <likelihood_t *> self.own
        s.moments.window = self.n
        s.moments.inverse = 1.0 / <double> self.n

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef likelihood_t *s = <likelihood_t *> self.own
        cdef double before = s.price, n = <double> self.n, mu, variance, lr, value
        if not is_price(x[0]):
            return
        s.price = x[0]
        if before == 0.0 or lt_moments_push(&s.moments, log_of_ratio(x[0], before)) == LT_WARMUP:
            return
        if s.moments.updates >= n:
            lt_moments_exact(&s.moments)
        variance = s.moments.m2 / n
        if not variance > 1e-24:
            self.out[0] = self.out[1] = self.out[2] = self.out[3] = 0.0
            self.report(0.0, 0, 0.0)
            return
        mu = s.moments.anchor + s.moments.mean
        lr = n * log1p_of(mu * mu / variance)
        value = side_of(mu) * sqrt(lr)
        self.out[0], self.out[1], self.out[3] = mu, sqrt(variance), lr
        self.out[2] = -0.5 * n * (LN_2PI + lt_log(variance) + 1.0)
        self.report(value, side_of(value) if fabs(value) >= self.entry else 0, normal_confidence(value))


# 3 HawkesProcess

cdef double excitement(const double *t, Py_ssize_t n, double beta, double at) noexcept nogil:
    """Sum of e^-beta(at - t_i)."""
    cdef double total = 0.0
    cdef Py_ssize_t i
    for i in range(n):
        total += lt_exp(-beta * (at - t[i]))
    return total


def hawkes_intensity(const double[::1] times not None, double mu, double alpha, double beta, double at):
    """Intensity at a time of the exponential Hawkes process after its events, the one at that time included.

    Parameters
    ----------
    times : ndarray of float64, shape (n,)
        s, none after `at`.
    mu, alpha, beta : float
        Base rate, jump at an event, decay; 1/s.
    at : float
        s.

    Returns
    -------
    float
        Events a second.
    """
    cdef Py_ssize_t n = times.shape[0]
    return mu + alpha * excitement(&times[0], n, beta, at) if n else mu


cdef double hawkes_slope(const double *t, Py_ssize_t n, double mu, double eta, double beta, double end,
                         double *slope) noexcept nogil:
    """Log-likelihood of events from 0 to `end`, alpha = eta beta, and its slopes in mu, eta and beta, in one pass."""
    cdef double total = 0.0, a = 0.0, da = 0.0, gap, stays, rate, after, dafter
    cdef Py_ssize_t i
    slope[0] = slope[1] = slope[2] = 0.0
    for i in range(n):
        if i > 0:
            gap = t[i] - t[i - 1]
            stays = lt_exp(-beta * gap)
            a = stays * (1.0 + a)
            da = stays * da - gap * a                   # of a in beta
        rate = mu + eta * beta * a
        total += lt_log(rate)
        slope[0] += 1.0 / rate
        slope[1] += beta * a / rate
        slope[2] += eta * (a + beta * da) / rate
    if n > 0:
        stays = lt_exp(-beta * (end - t[n - 1]))
        after = stays * (1.0 + a)                       # sum of e^-beta(end - t_i)
        dafter = stays * da - (end - t[n - 1]) * after
        total -= eta * (n - after)
        slope[1] -= n - after
        slope[2] += eta * dafter
    slope[0] -= end
    return total - mu * end


def hawkes_loglik(const double[::1] times not None, double mu, double alpha, double beta, double end):
    """Log-likelihood of the events of an exponential Hawkes process from 0 to `end`.

    Parameters
    ----------
    times : ndarray of float64, shape (n,)
        Ascending, s.
    mu, alpha, beta : float
        1/s.
    end : float
        s.

    References
    ----------
    Ozaki (1979), AISM 31.
    """
    cdef double[3] slope
    cdef Py_ssize_t n = times.shape[0]
    return hawkes_slope(&times[0] if n else NULL, n, mu, alpha / beta, beta, end, slope)


def hawkes_cost(const double[::1] x not None, const double[::1] times not None):
    """Minus the log-likelihood of events from 0 to the last of them, and its gradient.

    Parameters
    ----------
    x : ndarray of float64, shape (3,)
        mu, alpha / beta, beta; 1 over the times' unit, 1, 1 over it.
    times : ndarray of float64, shape (n,)
        Ascending, at least one.

    Returns
    -------
    tuple of float and list of float

    References
    ----------
    Ozaki (1979), AISM 31.
    """
    cdef double[3] slope
    cdef double found = hawkes_slope(&times[0], times.shape[0], x[0], x[1], x[2], times[times.shape[0] - 1], slope)
    return -found, [-slope[0], -slope[1], -slope[2]]


ctypedef struct burst_t:
    lt_ring times               # of the events, s since the first observation
    double price, variance, squares
    double mu, alpha, beta      # of the fit in force
    double excited, at          # sum of e^-beta(at - t_i) at the last event
    int64_t begin, m, events, side


cdef class Bursts(Kernel):
    cdef double k, lam, entry
    cdef int64_t warm, n_events, min_events, every, phase
    cdef object fit

    def __cinit__(self, double k, double lam, int64_t warm, int64_t n_events, int64_t min_events, int64_t every,
                  double entry, int64_t phase, fit):
        self.k, self.lam, self.warm, self.entry = k, lam, warm, entry
        self.n_events, self.min_events, self.every, self.phase, self.fit = n_events, min_events, every, phase, fit
        self.allocate(sizeof(burst_t), slots_of(n_events), reads=1, gives=5)
        self.attach(&(<burst_t *> self.own).times, n_events)
        self.reset()

    cdef void refit(self) noexcept with gil:
        """Take the parameters that `fit`, which must not raise, finds in the last events, where it finds any."""
        cdef burst_t *s = <burst_t *> self.own
        cdef Py_ssize_t i, n = min(s.events, self.n_events)
        cdef const double *t = lt_ring_window(&s.times, n)
        found = self.fit([t[i] for i in range(n)])
        if found is not None:
            s.mu, s.alpha, s.beta = found
            s.excited = excitement(t, n, s.beta, t[n - 1])

    cdef void event(self, double at, int side) noexcept nogil:
        cdef burst_t *s = <burst_t *> self.own
        cdef int64_t since
        s.excited = s.excited * lt_exp(-s.beta * (at - s.at)) + 1.0
        s.at, s.side = at, side
        lt_ring_push(&s.times, at)
        s.events += 1
        since = s.events - self.min_events
        if since == 0 or since > self.phase and (since - self.phase) % self.every == 0:
            self.refit()

    cdef void take(self, double r, double at) noexcept nogil:
        """One return: whether it is an event, and the variance for the next."""
        cdef burst_t *s = <burst_t *> self.own
        s.m += 1
        if s.m <= self.warm:
            s.squares += r * r
            s.variance = s.squares / <double> s.m
            return
        if fabs(r) > self.k * sqrt(s.variance):
            self.event(at, side_of(r))
        s.variance = self.lam * s.variance + (1.0 - self.lam) * r * r

    cdef bint counts(self, const double *x) noexcept nogil:
        return is_price(x[0])

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef burst_t *s = <burst_t *> self.own
        cdef double before = s.price, at, branching, intensity, value
        s.price = x[0]
        if before == 0.0:
            s.begin = ts
            return
        at = <double> (ts - s.begin) * 1e-9
        self.take(log_of_ratio(x[0], before), at)
        if s.mu == 0.0:
            return
        branching = s.alpha / s.beta
        intensity = s.mu + s.alpha * s.excited * lt_exp(-s.beta * (at - s.at))
        value = intensity / s.mu * (1.0 - branching)
        self.out[0], self.out[1], self.out[2], self.out[3], self.out[4] = s.mu, s.alpha, s.beta, branching, intensity
        self.report(value, <int> -s.side if value >= self.entry else 0, clip01(1.0 - 1.0 / value))


# 6 EntropyMeasure, 11 RunsTest: the signs of the last n returns that are not 0

ctypedef struct signs_t:
    lt_ring bits
    double price
    int64_t ups, changes


cdef inline int sign_of_move(signs_t *s, double price) noexcept nogil:
    """1 up, 0 down, -1 where there is no move."""
    cdef double before = s.price
    if not is_price(price):
        return -1
    s.price = price
    return -1 if before == 0.0 or price == before else price > before


cdef class WordEntropy(Kernel):
    cdef int64_t n, words
    cdef int word
    cdef double alpha
    cdef double *count
    cdef double *bits           # of a word seen c times, -c/N log2(c/N)
    cdef double *surplus        # 2 (c ln(c/E) - (c - E)), E the number expected: its sum is G, without cancelling

    def __cinit__(self, int64_t n, int word, double alpha):
        self.n, self.word, self.alpha, self.words = n, word, alpha, 1 << word
        self.allocate(sizeof(signs_t), slots_of(n + 1) + self.words + 2 * (n + 1), reads=1, gives=2)
        self.attach(&(<signs_t *> self.own).bits, n + 1)
        self.count = self.array(self.words)
        self.bits = self.array(n + 1)
        self.surplus = self.array(n + 1)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef int64_t c, blocks = self.n - self.word + 1
        cdef double expected = <double> blocks / <double> self.words
        self.surplus[0] = 2.0 * expected
        for c in range(1, blocks + 1):
            self.bits[c] = c * log_of_ratio(<double> blocks, <double> c) / (LN2 * blocks)
            self.surplus[c] = 2.0 * (c * log_of_ratio(<double> c, expected) - (c - expected))

    cdef int64_t code(self, uint64_t age) noexcept nogil:
        """The word whose last bit is `age` bits old."""
        cdef signs_t *s = <signs_t *> self.own
        cdef int64_t found = 0
        cdef int i
        for i in range(self.word):
            found = 2 * found + <int64_t> lt_ring_at(&s.bits, age + self.word - 1 - i)
        return found

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef signs_t *s = <signs_t *> self.own
        cdef int bit = sign_of_move(s, x[0])
        cdef int64_t last, i, c
        cdef double entropy = 0.0, g = 0.0, p, lean
        if bit < 0:
            return
        if s.bits.head >= <uint64_t> self.n:
            self.count[self.code(self.n - self.word)] -= 1.0
        lt_ring_push(&s.bits, <double> bit)
        if s.bits.head < <uint64_t> self.word:
            return
        last = self.code(0)
        self.count[last] += 1.0
        if s.bits.head < <uint64_t> self.n:
            return
        for i in range(self.words):
            c = <int64_t> self.count[i]
            entropy += self.bits[c]
            g += self.surplus[c]
        p = chi_square_above(g, self.words - 1)
        i = 2 * (last & (self.words // 2 - 1))
        lean = self.count[i + 1] - self.count[i]
        self.out[0], self.out[1] = g, p
        self.report(clip01(entropy / self.word), side_of(lean) if p < self.alpha else 0, 1.0 - p)


cdef class Runs(Kernel):
    cdef int64_t n
    cdef double entry

    def __cinit__(self, int64_t n, double entry):
        self.n, self.entry = n, entry
        self.allocate(sizeof(signs_t), slots_of(n + 1), reads=1, gives=3)
        self.attach(&(<signs_t *> self.own).bits, n + 1)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef signs_t *s = <signs_t *> self.own
        cdef int bit = sign_of_move(s, x[0]), direction
        cdef double up, down, n = <double> self.n, both, variance, z = 0.0
        if bit < 0:
            return
        if s.bits.head >= <uint64_t> self.n:
            s.ups -= <int64_t> lt_ring_at(&s.bits, self.n - 1)
            s.changes -= lt_ring_at(&s.bits, self.n - 1) != lt_ring_at(&s.bits, self.n - 2)
        if s.bits.head > 0:
            s.changes += lt_ring_at(&s.bits, 0) != bit
        s.ups += bit
        lt_ring_push(&s.bits, <double> bit)
        if s.bits.head < <uint64_t> self.n:
            return
        up, down = <double> s.ups, <double> (self.n - s.ups)
        both = 2.0 * up * down
        variance = both * (both - n) / (n * n * (n - 1.0))
        if variance > 0.0:
            z = (<double> (s.changes + 1) - both / n - 1.0) / sqrt(variance)
        direction = 2 * bit - 1
        self.out[0], self.out[1], self.out[2] = <double> (s.changes + 1), up, down
        self.report(z, 0 if fabs(z) < self.entry or z == 0.0 else direction if z < 0.0 else -direction,
                    normal_confidence(z))


# 15 CrossSectionalMomentum

ctypedef struct section_t:
    int64_t seen, lanes         # observations; columns that have had a price
    int64_t hole[LANES]         # the last observation without a price of a column, of those skip or more ago


cdef class CrossSection(Kernel):
    cdef int64_t formation, skip, min_assets, rows
    cdef double *past           # rows of LANES prices, 0 where there is none

    def __cinit__(self, int64_t formation, int64_t skip, int64_t min_assets):
        self.formation, self.skip, self.min_assets = formation, skip, min_assets
        self.rows = formation + skip + 1
        self.allocate(sizeof(section_t), self.rows * LANES, reads=LANES, gives=3)
        self.past = self.array(self.rows * LANES)
        self.reset()

    cdef void take(self, const double *x) noexcept nogil:
        """Keep a row, and note the holes of the one that is `skip` old now."""
        cdef section_t *s = <section_t *> self.own
        cdef double *row = self.past + s.seen % self.rows * LANES
        cdef const double *old
        cdef int64_t k, at = s.seen - self.skip
        for k in range(LANES):
            row[k] = x[k] if is_price(x[k]) else 0.0
            if row[k] > 0.0:
                while s.lanes <= k:     # no price so far: all rows before this one are holes
                    s.hole[s.lanes] = s.seen
                    s.lanes += 1
        s.seen += 1
        if at < 0:
            return
        old = self.past + at % self.rows * LANES
        for k in range(s.lanes):
            if old[k] == 0.0:
                s.hole[k] = at + 1

    cdef int64_t rank(self, double *r) noexcept nogil:
        """Returns of the columns without a hole, the own one first; how many."""
        cdef section_t *s = <section_t *> self.own
        cdef int64_t k, m = 0, to = s.seen - 1 - self.skip, begin = to - self.formation
        cdef const double *new = self.past + to % self.rows * LANES
        cdef const double *old = self.past + begin % self.rows * LANES
        for k in range(s.lanes):
            if s.hole[k] <= begin and old[k] > 0.0 and new[k] > 0.0:
                r[m] = log_of_ratio(new[k], old[k])
                m += 1
        return m

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef section_t *s = <section_t *> self.own
        cdef double r[LANES]
        cdef double mean = 0.0, square = 0.0, sd, q = 0.5
        cdef int64_t m, k
        if not is_price(x[0]):
            return
        self.take(x)
        if s.seen < self.rows:
            return
        m = self.rank(r)
        if m < self.min_assets:
            self.withdraw()
            return
        for k in range(m):
            mean += r[k] / m
            q += 0.5 * ((r[k] < r[0]) + (r[k] <= r[0]))
        for k in range(m):
            square += (r[k] - mean) * (r[k] - mean)
        sd = sqrt(square / m)
        self.out[0], self.out[1], self.out[2] = q, r[0], (r[0] - mean) / m
        if sd <= 1e-12:
            self.report(0.0, 0, 0.0)
        else:
            self.report((r[0] - mean) / sd, 1 if 3.0 * q > 2.0 * m else -1 if 3.0 * q <= m else 0,
                        clip01(fabs(2.0 * (q - 0.5) / m - 1.0)))


# 16 TimeSeriesMomentum

ctypedef struct momentum_t:
    lt_ring prices
    double mean, variance
    int64_t m


cdef class Momentum(Kernel):
    cdef uint64_t lookback
    cdef double com, target, cap, entry

    def __cinit__(self, uint64_t lookback, double com, double target, double cap, double entry):
        self.lookback, self.com, self.target, self.cap, self.entry = lookback, com, target, cap, entry
        self.allocate(sizeof(momentum_t), slots_of(lookback + 1), reads=1, gives=3)
        self.attach(&(<momentum_t *> self.own).prices, lookback + 1)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef momentum_t *s = <momentum_t *> self.own
        cdef double r, delta, sigma, total, value, decay = self.com / (self.com + 1.0)
        if not is_price(x[0]):
            return
        lt_ring_push(&s.prices, x[0])
        if s.prices.head == 1:
            return
        r = log_of_ratio(x[0], lt_ring_at(&s.prices, 1))
        sigma = sqrt(s.variance)
        s.m += 1
        if s.m == 1:
            s.mean = r
        else:
            delta = r - s.mean
            s.variance = decay * (s.variance + (1.0 - decay) * delta * delta)
            s.mean += (1.0 - decay) * delta
        if <double> s.m < (self.com if self.com > <double> self.lookback else <double> self.lookback) + 1.0:
            return
        total = log_of_ratio(x[0], lt_ring_at(&s.prices, self.lookback))
        value = total / (sigma * sqrt(<double> self.lookback)) if sigma > 1e-12 else 0.0
        self.out[0], self.out[1] = total, sqrt(s.variance)
        self.out[2] = side_of(total) * min(self.target / sigma, self.cap) if sigma > 1e-12 else 0.0
        self.report(value, side_of(value) if fabs(value) >= self.entry else 0, normal_confidence(value))


# 22 OrderStatistics

ctypedef struct deque_t:
    uint64_t head, tail         # of what is held, head to tail


ctypedef struct channel_t:
    deque_t low, high
    uint64_t seen


cdef inline void deque_push(deque_t *q, double *price, double *at, uint64_t mask, double x, double now, double oldest,
                            int side) noexcept nogil:
    """Let in x, drop what it makes useless and what is older than `oldest`."""
    while q.tail > q.head and (x - price[(q.tail - 1) & mask]) * side >= 0.0:
        q.tail -= 1
    price[q.tail & mask], at[q.tail & mask] = x, now
    q.tail += 1
    while at[q.head & mask] < oldest:
        q.head += 1


cdef class Channel(Kernel):
    cdef uint64_t n, mask
    cdef double *low
    cdef double *low_at
    cdef double *high
    cdef double *high_at

    def __cinit__(self, uint64_t n):
        cdef uint64_t room = lt_ring_capacity(n + 1)
        self.n, self.mask = n, room - 1
        self.allocate(sizeof(channel_t), 4 * room, reads=1, gives=2)
        self.low, self.low_at = self.array(room), self.array(room)
        self.high, self.high_at = self.array(room), self.array(room)
        self.reset()

    cdef void place(self, double x, double low, double high) noexcept nogil:
        cdef int side = (x > high) - (x < low)
        cdef double value, gap
        self.out[0], self.out[1] = high, low
        if high > low:
            value = (x - low) / (high - low)
            gap = (x - high if side > 0 else low - x) / (high - low)
            self.report(value, side, clip01(0.5 + gap) if side != 0 else clip01(fabs(value - 0.5)))
        else:
            self.report(0.5 + 0.5 * side, side, <double> (side != 0))

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef channel_t *s = <channel_t *> self.own
        cdef double now, oldest
        if not is_price(x[0]):
            return
        if s.seen >= self.n:
            self.place(x[0], self.low[s.low.head & self.mask], self.high[s.high.head & self.mask])
        s.seen += 1
        now, oldest = <double> s.seen, <double> s.seen - <double> self.n + 1.0
        deque_push(&s.low, self.low, self.low_at, self.mask, x[0], now, oldest, -1)
        deque_push(&s.high, self.high, self.high_at, self.mask, x[0], now, oldest, 1)


# 27 AnomalyDetection

ctypedef struct cloud_t:
    double mean[3]
    double cov[3][3]
    int64_t m


cdef bint factor(double c[3][3], int k) noexcept nogil:
    """Cholesky in place, lower; False where a pivot is not above 0."""
    cdef int i, j, l
    cdef double t
    for j in range(k):
        t = c[j][j]
        for l in range(j):
            t -= c[j][l] * c[j][l]
        if not t > 0.0:
            return False
        c[j][j] = sqrt(t)
        for i in range(j + 1, k):
            t = c[i][j]
            for l in range(j):
                t -= c[i][l] * c[j][l]
            c[i][j] = t / c[j][j]
    return True


cdef double distance(const cloud_t *s, const double *d, int *features) noexcept nogil:
    """d' S^-1 d over the features with a variance above 1e-18; how many those are."""
    cdef double c[3][3]
    cdef double z[3]
    cdef double total = 0.0
    cdef int at[3]
    cdef int i, j, k = 0, attempt
    for i in range(3):
        if s.cov[i][i] > 1e-18:
            at[k] = i
            k += 1
    features[0] = k
    for attempt in range(2):
        for i in range(k):
            for j in range(i):
                c[i][j] = s.cov[at[i]][at[j]] / (sqrt(s.cov[at[i]][at[i]]) * sqrt(s.cov[at[j]][at[j]]))
            c[i][i] = 1.0 + 1e-8 * attempt
        if factor(c, k):
            break
    for i in range(k):
        z[i] = d[at[i]] / sqrt(s.cov[at[i]][at[i]])
        for j in range(i):
            z[i] -= c[i][j] * z[j]
        z[i] /= c[i][i]
        total += z[i] * z[i]
    return total


cdef double cloud_score(cloud_t *s, const double *x, double lam, int *features) noexcept nogil:
    """Squared distance of x from the past, which x then joins."""
    cdef double d[3]
    cdef double score = 0.0
    cdef int i, j
    s.m += 1
    if s.m == 1:
        features[0] = 0
        for i in range(3):
            s.mean[i] = x[i]
        return 0.0
    for i in range(3):
        d[i] = x[i] - s.mean[i]
    score = distance(s, d, features)
    for i in range(3):
        for j in range(3):
            s.cov[i][j] = lam * (s.cov[i][j] + (1.0 - lam) * d[i] * d[j])
        s.mean[i] += (1.0 - lam) * d[i]
    return score


def mahalanobis(const double[:, ::1] rows not None, double lam):
    """Squared Mahalanobis distance of every row from the exponentially weighted past.

    Parameters
    ----------
    rows : ndarray of float64, shape (n, 3)
    lam : float
        Decay of the past, 0 to 1.

    Returns
    -------
    list of (float, int, float)
        Distance, features that count, chi-squared survival.

    Raises
    ------
    ValueError
        If a row has not three features.

    References
    ----------
    Lowry, Woodall, Champ, Rigdon (1992), Technometrics 34.
    """
    cdef cloud_t s
    cdef int k = 0
    cdef Py_ssize_t i
    if rows.shape[1] != 3:
        raise ValueError(f"rows must have 3 columns, had {rows.shape[1]}")
    s.m = 0
    for i in range(9):
        s.cov[i // 3][i % 3] = 0.0
    found = []
    for i in range(rows.shape[0]):
        score = cloud_score(&s, &rows[i, 0], lam, &k)
        found.append((score, k, chi_square_above(score, k) if k else 1.0))
    return found


ctypedef struct anomaly_t:
    cloud_t cloud
    double price
    int64_t ts


cdef class Anomaly(Kernel):
    cdef double lam, alpha
    cdef int64_t min_obs

    def __cinit__(self, double lam, int64_t min_obs, double alpha):
        self.lam, self.min_obs, self.alpha = lam, min_obs, alpha
        self.allocate(sizeof(anomaly_t), 0, reads=2, gives=3)
        self.reset()

    cdef bint counts(self, const double *x) noexcept nogil:
        return is_price(x[0]) and 0.0 <= x[1] <= 1.7976931348623157e308

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef anomaly_t *s = <anomaly_t *> self.own
        cdef double before = s.price, score, p, passes
        cdef double features[3]
        cdef int k = 0
        s.price = x[0]
        features[2] = log1p_of(<double> (ts - s.ts) * 1e-9)
        s.ts = ts
        if before == 0.0:
            return
        features[0] = log_of_ratio(x[0], before)
        features[1] = log1p_of(x[1])
        score = cloud_score(&s.cloud, features, self.lam, &k)
        if s.cloud.m < self.min_obs:
            return
        p = chi_square_above(score, k) if k else 1.0
        passes = <double> (p >= self.alpha)
        self.out[0], self.out[1], self.out[2] = passes, p, <double> k
        self.report(score, 1 if passes > 0.0 else -1, 1.0 - p)
