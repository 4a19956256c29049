# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels of order flow: toxicity over volume buckets, imbalance of quotes and trades, arrivals, inventory."""
from libc.math cimport INFINITY, NAN, fabs, floor as c_floor, fmod, sqrt
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.elementary cimport (
    clip01, expm1_of, log1p_of, log_of_ratio, normal_cdf, normal_confidence, side_of,
)
from livetrading.core.kernel cimport Kernel, slots_of
from livetrading.core.ring cimport lt_ring, lt_ring_at, lt_ring_capacity, lt_ring_push, lt_ring_window
from livetrading.core.rolling cimport (
    largest, rank_upto, spread_full, spread_mean, spread_push, spread_sd, spread_slope, spread_t, sum_add, sum_clear,
    sum_loose, sum_t, total_full, total_push, total_t,
)
from livetrading.core.signals cimport (
    ofi_add, ofi_exact, ofi_push, ofi_ready, ofi_t, ofi_z, vpin_push, vpin_ready, vpin_split, vpin_t,
)
from livetrading.core.tape cimport bar_push, bar_t, elapsed, is_price, is_quote, is_size, seconds, sign_t, trade_sign
from livetrading.core.variates cimport lt_exp, lt_log
from livetrading.core.waiting cimport WaitingKernel

cdef double LN2 = 0.693147180559945309417
cdef double LN10 = 2.30258509299404568402


# 111 VPIN and what else reads volume buckets

cdef class Buckets(Kernel):
    """The buckets of VPIN in a block; the subclasses feed them and say what they read from them."""

    cdef uint64_t window, history
    cdef double bucket, limit
    cdef double *ordered

    cdef int furnish(self, size_t own, size_t slots, Py_ssize_t reads, Py_ssize_t gives) except -1:
        """Allocates for a struct that begins with a vpin_t, and `slots` of the subclass's own."""
        cdef vpin_t *s
        self.allocate(own, slots_of(self.window) + slots_of(self.history + 1) + self.history + 1 + slots, reads, gives)
        s = <vpin_t *> self.own
        self.attach(&s.imbalance, self.window)
        self.attach(&s.past, self.history + 1)      # one more: what has just left the history
        self.ordered = self.array(self.history + 1)
        return 0

    cdef void link(self) noexcept nogil:
        Kernel.link(self)
        (<vpin_t *> self.own).ordered = self.ordered

    cdef void start(self) noexcept nogil:
        cdef vpin_t *s = <vpin_t *> self.own
        s.bucket, s.window, s.history, s.limit = self.bucket, self.window, self.history, self.limit
        s.value = NAN
        s.passes = True

    cdef void say(self, int passes, double value, double confidence, double gate) noexcept nogil:
        """A filter's report; the gate is its first output."""
        self.out[0] = gate
        self.report(value, 1 if passes else -1, confidence)

    def state(self):
        """Return all that the kernel remembers, as bytes that do not depend on where it lies."""
        (<vpin_t *> self.own).ordered = NULL
        return Kernel.state(self)


ctypedef struct bucketed_t:
    vpin_t vpin
    sign_t sign


cdef void bucket_trade(bucketed_t *s, const double *x) noexcept nogil:
    cdef int sign = trade_sign(&s.sign, x[0], x[2], NAN)
    # the side is settled: the kernel's own rule, which carries on sides and not changes of price, has no say
    s.vpin.last_price = s.vpin.last_side = 0.0
    vpin_push(&s.vpin, x[0], x[1], sign)


cdef class Toxicity(Buckets):
    """VPIN, or by `ranked` the share of its own history that it is not below."""

    cdef bint ranked

    def __cinit__(self, double bucket, uint64_t n, uint64_t hist, double limit, bint ranked):
        self.bucket, self.window, self.history, self.limit, self.ranked = bucket, n, hist, limit, ranked
        self.furnish(sizeof(bucketed_t), 0, reads=3, gives=2 if ranked else 3)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef bucketed_t *s = <bucketed_t *> self.own
        cdef uint64_t buckets = s.vpin.buckets
        if not (is_price(x[0]) and is_size(x[1])):
            return
        bucket_trade(s, x)
        if s.vpin.buckets == buckets or not vpin_ready(&s.vpin):
            return
        if self.ranked:
            self.rank(&s.vpin)
        else:
            report_vpin(self, &s.vpin)

    cdef void rank(self, const vpin_t *s) noexcept nogil:
        cdef uint64_t earlier = s.past.head - 1
        cdef double bar = s.value * (1.0 + 1e-12), share
        cdef uint64_t count = rank_upto(s.ordered, s.past_count, bar) - 1   # the value itself is among them
        if earlier > self.history:
            earlier = self.history
        if earlier < 20:
            return
        if s.past.head > self.history and lt_ring_at(&s.past, self.history) <= bar:
            count += 1                                                      # and made the oldest leave
        share = <double> count / <double> earlier
        self.out[1] = min(1.0, s.value)
        self.say(share < self.limit, share, fabs(2.0 * share - 1.0), 1.0 if share < self.limit else 0.0)


cdef void report_vpin(Buckets kernel, const vpin_t *s) noexcept nogil:
    kernel.out[1], kernel.out[2] = <double> s.buckets, s.last_imbalance
    kernel.say(s.passes, min(1.0, s.value), clip01(<double> s.buckets / (<double> s.window + 50.0)),
               1.0 if s.passes else 0.0)


# 112 BulkVPIN

ctypedef struct bulk_t:
    vpin_t vpin
    bar_t bar
    lt_ring change


cdef double beta_fraction(double a, double b, double x) noexcept nogil:
    """Continued fraction of the incomplete beta function (modified Lentz; Numerical Recipes 6.4)."""
    cdef double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0), h, m, step
    cdef int i
    d = 1.0 / (d if fabs(d) > 1e-300 else 1e-300)
    h = d
    for i in range(1, 1000):
        m = <double> i
        step = m * (b - m) * x / ((a - 1.0 + 2.0 * m) * (a + 2.0 * m))
        d = 1.0 + step * d
        c = 1.0 + step / c
        d = 1.0 / (d if fabs(d) > 1e-300 else 1e-300)
        c = c if fabs(c) > 1e-300 else 1e-300
        h *= d * c
        step = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 1.0 + 2.0 * m))
        d = 1.0 + step * d
        c = 1.0 + step / c
        d = 1.0 / (d if fabs(d) > 1e-300 else 1e-300)
        c = c if fabs(c) > 1e-300 else 1e-300
        h *= d * c
        if fabs(d * c - 1.0) < 1e-15:
            break
    return h


cdef double student_cdf(double t, double df, double log_beta) noexcept nogil:
    """`log_beta` is ln B(df / 2, 1 / 2)."""
    cdef double x = df / (df + t * t), y = t * t / (df + t * t), a = 0.5 * df, factor, tail
    if t == 0.0:
        return 0.5
    factor = lt_exp(a * lt_log(x) + 0.5 * lt_log(y) - log_beta) if x > 0.0 else 0.0
    if x < (a + 1.0) / (a + 2.5):
        tail = 0.5 * factor * beta_fraction(a, 0.5, x) / a
    else:
        tail = 0.5 * (1.0 - factor * beta_fraction(0.5, a, y) / 0.5)
    return 1.0 - tail if t > 0.0 else tail


cdef class BulkToxicity(Buckets):
    """`df` 0 is the normal law."""

    cdef uint64_t m, changes
    cdef double df, log_beta

    def __cinit__(self, uint64_t m, double bucket, uint64_t n, uint64_t sigma_n, double df, double log_beta,
                  uint64_t hist, double limit):
        self.bucket, self.window, self.history, self.limit = bucket, n, hist, limit
        self.m, self.changes, self.df, self.log_beta = m, sigma_n, df, log_beta
        self.furnish(sizeof(bulk_t), slots_of(sigma_n), reads=2, gives=3)
        self.attach(&(<bulk_t *> self.own).change, sigma_n)
        self.reset()

    cdef void start(self) noexcept nogil:
        Buckets.start(self)
        (<bulk_t *> self.own).bar.m = self.m

    cdef double bought(self, const lt_ring *changes) noexcept nogil:
        """Share of the bar's volume that buyers began, from its change of price in standard deviations."""
        cdef uint64_t i, n = min(changes.head, self.changes)
        cdef const double *d = lt_ring_window(changes, n)
        cdef double mean = 0.0, square = 0.0, sd, z
        for i in range(n):
            mean += d[i] - d[0]
        mean = d[0] + mean / <double> n
        for i in range(n):
            square += (d[i] - mean) * (d[i] - mean)
        sd = sqrt(square / <double> n)
        if n < 2 or not 1e-12 * largest(d, n) < sd < INFINITY:
            return 0.5
        z = d[n - 1] / sd
        return student_cdf(z, self.df, self.log_beta) if self.df > 0.0 else normal_cdf(z)

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef bulk_t *s = <bulk_t *> self.own
        cdef uint64_t buckets = s.vpin.buckets
        if not (is_price(x[0]) and is_size(x[1])):
            return
        if not bar_push(&s.bar, x[0], x[1], 0) or s.bar.bars < 2:
            return
        lt_ring_push(&s.change, s.bar.close - s.bar.before)
        vpin_split(&s.vpin, s.bar.volume, self.bought(&s.change))
        if s.vpin.buckets != buckets and vpin_ready(&s.vpin):
            report_vpin(self, &s.vpin)


# 127 VolumeClockOFI

ctypedef struct clock_t:
    vpin_t vpin
    sign_t sign
    double value
    bint any

cdef uint64_t ONE_BY_ONE = 1000


cdef class VolumeClock(Buckets):
    cdef double alpha, entry
    cdef uint64_t span

    def __cinit__(self, double bucket, uint64_t span, double entry):
        self.bucket, self.window, self.history, self.limit = bucket, 1, 1, 1.0
        self.span, self.entry, self.alpha = span, entry, 2.0 / (<double> span + 1.0)
        self.furnish(sizeof(clock_t), 0, reads=3, gives=1)
        self.reset()

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef clock_t *s = <clock_t *> self.own
        cdef uint64_t buckets = s.vpin.buckets
        if not (is_price(x[0]) and is_size(x[1])):
            return
        self.fill(x[1], <double> trade_sign(&s.sign, x[0], x[2], NAN))
        if s.vpin.buckets == buckets or s.vpin.buckets < self.span:
            return
        self.out[0] = s.vpin.last_imbalance
        self.report(max(-1.0, min(1.0, s.value)), side_of(s.value) if fabs(s.value) > self.entry else 0,
                    1.0 if self.entry == 0.0 else clip01(fabs(s.value) / (2.0 * self.entry)))

    cdef void fill(self, double volume, double sign) noexcept nogil:
        """Gives one trade to the buckets, one bucket after another, so that each is heard of."""
        cdef clock_t *s = <clock_t *> self.own
        cdef double share = 0.5 + 0.5 * sign, full = self.bucket * (1.0 - 1e-12), room, whole
        cdef uint64_t closed = 0
        while s.vpin.fill + volume >= full and closed < ONE_BY_ONE:
            room = self.bucket - s.vpin.fill
            vpin_split(&s.vpin, room, share)
            volume = volume - room if volume > room else 0.0
            s.value += (self.alpha if s.any else 1.0) * (s.vpin.last_imbalance - s.value)
            s.any = True
            closed += 1
        if s.vpin.fill + volume >= full:
            # every further bucket of this trade is of the one side
            whole = c_floor(volume / self.bucket)
            volume = fmod(volume, self.bucket)
            s.value = sign + (s.value - sign) * lt_exp(whole * log1p_of(-self.alpha)) if self.alpha < 1.0 else sign
            s.vpin.buckets += <uint64_t> whole if whole < 1e18 else <uint64_t> 1000000000000000000
        vpin_split(&s.vpin, volume, share)


# 121 to 124: order flow imbalance of quotes

ctypedef struct imbalance_t:
    ofi_t recent, whole
    total_t depth
    double decayed, squares
    uint64_t count


cdef enum:
    PLAIN, DECAYED, SCALED, CHANGE


cdef class QuoteFlow(Kernel):
    """`reading`: 0 the sum over n, 1 a sum that decays, 2 the sum over depth, 3 what the sum has changed by."""

    cdef uint64_t n
    cdef int reading
    cdef double entry, decay

    def __cinit__(self, int reading, uint64_t n, double entry, double decay=0.0):
        cdef imbalance_t *s
        self.reading, self.n, self.entry, self.decay = reading, n, entry, decay
        self.allocate(sizeof(imbalance_t), slots_of(self.window()) + slots_of(2 * self.window()) + slots_of(n),
                      reads=4, gives=2 if reading == PLAIN else 1)
        s = <imbalance_t *> self.own
        self.attach(&s.recent.ring, self.window())
        self.attach(&s.whole.ring, 2 * self.window())
        self.attach(&s.depth.ring, n)
        self.reset()

    cdef uint64_t window(self) noexcept nogil:
        return 1 if self.reading == DECAYED else self.n

    cdef void start(self) noexcept nogil:
        cdef imbalance_t *s = <imbalance_t *> self.own
        s.recent.window, s.whole.window, s.depth.window = self.window(), 2 * self.window(), self.n

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef imbalance_t *s = <imbalance_t *> self.own
        cdef bint quoted = s.recent.quoted
        if not (is_quote(x[0], x[1]) and is_size(x[2]) and is_size(x[3])):
            return
        ofi_push(&s.recent, x[0], x[1], x[2], x[3])
        if not quoted:
            return
        s.count += 1
        if ofi_ready(&s.recent) and not s.recent.squares.value < INFINITY:
            ofi_exact(&s.recent)        # sizes whose squares overflow; the sums must outlive them
        if self.reading == PLAIN:
            if ofi_ready(&s.recent):
                self.out[1] = s.recent.e
                self.say(s.recent.total, ofi_z(&s.recent))
        elif self.reading == DECAYED:
            s.decayed = self.decay * s.decayed + s.recent.e
            s.squares = self.decay * self.decay * s.squares + s.recent.e * s.recent.e
            if s.count >= self.n:
                self.say(s.decayed, s.decayed / sqrt(s.squares) if s.squares > 0.0 else 0.0)
        elif self.reading == SCALED:
            total_push(&s.depth, 0.5 * x[2] + 0.5 * x[3])
            if ofi_ready(&s.recent) and s.depth.sum.value > 0.0:
                self.scaled(s.recent.total, s.depth.sum.value / <double> self.n)
        else:
            ofi_add(&s.whole, s.recent.e)
            if ofi_ready(&s.whole) and not s.whole.squares.value < INFINITY:
                ofi_exact(&s.whole)
            if ofi_ready(&s.whole):
                self.change()

    cdef void say(self, double value, double z) noexcept nogil:
        self.out[0] = z
        self.report(value, side_of(z) if fabs(z) > self.entry else 0, normal_confidence(z))

    cdef void scaled(self, double flow, double depth) noexcept nogil:
        cdef double value = flow / (2.0 * depth)
        self.out[0] = depth
        self.report(value, side_of(value) if fabs(value) > self.entry else 0,
                    clip01(-expm1_of(-fabs(value) / self.entry)))

    cdef void change(self) noexcept nogil:
        cdef imbalance_t *s = <imbalance_t *> self.own
        cdef double value = 2.0 * s.recent.total - s.whole.total, squares = s.whole.squares.value
        self.say(value, value / sqrt(squares) if squares > 0.0 else 0.0)


# 125 TradeArrivalRate

ctypedef struct arrival_t:
    sign_t sign
    double rate, flow, last     # sums of e^(-age / tau) / tau and of s v e^(-age / tau), and the s v of the last trade
    int64_t first, ts
    uint64_t trades


cdef class ArrivalRate(Kernel):
    cdef double tau, z_min
    cdef uint64_t warm

    def __cinit__(self, double tau, double z_min, uint64_t warm):
        self.tau, self.z_min, self.warm = tau, z_min, warm
        self.allocate(sizeof(arrival_t), 0, reads=3, gives=2)
        self.reset()

    cdef bint counts(self, const double *x) noexcept nogil:
        return is_price(x[0]) and is_size(x[1])

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef arrival_t *s = <arrival_t *> self.own
        cdef double decay
        if s.trades == 0:
            s.first = ts
        else:
            decay = lt_exp(-seconds(ts, s.ts) / self.tau)
            s.rate = (s.rate + 1.0 / self.tau) * decay
            s.flow = (s.flow + s.last) * decay
        if s.trades >= self.warm and s.trades > 0 and ts > s.first:
            self.say(seconds(ts, s.first))
        s.last = <double> trade_sign(&s.sign, x[0], x[2], NAN) * x[1]
        s.ts = ts
        s.trades += 1

    cdef void say(self, double span) noexcept nogil:
        cdef arrival_t *s = <arrival_t *> self.own
        cdef double rate = s.rate / -expm1_of(-span / self.tau), base = <double> s.trades / span
        cdef double z = (rate - base) / sqrt(base / (2.0 * self.tau))
        self.out[0], self.out[1] = base, z
        self.report(rate, side_of(s.flow) if z > self.z_min else 0, normal_confidence(z))


# 114 InformedTraderProbability: the likelihood that its fit climbs

def pin_cost(const double[::1] theta not None, const double[::1] buys not None, const double[::1] sells not None,
             const double[::1] weights not None):
    """Minus the log-likelihood of numbers of trades under informed trading, but for the factorials, and its gradient.

    Parameters
    ----------
    theta : ndarray of float64, shape (5,)
        logit alpha, logit delta, ln mu, ln eb, ln es.
    buys, sells, weights : ndarray of float64, shape (n,)
        Trades of an interval, and how many intervals are alike.

    Returns
    -------
    float and list of float

    Raises
    ------
    ValueError
        If a shape is another.

    References
    ----------
    Easley, Kiefer, O'Hara, Paperman (1996), J. Finance 51.
    """
    cdef Py_ssize_t i, n = buys.shape[0]
    cdef double a, d, mu, eb, es, ln_a, ln_not_a, ln_d, ln_not_d, ln_b, ln_s, ln_busy_b, ln_busy_s
    cdef double b, s, w, quiet, bad, good, most, total, more_b, more_s, found = 0.0
    cdef double[5] slope
    if theta.shape[0] != 5 or not n == sells.shape[0] == weights.shape[0]:
        raise ValueError(f"theta must have 5 numbers and the counts one length, were {theta.shape[0]}, {n}, "
                         f"{sells.shape[0]} and {weights.shape[0]}")
    ln_a, ln_not_a = -log1p_of(lt_exp(-theta[0])), -log1p_of(lt_exp(theta[0]))
    ln_d, ln_not_d = -log1p_of(lt_exp(-theta[1])), -log1p_of(lt_exp(theta[1]))
    ln_b, ln_s = theta[3], theta[4]
    a, d, mu, eb, es = lt_exp(ln_a), lt_exp(ln_d), lt_exp(theta[2]), lt_exp(ln_b), lt_exp(ln_s)
    ln_busy_b, ln_busy_s = lt_log(mu + eb), lt_log(mu + es)
    for i in range(5):
        slope[i] = 0.0
    for i in range(n):
        b, s, w = buys[i], sells[i], weights[i]
        quiet = ln_not_a + b * ln_b + s * ln_s
        bad = ln_a + ln_d + b * ln_b + s * ln_busy_s - mu
        good = ln_a + ln_not_d + b * ln_busy_b + s * ln_s - mu
        most = max(quiet, max(bad, good))
        quiet, bad, good = lt_exp(quiet - most), lt_exp(bad - most), lt_exp(good - most)
        total = quiet + bad + good
        found += w * (most + lt_log(total) - eb - es)
        quiet, bad, good = w * quiet / total, w * bad / total, w * good / total
        more_b, more_s = good * (b / (mu + eb) - 1.0), bad * (s / (mu + es) - 1.0)
        slope[0] += bad + good - a * w
        slope[1] += bad * (1.0 - d) - good * d
        slope[2] += mu * (more_b + more_s)
        slope[3] += (quiet + bad) * (b - eb) + eb * more_b
        slope[4] += (quiet + good) * (s - es) + es * more_s
    return -found, [-slope[0], -slope[1], -slope[2], -slope[3], -slope[4]]


# 126 TradeClusterDetector

cdef double poisson_weight(double a, double x) noexcept nogil:
    """x^a e^-x / a! of a whole a >= 1."""
    cdef double w = 1.0, v = (x - a) / a
    cdef int i
    if a <= 32.0 and x < 600.0:
        for i in range(1, <int> a + 1):
            w *= x / <double> i
        return w * lt_exp(-x)
    # Stirling (Loader 2000): the deviance of x from a, and what the factorial adds
    w = 1.0 / (a * a)
    w = (1.0 - w * (1.0 / 30.0 - w * (1.0 / 105.0 - w / 140.0))) / (12.0 * a)
    return lt_exp(-a * (v - log1p_of(v)) - w) / sqrt(6.28318530717958647693 * a)


cdef double poisson_tail(double a, double x, double *surprise) noexcept nogil:
    """P(N >= a) of a Poisson N of mean x, a whole and not negative; `surprise` becomes its -log10, at most 300."""
    cdef double p, q, term = 1.0, total = 1.0, k = a
    if a <= 0.0:
        surprise[0] = 0.0
        return 1.0
    if not x > 0.0:
        surprise[0] = 300.0
        return 0.0
    if x < a + 1.0:
        while term > 1e-17 * total:
            k += 1.0
            term *= x / k
            total += term
        p = min(1.0, poisson_weight(a, x) * total)
        q = 1.0 - p
    else:
        k = a - 1.0
        while k > 0.0 and term > 1e-17 * total:
            term *= k / x
            total += term
            k -= 1.0
        q = min(1.0, poisson_weight(a, x) * (a / x) * total)
        p = 1.0 - q
    surprise[0] = (-lt_log(p) if p < 0.5 else -log1p_of(-q)) / LN10 if p > 0.0 else 300.0
    surprise[0] = max(0.0, min(300.0, surprise[0]))
    return p


def poisson_surprise(double k, double mean):
    """Probability that a Poisson count of a mean is at least k - 1, and -log10 of it, at most 300.

    Parameters
    ----------
    k : float
        A whole number, at least 1.
    mean : float

    Returns
    -------
    tuple of float
    """
    cdef double surprise = 0.0, p = poisson_tail(k - 1.0, mean, &surprise)
    return p, surprise


ctypedef struct cluster_t:
    sign_t sign
    spread_t durations          # s
    sum_t flow, size            # of s v in the window of time, and of v
    int64_t ts
    uint64_t trades


cdef class TradeCluster(WaitingKernel):
    cdef double window, p_max
    cdef uint64_t n, span, mask
    cdef int64_t *times

    def __cinit__(self, double window, uint64_t span, uint64_t n, double p_max):
        self.window, self.span, self.n, self.p_max = window, span, n, p_max
        self.mask = lt_ring_capacity(n + 1) - 1
        self.allocate(sizeof(cluster_t), slots_of(n) + lt_ring_capacity(n + 1), reads=3, gives=3)
        self.attach(&(<cluster_t *> self.own).durations.ring, n)
        self.times = <int64_t *> self.array(lt_ring_capacity(n + 1))
        self.reset()

    cdef void start(self) noexcept nogil:
        (<cluster_t *> self.own).durations.window = self.n
        self.forget()

    cdef bint counts(self, const double *x) noexcept nogil:
        return is_price(x[0]) and is_size(x[1])

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef cluster_t *s = <cluster_t *> self.own
        cdef double span
        if s.trades > 0:
            spread_push(&s.durations, seconds(ts, s.ts))
        self.times[s.trades & self.mask] = ts
        s.ts = ts
        s.trades += 1
        self.gather(ts, <double> trade_sign(&s.sign, x[0], x[2], NAN) * x[1])
        if s.trades <= self.n:
            return
        span = seconds(ts, self.times[(s.trades - 1 - self.n) & self.mask])
        if span > 0.0:
            self.say(<double> self.n / span)
        else:
            self.withdraw()

    cdef void gather(self, int64_t ts, double flow) noexcept nogil:
        """Adds a trade to the window of time and drops what has left it."""
        cdef cluster_t *s = <cluster_t *> self.own
        cdef uint64_t i
        while self.waiting() > 0 and elapsed(ts, self.event_at(0).ts) >= self.span:
            sum_add(&s.flow, -self.event_at(0).sign)
            sum_add(&s.size, -fabs(self.event_at(0).sign))
            self.event_drop()
        self.event_push(ts, flow, 0.0, 0.0)
        sum_add(&s.flow, flow)
        sum_add(&s.size, fabs(flow))
        if sum_loose(&s.size):
            sum_clear(&s.flow)
            sum_clear(&s.size)
            for i in range(self.waiting()):
                sum_add(&s.flow, self.event_at(i).sign)
                sum_add(&s.size, fabs(self.event_at(i).sign))
            s.size.reach = s.size.value

    cdef void say(self, double base) noexcept nogil:
        cdef cluster_t *s = <cluster_t *> self.own
        cdef double k = <double> self.waiting(), surprise = 0.0
        cdef double p = poisson_tail(k - 1.0, base * self.window, &surprise)
        cdef double sd = spread_sd(&s.durations), mean = spread_mean(&s.durations)
        self.out[0], self.out[1], self.out[2] = k, base, (sd - mean) / (sd + mean)
        self.report(surprise, side_of(s.flow.value) if p < self.p_max else 0, clip01(1.0 - p))


# 128 AggressorRatio

ctypedef struct aggressor_t:
    sign_t sign
    total_t bought, volume, buys


cdef class Aggressors(Kernel):
    cdef uint64_t n
    cdef double entry

    def __cinit__(self, uint64_t n, double entry):
        cdef aggressor_t *s
        self.n, self.entry = n, entry
        self.allocate(sizeof(aggressor_t), 3 * slots_of(n), reads=3, gives=2)
        s = <aggressor_t *> self.own
        self.attach(&s.bought.ring, n)
        self.attach(&s.volume.ring, n)
        self.attach(&s.buys.ring, n)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef aggressor_t *s = <aggressor_t *> self.own
        s.bought.window = s.volume.window = s.buys.window = self.n

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef aggressor_t *s = <aggressor_t *> self.own
        cdef double n = <double> self.n, value, z, k
        cdef int sign, signal = 0
        if not (is_price(x[0]) and is_size(x[1])):
            return
        sign = trade_sign(&s.sign, x[0], x[2], NAN)
        if sign == 0:
            return
        total_push(&s.bought, x[1] if sign > 0 else 0.0)
        total_push(&s.volume, x[1])
        total_push(&s.buys, 1.0 if sign > 0 else 0.0)
        if not total_full(&s.volume):
            return
        k = s.buys.sum.value
        value = clip01(s.bought.sum.value / s.volume.sum.value) if s.volume.sum.value > 0.0 else 0.5
        z = (k - n / 2.0) / sqrt(n / 4.0)
        if value > 0.5 + self.entry and z > 1.645:
            signal = 1
        elif value < 0.5 - self.entry and z < -1.645:
            signal = -1
        self.out[0], self.out[1] = z, k / n
        self.report(value, signal, normal_confidence(z))


# 130 MarketMakerInventory

ctypedef struct inventory_t:
    sign_t sign
    spread_t spread
    double held


cdef class MakerInventory(Kernel):
    cdef uint64_t n
    cdef double decay, entry

    def __cinit__(self, double decay, uint64_t n, double entry):
        self.decay, self.n, self.entry = decay, n, entry
        self.allocate(sizeof(inventory_t), slots_of(n), reads=3, gives=2)
        self.attach(&(<inventory_t *> self.own).spread.ring, n)
        self.reset()

    cdef void start(self) noexcept nogil:
        (<inventory_t *> self.own).spread.window = self.n

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef inventory_t *s = <inventory_t *> self.own
        cdef double sd, z, slope
        if not (is_price(x[0]) and is_size(x[1])):
            return
        s.held = self.decay * s.held - <double> trade_sign(&s.sign, x[0], x[2], NAN) * x[1]
        spread_push(&s.spread, s.held)
        if not spread_full(&s.spread):
            return
        sd = spread_sd(&s.spread)
        if not 0.0 < sd < INFINITY:
            return
        z = (s.held - spread_mean(&s.spread)) / sd
        slope = spread_slope(&s.spread)
        self.out[0] = z
        self.out[1] = -LN2 / log_of_ratio(slope, 1.0) if 0.0 < slope < 1.0 else INFINITY
        self.report(s.held, 1 if z > self.entry else -1 if z < -self.entry else 0,
                    clip01(fabs(z) / (2.0 * self.entry)))


def trade_side(double price, double side, double mid, double before, int tick):
    """Side of a trade: its own, else that of its quote, else that of the last change of price that was not 0.

    Parameters
    ----------
    price : float
    side : float
        1, -1, or 0 or NaN for unknown.
    mid : float
        Of the quote in use, NaN for none.
    before : float
        Price of the trade before, 0 for none.
    tick : int
        Sign of the last change of price up to that trade, 0 for none.

    Returns
    -------
    tuple of int
        The side, 1, -1 or 0 for unknown, and the tick to go on with.

    References
    ----------
    Lee and Ready 1991, Journal of Finance 46.
    """
    cdef sign_t s
    cdef int sign
    s.price, s.tick = before, tick
    sign = trade_sign(&s, price, side, mid)
    return sign, <int> s.tick
