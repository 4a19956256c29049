"""What the formulas of trades and quotes have in common: sides, quotes, daily scales, bars of trades."""
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport int64_t, uint64_t

from livetrading.core.elementary cimport log_of_ratio
from livetrading.core.ring cimport lt_ring_capacity
from livetrading.core.rolling cimport total_push, total_t


cdef inline bint is_price(double x) noexcept nogil:
    return 0.0 < x < INFINITY


cdef inline bint is_size(double x) noexcept nogil:
    return 0.0 <= x < INFINITY


cdef inline uint64_t elapsed(int64_t later, int64_t earlier) noexcept nogil:
    """ns from the earlier to the later, however far apart."""
    return <uint64_t> later - <uint64_t> earlier


cdef inline double seconds(int64_t later, int64_t earlier) noexcept nogil:
    return <double> elapsed(later, earlier) / 1e9


# The side of a trade: its own, else that of its quote, else that of the last change of price that was not 0

ctypedef struct sign_t:
    double price
    int64_t tick


cdef inline int trade_sign(sign_t *s, double price, double side, double mid) noexcept nogil:
    """1, -1, or 0 for unknown; `mid` is NaN where no quote is in use."""
    if s.price > 0.0 and price != s.price:
        s.tick = 1 if price > s.price else -1
    s.price = price
    if side != 0.0 and fabs(side) < INFINITY:
        return 1 if side > 0.0 else -1
    if price != mid and mid == mid:
        return 1 if price > mid else -1
    return <int> s.tick


# The last valid quote; a bid of 0 says that there was none yet

ctypedef struct quote_t:
    double bid, ask


cdef inline bint is_quote(double bid, double ask) noexcept nogil:
    return 0.0 < bid < ask < INFINITY


cdef inline bint quote_push(quote_t *s, double bid, double ask) noexcept nogil:
    if not is_quote(bid, ask):
        return False
    s.bid, s.ask = bid, ask
    return True


cdef inline double quote_mid(const quote_t *s) noexcept nogil:
    return 0.5 * s.bid + 0.5 * s.ask


# Volatility and volume of a day, from the last n trade returns

ctypedef struct scale_t:
    total_t squares, volume     # of the last n returns, and of the trades that end them
    uint64_t times_mask, trades
    double price, sigma, daily  # the last values: 1 per sqrt day, BTC per day
    bint known


cdef inline void scale_start(scale_t *s, uint64_t n) noexcept nogil:
    s.squares.window = s.volume.window = n
    s.times_mask = lt_ring_capacity(n + 1) - 1


cdef inline void scale_push(scale_t *s, int64_t *times, bint whole, int64_t ts, double price,
                            double volume) noexcept nogil:
    """Feeds a trade. `times` has times_mask + 1 slots; `whole` asks for n returns, else any number will do."""
    cdef double r, days
    cdef uint64_t n
    times[s.trades & s.times_mask] = ts
    s.trades += 1
    if s.trades > 1:
        r = log_of_ratio(price, s.price)
        total_push(&s.squares, r * r)
        total_push(&s.volume, volume)
    s.price = price
    n = s.trades - 1 if s.trades - 1 < s.squares.window else s.squares.window
    if n == 0 or whole and n < s.squares.window:
        return
    days = seconds(ts, times[(s.trades - 1 - n) & s.times_mask]) / 86400.0
    if days > 0.0:
        s.sigma = sqrt(s.squares.sum.value / days)
        s.daily = s.volume.sum.value / days
        s.known = True


# Bars of m trades

ctypedef struct bar_t:
    uint64_t m, trades, bars
    double sum_flow, sum_volume         # of the bar that runs
    double flow, volume, close, before  # of the last full one; the close before it, 0 with the first


cdef inline bint bar_push(bar_t *s, double price, double volume, int sign) noexcept nogil:
    """Feeds a trade; whether it closes a bar."""
    s.sum_flow += <double> sign * volume
    s.sum_volume += volume
    s.trades += 1
    if s.trades < s.m:
        return False
    s.flow, s.volume = s.sum_flow, s.sum_volume
    s.before, s.close = s.close, price
    s.sum_flow = s.sum_volume = 0.0
    s.trades = 0
    s.bars += 1
    return True


cdef inline int cost_signal(double value, double limit) noexcept nogil:
    """-1 where trading is too dear."""
    return -1 if value > limit else 1
