# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels of price impact: what a trade moves, what it costs, and what of it comes back."""
from libc.math cimport INFINITY, NAN, fabs, isfinite, sqrt
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.elementary cimport clip01, expm1_of, log1p_of, log_of_ratio, power_of, side_of
from livetrading.core.kernel cimport Kernel, slots_of
from livetrading.core.ring cimport lt_ring, lt_ring_at, lt_ring_capacity, lt_ring_push, lt_ring_window
from livetrading.core.rolling cimport (
    largest, line_t, order_put, order_take, pairs_count, pairs_fit, pairs_full, pairs_push, pairs_t, rank_below,
    rank_upto, spread_push, spread_sd, spread_t, t_value,
)
from livetrading.core.signals cimport kyle_exact, kyle_fit, kyle_push, kyle_t, kyle_value
from livetrading.core.tape cimport (
    bar_push, bar_t, cost_signal, elapsed, is_price, is_quote, is_size, quote_mid, quote_push, quote_t, scale_push,
    scale_start, scale_t, seconds, sign_t, trade_sign,
)
from livetrading.core.variates cimport lt_exp, lt_log

cdef double LN2 = 0.693147180559945309417


# 101 KylesLambda

ctypedef struct lambda_t:
    kyle_t kyle
    sign_t sign


cdef double kyle_rest(const kyle_t *s, double slope) noexcept nogil:
    """Sum of squared residuals of the window; from the residuals themselves where their squares would cancel.

    The moments may be off by 1e-10 of themselves, and what is left of them by that over its share.
    """
    cdef double rest = s.fit_dd - slope * s.fit_qd, e
    cdef const double *q = lt_ring_window(&s.flow, s.window)
    cdef const double *d = lt_ring_window(&s.change, s.window)
    cdef uint64_t i
    if rest > 0.2 * s.fit_dd:
        return rest
    rest = 0.0
    for i in range(s.window):
        e = d[i] - s.fit_d - slope * (q[i] - s.fit_q)
        rest += e * e
    return rest


cdef class KyleLambda(Kernel):
    cdef uint64_t m, n
    cdef double t_min

    def __cinit__(self, uint64_t m, uint64_t n, double t_min):
        self.m, self.n, self.t_min = m, n, t_min
        self.allocate(sizeof(lambda_t), 2 * slots_of(n), reads=3, gives=3)
        self.attach(&(<lambda_t *> self.own).kyle.flow, n)
        self.attach(&(<lambda_t *> self.own).kyle.change, n)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef kyle_t *k = &(<lambda_t *> self.own).kyle
        k.window, k.m, k.inverse = self.n, self.m, 1.0 / <double> self.n
        k.fit_q = k.fit_d = k.fit_qq = k.fit_qd = k.fit_dd = NAN

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef lambda_t *s = <lambda_t *> self.own
        cdef kyle_t *k = &s.kyle
        cdef uint64_t bars = k.bars
        cdef int sign
        if not (is_price(x[0]) and is_size(x[1])):
            return
        sign = trade_sign(&s.sign, x[0], x[2], NAN)
        # the side is settled: the kernel's own rule, which carries on sides and not changes of price, has no say
        k.last_price = k.last_side = 0.0
        kyle_push(k, x[0], x[1], sign)
        if k.bars == bars or k.flow.head < self.n:
            return
        if k.flow.head > self.n and (k.flow.head - self.n) % self.n == 0:
            kyle_exact(k)
            kyle_fit(k)
        if k.ready and k.fit_qq == k.qq and k.fit_q == k.mean_q and isfinite(kyle_value(k)):
            self.say(k)

    cdef void say(self, const kyle_t *k) noexcept nogil:
        cdef double n = <double> self.n, slope = kyle_value(k), flow = lt_ring_at(&k.flow, 0), rest = 0.0, t = 0.0
        cdef double r2 = 0.0
        if not k.flat:
            rest = kyle_rest(k, slope)
            t = t_value(slope, sqrt(rest / (n - 2.0) / k.fit_qq))
            r2 = clip01(1.0 - rest / k.fit_dd)
        self.out[0], self.out[1], self.out[2] = t, r2, k.fit_d - slope * k.fit_q
        self.report(slope, side_of(flow) if t >= self.t_min and flow * flow > k.qq / n else 0, r2)


# 102 KyleObizhaeva

ctypedef struct invariance_t:
    bint root
    double fixed, impact        # bps


cdef bint invariance(double sigma, double price, double volume, double q, bint root, double fixed, double impact,
                     double *spread_bps, double *impact_bps) noexcept nogil:
    """The two terms of the cost; whether there is activity to scale by."""
    cdef double activity = sigma * price * volume / 8e5, third
    if not 0.0 < activity < INFINITY:
        return False
    third = power_of(activity, 1.0 / 3.0)
    spread_bps[0] = sigma / 0.02 * fixed / third
    impact_bps[0] = sigma / 0.02 * impact * (sqrt(q / (0.01 * volume)) if root else third * q / (0.01 * volume))
    return True


def invariance_cost(double sigma, double price, double volume, double q, bint root, double fixed, double impact):
    """Cost of an order under market microstructure invariance, bps of its value.

    Parameters
    ----------
    sigma : float
        Volatility, 1 per sqrt day.
    price : float
        USD per BTC.
    volume : float
        BTC per day.
    q : float
        Size of the order, BTC.
    root : bool
        Impact in the root of the size, else linear.
    fixed, impact : float
        Constants of the two terms, bps.

    Returns
    -------
    tuple of float
        Spread and impact, bps; NaN without activity.

    References
    ----------
    Kyle and Obizhaeva 2016, Econometrica 84.
    """
    cdef double a = NAN, b = NAN
    invariance(sigma, price, volume, q, root, fixed, impact, &a, &b)
    return a, b


cdef class Scaled(Kernel):
    """A formula of trades that measures by the volatility and the volume of a day over the last n of them."""

    cdef uint64_t n
    cdef int64_t *times

    cdef int measure(self, uint64_t n, Py_ssize_t gives) except -1:
        cdef scale_t *s
        self.n = n
        self.allocate(sizeof(scale_t), 2 * slots_of(n) + lt_ring_capacity(n + 1), reads=2, gives=gives)
        s = <scale_t *> self.own
        self.attach(&s.squares.ring, n)
        self.attach(&s.volume.ring, n)
        self.times = <int64_t *> self.array(lt_ring_capacity(n + 1))
        self.reset()
        return 0

    cdef void start(self) noexcept nogil:
        scale_start(<scale_t *> self.own, self.n)

    cdef bint counts(self, const double *x) noexcept nogil:
        return is_price(x[0]) and is_size(x[1])


cdef class Invariance(Scaled):
    cdef double q, fixed, impact, limit
    cdef bint root

    def __cinit__(self, double q, bint root, uint64_t n, double limit, double fixed, double impact):
        self.q, self.root, self.limit = q, root, limit
        self.fixed, self.impact = fixed, impact
        self.measure(n, gives=4)

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef scale_t *s = <scale_t *> self.own
        cdef double spread_bps, impact_bps, value
        scale_push(s, self.times, True, ts, x[0], x[1])
        if not s.known or not invariance(s.sigma, x[0], s.daily, self.q, self.root, self.fixed, self.impact,
                                         &spread_bps, &impact_bps):
            return
        value = spread_bps + impact_bps
        self.out[0] = s.sigma * x[0] * s.daily
        self.out[1], self.out[2], self.out[3] = self.out[0] / 8e5, spread_bps, impact_bps
        self.report(value, cost_signal(value, self.limit), 1.0)


# 103 AlmgrenChriss

ctypedef struct schedule_t:
    double kappa, expected, variance, first


cdef class Schedule(Scaled):
    """The schedule depends on the volatility alone, so that it is worked out when that has changed."""

    cdef double q, tau, gamma, eta, eps, lam, sigma, limit
    cdef int64_t slices

    def __cinit__(self, double q, double T, int64_t N, double lam, double gamma, double eta, double eps, double sigma,
                  uint64_t n, double limit):
        self.q, self.tau, self.slices, self.lam = q, T / <double> N, N, lam
        self.gamma, self.eps, self.sigma, self.limit = gamma, eps, sigma, limit
        self.eta = eta - gamma * self.tau / 2.0
        if not self.eta > 0.0:
            raise ValueError(f"eta - gamma tau / 2 must be above 0, was {self.eta}")
        self.measure(n, gives=5)

    cdef double held(self, double kappa, int64_t j) noexcept nogil:
        """x_j / q, what is left to trade after j slices."""
        cdef double whole = kappa * self.tau * <double> self.slices
        if j == 0 or j == self.slices:
            return 1.0 if j == 0 else 0.0
        if whole < 1e-8:
            return <double> (self.slices - j) / <double> self.slices
        # sinh(a) / sinh(b) = e^(a - b) (1 - e^-2a) / (1 - e^-2b)
        return (lt_exp(-kappa * self.tau * <double> j) * expm1_of(-2.0 * kappa * self.tau * <double> (self.slices - j))
                / expm1_of(-2.0 * whole))

    cdef void solve(self, double s, schedule_t *plan) noexcept nogil:
        """s: volatility in USD per BTC per sqrt day."""
        cdef double z = 0.5 * sqrt(self.lam / self.eta) * s * self.tau, before = self.q, left, n
        cdef double sizes = 0.0, squares = 0.0, kept = 0.0
        cdef int64_t j
        # arccosh(1 + 2 z^2) = 2 arcsinh(z)
        plan.kappa = 2.0 * log1p_of(z + z * z / (1.0 + sqrt(1.0 + z * z)) if z < 1e100 else z) / self.tau
        for j in range(1, self.slices + 1):
            left = self.q * self.held(plan.kappa, j)
            n = before - left
            if j == 1:
                plan.first = n / self.q
            sizes += fabs(n)
            squares += n * n
            kept += left * left
            before = left
        plan.expected = self.gamma * self.q * self.q / 2.0 + self.eps * sizes + self.eta / self.tau * squares
        plan.variance = s * s * self.tau * kept

    cdef void say(self, double s, double price) noexcept nogil:
        cdef schedule_t plan
        cdef double value
        self.solve(s, &plan)
        value = 1e4 * plan.expected / (self.q * price)
        self.out[0], self.out[1] = plan.kappa, 1.0 / plan.kappa if plan.kappa > 0.0 else INFINITY
        self.out[2], self.out[3], self.out[4] = plan.expected, plan.variance, plan.first
        self.report(value, cost_signal(value, self.limit),
                    clip01(plan.expected / (plan.expected + sqrt(plan.variance))))

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef scale_t *s = <scale_t *> self.own
        if self.sigma == self.sigma:
            self.say(self.sigma, x[0])
            return
        scale_push(s, self.times, True, ts, x[0], x[1])
        if s.known:
            self.say(s.sigma * x[0], x[0])

    def slices_of(self, double s):
        """Return the sizes n_j / q of the optimal slices at a volatility (USD per BTC per sqrt day)."""
        cdef schedule_t plan
        self.solve(s, &plan)
        return [self.held(plan.kappa, j - 1) - self.held(plan.kappa, j) for j in range(1, self.slices + 1)]


# 104 LinearPriceImpact

ctypedef struct linear_t:
    quote_t quote
    sign_t sign
    pairs_t pairs
    double flow, mid            # of the trade before; mid 0 before the first


cdef class LinearImpact(Kernel):
    cdef double q, limit
    cdef uint64_t n

    def __cinit__(self, double q, uint64_t n, double limit):
        self.q, self.n, self.limit = q, n, limit
        self.allocate(sizeof(linear_t), 2 * slots_of(n), reads=5, gives=2)
        self.attach(&(<linear_t *> self.own).pairs.x, n)
        self.attach(&(<linear_t *> self.own).pairs.y, n)
        self.reset()

    cdef void start(self) noexcept nogil:
        (<linear_t *> self.own).pairs.window = self.n

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef linear_t *s = <linear_t *> self.own
        cdef double mid, value, t
        cdef line_t line
        quote_push(&s.quote, x[3], x[4])
        if not (is_price(x[0]) and is_size(x[1])) or s.quote.bid == 0.0:
            return
        mid = quote_mid(&s.quote)
        if s.mid > 0.0:
            pairs_push(&s.pairs, s.flow, mid - s.mid)
        s.flow = <double> trade_sign(&s.sign, x[0], x[2], mid) * x[1]
        s.mid = mid
        if not pairs_full(&s.pairs) or not pairs_fit(&s.pairs, &line):
            return
        value, t = 1e4 * line.slope * self.q / mid, fabs(line.t)
        self.out[0], self.out[1] = line.slope, line.t
        self.report(value, cost_signal(value, self.limit), t / (1.0 + t) if t < INFINITY else 1.0)


# 105 SquareRootImpact

cdef class RootImpact(Scaled):
    cdef double q, y, limit

    def __cinit__(self, double q, double Y, uint64_t n, double limit):
        self.q, self.y, self.limit = q, Y, limit
        self.measure(n, gives=3)

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef scale_t *s = <scale_t *> self.own
        cdef double value
        scale_push(s, self.times, True, ts, x[0], x[1])
        if not s.known or not s.daily > 0.0:
            return
        value = 1e4 * self.y * s.sigma * sqrt(self.q / s.daily)
        self.out[0], self.out[1], self.out[2] = s.sigma, s.daily, self.q / s.daily
        self.report(value, cost_signal(value, self.limit), 1.0)


# 107 TemporaryImpact

ctypedef struct parent_t:
    bint counts
    double mid, move, phi, sigma        # the mid before, ln(VWAP / mid), signed participation, daily volatility

ctypedef struct temporary_t:
    quote_t quote
    sign_t sign
    scale_t scale
    bar_t bar
    int64_t begin
    double mid, paid            # of the bar that runs: the mid before it, the sum of p v
    parent_t last, second       # the bar before, and the one before that
    pairs_t pairs
    lt_ring phi
    double sigma                # of the newest bar in the window


cdef class TemporaryImpact(Kernel):
    cdef double beta
    cdef uint64_t m, n, days
    cdef int64_t *times
    cdef double *ordered        # |phi| of the window

    def __cinit__(self, uint64_t m, uint64_t n, double beta, uint64_t day_n):
        cdef temporary_t *s
        self.m, self.n, self.beta, self.days = m, n, beta, day_n
        self.allocate(sizeof(temporary_t), 3 * slots_of(n) + n + 2 * slots_of(day_n) + lt_ring_capacity(day_n + 1),
                      reads=5, gives=2)
        s = <temporary_t *> self.own
        self.attach(&s.pairs.x, n)
        self.attach(&s.pairs.y, n)
        self.attach(&s.phi, n)
        self.attach(&s.scale.squares.ring, day_n)
        self.attach(&s.scale.volume.ring, day_n)
        self.times = <int64_t *> self.array(lt_ring_capacity(day_n + 1))
        self.ordered = self.array(n)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef temporary_t *s = <temporary_t *> self.own
        s.bar.m = self.m
        s.pairs.window = self.n
        scale_start(&s.scale, self.days)

    cdef bint counts(self, const double *x) noexcept nogil:
        cdef const temporary_t *s = <const temporary_t *> self.own
        return is_quote(x[3], x[4]) or s.quote.bid > 0.0 and is_price(x[0]) and is_size(x[1])

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef temporary_t *s = <temporary_t *> self.own
        cdef double mid
        cdef int sign
        quote_push(&s.quote, x[3], x[4])
        if not (is_price(x[0]) and is_size(x[1])) or s.quote.bid == 0.0:
            return
        mid = quote_mid(&s.quote)
        sign = trade_sign(&s.sign, x[0], x[2], mid)
        scale_push(&s.scale, self.times, False, ts, x[0], x[1])
        if s.bar.trades == 0:
            if s.second.counts:
                self.resolve(mid)
            s.begin, s.mid, s.paid = ts, mid, 0.0
        s.paid += x[0] * x[1]
        if bar_push(&s.bar, x[0], x[1], sign):
            s.second = s.last
            self.close(ts)

    cdef void close(self, int64_t ts) noexcept nogil:
        """What a full bar leaves to be resolved; nothing where its terms are not defined."""
        cdef temporary_t *s = <temporary_t *> self.own
        cdef double days = seconds(ts, s.begin) / 86400.0
        s.last.counts = False
        if not (days > 0.0 and s.bar.flow != 0.0 and s.scale.trades >= 2 * self.m and s.scale.known
                and s.scale.sigma > 0.0 and s.scale.daily > 0.0):
            return
        s.last.mid, s.last.sigma = s.mid, s.scale.sigma
        s.last.move = log_of_ratio(s.paid / s.bar.volume, s.mid)
        s.last.phi = s.bar.flow / (s.scale.daily * days)
        s.last.counts = isfinite(s.last.move) and 0.0 < fabs(s.last.phi) < INFINITY

    cdef void resolve(self, double after) noexcept nogil:
        cdef temporary_t *s = <temporary_t *> self.own
        cdef parent_t *bar = &s.second
        cdef double size = fabs(bar.phi), old
        cdef uint64_t count = pairs_count(&s.pairs)
        if count == self.n:
            old = fabs(lt_ring_at(&s.phi, count - 1))
            order_take(self.ordered, count, rank_below(self.ordered, count, old))
            count -= 1
        order_put(self.ordered, count, rank_upto(self.ordered, count, size), size)
        lt_ring_push(&s.phi, bar.phi)
        s.sigma = bar.sigma
        pairs_push(&s.pairs, side_of(bar.phi) * power_of(size, self.beta),
                   (bar.move - log_of_ratio(after, bar.mid) / 2.0) / bar.sigma)
        if s.pairs.x.head >= 30:
            self.say()

    cdef void say(self) noexcept nogil:
        cdef temporary_t *s = <temporary_t *> self.own
        cdef uint64_t count = pairs_count(&s.pairs)
        cdef double middle = 0.5 * (self.ordered[(count - 1) // 2] + self.ordered[count // 2])
        cdef line_t line
        if not pairs_fit(&s.pairs, &line):
            return
        self.out[0] = line.t
        self.out[1] = 1e4 * line.slope * s.sigma * power_of(middle, self.beta)
        self.report(line.slope, 0, clip01(line.share))


# 109 TransientImpact

ctypedef struct transient_t:
    sign_t sign
    pairs_t pairs
    spread_t spread
    double moved, price
    int64_t ts


cdef class TransientImpact(Kernel):
    cdef double rate, entry
    cdef uint64_t n

    def __cinit__(self, double half_life, uint64_t n, double entry):
        cdef transient_t *s
        self.rate, self.n, self.entry = LN2 / half_life, n, entry
        self.allocate(sizeof(transient_t), 3 * slots_of(n), reads=3, gives=3)
        s = <transient_t *> self.own
        self.attach(&s.pairs.x, n)
        self.attach(&s.pairs.y, n)
        self.attach(&s.spread.ring, n)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef transient_t *s = <transient_t *> self.own
        s.pairs.window = s.spread.window = self.n

    cdef bint counts(self, const double *x) noexcept nogil:
        return is_price(x[0]) and is_size(x[1])

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef transient_t *s = <transient_t *> self.own
        cdef double before = s.moved, flow, decay
        flow = <double> trade_sign(&s.sign, x[0], x[2], NAN) * x[1]
        decay = lt_exp(-self.rate * seconds(ts, s.ts)) if s.price > 0.0 else 1.0
        s.moved = before * decay + flow
        spread_push(&s.spread, s.moved)
        if s.price > 0.0:
            pairs_push(&s.pairs, s.moved - before, x[0] - s.price)
        s.price, s.ts = x[0], ts
        if pairs_full(&s.pairs):
            self.say()

    cdef void say(self) noexcept nogil:
        cdef transient_t *s = <transient_t *> self.own
        cdef double sd = spread_sd(&s.spread), size = fabs(s.moved)
        cdef line_t line
        cdef int signal = 0
        if not pairs_fit(&s.pairs, &line):
            return
        if line.slope > 0.0 and line.t > 2.0 and size > self.entry * sd:
            signal = -side_of(s.moved)
        self.out[0], self.out[1], self.out[2] = s.moved, line.slope, line.t
        self.report(1e4 * line.slope * s.moved / s.price, signal,
                    clip01(size / (2.0 * self.entry * sd)) if sd > 0.0 else 0.0)


# 110 MetaOrderImpact

ctypedef struct order_t:
    sign_t sign
    scale_t scale
    int64_t side                # of the run, 0 where there is none
    uint64_t trades, finished
    double before, last, volume
    int64_t ts
    double price                # of the trade before, 0 with the first
    pairs_t pairs
    lt_ring size
    double slope, t, share, exponent
    bint known


cdef double size_slope(const double *size, const double *moved, uint64_t count) noexcept nogil:
    """Slope of ln mean(moved) on ln mean(size) over five groups of ascending size, those that moved on average."""
    cdef double x[5]
    cdef double y[5]
    cdef double sum_size, sum_moved, mean_x = 0.0, mean_y = 0.0, xx = 0.0, xy = 0.0
    cdef uint64_t group, n, i, at = 0
    cdef int used = 0
    for group in range(5):
        n = count // 5 + (group < count % 5)
        sum_size = sum_moved = 0.0
        for i in range(at, at + n):
            sum_size += size[i]
            sum_moved += moved[i]
        at += n
        if n > 0 and sum_moved > 0.0:
            x[used], y[used] = lt_log(sum_size / <double> n), lt_log(sum_moved / <double> n)
            mean_x += x[used]
            mean_y += y[used]
            used += 1
    if used < 3:
        return NAN
    mean_x /= used
    mean_y /= used
    for i in range(used):
        xx += (x[i] - mean_x) * (x[i] - mean_x)
        xy += (x[i] - mean_x) * (y[i] - mean_y)
    return xy / xx if sqrt(xx / used) > 1e-12 * largest(x, used) else NAN


cdef class MetaOrder(Kernel):
    cdef uint64_t gap, least, n, days
    cdef int64_t *times
    cdef double *sizes          # Q / V of the window, ascending, and I / sigma beside them
    cdef double *moves

    def __cinit__(self, uint64_t gap, uint64_t min_trades, uint64_t n, uint64_t day_n):
        cdef order_t *s
        self.gap, self.least, self.n, self.days = gap, min_trades, n, day_n
        self.allocate(sizeof(order_t), 3 * slots_of(n) + 2 * n + 2 * slots_of(day_n) + lt_ring_capacity(day_n + 1),
                      reads=3, gives=4)
        s = <order_t *> self.own
        self.attach(&s.pairs.x, n)
        self.attach(&s.pairs.y, n)
        self.attach(&s.size, n)
        self.attach(&s.scale.squares.ring, day_n)
        self.attach(&s.scale.volume.ring, day_n)
        self.times = <int64_t *> self.array(lt_ring_capacity(day_n + 1))
        self.sizes, self.moves = self.array(n), self.array(n)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef order_t *s = <order_t *> self.own
        s.pairs.window = self.n
        scale_start(&s.scale, self.days)

    cdef bint counts(self, const double *x) noexcept nogil:
        return is_price(x[0]) and is_size(x[1])

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef order_t *s = <order_t *> self.own
        cdef int sign
        sign = trade_sign(&s.sign, x[0], x[2], NAN)
        scale_push(&s.scale, self.times, False, ts, x[0], x[1])
        if s.side != 0 and (sign != s.side or elapsed(ts, s.ts) > self.gap):
            if s.trades >= self.least:
                self.finish()
            s.side = 0
        if sign != 0 and s.side == 0:
            s.side, s.trades, s.volume = sign, 0, 0.0
            s.before = s.price if s.price > 0.0 else x[0]
        if s.side != 0:
            s.trades += 1
            s.volume += x[1]
            s.last = x[0]
        s.price, s.ts = x[0], ts
        if s.known:
            self.say()

    cdef void finish(self) noexcept nogil:
        """The run is over: one more pair, where the day is known by which it is measured."""
        cdef order_t *s = <order_t *> self.own
        cdef double size, moved
        cdef uint64_t count = pairs_count(&s.pairs), at
        cdef line_t line
        if not (s.scale.known and 0.0 < s.scale.sigma < INFINITY and 0.0 < s.scale.daily < INFINITY):
            return
        size = s.volume / s.scale.daily
        moved = <double> s.side * log_of_ratio(s.last, s.before) / s.scale.sigma
        if count == self.n:     # of equal sizes the oldest comes first
            at = rank_below(self.sizes, count, lt_ring_at(&s.size, count - 1))
            order_take(self.sizes, count, at)
            order_take(self.moves, count, at)
            count -= 1
        at = rank_upto(self.sizes, count, size)
        order_put(self.sizes, count, at, size)
        order_put(self.moves, count, at, moved)
        lt_ring_push(&s.size, size)
        pairs_push(&s.pairs, sqrt(size), moved)
        s.finished += 1
        if s.finished >= 10 and pairs_fit(&s.pairs, &line):
            s.slope, s.t, s.share, s.known = line.slope, line.t, line.share, True
            s.exponent = size_slope(self.sizes, self.moves, count + 1)

    cdef void say(self) noexcept nogil:
        cdef order_t *s = <order_t *> self.own
        cdef int signal = 0
        if s.side != 0 and s.trades >= self.least and s.t > 2.0:
            signal = <int> s.side
        self.out[0], self.out[1], self.out[2] = s.exponent, s.t, <double> s.finished
        self.out[3] = s.volume if s.side != 0 else 0.0
        self.report(s.slope, signal, clip01(s.share))


# 129 PriceReversion

ctypedef struct reversal_t:
    bar_t bar
    lt_ring move, flow          # bps; BTC under the sign of the move


cdef double condition_of(double a[3][3]) noexcept nogil:
    """Condition number of a symmetric matrix without negative eigenvalues, by Jacobi's rotations."""
    cdef double off, theta, t, c, s, x, y, least, most
    cdef int _sweep, p, q, k
    for _sweep in range(30):
        off = a[0][1] * a[0][1] + a[0][2] * a[0][2] + a[1][2] * a[1][2]
        if not off > 0.0:
            break
        for p in range(2):
            for q in range(p + 1, 3):
                if a[p][q] == 0.0:
                    continue
                theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q])
                t = (1.0 if theta >= 0.0 else -1.0) / (fabs(theta) + sqrt(theta * theta + 1.0))
                c = 1.0 / sqrt(t * t + 1.0)
                s = t * c
                for k in range(3):
                    x, y = a[k][p], a[k][q]
                    a[k][p], a[k][q] = c * x - s * y, s * x + c * y
                for k in range(3):
                    x, y = a[p][k], a[q][k]
                    a[p][k], a[q][k] = c * x - s * y, s * x + c * y
                a[p][q] = a[q][p] = 0.0
    least = min(a[0][0], a[1][1], a[2][2])
    most = max(a[0][0], a[1][1], a[2][2])
    return most / least if least > 0.0 else INFINITY


ctypedef struct plane_t:
    double c, f, g, t, r2


cdef bint fit_plane(const double *y, const double *v, uint64_t n, plane_t *fit) noexcept nogil:
    """y[i + 1] = c + f y[i] + g v[i] by least squares over n rows; whether the rows determine it."""
    cdef double a[3][3]
    cdef double my = 0.0, mv = 0.0, mz = 0.0, yy = 0.0, vv = 0.0, yv = 0.0, yz = 0.0, vz = 0.0, zz = 0.0, det, e
    cdef double rest = 0.0, m = <double> n, p, w, z
    cdef uint64_t i
    a[0][0], a[0][1], a[0][2], a[1][1], a[1][2], a[2][2] = m, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        a[0][1] += y[i]
        a[0][2] += v[i]
        a[1][1] += y[i] * y[i]
        a[1][2] += y[i] * v[i]
        a[2][2] += v[i] * v[i]
        mz += y[i + 1]
    my, mv, mz = a[0][1] / m, a[0][2] / m, mz / m
    a[1][0], a[2][0], a[2][1] = a[0][1], a[0][2], a[1][2]
    if not condition_of(a) <= 1e12:
        return False
    for i in range(n):
        p, w, z = y[i] - my, v[i] - mv, y[i + 1] - mz
        yy += p * p
        vv += w * w
        yv += p * w
        yz += p * z
        vz += w * z
        zz += z * z
    det = yy * vv - yv * yv
    if not 0.0 < det < INFINITY:
        return False
    fit.f, fit.g = (vv * yz - yv * vz) / det, (yy * vz - yv * yz) / det
    fit.c = mz - fit.f * my - fit.g * mv
    for i in range(n):
        e = y[i + 1] - mz - fit.f * (y[i] - my) - fit.g * (v[i] - mv)
        rest += e * e
    fit.t = t_value(fit.g, sqrt(rest / (m - 3.0) * (yy / det)))
    fit.r2 = 1.0 - rest / zz if zz > 1e-24 * m * largest(y + 1, n) * largest(y + 1, n) else 0.0
    return isfinite(fit.g)


cdef class PriceReversion(Kernel):
    cdef uint64_t m, n
    cdef double t_min

    def __cinit__(self, uint64_t m, uint64_t n, double t_min):
        self.m, self.n, self.t_min = m, n, t_min
        self.allocate(sizeof(reversal_t), 2 * slots_of(n + 1), reads=2, gives=3)
        self.attach(&(<reversal_t *> self.own).move, n + 1)
        self.attach(&(<reversal_t *> self.own).flow, n + 1)
        self.reset()

    cdef void start(self) noexcept nogil:
        (<reversal_t *> self.own).bar.m = self.m

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef reversal_t *s = <reversal_t *> self.own
        cdef double y, v, forecast
        cdef plane_t fit
        if not (is_price(x[0]) and is_size(x[1])):
            return
        if not bar_push(&s.bar, x[0], x[1], 0) or s.bar.bars < 2:
            return
        y = 1e4 * log_of_ratio(s.bar.close, s.bar.before)
        v = <double> side_of(y) * s.bar.volume
        lt_ring_push(&s.move, y)
        lt_ring_push(&s.flow, v)
        if s.move.head < self.n + 1 or not fit_plane(lt_ring_window(&s.move, self.n + 1),
                                                     lt_ring_window(&s.flow, self.n + 1), self.n, &fit):
            return
        forecast = fit.c + fit.f * y + fit.g * v
        self.out[0], self.out[1], self.out[2] = fit.f, fit.t, forecast
        self.report(fit.g, side_of(forecast) if fit.t < -self.t_min else 0, clip01(fit.r2))


def through_origin(const double[::1] x not None, const double[::1] y not None):
    """Fit y = slope x by least squares, as the formulas of impact do.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n,)

    Returns
    -------
    tuple of float
        The slope, its t-value, and the share of the sum of y^2 that it explains; NaN where x is 0 throughout.

    Raises
    ------
    ValueError
        If there are fewer than 2 pairs, or the lengths differ.
    """
    cdef Py_ssize_t i, n = x.shape[0]
    cdef Line line
    if n < 2 or y.shape[0] != n:
        raise ValueError(f"x and y must have one length of at least 2, were of {n} and {y.shape[0]}")
    line = Line(<uint64_t> n)
    for i in range(n):
        pairs_push(<pairs_t *> line.own, x[i], y[i])
    return line.fit()


cdef class Line(Kernel):
    """The pairs of `through_origin`."""

    cdef uint64_t n

    def __cinit__(self, uint64_t n):
        self.n = n
        self.allocate(sizeof(pairs_t), 2 * slots_of(n), reads=2, gives=0)
        self.attach(&(<pairs_t *> self.own).x, n)
        self.attach(&(<pairs_t *> self.own).y, n)
        self.reset()

    cdef void start(self) noexcept nogil:
        (<pairs_t *> self.own).window = self.n

    def fit(self):
        """Return slope, t-value and share."""
        cdef line_t line
        if not pairs_fit(<pairs_t *> self.own, &line):
            return NAN, NAN, NAN
        return line.slope, line.t, line.share


def size_exponent(const double[::1] size not None, const double[::1] moved not None):
    """Return by which power of their size orders moved the price, from five groups of ascending size.

    Parameters
    ----------
    size : ndarray of float64, shape (n,)
        Ascending, at least one.
    moved : ndarray of float64, shape (n,)

    Returns
    -------
    float
        Slope of ln mean(moved) on ln mean(size) over the groups that moved; NaN where fewer than three did, or all
        are of one size.

    Raises
    ------
    ValueError
        If the lengths differ or are 0.
    """
    if size.shape[0] == 0 or moved.shape[0] != size.shape[0]:
        raise ValueError(f"size and moved must have one length, were of {size.shape[0]} and {moved.shape[0]}")
    return size_slope(&size[0], &moved[0], <uint64_t> size.shape[0])
