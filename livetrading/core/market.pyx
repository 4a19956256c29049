# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Simulated markets: a tick every dt, with a new quote and at most one trade.

`chaos` moves about the true price by a Lorenz coordinate, an Ornstein-Uhlenbeck process and observation noise: it
reverts by construction, and a strategy that profits there has found what was planted. The null markets have the same
spreads, sizes and trades around a price that is a martingale: `gbm` a random walk, `garch-t` with clusters of
volatility and heavy tails, `bootstrap` of recorded returns. In `hawkes` the trades themselves move the price.

Every tick spends one Philox call, words 0 and 1 on two normals (price, size imbalance), word 2 on the trade, word 3
on four tables of quantiles (noise, spread, sizes, trade size), so that tick i can be drawn without tick i - 1 and a
block of any length gives the same bytes. The returns of garch-t and bootstrap take a second call, of stream 10.

References
----------
Lorenz 1963, J. Atmos. Sci. 20; Uhlenbeck and Ornstein 1930, Physical Review 36; Hawkes 1971, Biometrika 58; Bollerslev
1987, Review of Economics and Statistics 69; Bailey 1994, Mathematics of Computation 62; Politis and Romano 1994, JASA
89; Salmon, Moraes, Dror and Shaw 2011, SC'11.
"""
from cpython.number cimport PyNumber_Index
from libc.math cimport NAN, fabs, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memmove

from livetrading.core.records cimport LT_QUOTE, LT_TRADE, LT_TS_MAX, lt_knot, lt_tick
from livetrading.core.variates cimport (
    lt_exp, lt_exp_block, lt_log, lt_log_ratio, lt_lorenz, lt_where, lt_lorenz_slope, lt_lorenz_step, lt_normal_block,
    lt_normal_quantile, lt_philox, lt_philox_block, lt_sincos_turn, lt_uniform_block, lt_words,
)

import numpy as np

from livetrading.core.dtypes import KNOT, TICK
from livetrading.core.errors import ChainKnotsExhausted

cdef enum:
    STREAM_START = 0
    STREAM_TICKS = 1
    STREAM_NULL = 7
    STREAM_RETURNS = 10         # the first that the design leaves free
    LEAST_RETURNS = 8
    NOISE = 16384
    QUANTILES = 4096

# Constants that the compiler folds. The law of the chaos market: deviations are logs, times in seconds; one RK4 step
# of 0.01 lasts 432 s at 43,200 s per Lorenz unit; the noise is four times as wide in one of twenty quotes.
cdef extern from * nogil:
    """
    #define WEIGHT_LORENZ 0.5
    #define LORENZ_SD 7.92463
    #define LORENZ_DT 0.01
    #define CELL_NS INT64_C(432000000000)
    #define AMPLITUDE 0.02
    #define AMPLITUDE_RETARGET 0.15
    #define AMPLITUDE_HALVING 0.25
    #define RELAX_OU 259200.0
    #define NOISE_SD 1e-4
    #define TICK_SIZE 0.01
    #define RELAX_IMBALANCE 60.0
    #define TRADE_BASE 0.2
    #define TRADE_DECAY 1.0
    #define TRADE_SELF 0.5
    #define TRADE_CROSS 0.2
    #define GARCH_SHARE 0.02
    #define GARCH_ALPHA 0.10
    #define GARCH_BETA 0.88
    #define STUDENT_DEGREES 5.0
    """
    const double WEIGHT_LORENZ, LORENZ_SD, LORENZ_DT
    const int64_t CELL_NS
    const double AMPLITUDE, AMPLITUDE_RETARGET, AMPLITUDE_HALVING
    const double RELAX_OU, NOISE_SD
    const double TICK_SIZE, RELAX_IMBALANCE
    const double TRADE_BASE, TRADE_DECAY, TRADE_SELF, TRADE_CROSS      # per second and side
    const double GARCH_SHARE, GARCH_ALPHA, GARCH_BETA, STUDENT_DEGREES

cdef double[NOISE] noise_table
cdef double[QUANTILES] spread_table
cdef double[QUANTILES] size_table
cdef double[QUANTILES] trade_table


cdef double midpoint(int k, int n) noexcept nogil:
    return lt_normal_quantile((k + 0.5) / n)


cdef void fill_tables() noexcept nogil:
    """Quantiles at the midpoints of equal cells; a mixture's components get their share of the cells."""
    cdef int k, wild = NOISE // 20, large = QUANTILES // 100
    for k in range(NOISE):
        noise_table[k] = (4.0 * NOISE_SD * midpoint(k, wild) if k < wild
                          else NOISE_SD * midpoint(k - wild, NOISE - wild))
    for k in range(QUANTILES):
        spread_table[k] = lt_exp(0.3 * midpoint(k, QUANTILES))
        size_table[k] = lt_exp(midpoint(k, QUANTILES))
        trade_table[k] = (50.0 * 0.02 * lt_exp(1.2 * midpoint(k, large)) if k < large
                          else 0.02 * lt_exp(1.2 * midpoint(k - large, QUANTILES - large)))


fill_tables()


cdef void draw_flow(block_t *f, Py_ssize_t n) noexcept nogil:
    """Deviation's diffusion, size imbalance and trades of the block: the recurrences, side by side."""
    cdef double diffusion = f.diffusion, diffusion_keep = f.diffusion_keep, diffusion_kick = f.diffusion_kick
    cdef double imbalance = f.imbalance, imbalance_keep = f.imbalance_keep, imbalance_kick = f.imbalance_kick
    cdef double buy = f.buy, sell = f.sell, decay = f.decay, dt = f.dt, u, p, q
    # a trade excites from the next tick on: on the grid its kernel sums to the branching ratio, not above or below it
    # (beyond ten minutes nothing of it is left)
    cdef double jump = (1.0 / decay - 1.0) / dt if decay > 1e-300 else 0.0
    cdef Py_ssize_t k
    for k in range(n):
        diffusion = diffusion * diffusion_keep + diffusion_kick * f.z0[k]
        f.exponent[k] = diffusion
        imbalance = imbalance * imbalance_keep + imbalance_kick * f.z1[k]
        f.tilt[k] = 2.0 * imbalance
        buy *= decay
        sell *= decay
        u = f.uniform[k]
        p = (TRADE_BASE + buy) * dt
        q = p + (TRADE_BASE + sell) * dt
        f.side[k] = 0
        if u < q:
            # at most one trade a tick: where both are due, the sides share it
            f.side[k] = 1 if (u < p if q <= 1.0 else u * q < p) else -1
            buy += (TRADE_SELF if f.side[k] > 0 else TRADE_CROSS) * jump
            sell += (TRADE_CROSS if f.side[k] > 0 else TRADE_SELF) * jump
    f.diffusion, f.imbalance, f.buy, f.sell = diffusion, imbalance, buy, sell


cdef void pack_ticks(const block_t *f, lt_tick *out, Py_ssize_t n, int64_t ts, int64_t dt_ns) noexcept nogil:
    """Prices, spreads, sizes and trades as ticks."""
    cdef double price, half, tilt, spread = f.spread
    cdef int side
    cdef uint64_t w
    cdef Py_ssize_t k
    for k in range(n):
        w = f.words[3][k]
        price = f.price[k]
        side = f.side[k]
        half = price * spread * spread_table[(w >> 38) & (QUANTILES - 1)]
        half = 0.5 * (half if half > TICK_SIZE else TICK_SIZE)
        tilt = 0.5 - 1.0 / (f.tilt[k] + 1.0)            # 0.5 tanh(i), from e^(2 i)
        out[k].ts = ts + k * dt_ns
        # at the ask for a buy, at the bid for a sale, the mid without a trade
        out[k].price = price + side * half
        out[k].bid = price - half
        out[k].ask = price + half
        out[k].bid_size = size_table[(w >> 26) & (QUANTILES - 1)] * (1.0 + tilt)
        out[k].ask_size = size_table[(w >> 14) & (QUANTILES - 1)] * (1.0 - tilt)
        out[k].volume = lt_where(side, trade_table[(w >> 2) & (QUANTILES - 1)])
        out[k].side = <int8_t> side
        out[k].flags = LT_QUOTE | (LT_TRADE if side != 0 else 0)


cdef void centre_quotes(const block_t *f, lt_tick *out, Py_ssize_t n) noexcept nogil:
    """Rounds bids so that the mid (bid + ask) / 2 is the price to its last bit, and stands still where that does."""
    cdef Py_ssize_t k
    for k in range(n):
        out[k].bid = 2.0 * f.price[k] - out[k].ask
        if out[k].side < 0:
            out[k].price = out[k].bid


cdef double log_cosh(double x) noexcept nogil:
    """ln cosh x, to about 1e-16."""
    cdef double a = fabs(x), z = x * x
    if a < 0.0625:
        return z * (1.0 / 2.0 - z * (1.0 / 12.0 - z * (1.0 / 45.0 - z * (17.0 / 2520.0 - z * (31.0 / 14175.0)))))
    return a + lt_log(0.5 + 0.5 * lt_exp(-2.0 * a))


cdef class Market:
    """What the simulated markets share. Use `ChaosMarket` or a null market."""

    def __cinit__(self, seed, start_ns, dt_ns, *args, double spread_bps=1.0, **kwargs):
        cdef int64_t k
        seed, start_ns, dt_ns = PyNumber_Index(seed), PyNumber_Index(start_ns), PyNumber_Index(dt_ns)
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed must be from 0 to 2**64 - 1, was {seed!r}")
        if not 0 <= start_ns <= LT_TS_MAX:
            raise ValueError(f"start_ns must be from 0 to 2**62, was {start_ns!r}")
        if not 1 <= dt_ns <= 86_400_000_000_000:
            raise ValueError(f"dt_ns must be from 1 to one day, was {dt_ns!r}")
        if not 0.0 <= spread_bps <= 1000.0:
            raise ValueError(f"spread_bps must be from 0 to 1000, was {spread_bps!r}")
        self.seed, self.start_ns, self.dt_ns = seed, start_ns, dt_ns
        self.block = <block_t *> calloc(1, sizeof(block_t))
        self.knots = <lt_knot *> malloc(KNOTS_MAX * sizeof(lt_knot))
        if self.block == NULL or self.knots == NULL:
            raise MemoryError()
        self.block.dt = self.dt_ns * 1e-9
        self.block.spread = spread_bps * 1e-4
        for k in range(BLOCK):
            self.block.ramp[k] = <double> (k * self.dt_ns)
        self.block.imbalance_keep = lt_exp(-self.block.dt / RELAX_IMBALANCE)
        self.block.imbalance_kick = sqrt(1.0 - self.block.imbalance_keep * self.block.imbalance_keep)
        self.block.diffusion_keep = lt_exp(-self.block.dt / RELAX_OU)
        self.block.diffusion_kick = sqrt(1.0 - self.block.diffusion_keep * self.block.diffusion_keep)
        self.block.decay = lt_exp(-TRADE_DECAY * self.block.dt)
        # both sides start at the stationary mean of their intensity
        self.block.buy = self.block.sell = TRADE_BASE / (1.0 - TRADE_SELF - TRADE_CROSS) - TRADE_BASE

    def __dealloc__(self):
        free(self.block)
        free(self.knots)

    @property
    def next_ts(self):
        """Time of the next tick, ns since the Unix epoch."""
        return self.start_ns + self.index * self.dt_ns

    def feed(self, knots):
        """Append true prices, each of which holds from its time until the next one's.

        Parameters
        ----------
        knots : ndarray of KNOT, shape (n,)
            In ascending order of time, after those fed before.

        Raises
        ------
        ValueError
            If the knots are not in order, have a price that is not positive, or more than 65,536 would be waiting.
        """
        if self.busy:
            raise RuntimeError("this market is running: feed it between runs")
        if not isinstance(knots, np.ndarray) or knots.dtype != KNOT or knots.ndim != 1:
            raise TypeError("knots must be a one-dimensional array of KNOT")
        rows = np.ascontiguousarray(knots)
        if rows.size == 0:
            return
        times = rows["ts"] if self.knot_count == 0 else np.append(self.knots[self.knot_count - 1].ts, rows["ts"])
        if (times[1:] < times[:times.size - 1]).any():
            raise ValueError("knots must be in ascending order of time")
        if not (np.isfinite(rows["true_price"]) & (rows["true_price"] > 0)).all():
            raise ValueError("every true price must be finite and above 0")
        memmove(self.knots, self.knots + self.knot_at, (self.knot_count - self.knot_at) * sizeof(lt_knot))
        self.knot_count -= self.knot_at
        self.knot_at = 0
        if self.knot_count + rows.size > KNOTS_MAX:
            raise ValueError(f"at most {KNOTS_MAX} knots may wait, was {self.knot_count + rows.size}")
        cdef const unsigned char[::1] source = rows.view(np.uint8)
        memmove(self.knots + self.knot_count, &source[0], rows.nbytes)
        self.knot_count += rows.size

    def fill(self, ticks, true_price=None):
        """Write the next ticks of the market into an array.

        Parameters
        ----------
        ticks : ndarray of TICK, shape (n,)
            Overwritten.
        true_price : ndarray of float64, shape (n,), optional
            Overwritten with the true price at each tick in USD, NaN where it is not known.

        Raises
        ------
        TypeError
            If an array is not of the stated type and shape, or not contiguous.
        ChainKnotsExhausted
            If the market follows the true price and its knots do not reach the last tick.
        """
        if (not isinstance(ticks, np.ndarray) or ticks.dtype != TICK or ticks.ndim != 1
                or not ticks.flags.c_contiguous or not ticks.flags.aligned):
            raise TypeError("ticks must be a contiguous one-dimensional array of TICK, aligned, was "
                            f"{getattr(ticks, 'dtype', type(ticks).__name__)}")
        if true_price is not None and (not isinstance(true_price, np.ndarray) or true_price.dtype != np.float64
                                       or true_price.shape != ticks.shape or not true_price.flags.c_contiguous):
            raise TypeError(f"true_price must be a contiguous array of float64 of shape {ticks.shape}, was "
                            f"{getattr(true_price, 'dtype', type(true_price).__name__)}")
        if ticks.size == 0:
            return
        cdef unsigned char[::1] raw = ticks.view(np.uint8)
        cdef double[::1] wanted
        cdef lt_tick *out = <lt_tick *> &raw[0]
        cdef double *prices = NULL
        cdef Py_ssize_t done = 0, n = ticks.size, step
        cdef double unasked[BLOCK]
        if true_price is not None:
            wanted = true_price
            prices = &wanted[0]
        self.claim()
        try:
            self.check(n)
            with nogil:
                while done < n:
                    step = n - done if n - done < BLOCK else BLOCK
                    self.make(out + done, prices + done if prices != NULL else unasked, step)
                    done += step
        finally:
            self.busy = False

    cdef int claim(self) except -1:
        """Takes the market for whoever makes its ticks now; who took it lets it go by `busy = False`."""
        if self.busy:
            raise RuntimeError("this market is running, in another thread or for another processor")
        self.busy = True
        return 0

    cdef int check(self, Py_ssize_t n) except -1:
        if self.index + n > (LT_TS_MAX - self.start_ns) // self.dt_ns:
            raise ValueError(f"the market's clock ends before {n} more ticks")
        return 0

    cdef int make(self, lt_tick *out, double *true_price, Py_ssize_t n) noexcept nogil:
        """The next n <= BLOCK ticks and the true price at each."""
        cdef block_t *f = self.block
        self.prices(n, true_price)
        lt_exp_block(n, f.tilt, f.tilt)
        pack_ticks(f, out, n, self.start_ns + self.index * self.dt_ns, self.dt_ns)
        if f.centred:
            centre_quotes(f, out, n)
        self.index += n
        return 0

    cdef void draw(self, uint64_t stream, Py_ssize_t n) noexcept nogil:
        """The block's words and what is drawn from them alike in every market."""
        cdef block_t *f = self.block
        lt_philox_block(self.seed, stream, self.index, n, f.words[0], BLOCK)
        lt_normal_block(n, f.words[0], f.words[1], f.z0, f.z1)
        lt_uniform_block(n, f.words[2], f.uniform)
        draw_flow(f, n)

    cdef void prices(self, Py_ssize_t n, double *true_price) noexcept nogil:
        pass

    cdef Py_ssize_t until_knot(self, int64_t index) noexcept nogil:
        """Makes the knot of this tick the current one; how many ticks from here it holds."""
        cdef int64_t ts = self.start_ns + index * self.dt_ns
        while self.knot_at + 1 < self.knot_count and self.knots[self.knot_at + 1].ts <= ts:
            self.knot_at += 1
        if self.knot_count > 0 and self.knots[self.knot_at].ts > ts:
            return (self.knots[self.knot_at].ts - ts - 1) // self.dt_ns + 1
        if self.knot_at + 1 >= self.knot_count:
            return BLOCK
        return (self.knots[self.knot_at + 1].ts - ts - 1) // self.dt_ns + 1


cdef class ChaosMarket(Market):
    """Price = true price x exp(deviation + noise); the deviation reverts over days by construction.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1.
    start_ns, dt_ns : int
        Time of the first tick in ns since the Unix epoch, and between ticks in ns.
    spread_bps : float
        Median bid-ask spread in bps of the price; never below 0.01 USD.

    Notes
    -----
    Deviation = A(h) [sqrt(1/2) x / 7.92463 + sqrt(1/2) u], x the first Lorenz coordinate at 43,200 s a unit between
    whose RK4 steps a cubic Hermite polynomial runs, u an Ornstein-Uhlenbeck process of variance 1 and relaxation
    259,200 s, A(h) 0.02 modulated by the retarget (15%) and halving (25%) cycles at block height h. Noise: normal, sd
    1e-4, four times that with probability 0.05, drawn from 16,384 quantiles. Sizes, spreads and trade sizes come from
    4,096 quantiles of their lognormal laws; buys and sells excite each other (Hawkes, branching ratio 0.7).
    """

    def __cinit__(self, seed, start_ns, dt_ns, *, double spread_bps=1.0):
        cdef lt_lorenz p
        cdef lt_words w = lt_philox(self.seed, STREAM_START, 0)
        cdef double[2] z0
        cdef double[2] z1
        cdef int _step
        lt_normal_block(2, w.word, w.word + 2, z0, z1)
        p.x, p.y, p.z = 1.0 + 1e-3 * z0[0], 1.0 + 1e-3 * z1[0], 1.0 + 1e-3 * z0[1]
        # the seeds' offsets need some 5,000 steps to spread over the attractor: at 2,000 their sd is 1.5 times its own
        for _step in range(6000):
            p = lt_lorenz_step(p, LORENZ_DT)
        self.here = p
        self.there = lt_lorenz_step(p, LORENZ_DT)
        self.block.diffusion = z1[1]

    cdef int check(self, Py_ssize_t n) except -1:
        Market.check(self, n)
        cdef int64_t last = self.start_ns + (self.index + n - 1) * self.dt_ns
        if self.knot_count == 0 or self.knots[self.knot_at].ts > self.start_ns + self.index * self.dt_ns:
            raise ChainKnotsExhausted("the market has no true price for its next tick: feed it knots from there on")
        if self.knots[self.knot_count - 1].ts <= last:
            raise ChainKnotsExhausted(f"knots must reach beyond the last tick at {last} ns, the last was at "
                                      f"{self.knots[self.knot_count - 1].ts} ns")
        return 0

    cdef void next_cell(self) noexcept nogil:
        self.cell += 1
        self.here = self.there
        self.there = lt_lorenz_step(self.there, LORENZ_DT)

    cdef double amplitude_at(self, int64_t height) noexcept nogil:
        cdef double retarget, halving, unused
        lt_sincos_turn(<double> (height % 2016) / 2016.0, &retarget, &unused)
        lt_sincos_turn(<double> (height % 210000) / 210000.0, &unused, &halving)
        return AMPLITUDE * (1.0 + AMPLITUDE_RETARGET * retarget) * (1.0 + AMPLITUDE_HALVING * halving)

    cdef void prices(self, Py_ssize_t n, double *true_price) noexcept nogil:
        cdef block_t *f = self.block
        cdef Py_ssize_t k = 0, step
        self.draw(STREAM_TICKS, n)
        while k < n:
            step = self.until_knot(self.index + k)
            step = step if step < n - k else n - k
            k += self.deviations(k, step, true_price)
        lt_exp_block(n, f.exponent, f.price)
        for k in range(n):
            f.price[k] *= true_price[k]

    cdef Py_ssize_t deviations(self, Py_ssize_t first, Py_ssize_t n, double *true_price) noexcept nogil:
        """Deviation plus noise for the ticks of this knot that lie in one Lorenz cell; how many they were."""
        cdef block_t *f = self.block
        cdef int64_t since = (self.index + first) * self.dt_ns, left
        while since >= (self.cell + 1) * CELL_NS:
            self.next_cell()
        left = ((self.cell + 1) * CELL_NS - since - 1) // self.dt_ns + 1
        n = <Py_ssize_t> left if left < n else n
        cdef lt_knot *knot = &self.knots[self.knot_at]
        cdef double amplitude = self.amplitude_at(knot.height)
        cdef double chaos = amplitude * sqrt(WEIGHT_LORENZ) / LORENZ_SD
        cdef double diffusion = amplitude * sqrt(1.0 - WEIGHT_LORENZ)
        cdef double d0 = LORENZ_DT * lt_lorenz_slope(self.here).x, d1 = LORENZ_DT * lt_lorenz_slope(self.there).x
        cdef double c0 = self.here.x, rise = self.there.x - self.here.x
        cdef double c2 = 3.0 * rise - 2.0 * d0 - d1, c3 = d0 + d1 - 2.0 * rise, s
        cdef double at = <double> (since - self.cell * CELL_NS), inverse = 1.0 / <double> CELL_NS
        cdef Py_ssize_t k
        for k in range(n):
            s = (at + f.ramp[k]) * inverse
            f.exponent[first + k] = (chaos * (c0 + s * (d0 + s * (c2 + s * c3))) + diffusion * f.exponent[first + k]
                                     + noise_table[f.words[3][first + k] >> 50])
            true_price[first + k] = knot.true_price
        return n


cdef class NullMarket(Market):
    """What the null markets share. Use `GbmMarket`, `GarchMarket`, `BootstrapMarket` or `HawkesMarket`."""

    def __cinit__(self, seed, start_ns, dt_ns, double price, *args, **kwargs):
        if not 1e-9 <= price <= 1e12:
            raise ValueError(f"price must be from 1e-9 to 1e12 USD, was {price!r}")
        self.origin = price

    cdef int target(self, double sd) except -1:
        if not 0.0 <= sd <= 0.1:
            raise ValueError(f"sd must be from 0 to 0.1, was {sd!r}")
        self.sd = sd
        return 0

    cdef void prices(self, Py_ssize_t n, double *true_price) noexcept nogil:
        cdef block_t *f = self.block
        cdef double walked
        cdef Py_ssize_t k, stop
        cdef double value
        self.moves(n)
        self.draw(STREAM_NULL, n)
        self.walk(n)
        for k in range(n):
            # what the exponential can hold: a price outside it is no tick that the processor accepts
            walked = f.exponent[k]
            f.exponent[k] = walked if -600.0 < walked < 600.0 else (600.0 if walked > 0.0 else -600.0)
        lt_exp_block(n, f.exponent, f.price)
        for k in range(n):
            f.price[k] *= self.origin
        k = 0
        while k < n:
            stop = k + self.until_knot(self.index + k)
            stop = stop if stop < n else n
            value = self.known_price(self.index + k)
            while k < stop:
                true_price[k] = value
                k += 1

    cdef void moves(self, Py_ssize_t n) noexcept nogil:
        """What a market draws of its own for the block, before the words that all share: into `price`."""
        pass

    cdef void walk(self, Py_ssize_t n) noexcept nogil:
        """The block's log prices, into `exponent`: each move x, of a fair sign, turns the price S to S (1 + tanh x).

        The mean of 1 + tanh x and 1 - tanh x is 1, so the expected next price is the present one whatever |x| is.
        """
        cdef block_t *f = self.block
        cdef double walked = self.walked
        cdef Py_ssize_t k
        for k in range(n):
            walked += f.price[k] - log_cosh(f.price[k])
            f.exponent[k] = walked
        self.walked = walked

    cdef double known_price(self, int64_t index) noexcept nogil:
        """The true price fed for this tick, NaN where there is none."""
        if self.knot_count == 0 or self.knots[self.knot_at].ts > self.start_ns + index * self.dt_ns:
            return NAN
        return self.knots[self.knot_at].true_price


cdef class GbmMarket(NullMarket):
    """A random walk of the log price with the chaos market's spreads, sizes and trades: the null.

    Parameters
    ----------
    seed, start_ns, dt_ns, spread_bps
        As for `ChaosMarket`.
    price : float
        Price before the first tick, in USD.
    sd : float
        Standard deviation of the log return of one tick, 0 to 0.1.

    Notes
    -----
    The mean is -sd^2/2 a tick in the log, so that the expected next price is the present one. Knots of true prices are
    carried along where they are fed; the price does not follow them.
    """

    def __cinit__(self, seed, start_ns, dt_ns, double price, double sd, *, double spread_bps=1.0):
        self.target(sd)

    cdef void walk(self, Py_ssize_t n) noexcept nogil:
        cdef block_t *f = self.block
        cdef double walked = self.walked, drift = -0.5 * self.sd * self.sd
        cdef Py_ssize_t k
        for k in range(n):
            walked += drift + self.sd * f.z0[k]
            f.exponent[k] = walked
        self.walked = walked


cdef class GarchMarket(NullMarket):
    """A martingale with clusters of volatility and heavy tails: GARCH(1,1) with Student-t(5) innovations.

    Parameters
    ----------
    seed, start_ns, dt_ns, price, spread_bps
        As for `GbmMarket`.
    sd : float
        Standard deviation of the move of one tick, 0 to 0.1; the first tick's is exactly this.

    Notes
    -----
    Move x = sqrt(v) e with e of variance 1; v' = 0.02 sd^2 + 0.10 x^2 + 0.88 v. The log price changes by x - ln cosh x,
    so that the expected next price is the present one. Variance is finite, the fourth moment is not
    (9 alpha^2 + 2 alpha beta + beta^2 = 1.04). The innovations are drawn exactly, from 2^52 cells, by Bailey's polar
    form.

    References
    ----------
    Bollerslev 1987, Review of Economics and Statistics 69; Bailey 1994, Mathematics of Computation 62.
    """

    def __cinit__(self, seed, start_ns, dt_ns, double price, double sd, *, double spread_bps=1.0):
        self.target(sd)
        self.variance = sd * sd
        self.block.centred = True

    cdef void moves(self, Py_ssize_t n) noexcept nogil:
        cdef block_t *f = self.block
        cdef double variance = self.variance, omega = GARCH_SHARE * self.sd * self.sd, e
        cdef Py_ssize_t k
        lt_philox_block(self.seed, STREAM_RETURNS, self.index, n, f.words[0], BLOCK)
        lt_normal_block(n, f.words[0], f.words[1], f.z0, f.z1)
        # -2 ln u of the radius is z0^2 + z1^2; u^(-2/5) = e^(that / 5)
        for k in range(n):
            f.uniform[k] = f.z0[k] * f.z0[k] + f.z1[k] * f.z1[k]
            f.exponent[k] = f.uniform[k] / STUDENT_DEGREES
        lt_exp_block(n, f.exponent, f.exponent)
        for k in range(n):
            # sqrt(5 (u^(-2/5) - 1)) cos(2 pi v), over its standard deviation sqrt(5 / 3)
            e = f.z0[k] * sqrt((STUDENT_DEGREES - 2.0) * (f.exponent[k] - 1.0) / f.uniform[k])
            f.price[k] = sqrt(variance) * e
            variance = omega + variance * (GARCH_BETA + GARCH_ALPHA * e * e)
        self.variance = variance


cdef class BootstrapMarket(NullMarket):
    """A martingale of resampled returns: the stationary bootstrap, and a fair sign for each return.

    Parameters
    ----------
    seed, start_ns, dt_ns, price, spread_bps
        As for `GbmMarket`.
    returns : ndarray of float64, shape (n,)
        Log returns, from -1 to 1, at least 8, not all of them 0.
    sd : float, optional
        Scale them to this root mean square, 0 to 0.1; unless given they are taken as they are.
    block : float
        Mean length of a block of successive returns, 1 to 1e9. Lengths are geometric; after the last return
        comes the first.
    signs : bool
        False keeps the returns' own signs, and with them whatever inside a block predicts: it is then no null.
        Of their growth the mean is taken off, so that there is no trend.

    Raises
    ------
    ValueError
        If a value or a return is out of range.

    Notes
    -----
    With signs the log price changes by x - ln cosh x, x being the signed return, so that the expected next price is
    the present one. Magnitudes, their clusters and their zeros stay as recorded.

    References
    ----------
    Politis and Romano 1994, JASA 89.
    """

    def __cinit__(self, seed, start_ns, dt_ns, double price, returns, sd=None, *, double block=20.0, bint signs=True,
                  double spread_bps=1.0):
        if not isinstance(returns, np.ndarray) or returns.dtype != np.float64 or returns.ndim != 1:
            raise TypeError("returns must be a one-dimensional array of float64")
        if not 1.0 <= block <= 1e9:
            raise ValueError(f"block must be from 1 to 1e9, was {block!r}")
        if returns.size < LEAST_RETURNS:
            raise ValueError(f"returns must be at least {LEAST_RETURNS}, was {returns.size}")
        bad = np.flatnonzero(~(np.abs(returns) <= 1.0))
        if bad.size:
            raise ValueError(f"every return must be from -1 to 1, was {returns[bad[0]]} at {bad[0]}")
        if not returns.any():
            raise ValueError("returns must not all be 0, was all 0")
        if sd is not None:
            self.target(sd)
        self.recorded = <double *> malloc(returns.size * sizeof(double))
        if self.recorded == NULL:
            raise MemoryError()
        self.count, self.at = returns.size, -1
        self.restart, self.signs = 1.0 / block, signs
        self.block.centred = True
        self.keep(np.ascontiguousarray(returns), sd is not None)

    def __dealloc__(self):
        free(self.recorded)

    cdef int keep(self, const double[::1] returns, bint scaled) except -1:
        """Copies the returns, scaled where asked; without signs it finds what centres their growth."""
        cdef double squares = 0.0, growth = 0.0, factor
        cdef Py_ssize_t k
        for k in range(self.count):
            squares += returns[k] * returns[k]
        if scaled and squares < 1e-200:
            raise ValueError(f"returns to be scaled must have a sum of squares of at least 1e-200, was {squares}")
        factor = self.sd / sqrt(squares / self.count) if scaled else 1.0
        for k in range(self.count):
            self.recorded[k] = returns[k] * factor
            growth += lt_exp(self.recorded[k])
        self.trend = lt_log(growth / self.count)
        return 0

    cdef void moves(self, Py_ssize_t n) noexcept nogil:
        cdef block_t *f = self.block
        cdef Py_ssize_t k, at = self.at
        lt_philox_block(self.seed, STREAM_RETURNS, self.index, n, f.words[0], BLOCK)
        lt_uniform_block(n, f.words[0], f.uniform)
        lt_uniform_block(n, f.words[1], f.exponent)
        for k in range(n):
            # the first tick opens a block
            at = <Py_ssize_t> (f.exponent[k] * self.count) if at < 0 or f.uniform[k] < self.restart else at + 1
            at = at if at < self.count else 0
            f.price[k] = -self.recorded[at] if self.signs and f.words[2][k] >> 63 else self.recorded[at]
        self.at = at

    cdef void walk(self, Py_ssize_t n) noexcept nogil:
        if self.signs:
            NullMarket.walk(self, n)
            return
        cdef block_t *f = self.block
        cdef double walked = self.walked
        cdef Py_ssize_t k
        for k in range(n):
            walked += f.price[k] - self.trend
            f.exponent[k] = walked
        self.walked = walked


cdef class HawkesMarket(NullMarket):
    """A price that the market's own trades move, one up for a buy and down for a sale; nothing else moves it.

    Parameters
    ----------
    seed, start_ns, dt_ns, price, spread_bps
        As for `GbmMarket`.
    impact_bps : float
        What one trade moves the mid by, in bps, 0 to 100.
    permanent : float
        Share of it that stays, 0 to 1; the rest decays by e^(-t / 1 s), as does the trades' excitement.

    Notes
    -----
    The quote of a tick holds the impact of the trade it carries, so that nobody trades at a quote older than a trade
    already seen; that trade prints at the quote's own ask or bid. Trades follow trades, and impact decays: the next
    price can be predicted a little, by less than the spread. It is a null after costs, not at the mid. In the long run
    the expected price stays (for dt up to about a second, where trades are those of continuous time).

    References
    ----------
    Hawkes 1971, Biometrika 58; Bacry, Delattre, Hoffmann and Muzy 2013, Quantitative Finance 13.
    """

    def __cinit__(self, seed, start_ns, dt_ns, double price, *, double impact_bps=0.3, double permanent=0.5,
                  double spread_bps=1.0):
        if not 0.0 <= impact_bps <= 100.0:
            raise ValueError(f"impact_bps must be from 0 to 100, was {impact_bps!r}")
        if not 0.0 <= permanent <= 1.0:
            raise ValueError(f"permanent must be from 0 to 1, was {permanent!r}")
        self.stays = impact_bps * 1e-4 * permanent
        self.decays = impact_bps * 1e-4 - self.stays
        # half the long-run variance of the log price: of buys less sales it is their rate / (1 - (self - cross))^2
        cdef double net = 1.0 - TRADE_SELF + TRADE_CROSS, rate = 2.0 * TRADE_BASE / (1.0 - TRADE_SELF - TRADE_CROSS)
        self.drift = -0.5 * self.stays * self.stays * rate / (net * net) * self.block.dt
        self.block.centred = True

    cdef void walk(self, Py_ssize_t n) noexcept nogil:
        cdef block_t *f = self.block
        cdef double walked = self.walked, passing = self.passing
        cdef Py_ssize_t k
        for k in range(n):
            walked += self.drift + self.stays * f.side[k]
            passing = passing * f.decay + self.decays * f.side[k]
            f.exponent[k] = walked + passing
        self.walked, self.passing = walked, passing


def realised_sd(ticks, Py_ssize_t lag=256):
    """Return the root mean square of the non-overlapping `lag`-tick log returns of the mid.

    Parameters
    ----------
    ticks : ndarray of TICK, shape (n,)
        Ticks whose quote is not a pair of positive numbers are passed over.
    lag : int
        Ticks a return spans.

    Raises
    ------
    ValueError
        If there are fewer than lag + 1 usable ticks, or lag is below 1.
    """
    if not isinstance(ticks, np.ndarray) or ticks.dtype != TICK or ticks.ndim != 1:
        raise TypeError("ticks must be a one-dimensional array of TICK")
    if lag < 1:
        raise ValueError(f"lag must be at least 1, was {lag}")
    good = (ticks["bid"] > 0) & (ticks["ask"] > 0) & np.isfinite(ticks["bid"]) & np.isfinite(ticks["ask"])
    mids = np.ascontiguousarray((0.5 * ticks["bid"][good] + 0.5 * ticks["ask"][good])[::lag])
    if mids.size < 2:
        raise ValueError(f"at least {lag + 1} ticks with a quote are needed, was {int(good.sum())}")
    cdef const double[::1] m = mids
    cdef double total = 0.0, r
    cdef Py_ssize_t k
    for k in range(1, m.shape[0]):
        r = lt_log_ratio(m[k], m[k - 1])
        total += r * r
    return sqrt(total / (m.shape[0] - 1))
