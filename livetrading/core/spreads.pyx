# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Kernels of the spread: quoted, effective, realised, and what it is made of."""
from libc.math cimport fabs, sqrt
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.elementary cimport clip01, side_of
from livetrading.core.kernel cimport Kernel, slots_of
from livetrading.core.ring cimport lt_ring, lt_ring_at, lt_ring_capacity, lt_ring_push, lt_ring_window
from livetrading.core.rolling cimport (
    sum_add, sum_clear, sum_loose, sum_t, total_full, total_push, total_t,
)
from livetrading.core.tape cimport (
    cost_signal, elapsed, is_price, is_quote, is_size, quote_mid, quote_push, quote_t, sign_t, trade_sign,
)
from livetrading.core.waiting cimport WaitingKernel, event_t

cdef uint64_t LAST_SIDES = 20


# 115 AdverseSelection, 116 InventoryComponent, 117 OrderProcessingCost: the three-way model of Huang and Stoll.
# With h = S Q / 2 and k = 1 - 2 pi a row of the regression is dM_t = c1 h_{t-1} + c2 (-k h_{t-2}); the sums are of h
# alone, since k changes from one window to the next and the rows do not.

ctypedef struct breakdown_t:
    quote_t quote, matched      # the last one, and that of the trade before
    sign_t sign
    double price, mid           # of the trade before
    lt_ring h, change, q
    total_t half                # S / (2 M)
    uint64_t turns              # changes of sign in the window
    sum_t h11, h12, h22, y1, y2, yy

ctypedef struct shares_t:
    double pi, both, adverse, se_both, se_adverse, se_inventory, half


cdef enum:
    ADVERSE, INVENTORY, PROCESSING


cdef class SpreadShares(Kernel):
    """`reading` says which share is the value: 0 adverse selection, 1 inventory, 2 order processing (bps)."""

    cdef uint64_t n
    cdef bint cluster
    cdef int reading
    cdef double limit

    def __cinit__(self, uint64_t n, bint cluster, int reading, double limit=0.0):
        cdef breakdown_t *s
        self.n, self.cluster, self.reading, self.limit = n, cluster, reading, limit
        self.allocate(sizeof(breakdown_t), 3 * slots_of(n) + slots_of(max(n, LAST_SIDES)), reads=4,
                      gives=5 if reading == ADVERSE else 0 if reading == INVENTORY else 1)
        s = <breakdown_t *> self.own
        self.attach(&s.h, n)
        self.attach(&s.change, n)
        self.attach(&s.half.ring, n)
        self.attach(&s.q, max(n, LAST_SIDES))
        self.reset()

    cdef void start(self) noexcept nogil:
        (<breakdown_t *> self.own).half.window = self.n

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef breakdown_t *s = <breakdown_t *> self.own
        cdef double mid
        cdef int sign
        cdef bint again
        quote_push(&s.quote, x[2], x[3])
        if not is_price(x[0]) or s.quote.bid == 0.0:
            return
        mid = quote_mid(&s.quote)
        sign = trade_sign(&s.sign, x[0], x[1], mid)
        if sign == 0:
            return
        again = (self.cluster and s.h.head > 0 and x[0] == s.price and lt_ring_at(&s.q, 0) == sign
                 and s.quote.bid == s.matched.bid and s.quote.ask == s.matched.ask)
        if again:
            return
        self.enter(<double> sign, 0.5 * (s.quote.ask - s.quote.bid), mid)
        s.price, s.mid = x[0], mid
        s.matched = s.quote
        if s.h.head >= self.n:
            self.say()

    cdef void enter(self, double sign, double half, double mid) noexcept nogil:
        """Moves the window on by a trade, and the sums with it."""
        cdef breakdown_t *s = <breakdown_t *> self.own
        cdef const double *h = lt_ring_window(&s.h, self.n) if s.h.head >= self.n else NULL
        cdef const double *q
        cdef double change = mid - s.mid, h1, h2, y
        if h != NULL:
            q = lt_ring_window(&s.q, self.n)
            if self.n > 1 and q[0] != q[1]:
                s.turns -= 1
            y = lt_ring_window(&s.change, self.n)[2]
            self.add(h[1], h[0], y, -1.0)
        if s.h.head >= 1 and lt_ring_at(&s.q, 0) != sign:
            s.turns += 1
        if s.h.head >= 2:
            h1, h2 = lt_ring_at(&s.h, 0), lt_ring_at(&s.h, 1)
            self.add(h1, h2, change, 1.0)
        lt_ring_push(&s.h, sign * half)
        lt_ring_push(&s.change, change)
        lt_ring_push(&s.q, sign)
        total_push(&s.half, half / mid)
        if s.h.head >= self.n and (sum_loose(&s.h11) or sum_loose(&s.h22) or sum_loose(&s.yy)):
            self.exact()

    cdef void add(self, double h1, double h2, double y, double weight) noexcept nogil:
        cdef breakdown_t *s = <breakdown_t *> self.own
        sum_add(&s.h11, weight * (h1 * h1))
        sum_add(&s.h12, weight * (h1 * h2))
        sum_add(&s.h22, weight * (h2 * h2))
        sum_add(&s.y1, weight * (y * h1))
        sum_add(&s.y2, weight * (y * h2))
        sum_add(&s.yy, weight * (y * y))

    cdef void exact(self) noexcept nogil:
        cdef breakdown_t *s = <breakdown_t *> self.own
        cdef const double *h = lt_ring_window(&s.h, self.n)
        cdef const double *y = lt_ring_window(&s.change, self.n)
        cdef uint64_t i
        sum_clear(&s.h11)
        sum_clear(&s.h12)
        sum_clear(&s.h22)
        sum_clear(&s.y1)
        sum_clear(&s.y2)
        sum_clear(&s.yy)
        for i in range(2, self.n):
            self.add(h[i - 1], h[i - 2], y[i], 1.0)
        s.h11.reach, s.h22.reach, s.yy.reach = s.h11.value, s.h22.value, s.yy.value

    cdef double rest(self, double c1, double c2) noexcept nogil:
        """Sum of squared residuals of y on h_1 and h_2; from the residuals where their squares would cancel."""
        cdef breakdown_t *s = <breakdown_t *> self.own
        cdef double rest = s.yy.value - c1 * s.y1.value - c2 * s.y2.value, e
        cdef const double *h = lt_ring_window(&s.h, self.n)
        cdef const double *y = lt_ring_window(&s.change, self.n)
        cdef uint64_t i
        if rest > 1e-6 * s.yy.value:
            return rest
        rest = 0.0
        for i in range(2, self.n):
            e = y[i] - c1 * h[i - 1] - c2 * h[i - 2]
            rest += e * e
        return rest

    cdef bint fit(self, shares_t *f) noexcept nogil:
        """Whether the window determines the shares."""
        cdef breakdown_t *s = <breakdown_t *> self.own
        cdef double a = s.h11.value, b = s.h12.value, c = s.h22.value, det = a * c - b * b
        cdef double k, trace, root, c1, c2, noise, v11, v12, v22
        f.pi = <double> s.turns / <double> (self.n - 1)
        k = 1.0 - 2.0 * f.pi
        trace, root = a + k * k * c, sqrt((a - k * k * c) * (a - k * k * c) + 4.0 * k * k * b * b)
        # of the eigenvalues (trace -+ root) / 2 the smaller is k^2 det over the larger
        if fabs(k) < 0.02 or not 0.0 < 0.25 * (trace + root) * (trace + root) <= 1e12 * (k * k * det):
            return False
        c1, c2 = (c * s.y1.value - b * s.y2.value) / det, (a * s.y2.value - b * s.y1.value) / det
        noise = self.rest(c1, c2) / (<double> self.n - 4.0)
        v11, v22, v12 = noise * c / det, noise * a / det / (k * k), noise * b / det / k
        f.both, f.adverse = c1, -c2 / k
        f.se_both, f.se_adverse = sqrt(v11), sqrt(v22)
        f.se_inventory = sqrt(max(0.0, v11 + v22 - 2.0 * v12))
        f.half = s.half.sum.value / <double> self.n
        return f.both - f.both == 0.0 and f.adverse - f.adverse == 0.0

    cdef void say(self) noexcept nogil:
        cdef breakdown_t *s = <breakdown_t *> self.own
        cdef shares_t f
        cdef double inventory, share, value, recent = 0.0
        cdef uint64_t i
        if not self.fit(&f):
            return
        inventory, share = f.both - f.adverse, 1.0 - f.both
        if self.reading == ADVERSE:
            self.out[0], self.out[1], self.out[2] = f.pi, inventory, share
            self.out[3], self.out[4] = f.se_adverse, 1e4 * f.half
            self.report(f.adverse, <int> lt_ring_at(&s.q, 0) if f.adverse > 2.0 * f.se_adverse else 0,
                        clip01(f.adverse))
        elif self.reading == INVENTORY:
            for i in range(min(LAST_SIDES, s.q.head)):
                recent += lt_ring_at(&s.q, i)
            self.report(inventory, -side_of(recent) if inventory > 2.0 * f.se_inventory and fabs(recent) >= 10.0
                        else 0, clip01(inventory))
        else:
            value = 1e4 * share * f.half
            self.out[0] = share
            self.report(value, cost_signal(value, self.limit),
                        clip01(fabs(share) / (fabs(share) + f.se_both)) if share != 0.0 else 0.0)


# 118 RealizedSpread

ctypedef struct realized_t:
    quote_t quote
    sign_t sign
    total_t kept, moved         # bps: what the maker kept, and what the mid took


cdef class RealizedSpread(WaitingKernel):
    cdef uint64_t n, horizon
    cdef double limit

    def __cinit__(self, uint64_t n, uint64_t horizon, double limit):
        self.n, self.horizon, self.limit = n, horizon, limit
        self.allocate(sizeof(realized_t), 2 * slots_of(n), reads=4, gives=2)
        self.attach(&(<realized_t *> self.own).kept.ring, n)
        self.attach(&(<realized_t *> self.own).moved.ring, n)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef realized_t *s = <realized_t *> self.own
        s.kept.window = s.moved.window = self.n
        self.forget()

    cdef bint counts(self, const double *x) noexcept nogil:
        return is_quote(x[2], x[3]) or (<const realized_t *> self.own).quote.bid > 0.0 and is_price(x[0])

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef realized_t *s = <realized_t *> self.own
        cdef bint quoted = is_quote(x[2], x[3]), traded
        cdef double mid
        cdef int sign
        if quoted:
            self.resolve(ts)
            quote_push(&s.quote, x[2], x[3])
        traded = is_price(x[0]) and s.quote.bid > 0.0
        if traded:
            self.resolve(ts)
            mid = quote_mid(&s.quote)
            sign = trade_sign(&s.sign, x[0], x[1], mid)
            if sign != 0:
                self.event_push(ts, <double> sign, x[0], mid)
        if (quoted or traded) and total_full(&s.kept):
            self.say()

    cdef void resolve(self, int64_t ts) noexcept nogil:
        """Settles the trades whose horizon lies before an event, at the mid in force until then."""
        cdef realized_t *s = <realized_t *> self.own
        cdef double mid
        cdef event_t *trade
        while self.waiting() > 0:
            trade = self.event_at(0)
            if elapsed(ts, trade.ts) <= self.horizon:
                return
            mid = quote_mid(&s.quote)
            total_push(&s.kept, 1e4 * 2.0 * trade.sign * (trade.price - mid) / trade.mid)
            total_push(&s.moved, 1e4 * 2.0 * trade.sign * (mid - trade.mid) / trade.mid)
            self.event_drop()

    cdef void say(self) noexcept nogil:
        cdef realized_t *s = <realized_t *> self.own
        cdef double value = s.kept.sum.value / <double> self.n
        self.out[0], self.out[1] = s.moved.sum.value / <double> self.n, <double> self.waiting()
        self.report(value, cost_signal(value, self.limit), 1.0)


# 119 EffectiveSpread

ctypedef struct effective_t:
    quote_t quote
    sign_t sign
    total_t paid, weight


cdef class EffectiveSpread(Kernel):
    cdef uint64_t n
    cdef bint by_volume
    cdef double limit

    def __cinit__(self, uint64_t n, bint by_volume, double limit):
        self.n, self.by_volume, self.limit = n, by_volume, limit
        self.allocate(sizeof(effective_t), 2 * slots_of(n), reads=5, gives=0)
        self.attach(&(<effective_t *> self.own).paid.ring, n)
        self.attach(&(<effective_t *> self.own).weight.ring, n)
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef effective_t *s = <effective_t *> self.own
        s.paid.window = s.weight.window = self.n

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef effective_t *s = <effective_t *> self.own
        cdef double mid, weight, value
        cdef int sign
        quote_push(&s.quote, x[3], x[4])
        if not (is_price(x[0]) and is_size(x[1])) or s.quote.bid == 0.0:
            return
        mid = quote_mid(&s.quote)
        sign = trade_sign(&s.sign, x[0], x[2], mid)
        if sign == 0:
            return
        weight = x[1] if self.by_volume else 1.0
        total_push(&s.paid, weight * (1e4 * 2.0 * <double> sign * (x[0] - mid) / mid))
        total_push(&s.weight, weight)
        if not total_full(&s.paid) or not s.weight.sum.value > 0.0:
            return
        value = s.paid.sum.value / s.weight.sum.value
        self.report(value, cost_signal(value, self.limit), 1.0)


# 120 QuotedSpread

ctypedef struct quoted_t:
    total_t spread, lasted      # bps; bps s, of the quotes that another has followed
    double last
    int64_t ts
    uint64_t quotes


cdef class QuotedSpread(Kernel):
    cdef uint64_t n, mask
    cdef double limit
    cdef int64_t *times

    def __cinit__(self, uint64_t n, double limit):
        self.n, self.limit = n, limit
        self.mask = lt_ring_capacity(n) - 1
        self.allocate(sizeof(quoted_t), 2 * slots_of(n) + lt_ring_capacity(n), reads=2, gives=1)
        self.attach(&(<quoted_t *> self.own).spread.ring, n)
        self.attach(&(<quoted_t *> self.own).lasted.ring, n)
        self.times = <int64_t *> self.array(lt_ring_capacity(n))
        self.reset()

    cdef void start(self) noexcept nogil:
        cdef quoted_t *s = <quoted_t *> self.own
        s.spread.window = self.n
        s.lasted.window = max(self.n - 1, 1)

    cdef bint counts(self, const double *x) noexcept nogil:
        return is_quote(x[0], x[1])

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef quoted_t *s = <quoted_t *> self.own
        cdef double mid = 0.5 * x[0] + 0.5 * x[1], value
        cdef uint64_t span
        if s.quotes > 0:
            total_push(&s.lasted, s.last * <double> elapsed(ts, s.ts))
        s.last, s.ts = 1e4 * (x[1] - x[0]) / mid, ts
        total_push(&s.spread, s.last)
        self.times[s.quotes & self.mask] = ts
        s.quotes += 1
        if s.quotes < self.n:
            return
        span = elapsed(ts, self.times[(s.quotes - self.n) & self.mask])
        value = s.lasted.sum.value / <double> span if span > 0 else s.spread.sum.value / <double> self.n
        self.out[0] = s.last
        self.report(value, cost_signal(value, self.limit), 1.0)
